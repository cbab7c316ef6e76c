"""Both ports of one PostgreSQL database, and short ways to write and read through them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Mode, StepKey, Target
from syncd.registry import connector
from tests.stores import PostgresStore

KEY = StepKey("job", "t", TableName("t"))
NUMBER = Type(Kind.INTEGER, bits=64)
TEXT = Type(Kind.TEXT)
INCOMING = Table(TableName("t"), (Column("id", NUMBER, False), Column("name", TEXT)), ("id",))


def nothing() -> None:
    """A check that never stops."""


@dataclass
class Ends:
    """One database as source and as destination."""

    store: PostgresStore
    source: Any
    destination: Any

    def target(self, mode: Mode, incoming: Table = INCOMING, **more: Any) -> Target:
        """Where rows like `incoming` go: the table t as it is, or as it would be created."""
        table = self.destination.table(TableName("t"))
        create = table is None
        if create:
            table = self.destination.design(incoming, TableName("t"))
        facts = {
            "key": KEY,
            "table": table,
            "format": Format.ROWS,
            "create": create,
            "revision": 0,
            "digest": "d",
        }
        return Target(source=incoming, columns=incoming.column_names, mode=mode, **{**facts, **more})

    def write(self, rows: Sequence[Any], mode: Mode = Mode.MERGE, **more: Any) -> Any:
        """One window; the counters."""
        target = self.target(mode, **more)
        writing = self.destination.begin(target, nothing)
        try:
            writing.write(Batch(Format.ROWS, rows, len(rows)))
            counters = writing.finish()
            writing.commit("c", "m", len(rows))
        finally:
            writing.abandon()
        return counters

    def read(self, **more: Any) -> tuple[list[list[Any]], str | None, Any]:
        """The rows of each window, the last cursor and the reading."""
        facts = {"relation": Relation(table=TableName("t")), **more}
        reading = self.source.open(Extract(**facts), (Format.ROWS,), nothing)
        windows, cursor = [], None
        try:
            for window in reading.windows():
                batches = list(reading.read(window, Format.ROWS, nothing))
                windows.append([row for batch in batches for row in batch.data])
                cursor = reading.cursor(window)
                assert list(reading.deleted(window, nothing)) == []
        finally:
            reading.close()
        return windows, cursor, reading

    def rows(self, sql: str = "SELECT * FROM t ORDER BY 1") -> list[tuple[Any, ...]]:
        """What a query of the test's own gives."""
        return self.store.rows(sql)


@pytest.fixture
def ends(make_store: Callable[[str], Any]) -> Iterator[Ends]:
    """An empty database with both ports open."""
    store = make_store("postgresql")
    plugin = connector("postgresql")
    made = Ends(store, plugin.open_source(store.options()), plugin.open_destination(store.options()))
    try:
        yield made
    finally:
        made.source.close()
        made.destination.close()
