"""The lowest check value that is ever read."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from syncd.connectors.postgresql.quoting import literal, plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.errors import FatalError, RowRejectedError
from syncd.model.cursor import Value
from syncd.model.table import Column, Kind, TableName

TIMES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


def find_start(session: Session, name: TableName, column: Column | None, start: str | int | None) -> Value:
    """The start as the server writes a value of the column; None when there is none.

    Raises:
        FatalError: no check column, or the start is no value of it (code ``bad_start``).
    """
    if start is None:
        return None
    if column is None:
        raise FatalError(
            f"{name} is to be read from {start} on, and no check column is followed",
            hint="name a check column, or leave the start out",
            code="bad_start",
        )
    if _fits(column, start):
        try:
            value: Value = session.value(f"SELECT {literal(start, column.type.native)}::text")
        except RowRejectedError:
            value = None
        if value is not None:
            return value
    wanted = "a time such as 2026-01-31 or 2026-01-31 08:00:00" if column.type.kind in TIMES else "a number"
    raise FatalError(
        f"{name} cannot be read from {start!r} on: column {column.name} is {column.type}",
        hint=f"give {wanted}",
        code="bad_start",
    )


def from_start(text: str, column: str, start: str) -> str:
    """What follows FROM, without rows below the start; those without a value stay. The alias is always t."""
    name = f"t.{quote(column)}"
    return f"(SELECT * FROM {text} WHERE {name} >= {plain_literal(start)} OR {name} IS NULL) AS t"


def _fits(column: Column, start: str | int) -> bool:
    try:
        if column.type.kind in TIMES:
            return isinstance(start, str) and datetime.fromisoformat(start) is not None
        return Decimal(start).is_finite()
    except (ValueError, InvalidOperation):
        return False
