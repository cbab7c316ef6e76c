"""Rows on their way into a PostgreSQL table by COPY."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.copy import Writer

from syncd.connectors.postgresql.session import Session
from syncd.errors import RowRejectedError
from syncd.ports import Check


class CopyIn:
    """An open COPY FROM STDIN that takes bytes, or tuples of None, int, float, str and bytes."""

    def __init__(self, session: Session, sql: str, check: Check) -> None:
        self._session = session
        self._check = check
        self._formatter = session.formatter(_Forward(self))
        session.begin_copy_in(sql, check)

    def write(self, data: bytes) -> None:
        """Send one block."""
        self._session.send(data, self._check)

    def write_rows(self, rows: Sequence[Sequence[object]]) -> None:
        """Send tuples as COPY text.

        Raises:
            RowRejectedError: a value has no form in PostgreSQL; the COPY is still open then.
        """
        write_row = self._formatter.write_row
        try:
            for row in rows:
                write_row(row)
        except psycopg.Error as error:
            raise self._session.failed(error) from error
        except UnicodeEncodeError as error:
            raise RowRejectedError(
                f"{self._session.place}: a text is not valid Unicode", hint="mend the value at the source"
            ) from error

    def end(self) -> int:
        """How many rows the server took in all."""
        if rest := self._formatter.formatter.end():
            self.write(bytes(rest))
        return self._session.end_copy_in(self._check)


class _Forward(Writer):
    """Where psycopg's maker of COPY text leaves what it made."""

    def __init__(self, copy: CopyIn) -> None:
        self._copy = copy

    def write(self, data: Any) -> None:
        """Send it."""
        self._copy.write(bytes(data))
