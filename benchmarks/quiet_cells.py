"""The rivals at the everyday job: fifty tables in which nothing has changed; beside the cells of the daemon."""

from typing import Final

import psycopg

from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder, run
from benchmarks.daemon_cells import KEY, QUIET_SOURCE, ROWS, TABLES, UPDATED, make_tables
from benchmarks.limit import LIMIT
from benchmarks.load import Load, Tool
from benchmarks.ours import SYNCD

PAIR: Final = ("postgresql", "postgresql")
NAMES: Final = tuple(f"g{number}" for number in range(TABLES))


def make(stage: Stage, tool: Tool) -> Load:
    """Fifty tables and the tool's copies of them, made in the first round."""
    make_tables(stage)
    name = f"quiet_{tool.name}"
    source, copy = stage.store("postgresql", QUIET_SOURCE), stage.store("postgresql", name)
    load = Load(source, copy, NAMES, (KEY,), stage.folder / name, check_column=UPDATED, keyed=False)
    if name not in stage.done:
        stage.empty_store("postgresql", name)
        fresh_folder(stage, name)
        run(stage, tool, load)
        stage.done[name] = 1
    return load


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """Whether every row is there once."""
    places = [tool.place(load, table) for table in load.tables]
    counts = " UNION ALL ".join(f"SELECT count(*) AS n FROM {one.schema}.{one.table}" for one in places)
    with psycopg.connect(load.destination.url()) as connection:
        row = connection.execute(f"SELECT sum(n) FROM ({counts}) AS counts").fetchone()
    found = int(row[0]) if row else 0
    return "EQUAL" if found == TABLES * ROWS else f"DIFFERS: {found} rows instead of {TABLES * ROWS}"


def cells() -> list[Cell]:
    """Every rival that follows changes, in the group of the daemon's own cells."""
    tools = [tool for tool in contestants(PAIR, follows=True) if tool not in (LIMIT, SYNCD)]
    return all_cells([Contest("quiet", tools, make, judge)])
