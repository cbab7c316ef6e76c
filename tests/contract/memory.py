"""The store in memory as a subject: the shortest example of one."""

from collections.abc import Mapping, Sequence
from typing import Any

from syncd.model.table import Column, Table, TableName
from tests.memory import MemoryDestination, MemorySource, MemoryStore
from tests.memory_store import type_of


class MemorySide:
    """A store in memory."""

    declares: Mapping[str, str] = {
        "integer": "integer",
        "text": "text",
        "short": "text(5)",
        "timestamp": "timestamp",
        "float": "float",
    }

    def __init__(self) -> None:
        self.store = MemoryStore()

    def create(
        self,
        name: str,
        columns: Mapping[str, str],
        key: Sequence[str] = (),
        rows: Sequence[Sequence[Any]] = (),
        positive: str = "",
    ) -> None:
        """A new table with its rows."""
        made = tuple(
            Column(
                column,
                type_of(self.declares[word.removesuffix("!")]),
                not word.endswith("!") and column not in key,
            )
            for column, word in columns.items()
        )
        table = self.store.create(Table(TableName(name), made, tuple(key)))
        table.positive = positive
        self.put(name, rows)

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """At the end."""
        self.store.tables[name].rows.extend(tuple(row) for row in rows)

    def remove(self, name: str, identity: int) -> None:
        """The id is the first column."""
        table = self.store.tables[name]
        table.rows = [row for row in table.rows if row[0] != identity]

    def rows(self, name: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """In the order of the first column."""
        table = self.store.tables[name]
        places = [table.table.column_names.index(column) for column in columns]
        return sorted((tuple(row[at] for at in places) for row in table.rows), key=lambda row: row[0])

    def drop(self, name: str) -> None:
        """Out of the store."""
        del self.store.tables[name]

    def watch(self, name: str) -> None:
        """There are no views here: the table is marked as one that others look at."""
        self.store.tables[name].watched = True


class MemorySubject:
    """Two stores in memory."""

    endless = ""

    def __init__(self, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        self.source, self.destination = MemorySide(), MemorySide()
        self.source.create("t", columns, ["id"], rows)

    def open_source(self, window_rows: int = 2_000_000) -> Any:
        """On the first store."""
        self.source.store.window_rows = window_rows
        return MemorySource(self.source.store)

    def open_destination(self) -> Any:
        """On the second store."""
        return MemoryDestination(self.destination.store)

    def close(self) -> None:
        """Nothing to give back."""
