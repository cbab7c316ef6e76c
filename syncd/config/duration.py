"""Reads lengths of time as people write them."""

import re
from typing import Final

from syncd.errors import ScheduleError

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
_LONGEST: Final = 60
_ISO_SECONDS: Final = (604_800, 86_400, 3600, 60, 1)
_HINT: Final = "write it as 30 seconds, 15 minutes, 1 hour, 2 days, 1h30m or PT15M"


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
