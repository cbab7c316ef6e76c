"""What a client holds in memory when the table is six times as long, and when its rows are very wide."""

import sqlite3
from functools import partial
from typing import Final

import psycopg

from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder
from benchmarks.load import Load, Tool
from benchmarks.pair_cells import PAIRS, make
from benchmarks.pair_cells import judge as judge_lineitem
from benchmarks.store import Store

TIMES: Final = 6
TABLE: Final = "wide"
NUMBERS: Final = 200
TEXT_BYTES: Final = 1_000_000
ROWS_PER_WIDE_ROW: Final = 2_000
"""A million line items stand for five hundred wide rows, half a gigabyte."""
SOURCE: Final = "wide_source"


def ddl(kind: str) -> str:
    """The statement that makes the wide table."""
    number = {"postgresql": "int", "sqlite": "INTEGER"}[kind]
    names = ", ".join(f"c{column} {number} NOT NULL" for column in range(NUMBERS))
    return f"CREATE TABLE {TABLE} (id {number} PRIMARY KEY, {names}, body text NOT NULL)"


def make_long(stage: Stage, tool: Tool) -> Load:
    """Six times the rows of a first load."""
    return make(stage, tool, PAIRS["pg-pg"], stage.rows * TIMES)


def make_wide(stage: Stage, tool: Tool, kind: str) -> Load:
    """The wide table, and an empty one."""
    source = stage.store("postgresql", SOURCE)
    if SOURCE not in stage.done:
        stage.empty_store("postgresql", SOURCE)
        with psycopg.connect(source.url(), autocommit=True) as connection:
            connection.execute(ddl("postgresql"))
            values = ", ".join(f"i + {column}" for column in range(NUMBERS))
            body = f"repeat(md5(i::text), {TEXT_BYTES // 32})"
            rows = max(20, stage.rows // ROWS_PER_WIDE_ROW)
            connection.execute(
                f"INSERT INTO {TABLE} SELECT i, {values}, {body} FROM generate_series(1, {rows}) i"
            )
        stage.done[SOURCE] = 1
    copy = stage.empty_store(kind, "wide_copy")
    if kind == "postgresql":
        stage.postgres.execute(ddl(kind), copy.database)
    else:
        with sqlite3.connect(copy.database) as connection:
            connection.execute(ddl(kind))
        connection.close()
    return Load(source, copy, (TABLE,), ("id",), fresh_folder(stage, f"wide-{tool.name}"))


def judge_wide(stage: Stage, tool: Tool, load: Load) -> str:
    """Whether count, sum of numbers and length of texts are the same."""
    place = tool.place(load, TABLE)
    expected, found = sums(load.source, "public"), sums(place.store, place.schema)
    return "EQUAL" if found == expected else f"DIFFERS: {found} instead of {expected}"


def sums(store: Store, schema: str) -> tuple[int, ...]:
    """Count, sums of the first and last number, and the length of all texts."""
    query = f"SELECT count(*), sum(c0), sum(c{NUMBERS - 1}), sum(length(body)) FROM {schema}.{TABLE}"
    connection = sqlite3.connect(store.database) if store.kind == "sqlite" else psycopg.connect(store.url())
    try:
        row = connection.execute(query).fetchone()
    finally:
        connection.close()
    return tuple(int(value or 0) for value in row or ())


def cells() -> list[Cell]:
    """A long table, a wide one, and the wide one into SQLite."""
    pairs = {
        "memory-long": PAIRS["pg-pg"],
        "memory-wide": PAIRS["pg-pg"],
        "memory-wide-sqlite": PAIRS["pg-sqlite"],
    }
    contests = [
        Contest("memory-long", contestants(pairs["memory-long"]), make_long, judge_lineitem, repeat=1),
        *(
            Contest(
                name, contestants(pairs[name]), partial(make_wide, kind=pairs[name][1]), judge_wide, repeat=1
            )
            for name in ("memory-wide", "memory-wide-sqlite")
        ),
    ]
    return all_cells(contests)
