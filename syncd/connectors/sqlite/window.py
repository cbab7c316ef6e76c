"""How a first load of a SQLite relation is cut into windows: by rows, by time, or by keys."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.sqlite.ground import Ground
from syncd.connectors.sqlite.mark import Clause, lowest_of
from syncd.connectors.sqlite.moment import TIMES, moment_of, written
from syncd.connectors.sqlite.reading import Selector
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError
from syncd.model.cursor import Value
from syncd.model.interval import interval_edges
from syncd.model.options import Interval
from syncd.model.reading import Window
from syncd.model.table import Kind

WANTED: Final = "syncd_wanted"
KEYS_AT_ONCE: Final = 1_000
"""A window of a reading by keys has at most so many keys."""


def windows_by_rows(
    session: Session, ground: Ground, rows: int, position: Value, window_rows: int
) -> list[Window]:
    """Ranges of the check column, or of the key's first column, of about `window_rows` rows each.

    `rows` is how many are there, `position` where the first window begins (None: at the lowest value).
    """
    by = ground.column.name if ground.column else (ground.table.key[0] if ground.table.key else None)
    if by is None:
        return [Window(1, "all rows", whole=True, selector=Selector(Clause()))]
    name = quote(by)
    edges: list[Value] = []
    from_ = f" WHERE {name} >= :low" if position is not None else ""
    order = f"SELECT {name} FROM {ground.text}{from_} ORDER BY {name} LIMIT 1 OFFSET :rows"
    for offset in range(window_rows, rows, window_rows):
        row = session.execute(order, {"low": position, "rows": offset}).fetchone()
        edge = None if row is None else row[0]
        if isinstance(edge, str | int | float) and edge not in [*edges[-1:], position]:
            edges.append(edge)
    return _ranges(by, edges, position)


def windows_by_time(
    session: Session, ground: Ground, upto: Value, position: Value, interval: Interval
) -> list[Window]:
    """Windows of one length of time, from the lowest value (or the start) up to the one that becomes the mark.

    Rows without a value, and those above, come with the last window.

    Raises:
        FatalError: the check column holds no times, or there would be too many windows.
    """
    column = ground.column
    if column is None:
        return [Window(1, "all rows", whole=True, selector=Selector(Clause()))]
    kind = column.type.kind
    low = ground.start if ground.start is not None else lowest_of(session, ground.text, column)
    begin = None if low is None else moment_of(low, kind)
    end = None if upto is None else moment_of(upto, kind)
    if upto is None and kind in TIMES | {Kind.TEXT, Kind.ANY}:
        return _ranges(column.name, [], position)
    if begin is None or end is None:
        raise FatalError(
            f"an interval was given, and check column {column.name} holds other values than times",
            hint="follow a column of times, or leave the interval out",
            code="bad_interval",
        )
    edges = [written(upto, kind, edge) for edge in interval_edges(begin, end, interval)]
    return _ranges(
        column.name, [edge for edge in edges if position is None or _above(edge, position)], position
    )


def windows_by_keys(session: Session, ground: Ground, keys: Sequence[tuple[object, ...]]) -> list[Window]:
    """Windows of at most a thousand keys each; the keys are kept in a temporary table until the reading is closed."""
    width = len(ground.table.key)
    if not width:
        raise FatalError(f"{ground.table.name} has no key", hint="name its key's columns", code="key_missing")
    session.collect(WANTED, width, keys)
    windows = []
    for number, first in enumerate(range(1, max(len(keys), 1) + 1, KEYS_AT_ONCE), 1):
        last = min(first + KEYS_AT_ONCE - 1, len(keys))
        selector = Selector(wanted(ground, first, last))
        windows.append(Window(number, f"keys {first} to {last}", whole=False, selector=selector))
    return windows


def wanted(ground: Ground, first: int, last: int) -> Clause:
    """The rows whose keys were collected under these numbers."""
    key = ", ".join(quote(name) for name in ground.table.key)
    columns = ", ".join(f"c{number}" for number in range(len(ground.table.key)))
    chosen = f"SELECT {columns} FROM temp.{WANTED} WHERE rowid BETWEEN :first AND :last"
    return Clause(f" WHERE ({key}) IN ({chosen})", {"first": first, "last": last})


def _above(edge: Value, position: Value) -> bool:
    if isinstance(edge, str) and isinstance(position, str):
        return edge > position
    if isinstance(edge, int | float) and isinstance(position, int | float):
        return edge > position
    # Every text is above every number.
    return isinstance(edge, str)


def _ranges(by: str, edges: Sequence[Value], position: Value) -> list[Window]:
    name = quote(by)
    windows = []
    low = position
    for number, high in enumerate([*edges, None], 1):
        windows.append(Window(number, _range_text(by, low, high), position is None, _range(name, low, high)))
        low = high
    return windows


def _range(name: str, low: Value, high: Value) -> Selector:
    if high is None and low is None:
        return Selector(Clause())
    if high is None:
        return Selector(Clause(f" WHERE {name} >= :low OR {name} IS NULL", {"low": low}))
    if low is None:
        return Selector(Clause(f" WHERE {name} < :high", {"high": high}), high)
    return Selector(Clause(f" WHERE {name} >= :low AND {name} < :high", {"low": low, "high": high}), high)


def _range_text(column: str, low: Value, high: Value) -> str:
    if low is None and high is None:
        return "all rows"
    return f"{column} {'from ' + str(low) if low is not None else ''}{' below ' + str(high) if high is not None else ''}"
