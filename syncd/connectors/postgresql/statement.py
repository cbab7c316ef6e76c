"""One SQL statement that a user wrote."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.binding import CONVERTERS
from syncd.connectors.postgresql.session import Session
from syncd.ports import Check

MOST_ROWS: Final = 1_000


def run_statement(session: Session, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
    """Run it in a transaction of its own; the first 1 000 rows of its result, in constant memory."""
    rows: list[tuple[object, ...]] = []
    session.execute("BEGIN")
    try:
        for result in session.query(statement, check):
            if result.ntuples and len(rows) < MOST_ROWS:
                converters = [CONVERTERS.get(result.ftype(i), str) for i in range(result.nfields)]
                values = [result.get_value(0, i) for i in range(result.nfields)]
                rows.append(
                    tuple(
                        None if value is None else convert(value.decode())
                        for convert, value in zip(converters, values, strict=True)
                    )
                )
        session.execute("COMMIT")
    finally:
        session.rollback()
    return rows
