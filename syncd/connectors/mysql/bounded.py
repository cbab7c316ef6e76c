"""Queries that say themselves between which marks they read: the marks are put into their text."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from syncd.connectors.mysql.catalog import source_text
from syncd.connectors.mysql.ground import (
    Ground,
    lowest,
    mark_literal,
    mark_text,
    moment_of,
    named,
    time_text,
    where,
)
from syncd.connectors.mysql.horizon import TIMES, Horizon
from syncd.connectors.mysql.session import Session, literal
from syncd.errors import FatalError
from syncd.model.cursor import Value
from syncd.model.interval import interval_edges
from syncd.model.options import Interval
from syncd.model.plan import LAST_MARK, NEXT_MARK
from syncd.model.table import Column, Kind

LEAST: Final = {
    Kind.DATE: "0001-01-01",
    Kind.TIMESTAMP: "0001-01-01 00:00:00",
    Kind.TIMESTAMPTZ: "0001-01-01 00:00:00",
}
LEAST_NUMBER: Final = "-9223372036854775808"
MOST_NUMBER: Final = "9223372036854775807"
CASTS: Final = {Kind.DATE: "DATE", Kind.TIMESTAMP: "DATETIME(6)", Kind.TIMESTAMPTZ: "DATETIME(6)"}


def bind_marks(session: Session, ground: Ground, horizon: Horizon) -> Ground:
    """The ground with the marks in its query; the same ground when the query asks for none.

    Raises:
        FatalError: an interval is given for a column that is no time.
    """
    relation, column = ground.extract.relation, ground.column
    if not relation.bounded or column is None or relation.select is None:
        return ground
    last = _last(session, ground, column)
    upper = horizon.upper if horizon.upper is not None else _beyond(session, ground, column)
    next_mark = _with_interval(session, ground, column, last, upper)
    begun = ground.start is not None or (ground.cursor is not None and ground.cursor.mark is not None)
    # Whoever asks for rows above the last mark wants those at the lowest value too, the first time.
    shown = last if begun else LEAST.get(column.type.kind, LEAST_NUMBER)
    text = relation.select.replace(LAST_MARK, _typed(shown, column)).replace(
        NEXT_MARK, _typed(next_mark, column)
    )
    return replace(ground, text=source_text(replace(relation, select=text), ground.found))


def _typed(value: Value, column: Column) -> str:
    cast = CASTS.get(column.type.kind)
    return f"CAST({literal(str(value))} AS {cast})" if cast else mark_literal(value, column)


def _last(session: Session, ground: Ground, column: Column) -> Value:
    cursor = ground.cursor
    if cursor is not None and cursor.mark is not None:
        low = lowest(ground, cursor.mark)
        if low is not None:
            return low
    if ground.start is not None:
        return ground.start
    return _extreme(session, ground, column, "MIN") or LEAST.get(column.type.kind, LEAST_NUMBER)


def _beyond(session: Session, ground: Ground, column: Column) -> Value:
    """A number above all that are there now."""
    return _extreme(session, ground, column, "MAX", " + 1") or MOST_NUMBER


def _extreme(
    session: Session, ground: Ground, column: Column, function: str, more: str = "", above: Value = None
) -> Value:
    """The lowest or highest check value in the query's one table; None when there is no such table.

    With `above`, among the values above that one.
    """
    if ground.found is None:
        return None
    inner = {outer: inner for inner, outer in ground.extract.relation.outputs}.get(column.name, column.name)
    name = named(replace(column, name=inner))
    condition = where(f"{name} > {_typed(above, column)}" if above is not None else "")
    value: Value = session.value(
        f"SELECT {mark_text(f'{function}({name}){more}', column)} FROM {ground.found.text} AS t{condition}"
    )
    return value


def _with_interval(session: Session, ground: Ground, column: Column, last: Value, upper: Value) -> Value:
    interval = ground.extract.interval
    if interval is None:
        return upper
    if column.type.kind not in TIMES:
        raise FatalError(
            f"column {column.name} is {column.type}: no length of time can be added to it",
            hint="follow a column of dates or times, or leave the interval out",
            code="bad_interval",
        )
    first, end = moment_of(last), moment_of(upper)
    if first is None or end is None:
        return upper
    edge = _later(first, end, interval, column)
    if edge is not None:
        # A time without rows that is longer than the interval must not hold the mark for ever.
        after = moment_of(_extreme(session, ground, column, "MIN", above=last))
        if after is not None and after >= edge:
            edge = _later(after, end, interval, column)
    return upper if edge is None else time_text(edge, column)


def _later(moment: datetime, end: datetime, step: Interval, column: Column) -> datetime | None:
    """The moment one step later, for dates at least a day; None when that is not below the end."""
    edge = next(interval_edges(moment, max(end, moment + timedelta(microseconds=1)), step), None)
    if edge is None or column.type.kind is not Kind.DATE:
        return edge
    edge = max(edge, moment + timedelta(days=1))
    return edge if edge < end else None
