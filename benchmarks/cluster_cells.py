"""Workload W: how long until a parent and three children are equal again, beside Bucardo and beside a plain relay."""

from functools import partial
from typing import Final

from benchmarks.cell import Cell
from benchmarks.cluster_floors import FLOOR_PHASES, Floor
from benchmarks.cluster_ours import SYNCD_DAEMON, SYNCD_SYNC
from benchmarks.cluster_race import Keeper, Race
from benchmarks.cluster_workload import Phase
from benchmarks.rivals.bucardo import BUCARDO

SIZES: Final = (20_000, 100_000)
SQLITE_ROWS: Final = 100_000
OWN_KEEPERS: Final = (SYNCD_SYNC, SYNCD_DAEMON)
FLOOR_OF: Final = {
    Phase.INSERT_PARENT: Phase.INSERT_PARENT,
    Phase.UPDATE_PARENT: Phase.UPDATE_PARENT,
    Phase.INSERT_SPREAD: Phase.INSERT_PARENT,
    Phase.UPDATE_SPREAD: Phase.UPDATE_PARENT,
    Phase.DELETE_PARENT: Phase.INSERT_PARENT,
}
"""Which floor a phase is compared with: as many rows move in both."""


def floor_cells(group: str, kind: str, rows: int) -> list[Cell]:
    """What a plain relay of the same rows takes."""
    floor = Floor(kind, rows)
    return [
        Cell(group, name(group, phase, "floor"), partial(floor.run, phase=phase), partial(floor.prepare, phase=phase))
        for phase in FLOOR_PHASES
    ]  # fmt: skip


def keeper_cells(group: str, kind: str, rows: int, keeper: Keeper) -> list[Cell]:
    """All phases of one contestant, which share a cluster in each round."""
    race = Race(keeper, kind, rows)
    return [
        Cell(
            group,
            name(group, phase, keeper.name),
            partial(race.run, phase=phase),
            partial(race.prepare, phase=phase),
            rival=keeper.name if keeper.rival else "",
            against=name(group, FLOOR_OF[phase], "floor"),
        )
        for phase in race.phases
    ]


def name(group: str, phase: Phase, contestant: str) -> str:
    """What the cell is called."""
    return f"{group}-{phase}-{contestant}"


def cells() -> list[Cell]:
    """PostgreSQL in two sizes with Bucardo, SQLite in one."""
    found = []
    for rows in SIZES:
        group = f"cluster-{rows}"
        found += floor_cells(group, "postgresql", rows)
        for keeper in (BUCARDO, *OWN_KEEPERS):
            found += keeper_cells(group, "postgresql", rows, keeper)
    group = "cluster-sqlite"
    found += floor_cells(group, "sqlite", SQLITE_ROWS)
    for keeper in OWN_KEEPERS:
        found += keeper_cells(group, "sqlite", SQLITE_ROWS, keeper)
    return found
