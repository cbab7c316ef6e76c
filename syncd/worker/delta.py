"""Delta files by the names of a configuration: opens the repository of this site, writes or applies a file."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from syncd.delta.downward import export_versions, import_versions
from syncd.delta.header import Cargo
from syncd.delta.reading import DeltaReader
from syncd.delta.site import Exported, Imported, Site, Wish
from syncd.delta.upward import export_edits, import_edits
from syncd.errors import FatalError, NotFoundError
from syncd.model.cluster import Child, Cluster
from syncd.model.configuration import Configuration
from syncd.ports import Check
from syncd.registry import connector
from syncd.repository.replica import Replica
from syncd.worker.cluster import wheres_of
from syncd.worker.kept import KeptPorts
from syncd.worker.wire import place


def export_file(
    configuration: Configuration, cluster: Cluster, child: str, path: Path, wish: Wish, check: Check
) -> Exported:
    """Write what the other side lacks: at the parent's site for the child, at the child's site for the parent.

    Raises:
        NotFoundError: the cluster has no such child, or neither side has a connection here.
        FatalError: the path is that of a connection's database.
        SyncdError: the repository cannot be opened, or the file cannot be written.
    """
    member = child_of(cluster, child)
    _refuse_database(configuration, path)
    if cluster.can_run:
        with _site(configuration, cluster, member, cluster.parent_connection, check) as site:
            return export_versions(site, path, wish)
    with _site(configuration, cluster, member, _connection(cluster, member), check) as site:
        return export_edits(site, path, wish)


def import_file(configuration: Configuration, cluster: Cluster, path: Path, check: Check) -> Imported:
    """Apply a file where it is addressed to.

    Raises:
        NotFoundError: there is no such file, or its receiver has no connection here.
        SyncdError: the file is refused, or the repository cannot be opened; nothing was applied.
    """
    key = cluster.signing_key.reveal() if cluster.signing_key is not None else None
    with closing(DeltaReader(path, key, check)) as reader:
        header = reader.header
        upward = header.kind is Cargo.EDITS
        # Whose file it is, is judged with all the rest: here the node is only found.
        name = header.sender if upward else header.receiver
        member = next((each for each in cluster.children if each.repository == name), Child(name))
        if upward and not cluster.can_run:
            raise NotFoundError(
                f"{path} is for the parent '{cluster.parent}', which has no connection here",
                hint="import it at the parent's site",
            )
        connection = cluster.parent_connection if upward else _connection(cluster, member)
        with _site(configuration, cluster, member, connection, check) as site:
            return (import_edits if upward else import_versions)(site, reader)


def child_of(cluster: Cluster, name: str) -> Child:
    """The child of that name.

    Raises:
        NotFoundError: there is none.
    """
    found = next((child for child in cluster.children if child.repository == name), None)
    if found is None:
        known = ", ".join(child.repository for child in cluster.children)
        raise NotFoundError(f"cluster '{cluster.name}' has no child '{name}'", hint=f"children: {known}")
    return found


def _refuse_database(configuration: Configuration, path: Path) -> None:
    """Refuse the file of a connection, whether it is there yet or not.

    Raises:
        FatalError: it is one.
    """
    for connection in configuration.connections.values():
        file = place(connection).options.get("path")
        if file is not None and Path(str(file)).resolve() == path.resolve():
            raise FatalError(
                f"{path} is the database of connection '{connection.name}': it is left as it is",
                hint="name another file",
                code="file_exists",
            )


def _connection(cluster: Cluster, child: Child) -> str:
    if not child.connection:
        raise NotFoundError(
            f"child '{child.repository}' of cluster '{cluster.name}' has no connection here",
            hint="name its connection in the configuration of its site",
        )
    return child.connection


@contextmanager
def _site(
    configuration: Configuration, cluster: Cluster, child: Child, connection: str, check: Check
) -> Iterator[Site]:
    at = place(configuration.connections[connection])
    ports = KeptPorts(time.monotonic)
    try:
        port = Replica(ports.store(at), cluster.name, time.time)
        yield Site(cluster, child, port, check, time.time, wheres_of(connector(at.type).dialect))
    finally:
        ports.close()
