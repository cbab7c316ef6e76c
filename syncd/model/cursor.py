"""Where a reading stands, as a source writes it down for its next reading.

The engine and the destinations carry a cursor as opaque text. Sources that follow a check column share this form.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from syncd.errors import FatalError

FORM: Final = 2
DAY_SECONDS: Final = 86400

Value = str | int | float | None
"""A value of a check column in the source's own literal form, never rounded."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A mark that may be used once the transactions in `open`, seen when it was taken, have ended."""

    mark: Value
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the next reading would read if nothing changed: how many rows, and a checksum of them.

    `since` is the lowest value that it would read, the mark less `lookback_seconds`; None for everything.
    """

    rows: int
    sum: str
    since: Value = None
    lookback_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cursor:
    """The whole state of one reading.

    `identity` changes when the relation is another one under the same name, and `columns` when it has other columns. `loading` is true until the first load
    has ended; `position` is then where its next window begins. `mark` is the highest value up to which nothing can
    be missing: the next reading takes rows at or above it, and rows without a value.
    """

    identity: str
    column: str | None
    loading: bool = False
    position: Value = None
    mark: Value = None
    pending: Pending | None = None
    seen: Seen | None = None
    columns: str = ""


def cursor_to_text(cursor: Cursor) -> str:
    """The cursor as one line of JSON, stable for equal cursors."""
    return json.dumps({"form": FORM, **asdict(cursor)}, separators=(",", ":"), sort_keys=True)


def cursor_from_text(text: str | None) -> Cursor | None:
    """The cursor that `cursor_to_text` wrote; None for None and for a form that this version does not know.

    An unknown form is not an error: reading again from the beginning is always right.
    """
    if text is None:
        return None
    try:
        document = json.loads(text)
        if document.pop("form") != FORM:
            return None
        pending = document.pop("pending")
        seen = document.pop("seen")
        return Cursor(
            **document,
            pending=Pending(pending["mark"], tuple(pending["open"])) if pending else None,
            seen=Seen(**seen) if seen else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def at_mark(text: str, mark: str) -> tuple[str, str]:
    """A stored cursor with another mark, and the mark for people; it then reads from there on.

    Raises:
        FatalError: the cursor follows no check column, or the mark is no number or time where the column holds those.
    """
    cursor = _following(text)
    value: Value = mark
    if isinstance(cursor.mark, int | float):
        try:
            value = type(cursor.mark)(mark)
        except ValueError as error:
            raise FatalError(
                f"'{mark}' is no number, and {cursor.column} holds numbers", code="bad_mark"
            ) from error
    elif _is_time(cursor.mark) and not _is_time(mark):
        raise FatalError(
            f"'{mark}' is no time, and {cursor.column} holds times",
            hint=f"write it like the mark that it has: {cursor.mark}",
            code="bad_mark",
        )
    moved = replace(cursor, mark=value, pending=None, seen=None, loading=False, position=None)
    return cursor_to_text(moved), str(value)


def _is_time(mark: str | None) -> bool:
    # Without hyphens it may be a number of eight digits.
    if mark is None or "-" not in mark[1:]:
        return False
    try:
        datetime.fromisoformat(mark)
    except ValueError:
        return False
    return True


def rewound(text: str, by: float) -> tuple[str, str]:
    """A stored cursor whose mark lies so many seconds earlier (or so much lower, for numbers), and the mark.

    A mark that is a date goes back whole days, rounded up.

    Raises:
        FatalError: the cursor follows no check column, or its mark is no time and no number.
    """
    mark = _following(text).mark
    if isinstance(mark, int | float):
        return at_mark(text, str(type(mark)(mark - by)))
    try:
        lower = str(int(str(mark)) - int(by))
    except ValueError:
        lower = _earlier(str(mark), by)
    return at_mark(text, lower)


def _earlier(mark: str, seconds: float) -> str:
    try:
        if len(mark) == len("2024-01-31"):
            # A date knows no hours: what is a part of a day goes back the whole day.
            days = math.ceil(seconds / DAY_SECONDS)
            return (date.fromisoformat(mark) - timedelta(days=days)).isoformat()
        moment = datetime.fromisoformat(mark) - timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise FatalError(
            f"the mark {mark} cannot be rewound: it is no time and no number",
            hint="name the value to read from: syncd state set",
            code="bad_mark",
        ) from error
    return moment.isoformat(sep="T" if "T" in mark else " ")


def _following(text: str) -> Cursor:
    cursor = cursor_from_text(text)
    if cursor is None or cursor.column is None:
        raise FatalError(
            "this cursor follows no check column, so it has no mark",
            hint="to read everything again: syncd state reset",
            code="bad_mark",
        )
    return cursor
