"""Five awkward rows: which tools find them, and which lose them and report success."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder, run
from benchmarks.limit import LIMIT
from benchmarks.load import Load, Tool
from benchmarks.measure import FailedError

PAIR: Final = ("postgresql", "postgresql")
TABLE: Final = "awkward"
ROWS: Final = 1_000
LATEST: Final = "2025-01-02 00:00:00Z"
"""The highest value of the check column at first."""

_MADE: Final = f"""
CREATE TABLE {TABLE} (id int PRIMARY KEY, v text, amount numeric(12,2), l_updated timestamptz);
INSERT INTO {TABLE} SELECT i, 'row ' || i, i / 100.0,
  timestamptz '{LATEST}' - ({ROWS} - i) * interval '1 second' FROM generate_series(1, {ROWS}) i;
"""
DELETED: Final = 5
UNMARKED: Final = 6
_ROUNDS: Final = (
    f"""
    INSERT INTO {TABLE} VALUES (2001, 'same value', 1, '{LATEST}'), (2002, 'no value', 1, NULL);
    DELETE FROM {TABLE} WHERE id = {DELETED};
    UPDATE {TABLE} SET v = 'changed' WHERE id = {UNMARKED};
    """,
    f"INSERT INTO {TABLE} VALUES (2003, 'from the future', 1, '2099-01-01 00:00:00Z')",
    f"INSERT INTO {TABLE} VALUES (2004, 'after the future', 1, '2025-01-03 00:00:00Z')",
)
"""What happens between the runs."""


@dataclass(frozen=True)
class Case:
    """One awkward row: its id and the value that its text must have; without one it must be gone."""

    name: str
    key: int
    expected: str | None
    found: str
    missed: str


CASES: Final = (
    Case("same check value", 2001, "same value", "found", "LOST"),
    Case("no check value", 2002, "no value", "found", "LOST"),
    Case("new row after one of 2099", 2004, "after the future", "found", "LOST"),
    Case("deleted", DELETED, None, "deleted", "KEPT"),
    Case("changed without a new check value", UNMARKED, "changed", "found", "MISSED"),
)


def make(stage: Stage, tool: Tool) -> Load:
    """A small table, copied once, then two of the three rounds; the last one is left to be measured."""
    name = f"awkward_{tool.name}"
    source = stage.empty_store("postgresql", f"{name}_source")
    copy = stage.empty_store("postgresql", f"{name}_copy")
    load = Load(
        source, copy, (TABLE,), ("id",), fresh_folder(stage, name), "l_updated", deletes=True, keyed=False
    )
    for statements in (_MADE, *_ROUNDS[:-1]):
        _change(load, statements)
        # A run that fails is a result too; the rows show what came of it.
        run_anyway(stage, tool, load)
    _change(load, _ROUNDS[-1])
    return load


def run_anyway(stage: Stage, tool: Tool, load: Load) -> None:
    """Let the tool do it; the first run must succeed, for without it there is nothing to say about later ones."""
    first = not (load.folder / "began").exists()
    (load.folder / "began").touch()
    try:
        run(stage, tool, load)
    except FailedError:
        if first:
            raise


def _change(load: Load, statements: str) -> None:
    with psycopg.connect(load.source.url(), autocommit=True) as connection:
        connection.execute(statements)


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """Each case and what became of it."""
    place = tool.place(load, TABLE)
    with psycopg.connect(load.destination.url()) as connection:
        query = f"SELECT id::int, v FROM {place.schema}.{place.table}"
        rows = dict(connection.execute(query).fetchall())
    return verdict(rows)


def verdict(rows: dict[int, str], cases: Sequence[Case] = CASES) -> str:
    """The cases as one line."""
    return ", ".join(
        f"{case.name}: {case.found if rows.get(case.key) == case.expected else case.missed}" for case in cases
    )


def cells() -> list[Cell]:
    """syncd and every rival that follows changes; once, for there is nothing to average."""
    tools = [tool for tool in contestants(PAIR, follows=True) if tool is not LIMIT]
    return all_cells([Contest("awkward", tools, make, judge, repeat=1)])
