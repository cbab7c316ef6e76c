"""Puts batches into a table of a SQLite file as they are: the target's own, or the one beside it."""

from typing import Any, Final

from syncd.connectors.sqlite.copytext import converters_of, values_of
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.spatial import entering
from syncd.connectors.sqlite.storage import keep, keepers_of
from syncd.errors import FatalError
from syncd.model.batch import Batch
from syncd.model.writing import Target
from syncd.ports import Check

MOST_PARAMETERS: Final = 32_000
LINES_AT_ONCE: Final = 2_000
"""How many parameters a statement may bind, and after how many parameters a multi-row INSERT gains no more."""


class Loader:
    """Inserts rows as they come into the columns of one table."""

    def __init__(self, session: Session, target: Target, into: str, check: Check) -> None:
        """`into` is the quoted name of the table that takes the rows."""
        self._session, self._check = session, check
        names = ", ".join(quote(name) for name in target.columns)
        self._width = len(target.columns)
        self._into_names = f"INSERT INTO {into} ({names}) VALUES "
        self._slots = f"({', '.join('?' * self._width)})"
        self._lines = max(1, min(LINES_AT_ONCE, MOST_PARAMETERS) // self._width)
        self._many = self._statement(self._lines)
        shapes = entering(session, target.source, target.table, target.columns)
        self._converters = converters_of(target.source, target.table, target.columns, shapes)
        self._keepers = keepers_of(target.source, target.table, target.columns, shapes)

    def put(self, batch: Batch) -> None:
        """Insert one batch."""
        if not isinstance(batch.data, bytes):
            rows = keep(batch.data, self._keepers) if self._keepers else batch.data
            self._session.insert(self._statement(1), rows)
        elif batch.data:
            self._put_lines(batch.data, batch.rows)

    def _put_lines(self, data: bytes, rows: int) -> None:
        width = self._width
        values = values_of(data, width, self._converters)
        if len(values) != rows * width:
            raise FatalError(
                f"a block of {rows} lines gave {len(values)} values for {width} columns", code="bad_copy_text"
            )
        step = self._lines * width
        for start in range(0, len(values), step):
            self._check()
            part: list[Any] = values[start : start + step]
            sql = self._many if len(part) == step else self._statement(len(part) // width)
            self._session.execute(sql, part)

    def _statement(self, rows: int) -> str:
        return self._into_names + ", ".join([self._slots] * rows)
