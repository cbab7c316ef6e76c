"""Reads lengths of time as people write them."""

import re
from typing import Final

from syncd.errors import ScheduleError
from syncd.model.options import Interval

MAX_SECONDS: Final = 3650 * 86_400

_UNITS: Final[dict[str, int]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART: Final = re.compile(r"\s*([0-9]{1,12})\s*([a-z]+)", re.IGNORECASE)
_ISO: Final = re.compile(
    r"P(?=.)(?:(\d{1,12})W)?(?:(\d{1,12})D)?(?:T(?=.)(?:(\d{1,12})H)?(?:(\d{1,12})M)?(?:(\d{1,12})S)?)?"
)
_MONTHS: Final[dict[str, int]] = {
    **dict.fromkeys(("mo", "month", "months"), 1),
    **dict.fromkeys(("y", "year", "years"), 12),
}
_CALENDAR: Final = re.compile(r"\s*([0-9]{1,4})\s*([a-z]+)\s*", re.IGNORECASE)
_ISO_CALENDAR: Final = re.compile(r"P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?")
_MOST_MONTHS: Final = 12_000
_LONGEST: Final = 60
_ISO_SECONDS: Final = (604_800, 86_400, 3600, 60, 1)
_HINT: Final = "write it as 30 seconds, 15 minutes, 1 hour, 2 days, 1h30m or PT15M"
_INTERVAL_HINT: Final = "write it as 180 days, 1 month, 2 years, 12 hours or PT12H"


def parse_duration(text: str) -> float:
    """The seconds of ``15 minutes``, ``90s``, ``1h30m`` or ISO 8601 ``PT15M``.

    Raises:
        ScheduleError: it is no such length, nothing, longer than ten years, or has months or years, which vary.
    """
    if len(text) > _LONGEST:
        raise ScheduleError(f"'{text[:_LONGEST]}...' is not a length of time", hint=_HINT)
    iso = _ISO.fullmatch(text)
    seconds = _iso_seconds(iso) if iso else _unit_seconds(text)
    if seconds == 0:
        raise ScheduleError(f"'{text}' is no time at all", hint=_HINT)
    if seconds > MAX_SECONDS:
        raise ScheduleError(f"'{text}' is longer than ten years", hint=_HINT)
    return float(seconds)


def parse_interval(text: str) -> Interval:
    """The interval of ``180 days``, ``1 month``, ``2 years``, ``P1Y`` or ``PT12H``.

    Months and years follow the calendar, everything else is exact.

    Raises:
        ScheduleError: it is no such length, nothing, or longer than ten years in days, or a thousand in months.
    """
    months = _calendar_months(text)
    if months is None:
        try:
            return Interval(seconds=parse_duration(text))
        except ScheduleError as error:
            raise ScheduleError(error.message, hint=_INTERVAL_HINT) from error
    if not 0 < months <= _MOST_MONTHS:
        raise ScheduleError(
            f"'{text}' is no time at all, or longer than a thousand years", hint=_INTERVAL_HINT
        )
    return Interval(months=months)


def _calendar_months(text: str) -> int | None:
    """The months of a text that counts months or years alone, else None."""
    iso = _ISO_CALENDAR.fullmatch(text)
    if iso:
        return int(iso.group(1) or 0) * 12 + int(iso.group(2) or 0)
    plain = _CALENDAR.fullmatch(text)
    if plain is None or plain.group(2).lower() not in _MONTHS:
        return None
    return int(plain.group(1)) * _MONTHS[plain.group(2).lower()]


def _iso_seconds(found: re.Match[str]) -> int:
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _ISO_SECONDS, strict=True))


def _unit_seconds(text: str) -> int:
    total, at = 0, 0
    for part in _PART.finditer(text):
        if part.start() != at:
            break
        unit = part.group(2).lower()
        if unit.startswith(("month", "year")) or unit in {"mo", "y"}:
            raise ScheduleError(f"'{text}' has no fixed length", hint="use cron for months and years")
        if unit not in _UNITS:
            raise ScheduleError(f"'{part.group(2)}' in '{text}' is no unit of time", hint=_HINT)
        total += int(part.group(1)) * _UNITS[unit]
        at = part.end()
    if not at or text[at:].strip():
        raise ScheduleError(f"'{text}' is not a length of time", hint=_HINT)
    return total
