"""One snapshot of a MariaDB or MySQL relation, cut into windows and read as lines that the server makes."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from syncd.connectors.mysql.copytext import line_of, lines_of, readers_of, rows_of, value_of, writers_of
from syncd.connectors.mysql.ground import both, where
from syncd.connectors.mysql.packet import first_field
from syncd.connectors.mysql.session import STOP_SECONDS, Session
from syncd.connectors.mysql.window import Selector
from syncd.errors import TransientError
from syncd.model.batch import Batch, Format
from syncd.model.cursor import Cursor, Value, cursor_to_text
from syncd.model.reading import Extract, Window
from syncd.model.table import Table
from syncd.ports import Check

ROWS_AT_ONCE: Final = 2_000
"""How many rows a batch has at most when nobody says otherwise; the lines of one block are joined once."""


class MysqlReading:
    """Rows of one relation inside one repeatable-read transaction."""

    def __init__(
        self,
        session: Session,
        table: Table,
        text: str,
        windows: list[Window],
        final: Cursor,
        extract: Extract,
        *,
        mode: str,
        reset: str = "",
        mark_from: Value = None,
        rows_estimated: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._session = session
        self._text = text
        self._windows = windows
        self._final = final
        self._extract = extract
        self.table = table
        self.mode = mode
        self.reset = reset
        self.check_column = final.column
        self.mark_from = None if mark_from is None else str(mark_from)
        self.rows_estimated = rows_estimated
        self.warnings = warnings

    @property
    def shared(self) -> bool:
        """No: the server lets nobody join a snapshot."""
        return False

    def windows(self) -> Iterator[Window]:
        """The windows still to be read, in order."""
        return iter(self._windows)

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """The rows of one window, in blocks."""
        selector = cast("Selector", window.selector)
        origin = Origin(self.table, self._text, selector.where)
        sizes = (self._extract.batch_rows, self._extract.batch_bytes)
        yield from batches_of(self._session, origin, form, check, sizes)

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """What a cluster has captured; else a table does not say which rows are gone."""
        changes = self._extract.changes
        if changes is None:
            return
        key = tuple(column for name in changes.key if (column := self.table.column(name)))
        origin = Origin(Table(self.table.name, key), f"({changes.gone}) AS t")
        for batch in batches_of(self._session, origin, Format.ROWS, check):
            yield cast("Sequence[tuple[object, ...]]", batch.data)

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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: their columns, and what follows FROM and WHERE, whose table is called t."""

    table: Table
    text: str
    condition: str = ""


def batches_of(
    session: Session, origin: Origin, form: Format, check: Check, sizes: tuple[int, int] = (0, 0)
) -> Generator[Batch]:
    """The rows as lines or tuples; `sizes` are most rows and bytes of a batch (0: the usual)."""
    if form is Format.ROWS:
        yield from _rows(session, origin, check, sizes)
        return
    missing = 0
    sql = f"SELECT {line_of(origin.table)} FROM {origin.text}{where(origin.condition)}"
    for packets in packets_of(session, sql, check, *sizes):
        lines = [first_field(packet) for packet in packets]
        whole = [line for line in lines if line is not None]
        missing += len(lines) - len(whole)
        if whole:
            yield Batch(Format.COPYTEXT, b"\n".join([*whole, b""]), len(whole))
    if missing:
        yield from _long_lines(session, origin, missing, check, sizes)


def _long_lines(
    session: Session, origin: Origin, wanted: int, check: Check, sizes: tuple[int, int]
) -> Generator[Batch]:
    """The rows whose line is longer than the server's max_allowed_packet, made into lines here."""
    found = 0
    writers = writers_of(origin.table)
    condition = both(origin.condition and f"({origin.condition})", f"{line_of(origin.table)} IS NULL")
    for batch in _rows(session, replace(origin, condition=condition), check, sizes):
        found += batch.rows
        yield Batch(Format.COPYTEXT, lines_of(cast("Any", batch.data), writers), batch.rows)
    if found != wanted:
        raise TransientError(
            f"{wanted} rows of {origin.table.name} are too long for a line, and {found} of them were found again",
            hint="it is tried again; a larger max_allowed_packet at the server helps",
            code="line_too_long",
        )


def _rows(session: Session, origin: Origin, check: Check, sizes: tuple[int, int]) -> Generator[Batch]:
    values = ", ".join(value_of(column) for column in origin.table.columns)
    readers = readers_of(origin.table)
    sql = f"SELECT {values} FROM {origin.text}{where(origin.condition)}"
    for packets in packets_of(session, sql, check, *sizes):
        yield Batch(Format.ROWS, rows_of(packets, readers), len(packets))


def packets_of(
    session: Session, sql: str, check: Check, batch_rows: int = 0, batch_bytes: int = 0
) -> Generator[list[bytes]]:
    """The rows of a SELECT as packets, in blocks of bounded size; the connection is free again afterwards."""
    try:
        with closing(session.stream(sql, check)) as blocks:
            for block in blocks:
                yield from _parts(block, batch_rows or ROWS_AT_ONCE, batch_bytes)
    except GeneratorExit:
        # The window may be read again in this snapshot.
        session.leave()
        raise
    except BaseException:
        # Whoever stops in the middle may ask this connection for something else.
        session.leave(STOP_SECONDS)
        raise


def _parts(block: list[bytes], most_rows: int, most_bytes: int) -> Iterator[list[bytes]]:
    if not most_bytes:
        for start in range(0, len(block), most_rows):
            yield block[start : start + most_rows]
        return
    part: list[bytes] = []
    size = 0
    for packet in block:
        if part and (len(part) >= most_rows or size + len(packet) > most_bytes):
            yield part
            part, size = [], 0
        part.append(packet)
        size += len(packet)
    if part:
        yield part
