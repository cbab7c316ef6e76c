"""A SELECT that says itself between which marks it reads."""

from dataclasses import replace
from typing import Final

from syncd.connectors.postgresql.catalog import read_table
from syncd.connectors.postgresql.ground import Ground, lowest
from syncd.connectors.postgresql.horizon import Horizon
from syncd.connectors.postgresql.quoting import literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.start import TIMES
from syncd.model.cursor import Value
from syncd.model.options import Interval
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind

EXTREMES: Final = {
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "real": ("-Infinity", "Infinity"),
    "double precision": ("-Infinity", "Infinity"),
}
"""The lowest and the highest value of number types; times know -infinity, and numeric is taken to 1000 digits."""


def fill_marks(session: Session, ground: Ground, extract: Extract, horizon: Horizon) -> Ground:
    """The ground with literals of its check column in the places of LAST_MARK and NEXT_MARK.

    Raises:
        FatalError: an interval over a column that is no time (code ``bad_interval``).
    """
    column = ground.column
    if column is None:
        return ground
    last = _last(session, ground, extract.relation, column)
    following = _next(session, ground, extract, horizon, last)
    native = column.type.native
    begun = ground.start is not None or (ground.cursor is not None and ground.cursor.mark is not None)
    # Whoever asks for rows above the last mark wants those at the lowest value too, the first time.
    shown = last if begun else _extremes(column)[0]
    text = ground.text.replace(LAST_MARK, f"({literal(shown, native)})")
    return replace(ground, text=text.replace(NEXT_MARK, f"({literal(following, native)})"))


def _last(session: Session, ground: Ground, relation: Relation, column: Column) -> Value:
    native = column.type.native
    if ground.cursor is not None and ground.cursor.mark is not None:
        low = literal(lowest(session, ground, ground.cursor.mark), native)
        floor = literal(ground.start, native) if ground.start is not None else low
        value: Value = session.value(f"SELECT greatest({low}, {floor})::text")
        return value
    if ground.start is not None:
        return ground.start
    base = _column_of_table(session, ground, relation, column)
    found = (
        session.value(f"SELECT min({quote(base)})::text FROM {ground.found.text}")
        if ground.found and base
        else None
    )
    return found if found is not None else _extremes(column)[0]


def _next(session: Session, ground: Ground, extract: Extract, horizon: Horizon, last: Value) -> Value:
    column = ground.column
    if column is None or column.type.kind not in TIMES or horizon.upper is None:
        return _extremes(column)[1] if column else None
    upper: Value = horizon.upper
    if extract.interval is None:
        return upper
    native = column.type.native
    far = _later(literal(last, native), extract.interval, column)
    base = _column_of_table(session, ground, extract.relation, column)
    if ground.found and base:
        # A time without rows that is longer than the interval must not hold the mark for ever.
        after = f"(SELECT min({quote(base)}) FROM {ground.found.text} WHERE {quote(base)} > {literal(last, native)})"
        far = (
            f"greatest({far}, CASE WHEN {after} >= {far} THEN {_later(after, extract.interval, column)} END)"
        )
    at = literal(last, native)
    value: Value = session.value(
        f"SELECT CASE WHEN isfinite({at}) THEN least({literal(upper, native)}, {far}) ELSE {literal(upper, native)} END::text"
    )
    return value


def _later(moment: str, step: Interval, column: Column) -> str:
    later = f"({moment} + make_interval(months => {int(step.months)}, secs => {float(step.seconds)}))::{column.type.native}"
    return f"greatest({later}, {moment} + 1)" if column.type.kind is Kind.DATE else later


def _column_of_table(session: Session, ground: Ground, relation: Relation, column: Column) -> str:
    """The column of the relation's one table that comes out as the check column, or empty."""
    if ground.found is None:
        return ""
    name = next((inner for inner, outer in relation.outputs if outer == column.name), column.name)
    return name if read_table(session, ground.found).column(name) is not None else ""


def _extremes(column: Column) -> tuple[str, str]:
    if column.type.kind in TIMES:
        return "-infinity", "infinity"
    return EXTREMES.get(column.type.native, ("-1e1000", "1e1000"))
