"""What a reading finds before it reads: how many rows, the mark's candidate, and a checksum of what comes next."""

from dataclasses import dataclass
from typing import Final

from syncd.connectors.postgresql.ground import SUM, Ground, lowest, since
from syncd.connectors.postgresql.horizon import Horizon
from syncd.connectors.postgresql.quoting import literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.model.cursor import Seen, Value
from syncd.model.table import Column, Kind

FINITE: Final = {
    Kind.FLOAT: "{name} < 'Infinity'",
    Kind.DECIMAL: "{name}::text NOT IN ('NaN', 'Infinity')",
}
"""Nothing may ever follow these values, so they never become the mark."""

INDEXED: Final = """
SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = %s AND a.attname = %s AND i.indpred IS NULL)"""

LOOKED_AT_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows are to be read, how many of them have no check value or one in the future.

    `candidate` is the highest value that may become the mark; `rows` may be the planner's estimate without a check column.
    """

    rows: int
    null_rows: int = 0
    future_rows: int = 0
    candidate: Value = None


def find_candidate(session: Session, ground: Ground, horizon: Horizon) -> Value:
    """The highest value that may become the mark, by a question of its own."""
    if ground.column is None:
        return None
    bound = _trusted(ground.column, horizon)
    where = f" WHERE {bound}" if bound else ""
    value: Value = session.value(f"SELECT max(t.{quote(ground.column.name)})::text FROM {ground.text}{where}")
    return value


def take_tally(session: Session, ground: Ground, horizon: Horizon, where: str) -> Tally:
    """Count the rows and find the candidate in one scan; without a check column the planner's estimate will do."""
    tail = f" WHERE {where}" if where else ""
    if ground.column is None:
        if ground.found is not None and ground.plain and not where and ground.found.rows >= 0:
            return Tally(ground.found.rows)
        return Tally(int(session.value(f"SELECT count(*) FROM {ground.text}{tail}")))
    name, native = f"t.{quote(ground.column.name)}", ground.column.type.native
    future = f"{name} > {literal(horizon.present, native)}" if horizon.present else "false"
    trusted = _trusted(ground.column, horizon)
    highest = f"max({name}) FILTER (WHERE {trusted})" if trusted else f"max({name})"
    row = session.execute(
        f"SELECT count(*), count(*) - count({name}), count(*) FILTER (WHERE {future}), ({highest})::text"
        f" FROM {ground.text}{tail}"
    ).fetchone()
    return Tally(int(row[0]), int(row[1]), int(row[2]), row[3]) if row else Tally(0)


def see(session: Session, ground: Ground, mark: Value) -> Seen:
    """What the next reading from this mark would read if nothing changed."""
    low = lowest(session, ground, mark)
    where = since(ground.column, low)
    row = session.execute(f"SELECT {SUM} FROM {ground.text}{f' WHERE {where}' if where else ''}").fetchone()
    rows, total = (int(row[0]), str(row[1])) if row else (0, "0")
    return Seen(rows, total, low, ground.lookback_seconds)


def width(session: Session, ground: Ground) -> float:
    """About how many bytes a row has as text, by a look at a few of them."""
    few = f"(SELECT t.* FROM {ground.text} LIMIT {LOOKED_AT_ROWS}) AS few"
    return float(str(session.value(f"SELECT coalesce(avg(octet_length(few::text)), 0) FROM {few}")))


def is_indexed(session: Session, ground: Ground) -> bool:
    """Is there an index on the check column, or without one a key?"""
    if ground.column is None or ground.found is None:
        return ground.column is None and bool(ground.table.key)
    return bool(session.value(INDEXED, (ground.found.oid, ground.column.name)))


def _trusted(column: Column, horizon: Horizon) -> str:
    """The values that may become the mark, as a condition; empty for all."""
    name = f"t.{quote(column.name)}"
    if horizon.upper is not None:
        return f"{name} < {literal(horizon.upper, column.type.native)}"
    return FINITE.get(column.type.kind, "").format(name=name)
