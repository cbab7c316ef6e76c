"""How what is to be read is cut into windows: by rows, by lengths of time, or by keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.connectors.mysql.ground import (
    NUMBERS,
    Ground,
    both,
    mark_literal,
    mark_text,
    moment_of,
    named,
    since,
    time_text,
    where,
)
from syncd.connectors.mysql.horizon import TIMES
from syncd.connectors.mysql.session import Session, literal
from syncd.errors import FatalError
from syncd.model.cursor import Value
from syncd.model.interval import interval_edges
from syncd.model.options import Interval
from syncd.model.reading import Window
from syncd.model.table import Column, Kind, Table

SAMPLE_ROWS: Final = 20_000
KEYS_AT_ONCE: Final = 1_000
CUTTING: Final = NUMBERS | TIMES | {Kind.TEXT, Kind.UUID, Kind.TIME}
"""Families of columns by whose values rows can be cut."""


@dataclass(frozen=True, slots=True)
class Selector:
    """The rows of one window as a condition (empty for all); `position` is where the next one begins, or None."""

    where: str
    position: Value = None


def cut(session: Session, ground: Ground, rows: int, window_rows: int, present: Value) -> list[Window]:
    """Windows of a first load or its resumption: ranges of the check column, or of the key's first column.

    Lengths of time end at `present`: what is dated later comes with the last window.
    """
    position = ground.cursor.position if ground.cursor is not None and ground.loading else None
    by = ground.column or (ground.table.column(ground.table.key[0]) if ground.table.key else None)
    base = since(ground.column, None, ground.start)
    if by is None or by.type.kind not in CUTTING:
        return [Window(1, "all rows", whole=True, selector=Selector(base))]
    interval = ground.extract.interval
    edges: Iterable[Value] = ()
    if ground.extract.single:
        edges = ()
    elif interval is not None:
        edges = _by_time(session, ground, position, interval, present)
    elif rows > (most := ground.extract.window_rows or window_rows):
        edges = _by_rows(session, ground, by, position, rows, most)
    return _ranges(by, edges, position, base)


def _ranges(by: Column, edges: Iterable[Value], position: Value, base: str) -> list[Window]:
    windows = []
    low = position
    for number, high in enumerate([*edges, None], 1):
        parts = [f"{named(by)} >= {mark_literal(low, by)}"] if low is not None else []
        parts += [f"{named(by)} < {mark_literal(high, by)}"] if high is not None else []
        range_ = " AND ".join(parts)
        if high is None and low is not None:
            # Rows without a value come with the last window.
            range_ = f"({range_} OR {named(by)} IS NULL)"
        condition = both(range_, base)
        said = " ".join(
            part
            for part in (
                f"from {low}" if low is not None else "",
                f"below {high}" if high is not None else "",
            )
            if part
        )
        text = f"{by.name} {said}" if said else "all rows"
        windows.append(Window(number, text, whole=position is None, selector=Selector(condition, high)))
        low = high
    return windows


def _by_rows(
    session: Session, ground: Ground, by: Column, position: Value, rows: int, window_rows: int
) -> list[Value]:
    """Values that cut the rows into about equal parts, from a sample; fewer when they are not distinct."""
    count = -(-rows // window_rows)
    share = SAMPLE_ROWS / max(rows, 1)
    low = f"{named(by)} >= {mark_literal(position, by)}" if position is not None else ""
    some = f"RAND(7) < {share:.6f}" if share < 1 else ""
    condition = both(f"{named(by)} IS NOT NULL", low, since(ground.column, None, ground.start), some)
    sample = session.execute(
        f"SELECT {mark_text(named(by), by)} FROM {ground.text}{where(condition)} ORDER BY {named(by)}"
    ).rows
    edges: list[Value] = []
    for part in range(1, count):
        edge = sample[part * len(sample) // count][0] if sample else None
        if edge is not None and edge not in [*edges[-1:], position]:
            edges.append(edge)
    return edges


def _by_time(
    session: Session, ground: Ground, position: Value, interval: Interval, present: Value
) -> list[Value]:
    column = ground.column
    if column is None or column.type.kind not in TIMES:
        said = f"column {column.name} is {column.type}" if column else "no check column is followed"
        raise FatalError(
            f"the load of {ground.table.name} cannot be cut by time: {said}",
            hint="follow a column of dates or times, or leave the interval out",
            code="bad_interval",
        )
    condition = both(since(column, None, ground.start), f"{named(column)} >= '0001-01-01'")
    if present is not None:
        condition = both(condition, f"{named(column)} <= {mark_literal(present, column)}")
    least, most = session.execute(
        f"SELECT {mark_text(f'MIN({named(column)})', column)}, {mark_text(f'MAX({named(column)})', column)}"
        f" FROM {ground.text}{where(condition)}"
    ).rows[0]
    first = moment_of(
        position if position is not None else ground.start if ground.start is not None else least
    )
    last = moment_of(most)
    if first is None or last is None:
        return []
    edges: list[Value] = []
    for edge in interval_edges(first, last, interval):
        text = time_text(edge, column)
        if text not in [*edges[-1:], position]:
            edges.append(text)
    return edges


def by_keys(table: Table, keys: Sequence[tuple[object, ...]]) -> list[Window]:
    """Windows that hold nothing but the rows with these keys."""
    if not table.key and keys:
        raise FatalError(
            f"{table.name} has no key by which rows could be looked up", hint="give one", code="key_missing"
        )
    columns = [column for name in table.key if (column := table.column(name)) is not None]
    windows = []
    for number, start in enumerate(range(0, len(keys), KEYS_AT_ONCE) or (0,), 1):
        part = keys[start : start + KEYS_AT_ONCE]
        windows.append(
            Window(number, f"{len(part)} keys", whole=False, selector=Selector(among(columns, part)))
        )
    return windows


def among(columns: Sequence[Column], keys: Sequence[tuple[object, ...]]) -> str:
    """The rows with these keys as a condition; texts must be equal byte by byte, whatever the collation says."""
    if not keys:
        return "FALSE"
    rows = [f"({', '.join(key_literal(v, c) for v, c in zip(key, columns, strict=True))})" for key in keys]
    names = ", ".join(named(column) for column in columns)
    condition = f"({names}) IN ({', '.join(rows)})" if len(columns) > 1 else f"{names} IN ({', '.join(rows)})"
    texts = [index for index, column in enumerate(columns) if column.type.kind is Kind.TEXT]
    for index in texts:
        exact = ", ".join(literal(str(key[index]).encode()) for key in keys)
        condition += f" AND CAST(CONVERT({named(columns[index])} USING utf8mb4) AS BINARY) IN ({exact})"
    return condition


def key_literal(value: object, column: Column) -> str:
    """A key's value as in ROWS batches, as SQL of its column's type."""
    if isinstance(value, bytes) or value is None:
        return literal(value)
    text = repr(value) if isinstance(value, float) else str(value)
    if column.type.kind is Kind.TIMESTAMPTZ:
        text = text.removesuffix("+00")
    return mark_literal(text, column)
