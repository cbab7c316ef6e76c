"""What a reading stands on: the relation as the catalogue has it, its check column, and whether its cursor is good."""

from dataclasses import dataclass
from typing import Final

from syncd.connectors.postgresql.catalog import Found, describe, source_text
from syncd.connectors.postgresql.quoting import literal, plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.start import TIMES, find_start, from_start
from syncd.errors import FatalError
from syncd.model.choice import choose_columns, override_key
from syncd.model.cursor import Cursor, Value, cursor_from_text
from syncd.model.following import find_check_column
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind, Table

UNFIT: Final = frozenset(
    {
        Kind.JSON,
        Kind.BOOLEAN,
        Kind.ARRAY,
        Kind.BYTES,
        Kind.GEOMETRY,
        Kind.INTERVAL,
        Kind.UUID,
        Kind.TIME,
        Kind.TEXT,
    }
)
"""Families whose values do not grow with changes."""
SUM: Final = "count(*), coalesce(sum(hashtextextended((t.*)::text, 0)), 0)::text"
"""How many rows, and a checksum of them. `t.*` is the row, even where a column is called t."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A relation as the catalogue has it: its table, text after FROM, check column and usable cursor."""

    table: Table
    found: Found | None
    text: str
    column: Column | None
    cursor: Cursor | None
    reset: str
    identity: str
    lookback_seconds: float
    start: Value = None
    plain: bool = True
    """Is it a table, and no SELECT?"""
    bounded: bool = False
    """Does the SELECT say itself between which marks it reads?"""


def find_ground(session: Session, extract: Extract, place: str) -> Ground:
    """Look the relation up; `place` names the database among all others."""
    relation = extract.relation
    whole, found = describe(session, relation)
    table = override_key(choose_columns(whole, relation), extract.key)
    column = _check_column(whole, extract.check_columns)
    if relation.bounded and column is None:
        raise FatalError(
            f"the query for {whole.name} reads between two marks, and no check column is followed",
            hint="name a check column that the query gives",
            code="check_column_missing",
        )
    start = find_start(session, whole.name, column, extract.start)
    identity = f"{place}/{found.oid if found else 'query'}"
    cursor, reset = _usable(extract, identity, column, table)
    text = source_text(relation, found)
    if extract.changes is not None:
        text = f"({extract.changes.rows}) AS t"
    if column is not None and start is not None and not relation.bounded:
        text = from_start(text, column.name, str(start))
    return Ground(
        table,
        found,
        text,
        column,
        cursor,
        reset,
        identity,
        extract.lookback_seconds,
        start,
        plain=relation.select is None and extract.changes is None,
        bounded=relation.bounded,
    )


def went_back(session: Session, ground: Ground) -> bool:
    """Does no row stand at or above the mark any more? A restored backup looks like this."""
    cursor = ground.cursor
    if ground.column is None or cursor is None or cursor.loading or cursor.mark is None or ground.bounded:
        return False
    name, mark = f"t.{quote(ground.column.name)}", literal(cursor.mark, ground.column.type.native)
    return session.value(f"SELECT NOT EXISTS (SELECT 1 FROM {ground.text} WHERE {name} >= {mark})") is True


def lowest(session: Session, ground: Ground, mark: Value) -> Value:
    """The lowest value that a reading from this mark reads."""
    column = ground.column
    if not ground.lookback_seconds or mark is None or column is None or column.type.kind not in TIMES:
        return mark
    native = column.type.native
    back = f"make_interval(secs => {float(ground.lookback_seconds)})"
    value: Value = session.value(f"SELECT ({literal(mark, native)} - {back})::{native}::text")
    return value


def since(column: Column | None, low: Value) -> str:
    """The rows at and after `low`, and those without a value, as a condition; empty for everything."""
    if column is None or low is None:
        return ""
    name = f"t.{quote(column.name)}"
    return f"({name} >= {literal(low, column.type.native)} OR {name} IS NULL)"


def sum_branch(index: int, named: str, text: str, cursor: Cursor, start: str | int | None) -> str:
    """One branch of the common question whether anything changed; marks take their column's own type.

    `named` is the quoted name of the relation's one table, or empty; `text` is what to read, from `start` on.
    """
    text = f"{text} AS t"
    if start is not None and cursor.column is not None:
        text = from_start(text, cursor.column, str(start))
    number = f"coalesce(to_regclass({plain_literal(named)})::oid::text, '')" if named else "'query'"
    where = ""
    low = cursor.seen.since if cursor.seen else None
    if cursor.column is not None and low is not None:
        name = f"t.{quote(cursor.column)}"
        where = f" WHERE {name} >= {plain_literal(str(low))} OR {name} IS NULL"
    return f"SELECT {index}, {number}, {SUM} FROM {text}{where}"


def _usable(
    extract: Extract, identity: str, column: Column | None, table: Table
) -> tuple[Cursor | None, str]:
    """The cursor when it is good for this relation, else why it is not."""
    cursor = cursor_from_text(extract.cursor)
    if cursor is None:
        return None, ""
    if cursor.identity != identity:
        return None, "the source table was replaced by another one"
    if cursor.column != (column.name if column else None):
        return None, "another check column is followed"
    if cursor.columns != table.shape:
        return None, "the columns of the source changed"
    return cursor, ""


def _check_column(table: Table, candidates: tuple[str, ...]) -> Column | None:
    column = find_check_column(table, candidates)
    if column is not None and column.type.kind in UNFIT:
        raise FatalError(
            f"column {column.name} of {table.name} is {column.type}, which does not grow with changes",
            hint=f"follow a time or a number that every change raises, or SELECT {column.name}::timestamptz AS {column.name}",
            code="check_column_unfit",
        )
    return column
