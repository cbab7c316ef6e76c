"""The rules of clusters that a schema cannot say: who is in them, which tables, and which rows."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from syncd.config.checkers import Checkers
from syncd.config.connection import Connectors
from syncd.config.event import check_connection
from syncd.config.fault import judged, read_text_at, tell_fault
from syncd.config.place import Items, Path, Resolved, Table, Unknown, text_of
from syncd.config.policy import check_policy, check_sums
from syncd.config.report import Report
from syncd.config.suggestion import suggest
from syncd.config.validate import checked, section
from syncd.config.work import check_work
from syncd.errors import ScheduleError
from syncd.model.cluster import CONNECTED
from syncd.model.duration import parse_duration

_ROLE: Final = "repository"
_DAY_SECONDS: Final = 86_400


def check_clusters(report: Report, checkers: Checkers, connectors: Connectors, complete: bool) -> None:
    """Report all that is wrong with the clusters of a tree.

    `complete` is false when a file could not be read: then names that seem unknown may stand there, and are let pass.
    """
    connections = section(report.root, "connections") if complete else None
    for name, cluster in section(report.root, "clusters").items():
        path: Path = ("clusters", name)
        checked("cluster").check(report, path, cluster)
        if not isinstance(cluster, Table):
            continue
        check_work(report, path, cluster, checkers, connections, connectors)
        _check_members(report, path, cluster)
        _check_watch(report, path, cluster)
        _check_tables(report, path, cluster, checkers.condition)
        _check_policies(report, path, cluster)
        read_text_at(report, (*path, "lease"), text_of(cluster, "lease"), parse_lease)
        if connections is not None:
            _check_connections(report, path, cluster, connections, connectors)


def parse_lease(text: str) -> int:
    """The days of a lease such as ``90 days``.

    Raises:
        ScheduleError: it is no length of time, or not one of whole days.
    """
    hint = "write it as 30 days or 12 weeks"
    try:
        days, rest = divmod(parse_duration(text), _DAY_SECONDS)
    except ScheduleError as error:
        raise ScheduleError(error.message, hint=hint) from error
    if rest:
        raise ScheduleError(f"'{text}' is not a number of whole days", hint=hint)
    return int(days)


def connected_text(value: object) -> str:
    """What `connected` says, as a text; a boolean is written as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _members(path: Path, cluster: Table) -> Iterator[tuple[Path, Table]]:
    """The parent, then the children, each with its place."""
    parent, children = cluster.get("parent"), cluster.get("children")
    if isinstance(parent, Table):
        yield (*path, "parent"), parent
    for index, child in enumerate(children if isinstance(children, Items) else ()):
        if isinstance(child, Table):
            yield (*path, "children", index), child


def _is_child(at: Path) -> bool:
    return at[2] == "children"


def _takes_part(child: Table) -> bool:
    return connected_text(child.get("connected", CONNECTED)) == CONNECTED


def _check_members(report: Report, path: Path, cluster: Table) -> None:
    names: dict[str, Path] = {}
    connections: dict[str, Path] = {}
    has_parent = _has_parent(cluster)
    for at, member in _members(path, cluster):
        name, connection = text_of(member, "repository"), text_of(member, "connection")
        if name and name in names:
            first = names[name]
            message = "names the same child twice" if _is_child(first) else "is the name of the parent"
            report.at_value((*at, "repository"), message, "every repository stands once, under its own name")
        if connection and connection in connections:
            first = connections[connection]
            whose = "another child" if _is_child(first) else "the parent"
            message = f"is the connection of {whose}"
            report.at_value((*at, "connection"), message, "every repository has a connection of its own")
        if name:
            names.setdefault(name, at)
        if connection:
            connections.setdefault(connection, at)
        if has_parent and _is_child(at) and _takes_part(member) and member.get("connection", "") == "":
            hint = "add its connection, or write connected: false"
            report.at_key(at, "is connected, but has no connection", hint)


def _check_connections(
    report: Report, path: Path, cluster: Table, connections: Mapping[str, object], connectors: Connectors
) -> None:
    for at, member in _members(path, cluster):
        name = text_of(member, "connection")
        if name:
            check_connection(report, (*at, "connection"), name, _ROLE, connections, connectors)


def _check_watch(report: Report, path: Path, cluster: Table) -> None:
    children = [member for at, member in _members(path, cluster) if _is_child(at)]
    if not _has_parent(cluster):
        _check_site_of_child(report, path, cluster, children)
    elif cluster.get("watch") is True and children and not any(map(_takes_part, children)):
        report.at_key((*path, "watch"), "watches nobody: no child is connected", "remove it")


def _has_parent(cluster: Table) -> bool:
    parent = cluster.get("parent")
    return not isinstance(parent, Table) or parent.get("connection", "") != ""


def _check_site_of_child(report: Report, path: Path, cluster: Table, children: list[Table]) -> None:
    """Without the parent's connection nothing can be run, and one child has to be here."""
    if children and not any(child.get("connection", "") != "" for child in children):
        hint = "add the parent's connection, or at the site of a child that child's"
        report.at_key((*path, "parent"), "has no connection, and no child has one either", hint)
    for key in ("schedule", "watch"):
        if cluster.get(key):
            message = "a cluster whose parent has no connection is never run, only exported and imported"
            report.at_key((*path, key), message, "remove it, or add the parent's connection")


def _check_tables(report: Report, path: Path, cluster: Table, condition: Callable[[str], None]) -> None:
    names: dict[str, str] = {}
    for at, name, entry in _tables(path, cluster):
        if name.lower() in names:
            report.at_value(at, "names the same table twice", "make one entry of them")
        names.setdefault(name.lower(), name)
        if entry is not None:
            _check_condition(report, (*at, "where"), text_of(entry, "where"), condition)
    for at, member in _members(path, cluster):
        where = member.get("where")
        for table, text in where.items() if isinstance(where, Table) else ():
            if isinstance(text, str) and not isinstance(text, Unknown):
                _check_condition(report, (*at, "where", table), text, condition)
            if not {"*", "?"}.isdisjoint(table):
                # A condition that held for no table would show a child rows that are not meant for it.
                report.at_key((*at, "where", table), "is a pattern", "name one table after another")
            elif names and not any(fnmatchcase(table.lower(), name) for name in names):
                message = "no entry under tables names this table"
                report.at_key((*at, "where", table), message, suggest(table, names.values(), "tables"))


def _tables(path: Path, cluster: Table) -> Iterator[tuple[Path, str, Table | None]]:
    """Where each entry stands, the name in it, and the entry itself when it says more."""
    tables = cluster.get("tables")
    if isinstance(tables, str):
        return
    for index, entry in enumerate(tables if isinstance(tables, Items) else ()):
        at: Path = (*path, "tables", index)
        if isinstance(entry, Table):
            yield at, text_of(entry, "name") or "", entry
        elif isinstance(entry, str) and entry and not isinstance(entry, Unknown):
            yield at, entry, None


def _check_condition(report: Report, path: Path, text: str | None, condition: Callable[[str], None]) -> None:
    found = judged(condition, str(text)).fault if text else None
    if found:
        tell_fault(report, path, text, found)


def _check_policies(report: Report, path: Path, cluster: Table) -> None:
    names = [member.get("repository") for _, member in _members(path, cluster)]
    readable = [name for name in names if isinstance(name, str) and not isinstance(name, Unknown | Resolved)]
    known = readable if len(readable) == len(names) else None
    check_policy(report, (*path, "conflict"), cluster.get("conflict"), known)
    for at, _, entry in _tables(path, cluster):
        if entry is not None:
            check_policy(report, (*at, "conflict"), entry.get("conflict"), known)
            own = "conflict" in entry
            place = (*at, "conflict") if own else (*path, "conflict")
            check_sums(report, place, (entry if own else cluster).get("conflict"), entry.get("key"))
