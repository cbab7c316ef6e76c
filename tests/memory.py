"""A store in memory that keeps the ports' contract: the smallest source and destination that are right.

Rows are dictionaries by key in insertion order; every value counts as ANY. A table's check column may be any column
of comparable values; the mark is its maximum.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from syncd.errors import BusyError, FatalError, NotFoundError, RunCancelledError
from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Extract, Window
from syncd.model.run import Counters
from syncd.model.table import Table, TableName
from syncd.model.writing import Mode, Standing, StepKey, Target
from syncd.ports import Check

Row = tuple[Any, ...]


@dataclass
class MemoryTable:
    """A table and its rows; `number` tells it from others of its name."""

    table: Table
    rows: list[Row] = field(default_factory=list)
    number: int = 0

    def key_of(self, row: Row) -> Row:
        """The values of the key's columns."""
        return tuple(row[self.table.column_names.index(name)] for name in self.table.key)


@dataclass
class Kept:
    """A stored cursor."""

    revision: int
    cursor: str
    mark: str | None
    digest: str
    rows: int
    number: int


@dataclass
class MemoryStore:
    """What several connections share."""

    tables: dict[str, MemoryTable] = field(default_factory=dict)
    cursors: dict[tuple[str, str], Kept] = field(default_factory=dict)
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


class MemoryReading:
    """The rows of a snapshot, in windows."""

    def __init__(self, port: "MemorySource", extract: Extract, found: MemoryTable) -> None:
        self._port = port
        self.table = found.table
        names = found.table.column_names
        wanted = next((n for n in extract.check_columns if n in names), None)
        if extract.check_columns and wanted is None:
            raise FatalError(
                f"table {found.table.name} has no column '{extract.check_columns[0]}' to check for changes",
                hint=f"it has: {', '.join(names)}",
                code="check_column_missing",
            )
        self.check_column = wanted
        old = json.loads(extract.cursor) if extract.cursor else {}
        good = old.get("number") == found.number and old.get("column") == wanted
        self.reset = "the source table was replaced by another one" if old and not good else ""
        old = old if good else {}
        self._place = names.index(wanted) if wanted else None
        self._low = old.get("mark")
        self.mark_from = None if self._low is None else str(self._low)
        rows = [row for row in found.rows if self._is_new(row)]
        self._rows = rows[old.get("position", 0) :] if old.get("loading") else rows
        self._first = old.get("position", 0) if old.get("loading") else 0
        self.mode = (
            "resume"
            if old.get("loading")
            else ("incremental" if old and wanted else "full" if old else "first load")
        )
        values = [row[self._place] for row in found.rows if wanted and row[self._place] is not None]  # type: ignore[index]
        self._mark = max(values) if values else self._low
        self._number = found.number
        self._seen = len(found.rows)
        self.rows_estimated: int | None = len(self._rows)
        self.warnings: tuple[str, ...] = ()

    def _is_new(self, row: Row) -> bool:
        if self._place is None or self._low is None:
            return True
        value = row[self._place]
        return value is None or bool(value >= self._low)

    def windows(self) -> Iterator[Window]:
        """As many as the store's window size asks for."""
        size = self._port.store.window_rows
        starts = range(0, max(len(self._rows), 1), size) if self._low is None else [0]
        whole = self._low is None and not self._first
        for number, start in enumerate(starts, 1):
            end = start + size if self._low is None else len(self._rows)
            yield Window(number, f"rows from {start}", whole, (start, end))

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """Three rows at a time."""
        assert form is Format.ROWS
        start, end = window.selector  # type: ignore[misc]
        rows = self._rows[start:end]
        for at in range(0, len(rows), 3):
            check()
            self._port.look()
            yield Batch(Format.ROWS, rows[at : at + 3], len(rows[at : at + 3]))

    def cursor(self, window: Window) -> str:
        """Where to go on."""
        end = window.selector[1]  # type: ignore[index]
        base = {"number": self._number, "column": self.check_column}
        if self._low is None and end < len(self._rows):
            return json.dumps({**base, "loading": True, "position": self._first + end})
        return json.dumps({**base, "mark": self._mark if self.check_column else None, "seen": self._seen})

    @property
    def mark_to(self) -> str | None:
        """The highest value."""
        return None if self.check_column is None or self._mark is None else str(self._mark)

    def close(self) -> None:
        """Nothing to give back."""


class _Port:
    """What both ends share: being stopped from another thread."""

    formats: tuple[Format, ...] = (Format.ROWS,)

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.stopped = False
        self.on_look: Callable[[], None] = lambda: None

    def look(self) -> None:
        """Raise when a stop was asked for."""
        self.on_look()
        if self.stopped:
            raise RunCancelledError("the run was stopped")

    def cancel(self) -> None:
        """Stop at the next look."""
        self.stopped = True

    def close(self) -> None:
        """Nothing to give back."""


class MemorySource(_Port):
    """Reads a memory store."""

    def describe(self, relation: Relation) -> Table:
        """The table's columns."""
        return self._find(relation).table

    def identity(self, relation: Relation) -> str:
        """The table's number in this process."""
        found = self.store.find(relation.table) if relation.table is not None else None
        return str(id(found)) if found else ""

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """Is there nothing at or above the mark but what was there? Only the count is compared."""
        same = []
        for extract in extracts:
            old = json.loads(extract.cursor) if extract.cursor else {}
            found = self._find(extract.relation)
            same.append(
                bool(old)
                and not old.get("loading")
                and old["number"] == found.number
                and old["seen"] == len(found.rows)
            )
        return same

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> MemoryReading:
        """Copy the rows."""
        return MemoryReading(self, extract, self._find(extract.relation))

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a reading would be."""
        reading = MemoryReading(self, extract, self._find(extract.relation))
        rows = reading.rows_estimated
        return {
            "sql": "",
            "windows": 1,
            "rows_estimated": rows,
            "null_rows": 0,
            "future_rows": 0,
            "index": True,
        }

    def _find(self, relation: Relation) -> MemoryTable:
        name = relation.table or TableName("")
        found = self.store.find(name)
        if found is None:
            near = get_close_matches(name.name, self.store.tables, 1)
            raise NotFoundError(
                f"there is no table {name} in memory",
                hint=f"did you mean '{near[0]}'?" if near else "it is empty",
            )
        return found


class MemoryWriting:
    """Rows that become the store's at commit."""

    def __init__(self, port: "MemoryDestination", target: Target, check: Check) -> None:
        self._port, self._target, self._check = port, target, check
        self._rows: list[Row] = []
        self._result: MemoryTable | None = None
        self._done = False

    def write(self, batch: Batch) -> None:
        """Collect."""
        self._check()
        self._port.look()
        self._rows.extend(batch.data)  # type: ignore[arg-type]

    def finish(self) -> Counters:
        """Merge into a copy."""
        self._port.look()
        target = self._target
        old = self._port.store.find(target.table.name)
        kept = [] if target.create or old is None or target.mode is Mode.REPLACE else list(old.rows)
        self._result = MemoryTable(target.table, kept, old.number if old else 0)
        order = [
            target.columns.index(name) if name in target.columns else None
            for name in target.table.column_names
        ]
        rows = [tuple(None if at is None else row[at] for at in order) for row in self._rows]
        if target.mode is not Mode.MERGE:
            keys = [self._result.key_of(row) for row in [*kept, *rows]]
            if target.table.key and len(set(keys)) < len(keys):
                raise FatalError("a row with the same key exists already", code="key_exists")
            self._result.rows = kept + rows
            return Counters(len(rows), len(rows))
        return self._merge(self._result, rows)

    def _merge(self, into: MemoryTable, rows: list[Row]) -> Counters:
        places = {into.key_of(row): at for at, row in enumerate(into.rows)}
        if len({into.key_of(row) for row in rows}) < len(rows):
            raise FatalError(
                f"the query for {into.table.name} gives the same key more than once", code="duplicate_key"
            )
        inserted = updated = 0
        for row in rows:
            at = places.get(into.key_of(row))
            if at is None:
                into.rows.append(row)
                inserted += 1
            elif into.rows[at] != row:
                into.rows[at] = row
                updated += 1
        return Counters(len(rows), inserted, updated, len(rows) - inserted - updated)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Put the copy and the cursor in place together."""
        target, store = self._target, self._port.store
        key = (target.key.job, target.key.step)
        kept = store.cursors.get(key)
        if (kept.revision if kept else 0) != target.revision:
            raise BusyError(f"another run moved the cursor of {target.key.step}")
        assert self._result is not None, "finish comes before commit"
        if target.create:
            store.create(target.table)
        table = store.tables[target.table.name.name]
        table.rows = self._result.rows
        store.cursors[key] = Kept(target.revision + 1, cursor, mark, target.digest, rows, table.number)
        self._done = True
        return target.revision + 1

    def abandon(self) -> None:
        """Forget the rows."""
        self._rows, self._result = [], None


class MemoryDestination(_Port):
    """Writes a memory store."""

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """Cursors and the state of their tables."""
        return [self._standing(key) for key in keys]

    def table(self, name: TableName) -> Table | None:
        """By name, ignoring case."""
        found = self.store.find(name)
        return found.table if found else None

    def identity(self, name: TableName) -> str:
        """The table's number in this process."""
        found = self.store.find(name)
        return str(id(found)) if found else ""

    def design(self, table: Table, name: TableName) -> Table:
        """The same columns; the key's are NOT NULL."""
        columns = tuple(replace(c, nullable=c.nullable and c.name not in table.key) for c in table.columns)
        return Table(name, columns, table.key)

    def creation(self, table: Table) -> list[str]:
        """There is no SQL here."""
        return [f"create {table.name}"]

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Tuples."""
        return form is Format.ROWS

    def begin(self, target: Target, check: Check) -> MemoryWriting:
        """Nothing happens before commit."""
        self.look()
        return MemoryWriting(self, target, check)

    def _standing(self, key: StepKey) -> Standing:
        found = self.store.find(key.target)
        kept = self.store.cursors.get((key.job, key.step))
        exists, count = found is not None, len(found.rows) if found else 0
        if kept is None:
            return Standing(0, None, None, "", 0, exists=exists, empty=not count)
        reset = ""
        if found is None:
            reset = "the destination table is missing"
        elif kept.rows and not count:
            reset = "the destination table was emptied"
        elif kept.number != found.number:
            reset = "the destination table was replaced by another one"
        elif count < kept.rows:
            reset = "rows of the destination table were deleted"
        return Standing(
            kept.revision,
            kept.cursor,
            kept.mark,
            kept.digest,
            kept.rows,
            exists=exists,
            empty=not count,
            reset=reset,
        )
