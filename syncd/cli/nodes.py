"""Opens the repositories of a declared cluster for commands that ask them, or that do one thing at one of them."""

import contextlib
import difflib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from syncd.errors import NotFoundError
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration

if TYPE_CHECKING:
    from syncd.repository.replica import Replica
    from syncd.worker.cluster import Nodes


def cluster_of(configuration: Configuration, name: str | None) -> Cluster:
    """The cluster of that name; the only one that is declared when no name is given.

    Raises:
        NotFoundError: there is none, or there are several to choose from.
    """
    clusters = configuration.clusters
    if name is None:
        if len(clusters) == 1:
            return next(iter(clusters.values()))
        known = ", ".join(sorted(clusters)[:10])
        message = "which cluster is meant?" if clusters else "no cluster is declared"
        raise NotFoundError(message, hint=f"name one of: {known}" if clusters else "see docs/guide.md")
    if name not in clusters:
        if name in configuration.jobs:
            raise NotFoundError(f"'{name}' is a job, and this is for clusters", hint="syncd sync --help")
        near = difflib.get_close_matches(name, list(clusters), 1)
        known = ", ".join(sorted(clusters)[:10]) or "none"
        hint = f"did you mean '{near[0]}'?" if near else f"clusters: {known}"
        raise NotFoundError(f"there is no cluster '{name}'", hint=hint)
    return clusters[name]


def clusters_of(configuration: Configuration, name: str | None) -> list[Cluster]:
    """The cluster of that name, or all whose parent is here.

    Raises:
        NotFoundError: there is none.
    """
    here = [cluster for cluster in configuration.clusters.values() if cluster.can_run]
    return [cluster_of(configuration, name)] if name or not here else here


@contextlib.contextmanager
def nodes_of(configuration: Configuration, cluster: Cluster, *, children: bool = True) -> Iterator["Nodes"]:
    """Open the parent and, with `children`, all that take part; one that cannot be opened carries its failure.

    Raises:
        SyncdError: the parent cannot be opened, or is not here.
    """
    from syncd.worker.cluster import open_nodes
    from syncd.worker.kept import KeptPorts
    from syncd.worker.wire import place, refuse_elsewhere

    refuse_elsewhere(cluster)
    at = configuration.connections
    places = [
        place(at[child.connection]) if children and child.takes_part and child.connection else None
        for child in cluster.children
    ]
    ports = KeptPorts(time.monotonic)
    try:
        yield open_nodes(cluster, place(at[cluster.parent_connection]), places, ports)
    finally:
        ports.close()


@contextlib.contextmanager
def replica_at(configuration: Configuration, cluster: Cluster, connection: str) -> Iterator["Replica"]:
    """Open one repository alone.

    Raises:
        SyncdError: it cannot be opened.
    """
    from syncd.repository.replica import Replica
    from syncd.worker.kept import KeptPorts
    from syncd.worker.wire import place

    ports = KeptPorts(time.monotonic)
    try:
        yield Replica(ports.store(place(configuration.connections[connection])), cluster.name, time.time)
    finally:
        ports.close()
