"""What the same changes cost without any knowledge of who has what: plain relays to each child by the stores' own means."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.cell import Stage
from benchmarks.cluster_node import KEY, TABLE, make_stores, open_node, write
from benchmarks.cluster_workload import CHILDREN, COLUMNS, Edits, Phase, edits
from benchmarks.contest import fresh_folder
from benchmarks.measure import Command, FailedError, Sample, measure
from benchmarks.rivals.session import apply_command, record_command
from benchmarks.store import Store

FLOOR_PHASES: Final = (Phase.INSERT_PARENT, Phase.UPDATE_PARENT)
"""What the parent wrote; spread edits move as many rows and are compared with the same floor."""
STAGE_TABLE: Final = "staged"

_READ: Final = f"COPY {TABLE} TO STDOUT (FORMAT binary)"
_WRITE: Final = "COPY {table} FROM STDIN (FORMAT binary)"
_PLACES: Final = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != KEY)
_UPSERT: Final = (
    f"INSERT INTO {TABLE} SELECT * FROM {STAGE_TABLE} ON CONFLICT ({KEY}) DO UPDATE SET {_PLACES}"
)


def relay(parent: Store, child: Store, phase: Phase) -> Command:
    """All rows of the parent by binary COPY: into the empty table, or over a stage onto the rows that are there."""
    if phase is Phase.INSERT_PARENT:
        orders = [_WRITE.format(table=TABLE)]
    else:
        stage_table = f"CREATE TEMP TABLE {STAGE_TABLE} (LIKE {TABLE})"
        orders = [stage_table, _WRITE.format(table=STAGE_TABLE), _UPSERT]
    return Command(
        [
            parent.client(f"--command={_READ}"),
            child.client("--single-transaction", *(f"--command={one}" for one in orders)),
        ]
    )


@dataclass
class Floor:
    """The rounds of the floor on one kind of store, phase after phase as a race does."""

    kind: str
    rows: int
    _stores: list[Store] = field(default_factory=list)
    _folder: Path = Path()

    def prepare(self, stage: Stage, phase: Phase) -> None:
        """Write at the parent; the phases before this one stand at all nodes."""
        count = min(self.rows, stage.rows)
        names = [f"floor_{self.kind}_{number}" for number in range(1 + CHILDREN)]
        self._stores = make_stores(stage, self.kind, names)
        self._folder = fresh_folder(stage, f"floor-{self.kind}")
        for earlier in FLOOR_PHASES[: FLOOR_PHASES.index(phase)]:
            for store in self._stores:
                write_all(store, edits(earlier, "floor", count))
        write_all(self._stores[0], edits(phase, "floor", count))
        if self.kind == "sqlite":
            measure(record_command(self._stores[0], self._stores[1], self._changeset))
        stage.settle()

    def run(self, stage: Stage, phase: Phase) -> Sample:
        """Relay to one child after the other.

        Raises:
            FailedError: a child is not equal afterwards.
        """
        parent, *children = self._stores
        if self.kind == "sqlite":
            sample = measure(apply_command(self._changeset, children))
        else:
            servers = stage.servers(parent)
            sample = total([measure(relay(parent, child, phase), servers) for child in children])
        if len(set(map(fingerprint, self._stores))) != 1:
            raise FailedError("the floor's nodes are not equal")
        return sample

    @property
    def _changeset(self) -> Path:
        return self._folder / "changeset"


def write_all(store: Store, work: Sequence[Edits]) -> None:
    """Do the edits at this store, whoever's they are."""
    with closing(open_node(store)) as node:
        for one in work:
            write(node, one)
            node.commit()


def fingerprint(store: Store) -> str:
    """The same text for the same rows."""
    with closing(open_node(store)) as node:
        return node.fingerprint()


def total(samples: Sequence[Sample]) -> Sample:
    """One after the other: times are added, memory is the largest."""
    return Sample(
        sum(one.wall_seconds for one in samples),
        sum(one.client_cpu_seconds for one in samples),
        sum(one.server_cpu_seconds for one in samples),
        max(one.peak_rss_megabytes for one in samples),
    )
