"""One snapshot of a SQLite relation, cut into windows."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from syncd.connectors.sqlite.mark import Clause
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.spatial import changed, leaving
from syncd.model.batch import Batch, Format, weight_of
from syncd.model.cursor import Cursor, Value, cursor_to_text
from syncd.model.reading import Window
from syncd.model.table import Table
from syncd.ports import Check

FIRST_ROWS: Final = 64
BATCH_ROWS: Final = 1000
BATCH_BYTES: Final = 4 * 1024 * 1024
"""A batch has at most so many rows, and about so many bytes, judged by the batch before it."""


@dataclass(frozen=True, slots=True)
class Selector:
    """The rows of one window; `position` is where the next window begins, None for the last one."""

    clause: Clause
    position: Value = None


@dataclass(frozen=True, slots=True)
class Size:
    """What a batch has at most: rows, and about so many bytes; 0 where nobody said."""

    rows: int = 0
    bytes: int = 0


class SqliteReading:
    """Rows of one relation inside one read transaction."""

    def __init__(
        self,
        session: Session,
        table: Table,
        text: str,
        windows: list[Window],
        final: Cursor,
        size: Size,
        *,
        mode: str,
        reset: str,
        mark_from: Value,
        rows_estimated: int,
        warnings: tuple[str, ...],
        gone: str = "",
    ) -> None:
        """`gone` selects the keys of rows that are gone."""
        self._session = session
        self._text = text
        self._windows = windows
        self._final = final
        self._size = size
        self._gone = gone
        self.table = table
        self.mode = mode
        self.reset = reset
        self.check_column = final.column
        self.mark_from = None if mark_from is None else str(mark_from)
        self.rows_estimated: int | None = rows_estimated
        self.warnings = warnings

    @property
    def shared(self) -> bool:
        """No: SQLite lets nobody join a snapshot."""
        return False

    def windows(self) -> Iterator[Window]:
        """The windows still to be read, in order."""
        return iter(self._windows)

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """The rows of one window, in batches."""
        selector = cast("Selector", window.selector)
        columns = ", ".join(quote(name) for name in self.table.column_names)
        changes = leaving(self._session, self.table.columns) if form is Format.ROWS else ()
        cursor = self._session.execute(
            f"SELECT {columns} FROM {self._text}{selector.clause.where}", selector.clause.parameters
        )
        most = self._size.rows or BATCH_ROWS
        most_bytes = self._size.bytes or BATCH_BYTES
        wanted = min(FIRST_ROWS, most)
        while True:
            check()
            with self._session.errors():
                rows = cursor.fetchmany(wanted)
            if not rows:
                return
            for part in _parts(rows, self._size.bytes) if self._size.bytes else [rows]:
                yield Batch(form, changed(part, changes), len(part))
            wanted = next_rows(rows, most, most_bytes)

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """What a cluster has captured; else a file does not remember rows that are gone."""
        if not self._gone:
            return
        cursor = self._session.execute(self._gone)
        while True:
            check()
            with self._session.errors():
                rows = cursor.fetchmany(BATCH_ROWS)
            if not rows:
                return
            yield rows

    def cursor(self, window: Window) -> str:
        """Where a later reading goes on: at the next window's begin, or with changes after the last one."""
        selector = cast("Selector", window.selector)
        if selector.position is None:
            return cursor_to_text(self._final)
        return cursor_to_text(replace(self._final, loading=True, position=selector.position, seen=None))

    @property
    def mark_to(self) -> str | None:
        """The mark that the final cursor carries."""
        return None if self._final.mark is None else str(self._final.mark)

    def close(self) -> None:
        """Give the snapshot back."""
        self._session.rollback()


def next_rows(rows: list[tuple[Any, ...]], most: int, most_bytes: int) -> int:
    """How many rows the next batch may have, when they are like the widest of a few of these."""
    few = rows[:: max(1, len(rows) // 8)]
    widest = max(weight_of(row) for row in few)
    return max(1, min(most, most_bytes // (widest + 1)))


def _parts(rows: list[tuple[Any, ...]], most_bytes: int) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in lists of about so many bytes."""
    part: list[tuple[Any, ...]] = []
    weight = 0
    for row in rows:
        if part and weight >= most_bytes:
            yield part
            part, weight = [], 0
        part.append(row)
        weight += weight_of(row)
    yield part
