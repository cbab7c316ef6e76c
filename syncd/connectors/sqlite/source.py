"""A SQLite file as a source: what changed since a cursor, in one snapshot."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from syncd.connectors.sqlite.catalog import describe, find_table, source_text, table_identity
from syncd.connectors.sqlite.mark import Clause, find_mark, since
from syncd.connectors.sqlite.moment import back, place
from syncd.connectors.sqlite.observe import observe
from syncd.connectors.sqlite.reading import Selector, SqliteReading
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import SyncdError
from syncd.model.batch import Format
from syncd.model.cursor import Cursor, Seen, Value, cursor_from_text
from syncd.model.following import find_check_column, mode_of, warnings_of
from syncd.model.plan import Relation
from syncd.model.reading import Extract, Window
from syncd.model.table import Column, Table
from syncd.ports import Check, Reading

SEEN_ROWS: Final = 20_000
"""Up to how many rows are summed to find out that nothing has changed."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """A relation as this snapshot has it: its table, text after FROM, check column and usable cursor."""

    table: Table
    text: str
    column: Column | None
    cursor: Cursor | None
    reset: str
    identity: str
    lookback_seconds: float

    def low(self, mark: Value) -> Value:
        """The lowest value that a reading from this mark reads."""
        return back(mark, self.column.type.kind, self.lookback_seconds) if self.column else None


class SqliteSource:
    """Reads one file through one connection."""

    formats: tuple[Format, ...] = (Format.SQLITE, Format.ROWS)

    def __init__(self, path: str, window_rows: int) -> None:
        self._session = Session(path, write=False)
        self._path = path
        self._window_rows = window_rows

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query, as declared."""
        with self._session.snapshot():
            return describe(self._session, relation)

    def identity(self, relation: Relation) -> str:
        """The table by its file and name."""
        found = find_table(self._session, relation.table) if relation.table is not None else None
        return table_identity(self._session, found) if found else ""

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen?"""
        with self._session.snapshot():
            return [self._same(extract) for extract in extracts]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Begin a read transaction and cut what is to be read into windows."""
        self._session.begin_reading(check)
        try:
            return self._open(extract, formats)
        except BaseException:
            self._session.rollback()
            raise

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        with self._session.snapshot():
            ground = self._ground(extract)
            clause = self._changed(ground)
            rows, null_rows, future_rows = self._count(ground, clause)
            return {
                "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{clause.where}",
                "windows": len(self._windows(ground, rows, None)) if not clause.where else 1,
                "rows_estimated": rows,
                "null_rows": null_rows,
                "future_rows": future_rows,
                "index": self._indexed(ground),
            }

    def cancel(self) -> None:
        """Interrupt whatever runs."""
        self._session.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._session.close()

    def _same(self, extract: Extract) -> bool:
        try:
            ground = self._ground(extract)
        except SyncdError:
            # The run itself will say what is wrong.
            return False
        cursor = ground.cursor
        if cursor is None or cursor.loading or cursor.seen is None:
            return False
        return self._sum(ground, cursor.mark, cursor.seen.rows) == cursor.seen

    def _ground(self, extract: Extract) -> _Ground:
        table = describe(self._session, extract.relation)
        column = find_check_column(table, extract.check_columns)
        text = source_text(extract.relation, table)
        cursor = cursor_from_text(extract.cursor)
        identity = self._identity(extract.relation)
        reset = ""
        if cursor is not None:
            reset = self._reset(cursor, table, text, column, identity)
            cursor = None if reset else cursor
        return _Ground(table, text, column, cursor, reset, identity, extract.lookback_seconds)

    def _reset(self, cursor: Cursor, table: Table, text: str, column: Column | None, identity: str) -> str:
        """Why the cursor must not be used, else empty."""
        if cursor.identity != identity:
            return "the source file or table was replaced by another one"
        if cursor.column != (column.name if column else None):
            return "another check column is followed"
        if cursor.columns != table.shape:
            return "the columns of the source changed"
        if column is None or cursor.mark is None or cursor.loading:
            return ""
        name = quote(column.name)
        if self._value(f"SELECT 1 FROM {text} WHERE {name} >= :mark LIMIT 1", {"mark": cursor.mark}) is None:
            # A restored backup looks like this; that the last rows were deleted looks the same.
            return "the source has no row at its mark any more"
        return ""

    def _open(self, extract: Extract, formats: tuple[Format, ...]) -> SqliteReading:
        ground = self._ground(extract)
        cursor = ground.cursor
        loading = cursor is not None and cursor.loading
        clause = self._changed(ground)
        rows, null_rows, future_rows = self._count(ground, clause)
        table = ground.table
        if Format.SQLITE not in formats:
            table = observe(self._session, table, ground.text, clause.where, clause.parameters)
        if clause.where:
            windows = [Window(1, "changes", whole=False, selector=Selector(clause))]
        else:
            windows = self._windows(ground, rows, cursor.position if cursor and loading else None)
        return SqliteReading(
            self._session,
            table,
            ground.text,
            windows,
            self._final(ground),
            mode=mode_of(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not loading else None,
            rows_estimated=rows,
            warnings=warnings_of(ground.column, null_rows, future_rows, pending=False, resumed=loading),
        )

    def _final(self, ground: _Ground) -> Cursor:
        """The cursor after the last window: nothing at or below its mark can be missing."""
        cursor = ground.cursor
        if cursor is not None and cursor.loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            return replace(cursor, loading=False, position=None, seen=None)
        mark = find_mark(self._session, ground.text, ground.column, self._now())
        if mark is None and cursor is not None:
            mark = cursor.mark
        seen = self._sum(ground, mark, SEEN_ROWS)
        name = ground.column.name if ground.column else None
        return Cursor(
            ground.identity,
            name,
            mark=mark,
            seen=seen if seen.rows <= SEEN_ROWS else None,
            columns=ground.table.shape,
        )

    def _changed(self, ground: _Ground) -> Clause:
        """The rows at and after the mark, and those without a value; everything when there is no mark."""
        cursor = ground.cursor
        if ground.column is None or cursor is None or cursor.loading:
            return Clause()
        return since(ground.column, ground.low(cursor.mark))

    def _count(self, ground: _Ground, clause: Clause) -> tuple[int, int, int]:
        """Rows to be read, and among them those without a value and those dated in the future."""
        if ground.column is None:
            return int(self._value(f"SELECT count(*) FROM {ground.text}")), 0, 0
        name = quote(ground.column.name)
        highest = self._value(f"SELECT max({name}) FROM {ground.text}{clause.where}", clause.parameters)
        present = None
        if not isinstance(highest, bytes):
            present = place(highest, ground.column.type.kind, self._now())
        row = self._session.execute(
            f"SELECT count(*), sum({name} IS NULL), sum(:present IS NOT NULL AND {name} > :present)"
            f" FROM {ground.text}{clause.where}",
            {"present": present, **clause.parameters},
        ).fetchone()
        return int(row[0]), int(row[1] or 0), int(row[2] or 0)

    def _windows(self, ground: _Ground, rows: int, position: Value) -> list[Window]:
        """Ranges of the check column, or of the key's first column, of about `window_rows` rows each."""
        by = ground.column.name if ground.column else (ground.table.key[0] if ground.table.key else None)
        if by is None:
            return [Window(1, "all rows", whole=True, selector=Selector(Clause()))]
        name = quote(by)
        edges: list[Value] = []
        if rows > self._window_rows:
            from_ = f" WHERE {name} >= :low" if position is not None else ""
            order = f"SELECT {name} FROM {ground.text}{from_} ORDER BY {name} LIMIT 1 OFFSET :rows"
            for offset in range(self._window_rows, rows, self._window_rows):
                edge = self._value(order, {"low": position, "rows": offset})
                if isinstance(edge, str | int | float) and edge not in [*edges[-1:], position]:
                    edges.append(edge)
        windows = []
        low = position
        for number, high in enumerate([*edges, None], 1):
            windows.append(
                Window(number, _range_text(by, low, high), position is None, _range(name, low, high))
            )
            low = high
        return windows

    def _sum(self, ground: _Ground, mark: Value, most: int) -> Seen:
        """How many rows a next reading would find, and their checksum; stops one row after `most`."""
        low = ground.low(mark)
        clause = since(ground.column, low)
        total = 0
        rows = 0
        sql = f"SELECT * FROM {ground.text}{clause.where} LIMIT {most + 1}"
        with self._session.errors():
            for row in self._session.execute(sql, clause.parameters):
                rows += 1
                digest = hashlib.md5(repr(row).encode("utf-8", "surrogatepass"), usedforsecurity=False)
                total = (total + int.from_bytes(digest.digest()[:8], "big")) % (1 << 64)
        return Seen(rows, str(total), low, ground.lookback_seconds)

    def _indexed(self, ground: _Ground) -> bool:
        if ground.column is None:
            return bool(ground.table.key)
        name = quote(ground.column.name)
        plan = self._session.execute(
            f"EXPLAIN QUERY PLAN SELECT 1 FROM {ground.text} WHERE {name} >= 0"
        ).fetchall()
        return any("SEARCH" in str(row[-1]) for row in plan)

    def _identity(self, relation: Relation) -> str:
        """The file's number and the place of the table's root in it; VACUUM moves the root, which costs a reading."""
        file = str(Path(self._path).expanduser().stat().st_ino)
        found = find_table(self._session, relation.table) if relation.table is not None else None
        root = self._value("SELECT rootpage FROM sqlite_master WHERE name = :name", {"name": found})
        return f"{file}/{root}"

    def _now(self) -> datetime:
        text = self._value("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)

    def _value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        row = self._session.execute(sql, parameters or {}).fetchone()
        return None if row is None else row[0]


def _range(name: str, low: Value, high: Value) -> Selector:
    if high is None and low is None:
        return Selector(Clause())
    if high is None:
        return Selector(Clause(f" WHERE {name} >= :low OR {name} IS NULL", {"low": low}))
    if low is None:
        return Selector(Clause(f" WHERE {name} < :high", {"high": high}), high)
    return Selector(Clause(f" WHERE {name} >= :low AND {name} < :high", {"low": low, "high": high}), high)


def _range_text(column: str, low: Value, high: Value) -> str:
    if low is None and high is None:
        return "all rows"
    return f"{column} {'from ' + str(low) if low is not None else ''}{' below ' + str(high) if high is not None else ''}"
