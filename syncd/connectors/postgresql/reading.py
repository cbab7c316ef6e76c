"""One snapshot of a PostgreSQL relation, cut into windows and read by COPY."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final, cast

from syncd.connectors.postgresql.quoting import plain_literal
from syncd.connectors.postgresql.rows import lines_to_rows
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.window import Selector
from syncd.model.batch import Batch, Format
from syncd.model.cursor import Cursor, Value, cursor_to_text
from syncd.model.reading import Changes, Window
from syncd.model.table import Column, Kind, Table
from syncd.ports import Check

WINDOW: Final = "syncd_window"
BINARY: Final = " (FORMAT binary)"


class PostgresqlReading:
    """Rows of one relation inside one repeatable-read transaction."""

    def __init__(
        self,
        session: Session,
        table: Table,
        text: str,
        windows: list[Window],
        final: Cursor,
        *,
        mode: str,
        reset: str,
        mark_from: Value,
        rows_estimated: int | None,
        warnings: tuple[str, ...],
        batch_rows: int = 0,
        batch_bytes: int = 0,
        changes: Changes | None = None,
    ) -> None:
        self._session = session
        self._text = text
        self._windows = windows
        self._final = final
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._changes = changes
        self.table = table
        self.mode = mode
        self.reset = reset
        self.check_column = final.column
        self.mark_from = None if mark_from is None else str(mark_from)
        self.rows_estimated = rows_estimated
        self.warnings = warnings

    @property
    def shared(self) -> bool:
        """Yes: another session may take the same snapshot."""
        return True

    def on(self, session: Session) -> "PostgresqlReading":
        """The same rows in the same snapshot, read through another session, which begins a transaction for it."""
        snapshot = self._session.value("SELECT pg_export_snapshot()")
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        session.execute(f"SET TRANSACTION SNAPSHOT {plain_literal(str(snapshot))}")
        return PostgresqlReading(
            session,
            self.table,
            self._text,
            self._windows,
            self._final,
            mode=self.mode,
            reset=self.reset,
            mark_from=self.mark_from,
            rows_estimated=self.rows_estimated,
            warnings=self.warnings,
            batch_rows=self._batch_rows,
            batch_bytes=self._batch_bytes,
        )

    def windows(self) -> Iterator[Window]:
        """The windows still to be read, in order."""
        return iter(self._windows)

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """The rows of one window, in blocks."""
        selector = cast("Selector", window.selector)
        columns = ", ".join(_column(column, form) for column in self.table.columns)
        options = BINARY if form is Format.PGCOPY else ""
        where = f" WHERE {selector.where}" if selector.where else ""
        sql = f"COPY (SELECT {columns} FROM {self._text}{where}) TO STDOUT{options}"
        self._session.execute(f"SAVEPOINT {WINDOW}")
        try:
            with closing(self._session.copy_out(sql, check, self._batch_rows, self._batch_bytes)) as blocks:
                for data, rows in blocks:
                    if form is Format.ROWS:
                        yield Batch(form, lines_to_rows(data, self.table), rows)
                    else:
                        yield Batch(form, data, rows)
        except GeneratorExit:
            # The window may be read again in this snapshot, which an interrupted COPY would end.
            self._session.return_to(WINDOW)
            raise
        # A snapshot can only be shared outside of savepoints.
        self._session.execute(f"RELEASE SAVEPOINT {WINDOW}")

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """What a cluster has captured; else a table does not say which rows are gone."""
        if self._changes is None:
            return
        key = tuple(column for name in self._changes.key if (column := self.table.column(name)))
        keys = Table(self.table.name, key)
        sql = f"COPY ({self._changes.gone}) TO STDOUT"
        with closing(self._session.copy_out(sql, check)) as blocks:
            for data, _ in blocks:
                yield lines_to_rows(data, keys)

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


def _column(column: Column, form: Format) -> str:
    name = f"t.{quote(column.name)}"
    if form is Format.UTCTEXT and column.type.kind is Kind.TIMESTAMPTZ:
        return f"{name} AT TIME ZONE 'UTC'"
    return name
