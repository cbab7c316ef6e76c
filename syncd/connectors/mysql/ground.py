"""What a reading stands on: the relation as the catalogue has it, its check column, and whether its cursor is good."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd.connectors.mysql.catalog import Found, describe, source_text, table_identity
from syncd.connectors.mysql.copytext import PLAIN, text_of, value_of
from syncd.connectors.mysql.horizon import TIMES
from syncd.connectors.mysql.session import Session, literal, quote
from syncd.connectors.mysql.types import family
from syncd.errors import FatalError
from syncd.model.choice import choose_columns, override_key
from syncd.model.cursor import Cursor, Value, cursor_from_text
from syncd.model.following import find_check_column
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind, Table

NUMBERS: Final = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
FOLLOWED: Final = TIMES | NUMBERS
"""Families whose values can grow with changes."""

_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ground:
    """A relation as the catalogue has it: its table, text after FROM, check column and usable cursor.

    `start` is the lowest check value that is ever read, in the column's own form.
    """

    table: Table
    found: Found | None
    text: str
    column: Column | None
    cursor: Cursor | None
    reset: str
    identity: str
    extract: Extract
    start: Value = None

    @property
    def loading(self) -> bool:
        """Was the first load interrupted?"""
        return self.cursor is not None and self.cursor.loading

    @property
    def first(self) -> bool:
        """Is everything to be read?"""
        return self.cursor is None or self.cursor.loading


@dataclass(frozen=True, slots=True)
class Described:
    """What the catalogue said about a relation: all its columns, its one table, and how it is told from others."""

    table: Table
    found: Found | None
    identity: str


def look_up(session: Session, relation: Relation) -> Described:
    """Ask the catalogue about a relation."""
    table, found = describe(session, relation)
    identity = table_identity(session, found) if found is not None else f"{session.server}/query"
    return Described(table, found, identity)


def find_ground(session: Session, extract: Extract, described: Described | None = None) -> Ground:
    """What a reading stands on; `described` is what the catalogue says, when that is known already."""
    known = described or look_up(session, extract.relation)
    table, found, identity = known.table, known.found, known.identity
    column = _check_column(table, extract)
    if extract.relation.select is None:
        table = choose_columns(table, extract.relation)
    table = override_key(table, extract.key)
    cursor = cursor_from_text(extract.cursor)
    reset = ""
    if cursor is not None:
        if cursor.identity != identity:
            reset = "the source table was replaced by another one"
        elif cursor.column != (column.name if column else None):
            reset = "another check column is followed"
        elif cursor.columns != table.shape:
            reset = "the columns of the source changed"
        cursor = None if reset else cursor
    start = find_start(column, extract.start)
    text = source_text(extract.relation, found)
    if extract.changes is not None:
        text = f"({extract.changes.rows}) AS t"
    return Ground(table, found, text, column, cursor, reset, identity, extract, start)


def went_back(session: Session, ground: Ground) -> bool:
    """Does no row stand at or above the mark any more? A restored backup looks like this."""
    cursor = ground.cursor
    if ground.column is None or cursor is None or cursor.loading or cursor.mark is None:
        return False
    if ground.extract.relation.bounded:
        # Its rows say nothing about the table: those above the mark alone may be asked for.
        return False
    condition = f"{named(ground.column)} >= {mark_literal(cursor.mark, ground.column)}"
    return bool(session.value(f"SELECT NOT EXISTS (SELECT 1 FROM {ground.text} WHERE {condition})") == "1")


def lowest(ground: Ground, mark: Value) -> Value:
    """The lowest value that a reading from this mark reads."""
    column = ground.column
    seconds = ground.extract.lookback_seconds
    if not seconds or mark is None or column is None or column.type.kind not in TIMES:
        return mark
    moment = moment_of(mark)
    if moment is None:
        return mark
    try:
        return time_text(moment - timedelta(seconds=seconds), column)
    except OverflowError:
        return None


def since(column: Column | None, low: Value, start: Value) -> str:
    """The rows at and after `low` and `start`, and those without a value, as a condition; empty for everything."""
    if column is None:
        return ""
    bounds = [f"{named(column)} >= {mark_literal(each, column)}" for each in (low, start) if each is not None]
    return f"({' AND '.join(bounds)} OR {named(column)} IS NULL)" if bounds else ""


def both(*conditions: str) -> str:
    """The conditions that are not empty, all of them."""
    return " AND ".join(condition for condition in conditions if condition)


def where(condition: str) -> str:
    """A WHERE clause with its blank in front, or nothing."""
    return f" WHERE {condition}" if condition else ""


def digest_of(columns: Sequence[Column]) -> str:
    """A number of 64 bits that stands for the values of a row, as SQL; the same on every server."""
    parts = [
        f"IFNULL({text_of(column)}, '\\\\N')"
        if column.type.kind in PLAIN
        else f"IFNULL(MD5({value_of(column)}), '\\\\N')"
        for column in columns
    ]
    return f"CAST(CONV(LEFT(MD5(CONCAT_WS(',', {', '.join(parts)})), 16), 16, 10) AS UNSIGNED)"


def sum_of(table: Table) -> str:
    """How many rows, and a checksum of them, as SQL."""
    return f"COUNT(*), IFNULL(SUM({digest_of(table.columns)}), 0)"


def named(column: Column) -> str:
    """The column as SQL."""
    return f"t.{quote(column.name)}"


def mark_text(of: str, column: Column) -> str:
    """An expression over the column as the text of a mark, never rounded."""
    if column.type.kind is Kind.FLOAT:
        return f"{of} * 1e0"
    return f"{of} + 0" if family(column.type.native) in {"bit", "year"} else f"CAST({of} AS CHAR)"


def mark_literal(value: Value, column: Column) -> str:
    """A mark as SQL of its column's type."""
    text = str(value)
    if column.type.kind in NUMBERS | {Kind.BOOLEAN} and _NUMBER.fullmatch(text):
        return text if column.type.kind is not Kind.FLOAT or "e" in text.lower() else f"{text}e0"
    return literal(text)


def moment_of(mark: Value) -> datetime | None:
    """A time as the server prints it; None for a date that no calendar has."""
    try:
        return datetime.fromisoformat(str(mark))
    except ValueError:
        return None


def time_text(moment: datetime, column: Column) -> str:
    """A time as text for the column."""
    return (
        moment.date().isoformat()
        if column.type.kind is Kind.DATE
        else moment.isoformat(sep=" ", timespec="microseconds")
    )


def find_start(column: Column | None, said: str | int | None) -> Value:
    """The lowest value that is read, as the server prints values of the column; None when nothing was asked.

    Raises:
        FatalError: it does not fit the column, or there is no check column (code ``bad_start``).
    """
    if said is None:
        return None
    if column is None:
        raise _bad_start(said, "no check column is followed")
    if column.type.kind in NUMBERS:
        if not _NUMBER.fullmatch(str(said)):
            raise _bad_start(said, f"column {column.name} is {column.type}")
        return str(said)
    try:
        moment = datetime.fromisoformat(str(said)) if isinstance(said, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise _bad_start(said, f"column {column.name} is {column.type}")
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return time_text(moment, column)


def _bad_start(said: str | int, why: str) -> FatalError:
    return FatalError(
        f"rows cannot be read from {said} on: {why}",
        hint="give an ISO date or time for a column of times, and a number for one of numbers",
        code="bad_start",
    )


def _check_column(table: Table, extract: Extract) -> Column | None:
    if extract.keys is not None:
        return None
    column = find_check_column(table, extract.check_columns)
    if column is None and extract.relation.bounded:
        raise FatalError(
            f"the query for {table.name} asks for the last mark, and no check column is followed",
            hint="set check_columns",
            code="check_column_missing",
        )
    if column is not None and column.type.kind not in FOLLOWED:
        raise FatalError(
            f"column {column.name} of {table.name} is {column.type}, which does not grow with changes",
            hint=f"follow a time or a number that every change raises, or SELECT CAST({column.name} AS datetime) AS {column.name}",
            code="check_column_unfit",
        )
    return column


def without_cursor(ground: Ground, reset: str) -> Ground:
    """The ground of a reading from the beginning."""
    return replace(ground, cursor=None, reset=reset)
