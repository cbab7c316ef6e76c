"""A SQLite file as a source: what changed since a cursor, in one snapshot."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from syncd.connectors.sqlite.catalog import describe, source_text
from syncd.connectors.sqlite.moment import back, place
from syncd.connectors.sqlite.observe import observe
from syncd.connectors.sqlite.reading import Selector, SqliteReading
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Format
from syncd.model.cursor import Cursor, Seen, Value, cursor_from_text
from syncd.model.plan import Relation
from syncd.model.table import Column, Table
from syncd.ports import Check, Extract, Reading, Window

LAG_SECONDS: Final = 5
"""How far behind the present the mark stays: a writer may take the time a moment before it gets the lock."""
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


class SqliteSource:
    """Reads one file through one connection."""

    formats: tuple[Format, ...] = (Format.SQLITE, Format.ROWS)

    def __init__(self, path: str, window_rows: int) -> None:
        self._session = Session(path, write=False)
        self._path = path
        self._window_rows = window_rows

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query, as declared."""
        return describe(self._session, relation)

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen?"""
        return [self._same(extract) for extract in extracts]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Begin a read transaction and cut what is to be read into windows."""
        self._snapshot(check)
        try:
            return self._open(extract, formats)
        except BaseException:
            self._session.rollback()
            raise

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        self._snapshot(lambda: None)
        try:
            ground = self._ground(extract)
            where, parameters = self._changed(ground, extract.lookback_seconds)
            rows, null_rows, future_rows = self._count(ground, where, parameters)
            return {
                "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{where}",
                "windows": len(self._windows(ground, rows, first=where == "")),
                "rows_estimated": rows,
                "null_rows": null_rows,
                "future_rows": future_rows,
                "index": self._indexed(ground),
            }
        finally:
            self._session.rollback()

    def cancel(self) -> None:
        """Interrupt whatever runs."""
        self._session.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._session.close()

    def _snapshot(self, check: Check) -> None:
        self._session.patient("BEGIN", check)
        # BEGIN alone reads nothing; the snapshot is taken by the first read.
        self._session.patient("SELECT 1 FROM sqlite_master LIMIT 1", check).fetchone()

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
        column = self._check_column(table, extract.check_columns)
        cursor = cursor_from_text(extract.cursor)
        reset = ""
        if cursor is not None and cursor.identity != self._identity():
            reset, cursor = "the source file was replaced by another one", None
        elif cursor is not None and cursor.column != (column.name if column else None):
            reset, cursor = "another check column is followed", None
        return _Ground(table, source_text(extract.relation, table), column, cursor, reset)

    def _open(self, extract: Extract, formats: tuple[Format, ...]) -> SqliteReading:
        ground = self._ground(extract)
        cursor = ground.cursor
        first = cursor is None or cursor.loading or cursor.mark is None
        where, parameters = self._changed(ground, extract.lookback_seconds)
        rows, null_rows, future_rows = self._count(ground, where, parameters)
        table = ground.table
        if Format.SQLITE not in formats:
            table = observe(self._session, table, ground.text, where, parameters)
        windows = (
            self._windows(ground, rows, first=True)
            if first and where == ""
            else [Window(1, "changes", whole=False, selector=Selector(where, parameters))]
        )
        if cursor is not None and cursor.loading:
            windows = self._windows(ground, rows, first=True, position=cursor.position)
        final = self._final(ground)
        return SqliteReading(
            self._session,
            table,
            ground.text,
            windows,
            final,
            mode=_mode(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not cursor.loading else None,
            rows_estimated=rows,
            warnings=_warnings(ground, null_rows, future_rows, resumed=bool(cursor and cursor.loading)),
        )

    def _final(self, ground: _Ground) -> Cursor:
        """The cursor after the last window: nothing at or below its mark can be missing."""
        name = ground.column.name if ground.column else None
        cursor = ground.cursor
        if cursor is not None and cursor.loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            return replace(cursor, loading=False, position=None, seen=None)
        mark = self._mark(ground)
        if mark is None and cursor is not None:
            mark = cursor.mark
        seen = self._sum(ground, mark, SEEN_ROWS)
        return Cursor(self._identity(), name, mark=mark, seen=seen if seen.rows <= SEEN_ROWS else None)

    def _changed(self, ground: _Ground, lookback_seconds: float) -> tuple[str, tuple[Any, ...]]:
        """The rows at and after the mark, and those without a value; everything when there is no mark."""
        cursor = ground.cursor
        if ground.column is None or cursor is None or cursor.loading:
            return "", ()
        return _since(ground.column, back(cursor.mark, ground.column.type.kind, lookback_seconds))

    def _mark(self, ground: _Ground) -> Value:
        """The highest value that is safely in the past; the column's own highest when it is no time."""
        if ground.column is None:
            return None
        name = quote(ground.column.name)
        highest = self._value(f"SELECT max({name}) FROM {ground.text}")
        if isinstance(highest, bytes):
            raise FatalError(
                f"check column {ground.column.name} holds binary values", hint="follow another column"
            )
        upper = place(highest, ground.column.type.kind, self._now() - timedelta(seconds=LAG_SECONDS))
        if upper is None:
            return highest  # type: ignore[no-any-return] # a value of the column: one of Value's types
        mark: Value = self._value(f"SELECT max({name}) FROM {ground.text} WHERE {name} < ?", (upper,))
        return mark

    def _count(self, ground: _Ground, where: str, parameters: tuple[Any, ...]) -> tuple[int, int, int]:
        """Rows to be read, and among them those without a value and those dated in the future."""
        if ground.column is None:
            return int(self._value(f"SELECT count(*) FROM {ground.text}")), 0, 0
        name = quote(ground.column.name)
        highest = self._value(f"SELECT max({name}) FROM {ground.text}{where}", parameters)
        present = None
        if not isinstance(highest, bytes):
            present = place(highest, ground.column.type.kind, self._now())
        row = self._session.execute(
            f"SELECT count(*), sum({name} IS NULL), sum(?1 IS NOT NULL AND {name} > ?1) FROM {ground.text}"
            f"{where.replace('?', '?2')}",
            (present, *parameters),
        ).fetchone()
        return int(row[0]), int(row[1] or 0), int(row[2] or 0)

    def _windows(self, ground: _Ground, rows: int, *, first: bool, position: Value = None) -> list[Window]:
        """Ranges of the check column, or of the key's first column, of about `window_rows` rows each."""
        by = ground.column.name if ground.column else (ground.table.key[0] if ground.table.key else None)
        if by is None or not first:
            return [Window(1, "all rows", whole=True, selector=Selector("", ()))]
        name = quote(by)
        edges: list[Value] = []
        since, parameters = (f" WHERE {name} >= ?", (position,)) if position is not None else ("", ())
        if rows > self._window_rows:
            order = f"SELECT {name} FROM {ground.text}{since} ORDER BY {name} LIMIT 1 OFFSET ?"
            for offset in range(self._window_rows, rows, self._window_rows):
                edge = self._value(order, (*parameters, offset))
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
        where, parameters = _since(ground.column, mark)
        total = 0
        rows = 0
        sql = f"SELECT * FROM {ground.text}{where} LIMIT {most + 1}"
        for row in self._session.execute(sql, parameters):
            rows += 1
            digest = hashlib.md5(repr(row).encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
            total = (total + int.from_bytes(digest[:8], "big")) % (1 << 64)
        return Seen(rows, str(total))

    def _check_column(self, table: Table, candidates: tuple[str, ...]) -> Column | None:
        for name in candidates:
            for column in table.columns:
                if column.name.lower() == name.lower():
                    return column
        if not candidates:
            return None
        near = get_close_matches(candidates[0], table.column_names, 1)
        raise FatalError(
            f"table {table.name} has no column '{candidates[0]}' to check for changes",
            hint=f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(table.column_names[:12])}",
            code="check_column_missing",
        )

    def _indexed(self, ground: _Ground) -> bool:
        if ground.column is None:
            return bool(ground.table.key)
        name = quote(ground.column.name)
        plan = self._session.execute(
            f"EXPLAIN QUERY PLAN SELECT 1 FROM {ground.text} WHERE {name} >= 0"
        ).fetchall()
        return any("SEARCH" in str(row[-1]) for row in plan)

    def _identity(self) -> str:
        return str(Path(self._path).expanduser().stat().st_ino)

    def _now(self) -> datetime:
        text = self._value("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)

    def _value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        row = self._session.execute(sql, parameters).fetchone()
        return None if row is None else row[0]


def _since(column: Column | None, mark: Value) -> tuple[str, tuple[Value, ...]]:
    if column is None or mark is None:
        return "", ()
    name = quote(column.name)
    return f" WHERE {name} >= ? OR {name} IS NULL", (mark,)


def _mode(cursor: Cursor | None, column: Column | None) -> str:
    if cursor is None:
        return "first load"
    if cursor.loading:
        return "resume"
    return "full" if column is None else "incremental"


def _range(name: str, low: Value, high: Value) -> Selector:
    if high is None:
        return Selector("", ()) if low is None else Selector(f" WHERE {name} >= ? OR {name} IS NULL", (low,))
    if low is None:
        return Selector(f" WHERE {name} < ?", (high,), high)
    return Selector(f" WHERE {name} >= ? AND {name} < ?", (low, high), high)


def _range_text(column: str, low: Value, high: Value) -> str:
    if low is None and high is None:
        return "all rows"
    return f"{column} {'from ' + str(low) if low is not None else ''}{' below ' + str(high) if high is not None else ''}"


def _warnings(ground: _Ground, null_rows: int, future_rows: int, *, resumed: bool) -> tuple[str, ...]:
    said = []
    if ground.column is not None and null_rows:
        said.append(f"{null_rows} rows have no {ground.column.name}; they are read again by every run")
    if ground.column is not None and future_rows:
        said.append(f"{future_rows} rows are dated in the future; they do not move the mark")
    if resumed and ground.column is None:
        said.append("rows that changed before the load was resumed arrive with the next run: no check column")
    return tuple(said)
