"""Where a delta file is written or applied: one open repository of a cluster, and the child that is concerned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from syncd.delta.header import Cargo, Header
from syncd.engine.exchange import Wheres
from syncd.errors import BusyError
from syncd.model.cluster import Child, Cluster
from syncd.model.exchange import Mark, TableCounts
from syncd.ports import Check
from syncd.repository.replica import Replica


@dataclass(frozen=True, slots=True)
class Site:
    """An open repository: at the parent's site the parent, at the child's that child. `now` gives seconds since 1970."""

    cluster: Cluster
    child: Child
    port: Replica
    check: Check
    now: Callable[[], float]
    wheres: Wheres = lambda child, shared: ""

    @property
    def key(self) -> str | None:
        """What signs the files."""
        key = self.cluster.signing_key
        return key.reveal() if key is not None else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one who works on this node meanwhile.

        Raises:
            BusyError: somebody else does.
        """
        if not self.port.hold():
            raise BusyError(
                f"another run works on cluster '{self.cluster.name}' at {self.port.place}",
                hint="wait for its end",
                code="locked",
            )
        try:
            yield
        finally:
            self.port.let_go()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a file is to be: `ack_only` without rows, `only_new` without what an earlier file had."""

    ack_only: bool = False
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds: rows by table, and the sender's states from and to which it goes."""

    path: Path
    kind: Cargo
    rows: dict[str, int]
    since: Mark
    mark: Mark


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file. `repeated`: it was applied before, and nothing was written."""

    path: Path
    kind: Cargo
    sender: str
    child: str
    mark: Mark
    counts: TableCounts = field(default_factory=TableCounts)
    warnings: tuple[str, ...] = ()
    repeated: bool = False


def exported(path: Path, header: Header) -> Exported:
    """What a finished file holds."""
    rows = {str(table.tracked.name): table.rows for table in header.tables}
    return Exported(path, header.kind, rows, header.since, header.mark)
