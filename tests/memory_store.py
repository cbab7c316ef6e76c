"""What several connections to memory share: tables, cursors and rows that were set aside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.errors import FatalError, RunCancelledError
from syncd.model.batch import Format
from syncd.model.reading import Tuning
from syncd.model.table import Kind, Table, TableName, Type
from syncd.model.writing import Reject

Row = tuple[Any, ...]


@dataclass
class MemoryTable:
    """A table and its rows; `number` tells it from others of its name.

    The column `positive` takes no value below 0. `watched` stands for a view that reads the table.
    """

    table: Table
    rows: list[Row] = field(default_factory=list)
    number: int = 0
    positive: str = ""
    watched: bool = False

    def key_of(self, row: Row, names: Sequence[str] = ()) -> Row:
        """The values of the key's columns, or of others."""
        return tuple(row[self.table.column_names.index(name)] for name in names or self.table.key)


@dataclass
class Kept:
    """A stored cursor."""

    revision: int
    cursor: str
    mark: str | None
    digest: str
    rows: int
    number: int
    target: TableName
    updated: str


@dataclass
class MemoryStore:
    """What several connections share."""

    tables: dict[str, MemoryTable] = field(default_factory=dict)
    cursors: dict[tuple[str, str], Kept] = field(default_factory=dict)
    rejects: dict[tuple[str, str], dict[str, Reject]] = field(default_factory=dict)
    made: int = 0
    window_rows: int = 1_000_000

    def create(self, table: Table) -> MemoryTable:
        """A new empty table under its name."""
        self.made += 1
        self.tables[table.name.name] = MemoryTable(table, [], self.made)
        return self.tables[table.name.name]

    def find(self, name: TableName) -> MemoryTable | None:
        """By name, ignoring case."""
        return next((t for n, t in self.tables.items() if n.lower() == name.name.lower()), None)


class MemoryPort:
    """What both ends share: being stopped from another thread, and telling what they do."""

    formats: tuple[Format, ...] = (Format.ROWS,)

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.stopped = False
        self.tuning = Tuning()
        self.on_look: Callable[[], None] = lambda: None

    def look(self) -> None:
        """Raise when a stop was asked for."""
        self.on_look()
        if self.stopped:
            raise RunCancelledError("the run was stopped")

    def tell(self, statement: str) -> None:
        """Let the listener hear a statement."""
        if self.tuning.trace is not None:
            self.tuning.trace(statement)

    def tune(self, tuning: Tuning) -> None:
        """Nothing here waits; the listener is kept."""
        self.tuning = tuning

    def cancel(self) -> None:
        """Stop at the next look."""
        self.stopped = True

    def close(self) -> None:
        """Nothing to give back."""


def present() -> str:
    """The present as a text that sorts by time."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}+00"


def type_of(declaration: str) -> Type:
    """A family's name, and perhaps a length: ``text(5)``.

    Raises:
        FatalError: there is no such family.
    """
    name, _, length = declaration.partition("(")
    if name not in set(Kind):
        raise FatalError(f"there is no type '{declaration}' in memory", code="type_unknown")
    return Type(Kind(name), declaration, "memory", length=int(length.removesuffix(")") or 0))
