"""A relation as one snapshot has it: its columns, its text after FROM, and the cursor that may be used."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from syncd.connectors.sqlite.catalog import describe, find_table, origin_of, read_table, source_text
from syncd.connectors.sqlite.mark import highest_of, horizon_of, literal, lowest_of, present
from syncd.connectors.sqlite.moment import TIMES, back, moment_of, written
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError
from syncd.model.choice import choose_columns, override_key
from syncd.model.cursor import Cursor, Value, cursor_from_text
from syncd.model.following import find_check_column
from syncd.model.interval import interval_edges
from syncd.model.plan import NEXT_MARK, Relation
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind, Table

HIGHEST_INTEGER: Final = (1 << 63) - 1
HIGHEST_TEXT: Final = "\U0010ffff"
LOWEST_TIME: Final = "0001-01-01"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a reading stands on.

    `table` has the chosen columns. `text` follows FROM and holds only rows at and above the start, and between the marks of a
    query that has them; `ahead` is then the mark of a query whose interval may turn out to be empty.
    """

    table: Table
    text: str
    column: Column | None
    cursor: Cursor | None
    reset: str
    identity: str
    lookback_seconds: float
    start: Value = None
    bounded: bool = False
    last: Value = None
    ahead: Value = None

    def low(self, mark: Value) -> Value:
        """The lowest value that a reading from this mark reads."""
        return back(mark, self.column.type.kind, self.lookback_seconds) if self.column else None


def find_ground(session: Session, extract: Extract) -> Ground:
    """The ground of one question.

    Raises:
        NotFoundError: no such table.
        FatalError: the query does not run, or a column, a start or an interval does not fit it.
    """
    relation = extract.relation
    full = describe(session, relation)
    table = override_key(choose_columns(full, relation), extract.key)
    text = source_text(relation, full)
    identity = _identity(session, relation)
    if extract.keys is not None:
        return Ground(table, text, None, None, "", identity, 0.0)
    column = find_check_column(full, extract.check_columns)
    cursor = cursor_from_text(extract.cursor)
    ground = Ground(table, text, column, cursor, "", identity, extract.lookback_seconds)
    if extract.changes is not None:
        return replace(ground, text=f"({extract.changes.rows})", bounded=True)
    if relation.bounded:
        return _bounded(session, extract, _without_stale_cursor(ground), full)
    start = find_start(session, extract.start, column, text)
    if column is not None and start is not None:
        name = quote(column.name)
        only = f"{name} >= {literal(start)} OR {name} IS NULL"
        ground = replace(ground, text=f"(SELECT * FROM {text} WHERE {only})", start=start)
    ground = _without_stale_cursor(ground)
    if ground.cursor is not None and _went_back(session, ground):
        # A restored backup looks like this; that the last rows were deleted looks the same.
        return replace(ground, cursor=None, reset="the source has no row at its mark any more")
    return ground


def find_start(session: Session, start: str | int | None, column: Column | None, text: str) -> Value:
    """The lowest value that is read, as the column's values are written; None when nothing was asked.

    Raises:
        FatalError: it does not fit the column, or there is no check column.
    """
    if start is None:
        return None
    if column is None:
        raise FatalError(
            "a start was given, and no column to compare it with",
            hint="name the check column, or leave the start out",
            code="bad_start",
        )
    like = highest_of(session, text, column)
    kind = column.type.kind
    if isinstance(start, int):
        if isinstance(like, int | float) or (like is None and kind not in TIMES | {Kind.TEXT}):
            return start
        raise _unfit(start, column)
    moment = _parsed(start)
    if moment is None:
        raise _unfit(start, column)
    if like is None and kind in TIMES | {Kind.TEXT, Kind.ANY}:
        like = LOWEST_TIME
    found = written(like, kind, moment)
    if found is None:
        raise _unfit(start, column)
    return found


def _parsed(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unfit(start: str | int, column: Column) -> FatalError:
    return FatalError(
        f"the start {start} does not fit check column {column.name}",
        hint="give a date or time for a column of times, and a whole number for one of numbers",
        code="bad_start",
    )


def _without_stale_cursor(ground: Ground) -> Ground:
    """Without a cursor that must not be used, and with the reason."""
    cursor = ground.cursor
    reset = ""
    if cursor is None:
        return ground
    if cursor.identity != ground.identity:
        reset = "the source file or table was replaced by another one"
    elif cursor.column != (ground.column.name if ground.column else None):
        reset = "another check column is followed"
    elif cursor.columns != ground.table.shape:
        reset = "the columns of the source changed"
    return replace(ground, cursor=None if reset else cursor, reset=reset)


def _went_back(session: Session, ground: Ground) -> bool:
    cursor, column = ground.cursor, ground.column
    if column is None or cursor is None or cursor.mark is None or cursor.loading:
        return False
    sql = f"SELECT 1 FROM {ground.text} WHERE {quote(column.name)} >= :mark LIMIT 1"
    return session.execute(sql, {"mark": cursor.mark}).fetchone() is None


def _bounded(session: Session, extract: Extract, ground: Ground, full: Table) -> Ground:
    """The ground of a query that says itself between which marks it reads."""
    column, relation = ground.column, extract.relation
    if column is None:
        raise FatalError(
            "a query with REPLICATE_LASTMODTIME() or REPLICATE_NEXTINTERVAL() needs a check column",
            hint="name it: WITH IncrementalCheckColumns='updated'",
            code="check_column_missing",
        )
    base = read_table(session, relation.table) if relation.table is not None else None
    origin = origin_of(relation, base, column.name) if base is not None else None
    place = quote(base.name.name) if base is not None and origin is not None else None
    like = highest_of(session, place, origin) if place and origin else None
    start = find_start(session, extract.start, origin, place) if place and origin else extract.start
    lowest = lowest_of(session, place, origin) if place and origin else None
    if ground.cursor is not None and ground.cursor.mark is not None:
        last = ground.low(ground.cursor.mark)
    else:
        last = start if start is not None else lowest
    # Whoever asks for rows above the last mark wants those at the lowest value too, the first time.
    begun = last is not None and last is not lowest
    kind = (origin or column).type.kind
    now = present(session)
    upto = horizon_of(like if like is not None else last, origin or column, now)
    ahead = _next_interval(extract, last, kind, upto)
    text = source_text(
        relation,
        full,
        literal(_first(kind, last) if not begun else last),
        literal(ahead if ahead is not None else _highest(kind, now) if upto is None else upto),
    )
    moves = ahead is not None and relation.select is not None and NEXT_MARK in relation.select
    return replace(ground, text=text, start=start, bounded=True, last=last, ahead=ahead if moves else None)


def _next_interval(extract: Extract, last: Value, kind: Kind, horizon: Value) -> Value:
    """Where the interval that begins at the last mark ends; None when that is behind the horizon."""
    if extract.interval is None or last is None:
        return None
    begin = moment_of(last, kind)
    end = moment_of(horizon, kind) if horizon is not None else None
    if begin is None or end is None:
        raise FatalError(
            "an interval was given for a check column that holds no times",
            hint="follow a column of times, or leave the interval out",
            code="bad_interval",
        )
    edge = next(interval_edges(begin, end, extract.interval), None)
    return None if edge is None else written(last, kind, edge)


def _first(kind: Kind, like: Value) -> Value:
    """A value below all values of a column, whose lowest one is `like`."""
    if isinstance(like, int | float):
        return -HIGHEST_INTEGER - 1
    if kind in TIMES:
        return LOWEST_TIME
    return "" if kind is Kind.TEXT or isinstance(like, str) else -HIGHEST_INTEGER - 1


def _highest(kind: Kind, now: datetime) -> Value:
    if kind in TIMES:
        return f"{now:%Y-%m-%d %H:%M:%S}"
    return HIGHEST_INTEGER if kind is Kind.INTEGER else HIGHEST_TEXT


def _identity(session: Session, relation: Relation) -> str:
    """The file's number and the place of the table's root in it; VACUUM moves the root, which costs a reading."""
    file = str(Path(session.path).expanduser().stat().st_ino)
    found = find_table(session, relation.table) if relation.table is not None else None
    row: Any = session.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (found,)).fetchone()
    return f"{file}/{None if row is None else row[0]}"
