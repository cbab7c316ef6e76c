"""The rows of one table in memory, cut into windows."""

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from syncd.errors import FatalError
from syncd.model.batch import Batch, Format
from syncd.model.choice import choose_columns, override_key
from syncd.model.following import find_check_column
from syncd.model.interval import interval_edges
from syncd.model.reading import Extract, Window
from syncd.model.table import Column, Kind, Table
from syncd.ports import Check
from tests.memory_store import MemoryPort, MemoryTable, Row

NUMBERS = {Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL}
KEYS_AT_ONCE = 1_000
BATCH_ROWS = 3


@dataclass(frozen=True)
class Part:
    """The rows of one window, and where the next one begins (None behind the last)."""

    rows: list[Row]
    position: Any = None


class MemoryReading:
    """The rows of a snapshot, in windows."""

    warnings: tuple[str, ...] = ()

    def __init__(self, port: MemoryPort, extract: Extract, found: MemoryTable) -> None:
        self._port, self._extract, self._number = port, extract, found.number
        full = found.table
        self.table = override_key(choose_columns(full, extract.relation), extract.key)
        self._places = [full.column_names.index(name) for name in self.table.column_names]
        column = None if extract.keys is not None else find_check_column(full, extract.check_columns)
        self.check_column = column.name if column else None
        self._place = full.column_names.index(column.name) if column else None
        start = start_value(extract.start, column, found.rows, self._place) if extract.keys is None else None
        self._all = [row for row in found.rows if self._reaches(row, start)]
        old = self._old(extract.cursor)
        self._low = old.get("mark")
        self.mark_from = None if self._low is None else str(self._low)
        self.mode = _mode(extract, old, self.check_column)
        rows = [row for row in self._all if self._reaches(row, self._low)]
        self._mark = self._highest(column)
        self._whole = self.mode == "first load"
        self._parts = self._cut(full, rows, column, start, old.get("position"))
        self.rows_estimated: int | None = sum(len(part.rows) for part in self._parts)

    def windows(self) -> Iterator[Window]:
        """In order; at least one."""
        for number, part in enumerate(self._parts, 1):
            yield Window(number, f"part {number}", self._whole, part)

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """A few rows at a time."""
        assert form is Format.ROWS
        assert isinstance(window.selector, Part)
        self._port.tell(f"read {self.table.name}")
        rows = [tuple(row[place] for place in self._places) for row in window.selector.rows]
        for part in _batches(rows, self._extract.batch_rows or BATCH_ROWS, self._extract.batch_bytes):
            check()
            self._port.look()
            yield Batch(Format.ROWS, part, len(part))

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """Nothing is known of rows that are gone."""
        return iter(())

    def cursor(self, window: Window) -> str:
        """Where to go on."""
        assert isinstance(window.selector, Part)
        base = {"number": self._number, "column": self.check_column}
        if window.selector.position is not None:
            return json.dumps({**base, "loading": True, "position": window.selector.position})
        return json.dumps({**base, "mark": self._mark, "seen": self.seen})

    @property
    def seen(self) -> str:
        """A checksum of all rows that could be read."""
        rows = sorted(repr([row[place] for place in self._places]) for row in self._all)
        return hashlib.md5("\n".join(rows).encode(), usedforsecurity=False).hexdigest()

    @property
    def mark_to(self) -> str | None:
        """The highest value."""
        return None if self._mark is None else str(self._mark)

    def close(self) -> None:
        """Nothing to give back."""

    def _old(self, cursor: str | None) -> dict[str, Any]:
        old: dict[str, Any] = json.loads(cursor) if cursor and self._extract.keys is None else {}
        good = old.get("number") == self._number and old.get("column") == self.check_column
        self.reset = "the source table was replaced by another one" if old and not good else ""
        return old if good else {}

    def _reaches(self, row: Row, low: Any) -> bool:
        if self._place is None or low is None or row[self._place] is None:
            return True
        return bool(row[self._place] >= low)

    def _highest(self, column: Column | None) -> Any:
        if column is None:
            return None
        values = [value for value in self._values() if not _is_future(value)]
        return max(values) if values else self._low

    def _values(self) -> list[Any]:
        return [
            row[self._place] for row in self._all if self._place is not None and row[self._place] is not None
        ]

    def _cut(
        self, full: Table, rows: list[Row], column: Column | None, start: Any, position: Any
    ) -> list[Part]:
        extract = self._extract
        if extract.keys is not None:
            return self._by_keys(full, extract.keys)
        if self.mode in {"incremental", "full"}:
            return [Part(rows)]
        if extract.interval is not None and column is not None and not extract.single:
            return self._by_time(rows, column, start, position)
        rows = rows[position or 0 :]
        size = max(1, len(rows)) if extract.single else extract.window_rows or self._port.store.window_rows
        starts = range(0, max(len(rows), 1), size)
        first = position or 0
        return [
            Part(rows[at : at + size], first + at + size if at + size < len(rows) else None) for at in starts
        ]

    def _by_keys(self, full: Table, keys: tuple[tuple[object, ...], ...]) -> list[Part]:
        places = [full.column_names.index(name) for name in self.table.key]
        parts = []
        for at in range(0, max(len(keys), 1), KEYS_AT_ONCE):
            wanted = set(keys[at : at + KEYS_AT_ONCE])
            parts.append(Part([row for row in self._all if tuple(row[place] for place in places) in wanted]))
        return parts

    def _by_time(self, rows: list[Row], column: Column, start: Any, position: Any) -> list[Part]:
        assert self._extract.interval is not None
        values = self._values()
        if column.type.kind in NUMBERS or any(_moment(value) is None for value in values):
            raise FatalError(f"check column {column.name} holds no times", code="bad_interval")
        edges: list[str] = []
        if values and self._mark is not None:
            low, high = datetime.fromisoformat(start or min(values)), datetime.fromisoformat(self._mark)
            edges = [
                f"{edge:%Y-%m-%d %H:%M:%S}" for edge in interval_edges(low, high, self._extract.interval)
            ]
        edges = [edge for edge in edges if position is None or edge > position]
        place = self._place
        assert place is not None
        parts = []
        for low_edge, high_edge in pairwise([position or "", *edges, None]):
            if high_edge is None:
                parts.append(Part([row for row in rows if row[place] is None or row[place] >= low_edge]))
            else:
                found = [row for row in rows if row[place] is not None and low_edge <= row[place] < high_edge]
                parts.append(Part(found, high_edge))
        return parts


def start_value(start: str | int | None, column: Column | None, rows: list[Row], place: int | None) -> Any:
    """The lowest value that is read, in the column's own form.

    Raises:
        FatalError: it does not fit the column, or there is none.
    """
    if start is None:
        return None
    if column is None or place is None:
        raise FatalError("a start needs a check column", code="bad_start")
    values = [row[place] for row in rows if row[place] is not None]
    numbers = column.type.kind in NUMBERS or isinstance(next(iter(values), None), int)
    moment = _moment(start)
    if numbers != isinstance(start, int) or (not numbers and moment is None):
        raise FatalError(f"the start does not fit column {column.name}", code="bad_start")
    return start if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _mode(extract: Extract, old: dict[str, Any], column: str | None) -> str:
    if extract.keys is not None:
        return "keys"
    if not old:
        return "first load"
    if old.get("loading"):
        return "resume"
    return "full" if column is None else "incremental"


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_future(value: Any) -> bool:
    moment = _moment(value)
    return moment is not None and moment.replace(tzinfo=UTC) > datetime.now(UTC)


def _batches(rows: list[Row], most: int, most_bytes: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    size = 0
    for row in rows:
        if part and (len(part) >= most or (most_bytes and size >= most_bytes)):
            yield part
            part, size = [], 0
        part.append(row)
        size += sum(len(str(value)) for value in row)
    if part:
        yield part
