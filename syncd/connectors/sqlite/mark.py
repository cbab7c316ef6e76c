"""The mark of a SQLite check column: up to where nothing is missing, and which rows lie behind it.

A column of a SQLite file may hold times in several forms, and these do not sort by time among each other. So a mark
speaks only for values of its own form: values of another form within its last days are read again by every run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from syncd.connectors.sqlite.moment import TIMES, day_of, form_of, is_time, place
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError
from syncd.model.cursor import Value
from syncd.model.table import Column

LAG: Final = timedelta(seconds=5)
"""How far behind the present the mark stays: a writer may take the time a moment before it gets the lock."""
OTHER_FORM_DAYS: Final = 2
"""How far back values of another form are read again: more than zones can shift a date."""
DAY_GLOB: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"


@dataclass(frozen=True, slots=True)
class Clause:
    """A WHERE clause, with its blank in front, and its named parameters; empty for all rows."""

    where: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def since(column: Column | None, low: Value) -> Clause:
    """The rows at and after `low`, those without a value, and those whose value cannot be compared with it."""
    if column is None or low is None:
        return Clause()
    name = quote(column.name)
    parts = [f"{name} >= :low", f"{name} IS NULL"]
    parameters: dict[str, Any] = {"low": low}
    if isinstance(low, str) and is_time(low):
        # Everything that sorts before a digit is no time; / is the character before 0, and no number.
        parts += [f"{name} < '/'", f"({name} >= :day AND {name} < :low AND {name} NOT GLOB :form)"]
        parameters |= {"day": day_of(low, OTHER_FORM_DAYS), "form": form_of(low)}
    elif isinstance(low, str):
        parts.append(f"{name} < ''")
    return Clause(f" WHERE {' OR '.join(parts)}", parameters)


def find_mark(session: Session, text: str, column: Column | None, now: datetime) -> Value:
    """The highest value that is safely in the past; the column's own highest when it holds no times.

    Raises:
        FatalError: the highest value is binary.
    """
    if column is None:
        return None
    return _below(session, text, column, highest_of(session, text, column), now - LAG)


def highest_of(session: Session, text: str, column: Column) -> Value:
    """The highest value, and the highest time where other values stand above the times.

    Raises:
        FatalError: the highest value is binary.
    """
    name = quote(column.name)
    highest = _highest(session, text, name)
    if isinstance(highest, bytes):
        raise FatalError(
            f"check column {column.name} holds binary values",
            hint="follow another column, or leave these rows out with a SELECT",
            code="check_column_unfit",
        )
    if isinstance(highest, float) and math.isinf(highest):
        highest = _highest(session, text, name, f"{name} < 9e999")
    if isinstance(highest, str) and not is_time(highest) and _may_hide_times(highest, column):
        highest = _highest(session, text, name, f"{name} GLOB '{DAY_GLOB}'") or highest
    found: Value = highest
    return found


def lowest_of(session: Session, text: str, column: Column) -> Value:
    """The lowest value that is no binary; None without values."""
    name = quote(column.name)
    found: Value = session.execute(
        f"SELECT min({name}) FROM {text} WHERE typeof({name}) <> 'blob'"
    ).fetchone()[0]
    return found


def present(session: Session) -> datetime:
    """The present as this machine's SQLite tells it, aware UTC."""
    text = session.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')").fetchone()[0]
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def horizon_of(like: Value, column: Column, now: datetime) -> Value:
    """The bound below which a mark may be, as `like` is written; None when there is none: it is no time."""
    return _bound(like, column, now - LAG)


def literal(value: Value) -> str:
    """A value as SQL text."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        plain = "'" + value.replace("'", "''") + "'"
        return plain if "\x00" not in value else f"CAST(x'{value.encode().hex()}' AS TEXT)"
    return (
        ("9e999" if value > 0 else "-9e999")
        if isinstance(value, float) and math.isinf(value)
        else repr(value)
    )


def _below(session: Session, text: str, column: Column, highest: Value, limit: datetime) -> Value:
    bound = _bound(highest, column, limit)
    mark = highest
    while bound is not None:
        mark = _highest(session, text, quote(column.name), f"{quote(column.name)} < :bound", bound)
        # The value found may be of another form, on whose scale the present stands elsewhere.
        own = _bound(mark, column, limit)
        if own is None or mark < own:
            break
        bound = own
    return mark


def _bound(like: Value, column: Column, limit: datetime) -> Value:
    found = place(like, column.type.kind, limit)
    if found is None and isinstance(like, str) and like[:4].isdigit() and is_time(like[:10]):
        # A date and something unreadable: only whole days can be compared.
        return f"{limit - timedelta(days=OTHER_FORM_DAYS):%Y-%m-%d}"
    return found


def _may_hide_times(highest: str, column: Column) -> bool:
    return column.type.kind in TIMES or not highest[:1].isdigit()


def _highest(session: Session, text: str, name: str, condition: str = "", bound: Value = None) -> Any:
    where = f" WHERE {condition}" if condition else ""
    parameters = {} if bound is None else {"bound": bound}
    row = session.execute(f"SELECT max({name}) FROM {text}{where}", parameters).fetchone()
    return None if row is None else row[0]
