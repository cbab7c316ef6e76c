"""A cluster as a call names it: a parent and children by their names and URLs, found in a configuration or opened as they are."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from syncd.engine.exchange import Exchange
from syncd.engine.member import Member
from syncd.errors import FatalError, NotFoundError
from syncd.model.cluster import CONNECTED, Child, Cluster, ClusterTable
from syncd.model.configuration import Configuration
from syncd.ports import Check
from syncd.registry import connection_from_url, connector_of_url
from syncd.repository.replica import Replica
from syncd.worker.cluster import Nodes, open_nodes
from syncd.worker.kept import KeptPorts
from syncd.worker.wire import Place, place

UNDECLARED: Final = "undeclared"
Hear = Callable[[Member, str], None]


@dataclass(frozen=True, slots=True)
class Named:
    """One repository of a call."""

    name: str
    url: str
    connected: str = CONNECTED


@dataclass(frozen=True, slots=True)
class Found:
    """The cluster that a call means, with the places of its parent and its children; `declared` by a configuration."""

    cluster: Cluster
    parent: Place
    children: tuple[Place | None, ...]
    declared: bool


def same_address(one: str, other: str) -> bool:
    """Do two URLs mean the same? Neither the case of scheme and host nor a slash at the end count."""
    return bool(one) and _plain(one) == _plain(other)


def find(
    configuration: Configuration | None, parent: Named, children: Sequence[Named], tables: Sequence[str]
) -> Found:
    """The cluster that has this parent, with these children only; nothing is opened.

    Raises:
        FatalError: names and URLs do not go together (code ``bad_arguments``).
        NotFoundError: a URL leads nowhere.
    """
    cluster = _declared(configuration, parent)
    if cluster is None:
        entries = tuple(ClusterTable(table) for table in tables)
        made = Cluster(parent.name, parent.name, UNDECLARED, tuple(map(_undeclared, children)), entries)
        places = tuple(_reached(child) for child in children)
        return Found(made, place(connection_from_url(parent.name, parent.url)), places, declared=False)
    if tables:
        raise _wrong(
            f"the tables of '{parent.name}' are those that cluster '{cluster.name}' declares",
            "leave out tables",
        )
    known = [_child(cluster, child) for child in children]
    at = configuration.connections if configuration is not None else {}
    return Found(
        replace(cluster, children=tuple(known)),
        place(at[cluster.parent_connection]),
        tuple(
            place(at[mine.connection]) if mine.connection and mine.takes_part else _reached(child)
            for mine, child in zip(known, children, strict=True)
        ),
        declared=True,
    )


def synchronise(found: Found, hear: Hear, check: Check) -> tuple[list[Member], list[str]]:
    """Exchange with all children that take part; what became of each, and which tables were left out.

    Raises:
        BusyError: another run synchronises the cluster.
        SyncdError: the parent cannot be reached or failed.
    """
    ports = KeptPorts(time.monotonic)
    try:
        nodes = open_nodes(found.cluster, found.parent, found.children, ports)
        cluster = found.cluster
        if not found.declared:
            cluster = replace(cluster, tables=_tables(nodes, [entry.name for entry in cluster.tables]))
        exchange = Exchange(cluster, nodes.parent, nodes.members, nodes.wheres, check, time.time)
        if any(member.live for member in nodes.members):
            exchange.run(hear)
        return list(nodes.members), exchange.problems
    finally:
        ports.close()


def _declared(configuration: Configuration | None, parent: Named) -> Cluster | None:
    """The declared cluster of that parent.

    Raises:
        FatalError: the URL is that of another parent, or the parent has no connection here.
        NotFoundError: there is none, and the URL is not that of a database.
    """
    clusters = configuration.clusters.values() if configuration is not None else ()
    by_url = [
        one
        for one in clusters
        if parent.url in {one.parent, one.name} or same_address(one.parent_url, parent.url)
    ]
    fitting = [one for one in by_url if one.parent == parent.name]
    if by_url and not fitting:
        raise _wrong(
            f"{parent.url} is the repository '{by_url[0].parent}', not '{parent.name}'", "check the name"
        )
    if fitting:
        if not fitting[0].can_run:
            raise _wrong(f"the parent '{parent.name}' has no connection here", "call it at the parent's site")
        return fitting[0]
    if connector_of_url(parent.url) is None:
        raise NotFoundError(
            f"no parent of a cluster has the url {parent.url}",
            hint="write it as url: of the parent into the configuration, or call with the URL of a database",
        )
    return None


def _child(cluster: Cluster, wanted: Named) -> Child:
    by_url = next((one for one in cluster.children if same_address(one.url, wanted.url)), None)
    by_name = next((one for one in cluster.children if one.repository == wanted.name), None)
    if by_url is not None and by_url is not by_name:
        raise _wrong(
            f"{wanted.url} is the repository '{by_url.repository}', not '{wanted.name}'", "check the name"
        )
    if by_name is not None and by_name.url and wanted.url and by_url is None:
        raise _wrong(f"child '{wanted.name}' has the url {by_name.url}, not {wanted.url}", "check the url")
    if by_name is None:
        return _undeclared(wanted)
    return replace(by_name, connected=wanted.connected)


def _undeclared(wanted: Named) -> Child:
    return Child(wanted.name, connected=wanted.connected, url=wanted.url)


def _reached(child: Named) -> Place | None:
    """Where a child is that no configuration knows; None for one that takes no part."""
    if child.connected != CONNECTED:
        return None
    if connector_of_url(child.url) is None:
        raise NotFoundError(
            f"child '{child.name}' with the url {child.url or '(none)'} is not known",
            hint="declare it as a child of the cluster with its url and connection, or call with the URL of a database",
        )
    return place(connection_from_url(child.name, child.url))


def _tables(nodes: Nodes, named: Sequence[str]) -> tuple[ClusterTable, ...]:
    """Tables that are named, else all with a key that the parent and a child have; and all that take part already."""
    wanted = set(nodes.parent.enrolled()) | set(named)
    if not named:
        there = [member.port for member in nodes.members if member.live]
        names = {name.name.lower() for port in there for name in port.tables()}
        common = [name for name in nodes.parent.tables() if name.name.lower() in names]
        wanted |= {str(name) for name in common if _has_key(nodes.parent, str(name))}
    if not wanted and any(member.live for member in nodes.members):
        raise FatalError(
            f"the parent '{nodes.cluster.parent}' has no table with a primary key in common with its children",
            hint="name the tables, or create them on both sides",
            code="no_tables",
        )
    return tuple(ClusterTable(name) for name in sorted(wanted))


def _has_key(parent: Replica, name: str) -> bool:
    found = next(table for table in parent.tables() if str(table) == name)
    table = parent.table(found)
    return table is not None and bool(table.key)


def _plain(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl().rstrip("/")


def _wrong(message: str, hint: str) -> FatalError:
    return FatalError(message, hint=hint, code="bad_arguments")
