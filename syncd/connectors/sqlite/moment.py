"""Times as SQLite files hold them: texts, Unix times and Julian days, told apart by their looks.

Used for one thing: where the present is on the scale of a check column, so that a row dated in the future cannot
carry the mark away, and how to go back from a mark by some seconds.
"""

import os
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from syncd.model.cursor import Value
from syncd.model.table import Kind

LOCAL_TIME: Final = Path("/etc/localtime")
EPOCH_JULIAN: Final = 2440587.5
DAY_SECONDS: Final = 86400.0
TIMES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})

_TEXT: Final = re.compile(
    r"^(\d{4}-\d\d-\d\d)(?:([ T])(\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$",
    re.IGNORECASE,
)


def place(like: Value, kind: Kind, moment: datetime) -> Value:
    """The moment written as `like` is written; None when `like` is no time.

    Whole numbers and fractions are times only in a column that is declared as one.
    """
    return _as_text(like, moment) if isinstance(like, str) else _as_number(like, kind, moment)


def written(like: Value, kind: Kind, moment: datetime) -> Value:
    """The moment exactly, as `like` is written; None when `like` is no time.

    A text has no more digits than the moment needs and no zone, so it sorts before all longer texts of that moment. A
    clock without zone counts as UTC.
    """
    match = _TEXT.match(like) if isinstance(like, str) else None
    if match is None:
        return None if isinstance(like, str) else _as_number(like, kind, moment)
    local = moment.astimezone(_zone_of(match.group(5)))
    clock = f"{local:%H:%M:%S.%f}".rstrip("0").removesuffix(".").removesuffix(":00")
    day = local.date().isoformat()
    return day if clock == "00:00" else f"{day}{match.group(2) or ' '}{clock}"


def _as_number(like: int | float | None, kind: Kind, moment: datetime) -> Value:
    if kind not in TIMES or like is None:
        return None
    seconds = moment.timestamp()
    if isinstance(like, float) and like < 1e7:
        return seconds / DAY_SECONDS + EPOCH_JULIAN
    for factor in (1, 1_000, 1_000_000, 1_000_000_000):
        if abs(like) < 1e11 * factor:
            return seconds * factor if isinstance(like, float) else int(seconds * factor)
    return None


def back(mark: Value, kind: Kind, seconds: float) -> Value:
    """The mark moved back by some seconds, in its own form; unchanged when it is no time or `seconds` is 0."""
    if not seconds or mark is None:
        return mark
    moment = moment_of(mark, kind)
    if moment is None:
        return mark
    moved = place(mark, kind, moment - timedelta(seconds=seconds))
    return mark if moved is None else moved


def moment_of(value: str | int | float, kind: Kind) -> datetime | None:
    """The moment that a value stands for; None when it is no time. A clock without zone counts as UTC."""
    if isinstance(value, str):
        match = _TEXT.match(value)
        if match is None:
            return None
        clock = match.group(3) or "00:00:00"
        text = f"{match.group(1)}T{clock}" + (f".{match.group(4)[:6]:0<6}" if match.group(4) else "")
        try:
            return datetime.fromisoformat(text).replace(tzinfo=_zone_of(match.group(5)))
        except ValueError:
            return None
    if kind not in TIMES:
        return None
    if isinstance(value, float) and value < 1e7:
        return datetime.fromtimestamp((value - EPOCH_JULIAN) * DAY_SECONDS, UTC)
    for factor in (1, 1_000, 1_000_000, 1_000_000_000):
        if abs(value) < 1e11 * factor:
            return datetime.fromtimestamp(value / factor, UTC)
    return None


def is_time(text: str) -> bool:
    """Is it a date, or a date and a time of day, in one of the forms that sort by time?"""
    return _TEXT.match(text) is not None


def form_of(text: str) -> str:
    """A GLOB pattern for times in the form of this one: as many digits, the same marks, the same zone."""
    match = _TEXT.match(text)
    zone = match.group(5) if match else None
    body = text[: len(text) - len(zone)] if zone else text
    return "".join("[0-9]" if char.isdigit() else char for char in body) + (zone or "")


def day_of(text: str, days_back: int) -> str:
    """The day so many days before the time's own, as text; the text itself when there is no such day."""
    try:
        return (date.fromisoformat(text[:10]) - timedelta(days=days_back)).isoformat()
    except (ValueError, OverflowError):
        return text[:4]


def _as_text(like: str, moment: datetime) -> str | None:
    match = _TEXT.match(like)
    if match is None:
        return None
    zone = match.group(5)
    local = moment.astimezone(_zone_of(zone)) if zone else _least(moment)
    if match.group(2) is None:
        return f"{local:%Y-%m-%d}"
    # Never more digits than the values have: the bound is cut, so it is at or before the moment.
    clock = f"{local:%H:%M:%S}"[: len(match.group(3))]
    fraction = f".{local:%f}"[: 1 + len(match.group(4))] if match.group(4) else ""
    return f"{local:%Y-%m-%d}{match.group(2)}{clock}{fraction}{zone or ''}"


def _least(moment: datetime) -> datetime:
    """The moment on a clock without zone: UTC or this machine's in its slowest season, whichever is behind."""
    return moment.astimezone(UTC) + min(timedelta(0), _least_offset(os.environ.get("TZ", ""), moment.year))


@cache
def _least_offset(name: str, year: int) -> timedelta:
    zone = _machine_zone(name)
    seasons = (datetime(year, month, 1, tzinfo=UTC).astimezone(zone) for month in (1, 7))
    return min(season.utcoffset() or timedelta(0) for season in seasons)


def _machine_zone(name: str) -> tzinfo:
    try:
        if name:
            return ZoneInfo(name.removeprefix(":"))
        with LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):
        return UTC


def _zone_of(text: str | None) -> timezone:
    if text is None or text.upper() == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0)))
