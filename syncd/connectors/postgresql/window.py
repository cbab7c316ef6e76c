"""How what is to be read is cut into windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from syncd.connectors.postgresql.ground import Ground
from syncd.connectors.postgresql.quoting import key_literal, literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.types import is_limited_text
from syncd.errors import FatalError
from syncd.model.cursor import Value
from syncd.model.interval import interval_edges
from syncd.model.options import Interval
from syncd.model.reading import Window
from syncd.model.table import Column, Kind

KEYS_AT_ONCE: Final = 1_000
SAMPLED_ROWS: Final = 20_000

FIRST_DAY: Final = "0001-01-01"
LAST_DAY: Final = "10000-01-01"
"""Between these days a time can be cut by the calendar; others come with the last window."""
MOMENT: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US'


@dataclass(frozen=True, slots=True)
class Selector:
    """The rows of one window as a condition (empty for all); `position` is where the next one begins, or None."""

    where: str
    position: Value = None


def single_window(text: str, where: str = "", *, whole: bool) -> list[Window]:
    """One window."""
    return [Window(1, text, whole=whole, selector=Selector(where))]


def row_windows(
    session: Session, ground: Ground, rows: int, window_rows: int, position: Value
) -> list[Window]:
    """Ranges of the check column, or of the key's first column, of about `window_rows` rows each."""
    by = ground.column or (ground.table.column(ground.table.key[0]) if ground.table.key else None)
    if by is None:
        return single_window("all rows", whole=True)
    edges = _row_edges(session, ground, by, rows, window_rows, position) if rows > window_rows else []
    return _cut(by, edges, position)


def interval_windows(
    session: Session, ground: Ground, interval: Interval, upto: Value, position: Value
) -> list[Window]:
    """Stretches of the check column of this length, oldest first, from the lowest value or the start on.

    They end at `upto`, the value that may become the mark: one row of the year 9999 shall not make a million windows.
    Rows above, without a value, or with one outside the calendar come with the last window.

    Raises:
        FatalError: there would be too many windows (code ``bad_interval``).
    """
    column = ground.column
    if column is None:
        return row_windows(session, ground, 0, 1, position)
    name, native = f"t.{quote(column.name)}", column.type.native
    lowest = f"min({name})"
    begin = literal(ground.start, native) if ground.start is not None else lowest
    end = literal(upto, native) if upto is not None else "NULL"
    at_utc = " AT TIME ZONE 'UTC'" if column.type.kind is Kind.TIMESTAMPTZ else "::timestamp"
    shown = ", ".join(
        f"to_char(({one}){at_utc}, {_text(MOMENT)})" for one in (begin, lowest, f"least(max({name}), {end})")
    )
    low = max(FIRST_DAY, str(ground.start)) if ground.start is not None else FIRST_DAY
    row = session.execute(
        f"SELECT {shown} FROM {ground.text}"
        f" WHERE {name} >= {literal(low, native)} AND {name} < {literal(LAST_DAY, native)}"
    ).fetchone()
    edges: list[Value] = []
    if row is not None and row[1] is not None and upto is not None:
        start, first, last = (datetime.fromisoformat(text) for text in row)
        told = _shown(start, column)
        for edge in interval_edges(start, last, interval):
            text = _shown(edge, column)
            # Stretches before the first row, and those that a load before this one has done, hold nothing.
            done = position is not None and text <= str(position)
            if edge > first and not done and text not in [*edges[-1:], told]:
                edges.append(text)
    outside = f" OR {name} < {literal(FIRST_DAY, native)}" if edges or position is not None else ""
    return _cut(column, edges, position, inside=f"{name} >= {literal(FIRST_DAY, native)}", outside=outside)


def key_windows(ground: Ground, keys: Sequence[tuple[object, ...]]) -> list[Window]:
    """The rows with these keys, in windows of up to 1 000; one empty window for no keys.

    Raises:
        FatalError: the relation has no key (code ``key_missing``).
    """
    columns = [column for name in ground.table.key if (column := ground.table.column(name)) is not None]
    if not columns:
        raise FatalError(
            f"rows of {ground.table.name} cannot be found by their keys: it has none",
            hint="say which columns tell its rows apart",
            code="key_missing",
        )
    if not keys:
        return single_window("no keys", "false", whole=False)
    natives = ["text" if is_limited_text(column.type) else column.type.native for column in columns]
    names = ", ".join(f"t.{quote(column.name)}" for column in columns)
    windows = []
    for number, begin in enumerate(range(0, len(keys), KEYS_AT_ONCE), 1):
        some = keys[begin : begin + KEYS_AT_ONCE]
        rows = ", ".join(
            "("
            + ", ".join(key_literal(value, native) for value, native in zip(key, natives, strict=True))
            + ")"
            for key in some
        )
        where = f"({names}) IN (VALUES {rows})"
        windows.append(Window(number, f"{len(some)} keys", whole=False, selector=Selector(where)))
    return windows


def _cut(
    by: Column, edges: Sequence[Value], position: Value, inside: str = "", outside: str = ""
) -> list[Window]:
    """Windows that meet at the edges; `inside` bounds the first, and `outside` is added to the last."""
    name, native = f"t.{quote(by.name)}", by.type.native
    windows = []
    low = position
    for number, high in enumerate([*edges, None], 1):
        parts = [f"{name} >= {literal(low, native)}"] if low is not None else []
        parts += [f"{name} < {literal(high, native)}"] if high is not None else []
        if inside and low is None and high is not None:
            parts.append(inside)
        where = " AND ".join(parts)
        if high is None and low is not None:
            # Rows without a value come with the last window.
            where = f"({where} OR {name} IS NULL{outside})"
        windows.append(
            Window(number, where or "all rows", whole=position is None, selector=Selector(where, high))
        )
        low = high
    return windows


def _row_edges(
    session: Session, ground: Ground, by: Column, rows: int, window_rows: int, position: Value
) -> list[Value]:
    """Values that cut the rows into about equal parts, from a sample; fewer when they are not distinct."""
    count = -(-rows // window_rows)
    share = min(100.0, max(1.0, 100.0 * SAMPLED_ROWS / max(rows, 1)))
    sampled = (
        f"{ground.found.text} AS t TABLESAMPLE SYSTEM ({share:.4f}) REPEATABLE (1)"
        if ground.found and ground.plain and ground.found.kind in {"r", "p", "m"}
        else ground.text
    )
    name, native = f"t.{quote(by.name)}", by.type.native
    low = position if position is not None or ground.column is None else ground.start
    since = f" WHERE {name} >= {literal(low, native)}" if low is not None else ""
    fractions = ", ".join(str(i / count) for i in range(1, count))
    row = session.execute(
        f"SELECT (percentile_disc(ARRAY[{fractions}]) WITHIN GROUP (ORDER BY {name}))::text[] FROM {sampled}{since}"
    ).fetchone()
    edges: list[Value] = []
    for edge in (row[0] if row else None) or []:
        if edge is not None and edge not in [*edges[-1:], position]:
            edges.append(edge)
    return edges


def _shown(moment: datetime, column: Column) -> str:
    if column.type.kind is Kind.DATE:
        return moment.date().isoformat()
    return moment.isoformat(sep=" ") + ("+00" if column.type.kind is Kind.TIMESTAMPTZ else "")


def _text(text: str) -> str:
    return f"'{text}'"
