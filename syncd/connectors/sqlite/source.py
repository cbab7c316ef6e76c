"""A SQLite file as a source: what changed since a cursor, in one snapshot."""

import hashlib
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.connectors.sqlite import comparing
from syncd.connectors.sqlite.catalog import describe, find_table, list_tables, table_identity
from syncd.connectors.sqlite.ground import Ground, find_ground
from syncd.connectors.sqlite.mark import Clause, find_mark, present, since
from syncd.connectors.sqlite.moment import place
from syncd.connectors.sqlite.observe import observe
from syncd.connectors.sqlite.reading import Selector, Size, SqliteReading
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.types import PRODUCT
from syncd.connectors.sqlite.window import wanted, windows_by_keys, windows_by_rows, windows_by_time
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.choice import choose_columns
from syncd.model.cursor import Cursor, Seen, Value
from syncd.model.following import mode_of, warnings_of
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums, Tuning, Window
from syncd.model.table import Table, TableName
from syncd.ports import Check, Reading

SEEN_ROWS: Final = 20_000
SEEN_BYTES: Final = 64 * 1024 * 1024
"""Up to how many rows, and about how many bytes, are summed to find out that nothing has changed."""

NODES: Final = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'syncd_*_node' ORDER BY name"
)


class SqliteSource:
    """Reads one file through one connection."""

    formats: tuple[Format, ...] = (Format.SQLITE, Format.ROWS)
    apart = False
    product = PRODUCT

    def __init__(self, path: str, window_rows: int) -> None:
        self._session = Session(path, write=False)
        self._window_rows = window_rows

    def describe(self, relation: Relation) -> Table:
        """The chosen columns and the key of a table or query, as declared."""
        with self._session.snapshot():
            return choose_columns(describe(self._session, relation), relation)

    def identity(self, relation: Relation) -> str:
        """The table by its file and name."""
        found = find_table(self._session, relation.table) if relation.table is not None else None
        return table_identity(self._session, found) if found else ""

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen?"""
        with self._session.snapshot():
            return [self._same(extract) for extract in extracts]

    def accounted(self, cursor: str) -> str | None:
        """None: a table does not say which rows are gone."""
        return None

    def clusters(self) -> list[str]:
        """Those that keep something in the file, by their parts of names."""
        rows = self._session.execute(NODES).fetchall()
        return [str(name).removeprefix("syncd_").removesuffix("_node") for (name,) in rows]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Begin a read transaction and cut what is to be read into windows."""
        self._session.begin_reading(check)
        try:
            return self._open(extract, formats)
        except BaseException:
            self._session.rollback()
            raise

    def join(self, reading: Reading) -> Reading:
        """Never: SQLite lets nobody join a snapshot."""
        raise FatalError("the snapshots of a SQLite file cannot be shared", code="not_shared")

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        with self._session.snapshot():
            ground = find_ground(self._session, extract)
            clause = self._changed(ground)
            rows, null_rows, future_rows = self._count(ground, clause)
            final = self._final(ground, rows)
            windows = self._windows(extract, ground, clause, rows, final)
            return {
                "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{clause.where}",
                "windows": len(windows),
                "rows_estimated": rows,
                "null_rows": null_rows,
                "future_rows": future_rows,
                "index": self._indexed(ground),
            }

    def tables(self) -> list[TableName]:
        """All tables and views; a SQLite file has no schemas."""
        with self._session.snapshot():
            return list_tables(self._session)

    def tune(self, tuning: Tuning) -> None:
        """How long a statement may go without progress, and who hears the statements."""
        self._session.tune(tuning)

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """Rows, lowest and highest key."""
        with self._session.snapshot():
            return comparing.key_range(self._session, relation, column)

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Rows and checksum of each chunk."""
        with self._session.snapshot(check):
            return comparing.sums(self._session, relation, chunks, check)

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """Columns of all rows, or of those in some chunks."""
        with self._session.snapshot(check):
            yield from comparing.rows_of(self._session, relation, columns, chunks, check)

    def cancel(self) -> None:
        """Interrupt whatever runs."""
        self._session.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._session.close()

    def _same(self, extract: Extract) -> bool:
        try:
            ground = find_ground(self._session, extract)
        except SyncdError:
            # The run itself will say what is wrong.
            return False
        cursor = ground.cursor
        if cursor is None or cursor.loading or cursor.seen is None or ground.bounded:
            return False
        return self._sum(ground, cursor.mark, cursor.seen.rows, sys.maxsize) == cursor.seen

    def _open(self, extract: Extract, formats: tuple[Format, ...]) -> SqliteReading:
        ground = find_ground(self._session, extract)
        if extract.keys is not None:
            return self._open_keys(extract, ground, extract.keys, formats)
        cursor = ground.cursor
        loading = cursor is not None and cursor.loading
        clause = self._changed(ground)
        rows, null_rows, future_rows = self._count(ground, clause)
        final = self._final(ground, rows)
        return SqliteReading(
            self._session,
            self._fitting(ground, clause, formats),
            ground.text,
            self._windows(extract, ground, clause, rows, final),
            final,
            Size(extract.batch_rows, extract.batch_bytes),
            mode=mode_of(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not loading else None,
            rows_estimated=rows,
            warnings=warnings_of(ground.column, null_rows, future_rows, pending=False, resumed=loading),
            gone=extract.changes.gone if extract.changes else "",
        )

    def _open_keys(
        self,
        extract: Extract,
        ground: Ground,
        keys: tuple[tuple[object, ...], ...],
        formats: tuple[Format, ...],
    ) -> SqliteReading:
        windows = windows_by_keys(self._session, ground, keys)
        return SqliteReading(
            self._session,
            self._fitting(ground, wanted(ground, 1, len(keys)), formats),
            ground.text,
            windows,
            Cursor(ground.identity, None),
            Size(extract.batch_rows, extract.batch_bytes),
            mode="keys",
            reset="",
            mark_from=None,
            rows_estimated=len(keys),
            warnings=(),
        )

    def _fitting(self, ground: Ground, clause: Clause, formats: tuple[Format, ...]) -> Table:
        """The table with the types of its values, where they leave for a store that has strict ones."""
        if Format.SQLITE in formats:
            return ground.table
        return observe(self._session, ground.table, ground.text, clause.where, clause.parameters)

    def _windows(
        self, extract: Extract, ground: Ground, clause: Clause, rows: int, final: Cursor
    ) -> list[Window]:
        cursor = ground.cursor
        if ground.bounded:
            return [Window(1, "between the marks", whole=cursor is None, selector=Selector(clause))]
        if clause.where:
            return [Window(1, "changes", whole=False, selector=Selector(clause))]
        position = cursor.position if cursor and cursor.loading else None
        if extract.interval is not None and ground.column is not None and not extract.single:
            return windows_by_time(self._session, ground, final.mark, position, extract.interval)
        size = max(rows, 1) if extract.single else extract.window_rows or self._window_rows
        return windows_by_rows(self._session, ground, rows, position, size)

    def _final(self, ground: Ground, rows: int) -> Cursor:
        """The cursor after the last window: nothing at or below its mark can be missing. `rows` are read now."""
        cursor = ground.cursor
        if cursor is not None and cursor.loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            return replace(cursor, loading=False, position=None, seen=None)
        mark = find_mark(self._session, ground.text, ground.column, present(self._session))
        name = ground.column.name if ground.column else None
        if ground.bounded:
            return Cursor(ground.identity, name, mark=_onward(ground, mark), columns=ground.table.shape)
        if mark is None and cursor is not None:
            mark = cursor.mark
        # Without a check column the next reading finds all of them again.
        seen = None if name is None and rows > SEEN_ROWS else self._sum(ground, mark, SEEN_ROWS, SEEN_BYTES)
        return Cursor(
            ground.identity,
            name,
            mark=mark,
            seen=seen if seen is not None and seen.rows <= SEEN_ROWS else None,
            columns=ground.table.shape,
        )

    def _changed(self, ground: Ground) -> Clause:
        """The rows at and after the mark, and those without a value; everything when there is no mark."""
        cursor = ground.cursor
        if ground.column is None or cursor is None or cursor.loading or ground.bounded:
            return Clause()
        return since(ground.column, ground.low(cursor.mark))

    def _count(self, ground: Ground, clause: Clause) -> tuple[int, int, int]:
        """Rows to be read, and among them those without a value and those dated in the future."""
        if ground.column is None:
            return int(self._value(f"SELECT count(*) FROM {ground.text}")), 0, 0
        name = quote(ground.column.name)
        highest = self._value(f"SELECT max({name}) FROM {ground.text}{clause.where}", clause.parameters)
        limit = None
        if not isinstance(highest, bytes):
            limit = place(highest, ground.column.type.kind, present(self._session))
        row = self._session.execute(
            f"SELECT count(*), sum({name} IS NULL), sum(:limit IS NOT NULL AND {name} > :limit)"
            f" FROM {ground.text}{clause.where}",
            {"limit": limit, **clause.parameters},
        ).fetchone()
        return int(row[0]), int(row[1] or 0), int(row[2] or 0)

    def _sum(self, ground: Ground, mark: Value, most: int, most_bytes: int) -> Seen:
        """How many rows a next reading would find, and their checksum; `most` + 1 when they are more, or too heavy."""
        low = ground.low(mark)
        clause = since(ground.column, low)
        total = 0
        rows = 0
        columns = ", ".join(quote(name) for name in ground.table.column_names)
        sql = f"SELECT {columns} FROM {ground.text}{clause.where} LIMIT {most + 1}"
        with self._session.errors():
            for row in self._session.execute(sql, clause.parameters):
                rows += 1
                text = repr(row).encode("utf-8", "surrogatepass")
                most_bytes -= len(text)
                if most_bytes < 0:
                    return Seen(most + 1, "", low, ground.lookback_seconds)
                digest = hashlib.md5(text, usedforsecurity=False)
                total = (total + int.from_bytes(digest.digest()[:8], "big")) % (1 << 64)
        return Seen(rows, str(total), low, ground.lookback_seconds)

    def _indexed(self, ground: Ground) -> bool:
        if ground.column is None:
            return bool(ground.table.key)
        name = quote(ground.column.name)
        plan = self._session.execute(
            f"EXPLAIN QUERY PLAN SELECT 1 FROM {ground.text} WHERE {name} >= 0"
        ).fetchall()
        return any("SEARCH" in str(row[-1]) for row in plan)

    def _value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        row = self._session.execute(sql, parameters or {}).fetchone()
        return None if row is None else row[0]


def _onward(ground: Ground, found: Value) -> Value:
    """The mark after a query with marks: the highest value that it gave, and never one below the old mark.

    When an interval gave nothing new, its end becomes the mark; else the query would stay before a gap for ever.
    """
    old = ground.cursor.mark if ground.cursor else None
    mark = found if found is not None and (old is None or not _below(found, old)) else old
    if ground.ahead is not None and (mark is None or not _below(ground.last, mark)):
        return ground.ahead
    return mark


def _below(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one < other
    return False
