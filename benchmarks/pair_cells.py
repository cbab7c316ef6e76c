"""A first load of the line items into an empty table with its key, for each pair of stores."""

from functools import partial
from typing import Final

from benchmarks import lineitem
from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder
from benchmarks.digest import Place, compare
from benchmarks.load import Load, Tool
from benchmarks.ours import SYNCD_CHECK_COLUMN, check_column

PAIRS: Final = {
    "pg-pg": ("postgresql", "postgresql"),
    "pg-sqlite": ("postgresql", "sqlite"),
    "sqlite-pg": ("sqlite", "postgresql"),
    "mariadb-pg": ("mariadb", "postgresql"),
    "pg-mariadb": ("postgresql", "mariadb"),
    "sqlite-mariadb": ("sqlite", "mariadb"),
    "mariadb-sqlite": ("mariadb", "sqlite"),
}
COPY: Final = "pair_copy"


def make(stage: Stage, tool: Tool, pair: tuple[str, str], rows: int = 0) -> Load:
    """The source, an empty destination with the table, and a folder without any state."""
    kind, other = pair
    source = lineitem.source(stage, kind, rows or stage.rows)
    copy = lineitem.destination(stage, other, COPY)
    return Load(
        source,
        copy,
        (lineitem.TABLE,),
        lineitem.KEY,
        fresh_folder(stage, f"pair-{tool.name}"),
        check_column(tool, lineitem.CHECK_COLUMN),
    )


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """Whether both tables hold the same."""
    return compare(Place(load.source, load.source.schema), tool.place(load, lineitem.TABLE))


def cells() -> list[Cell]:
    """Every pair; those of SQLite and MariaDB without rivals."""
    contests = []
    for group, pair in PAIRS.items():
        first, second, *others = contestants(pair, rivals="postgresql" in pair)
        tools = [first, second, SYNCD_CHECK_COLUMN, *others]
        contests.append(Contest(group, tools, partial(make, pair=pair), judge))
    return all_cells(contests)
