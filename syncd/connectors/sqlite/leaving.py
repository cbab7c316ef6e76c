"""Rows on their way out of a SQLite file to other nodes of a cluster."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from syncd.connectors.sqlite.reading import BATCH_BYTES, BATCH_ROWS, FIRST_ROWS, next_rows
from syncd.connectors.sqlite.session import Session
from syncd.errors import RowRejectedError
from syncd.ports import Check


def every_row(session: Session, select: str, check: Check) -> Iterator[list[Any]]:
    """The rows of a SELECT that is read from one state, in batches of bounded memory.

    A text that is no valid UTF-8 comes with surrogates in place of its bytes: no database takes it, so its row is set aside
    where it arrives, and the others go on.
    """
    given = 0
    try:
        for rows in _read(session, select, check):
            given += len(rows)
            yield rows
        return
    except RowRejectedError:
        # From here on the texts are decoded one by one, which takes longer.
        pass
    with session.stray_texts(), closing(_read(session, select, check)) as again:
        for rows in again:
            # The same statement on the same state gives its rows in the same order.
            fresh = rows[given:]
            given = max(given - len(rows), 0)
            if fresh:
                yield fresh


def _read(session: Session, select: str, check: Check) -> Generator[list[Any]]:
    cursor = session.execute(select)
    wanted = FIRST_ROWS
    try:
        while True:
            check()
            with session.errors():
                rows = cursor.fetchmany(wanted)
            if not rows:
                return
            yield rows
            wanted = next_rows(rows, BATCH_ROWS, BATCH_BYTES)
    finally:
        # An open statement would keep the stage from being dropped, and that failure would hide a stop.
        cursor.close()
