"""Reads time zones, dates and times of day."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from syncd.config.suggestion import nearest
from syncd.errors import ScheduleError
from syncd.model.bound import MOMENT

_LIKE_A_CITY: Final = 0.8


@lru_cache(maxsize=1024)
def parse_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        ScheduleError: there is none; the hint names the nearest.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = _likely(name)
        hint = f"did you mean '{near}'?" if near else "write a name such as Europe/Berlin or UTC"
        raise ScheduleError(f"there is no time zone '{name[:60]}'", hint=hint) from None


def _likely(name: str) -> str | None:
    """The zone that was probably meant; a bare word is taken for a city, as abbreviations such as CEST name no zone."""
    zones = available_timezones()
    if "/" in name:
        return nearest(name, [zone for zone in zones if "/" in zone])
    whole = {zone.lower(): zone for zone in zones}
    if name.strip().lower() in whole:
        return whole[name.strip().lower()]
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(zones, reverse=True) if "/" in zone}
    city = nearest(name, cities, _LIKE_A_CITY)
    return cities[city] if city else None


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """The aware UTC time of an ISO date or date-time; without an offset it is meant in `zone`, a date from midnight on.

    Raises:
        ScheduleError: it is written otherwise, or there is no such day or time.
    """
    if not MOMENT.fullmatch(text):
        message = f"'{text[:60]}' is neither a date nor a date and time"
        raise ScheduleError(message, hint="write it as 2026-01-31 or 2026-01-31T06:00:00+01:00")
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ScheduleError(f"there is no such date or time as '{text}'") from None
