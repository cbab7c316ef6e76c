"""One store of each type with a table t as source, and an empty store as destination."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.registry import connector
from tests.memory import MemoryDestination, MemorySource, MemoryStore
from tests.stores import SqliteStore

ROWS = [(number, f"row {number}", number % 7 if number % 11 else None) for number in range(1, 51)]


@dataclass
class Subject:
    """One store with a table t of ROWS as source, and an empty store as destination."""

    open_source: Callable[..., Any]
    open_destination: Callable[[], Any]
    rows: Callable[[], list[Any]]
    replace_source: Callable[[], None]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def subject(request: pytest.FixtureRequest, make_store: Callable[[str], Any]) -> Subject:
    if request.param == "memory":
        return memory_subject()
    source, destination = make_store(request.param), make_store(request.param)

    def fill() -> None:
        source.execute("DROP TABLE IF EXISTS t")
        source.execute(
            f"CREATE TABLE t (id {source.integer} PRIMARY KEY, name {source.text} NOT NULL, grade {source.integer})"
        )
        marks = "?, ?, ?" if isinstance(source, SqliteStore) else "%s, %s, %s"
        for row in ROWS:
            source.execute(f"INSERT INTO t VALUES ({marks})", row)

    def replace_source() -> None:
        source.execute("ALTER TABLE t RENAME TO old")
        fill()

    fill()
    return Subject(
        lambda rows=2_000_000: connector(request.param).open_source(source.options(window_rows=rows)),
        lambda: connector(request.param).open_destination(destination.options()),
        lambda: destination.rows("SELECT * FROM t ORDER BY id"),
        replace_source,
    )


def memory_subject() -> Subject:
    source, destination = MemoryStore(), MemoryStore()
    kind = Type(Kind.ANY)
    table = Table(
        TableName("t"),
        (Column("id", kind, False), Column("name", kind, False), Column("grade", kind)),
        ("id",),
    )

    def fill() -> None:
        source.create(table).rows = list(ROWS)

    def open_source(rows: int = 2_000_000) -> MemorySource:
        source.window_rows = rows
        return MemorySource(source)

    fill()
    return Subject(
        open_source,
        lambda: MemoryDestination(destination),
        lambda: sorted(destination.tables["t"].rows),
        fill,
    )
