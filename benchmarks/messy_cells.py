"""A table of all types, once: which tool brings which column over as it was, into tables of the tool's own making."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import psycopg

from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder
from benchmarks.digest import Place
from benchmarks.limit import LIMIT
from benchmarks.load import Load, Tool
from benchmarks.measure import FailedError
from benchmarks.messy import COLUMNS, KEY, TABLE, statements
from benchmarks.pair_cells import PAIRS
from benchmarks.sameness import ARRAY, same
from benchmarks.store import Store, columns

SOURCE: Final = "messy_source"
ROWS: Final = 5_000
VALUE_SHOWN: Final = 28

Values = Mapping[int, object]


def make(stage: Stage, tool: Tool, pair: tuple[str, str]) -> Load:
    """The table, and a destination without it."""
    source = stage.store("postgresql", SOURCE)
    if SOURCE not in stage.done:
        stage.empty_store("postgresql", SOURCE)
        with psycopg.connect(source.url(), autocommit=True) as connection:
            connection.execute(statements(ROWS))
        stage.done[SOURCE] = 1
    copy = stage.empty_store(pair[1], "messy_copy")
    return Load(source, copy, (TABLE,), (KEY,), fresh_folder(stage, f"messy-{tool.name}"), keyed=False)


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """How many columns are equal in all rows; of each other one a value before and after, and in how many rows."""
    place = tool.place(load, TABLE)
    declared = columns(place.store, place.schema, TABLE)
    if not declared:
        raise FailedError("ended well, but there is no table")
    found = [_difference(load.source, place, name, name in declared) for name in COLUMNS]
    differing = [words for words in found if words]
    line = f"{len(COLUMNS) - len(differing)} of {len(COLUMNS)} columns equal"
    if place.store.kind == "postgresql":
        changed = sum(declared.get(name) != kind for name, (kind, _) in COLUMNS.items())
        line += f", {changed} of another type" if changed else ", all types kept"
    return "; ".join([line, *differing])


def _difference(source: Store, place: Place, name: str, there: bool) -> str:
    """What is not equal in this column; empty when all is."""
    if not there:
        return f"{name} missing"
    kind = COLUMNS[name][0]
    forms, arrived = sent(source, name, kind), read(place, name, kind)
    wrong = [
        key for key in forms[0] if not any(same(_text(form[key]), arrived.get(key), kind) for form in forms)
    ]
    if not wrong:
        return ""
    # A value that was there says more than a NULL.
    example = next((key for key in wrong if forms[0][key] is not None), wrong[0])
    return f"{name} {_shown(forms[0][example])} → {_shown(arrived.get(example))} ({len(wrong)} rows)"


def sent(source: Store, name: str, kind: str) -> Sequence[Values]:
    """The texts of the column by key, in each form that stands for the same value."""
    forms = [_query(source, f'SELECT {KEY}, "{name}"::text FROM {TABLE}')]
    if kind.endswith(ARRAY):
        forms.append(_query(source, f'SELECT {KEY}, array_to_json("{name}")::text FROM {TABLE}'))
    if kind == "interval":
        iso = "SET intervalstyle = iso_8601"
        forms.append(_query(source, f'SELECT {KEY}, "{name}"::text FROM {TABLE}', iso))
    return forms


def read(place: Place, name: str, kind: str) -> Values:
    """The column at the destination by key: as the type that it had, or else as it stands there."""
    if place.store.kind == "sqlite":
        connection = sqlite3.connect(place.store.database)
        try:
            return dict(connection.execute(f'SELECT {KEY}, "{name}" FROM {place.table}'))
        finally:
            connection.close()
    table = f"{place.schema}.{place.table}"
    try:
        return _query(place.store, f'SELECT {KEY}::bigint, "{name}"::{kind}::text FROM {table}')
    except psycopg.Error:
        return _query(place.store, f'SELECT {KEY}::bigint, "{name}"::text FROM {table}')


def _query(store: Store, query: str, before: str = "SELECT 1") -> Values:
    with psycopg.connect(store.url(), options="-c timezone=UTC") as connection:
        connection.execute(before)
        return dict(connection.execute(query).fetchall())


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _shown(value: object) -> str:
    if value is None:
        return "NULL"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return repr(text[:VALUE_SHOWN] + ("…" if len(text) > VALUE_SHOWN else ""))


def cells() -> list[Cell]:
    """Into PostgreSQL and into SQLite; once, for it is no matter of speed."""
    contests = []
    for group in ("pg-pg", "pg-sqlite"):
        tools = [tool for tool in contestants(PAIRS[group]) if tool is not LIMIT]
        contests.append(Contest(f"messy-{group}", tools, partial(make, pair=PAIRS[group]), judge, repeat=1))
    return all_cells(contests)
