"""Time zones: find one by name, and turn wall-clock times into instants the way a person expects at DST changes."""

import difflib
import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from syncd.errors import ScheduleError

SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The zone of that IANA name.

    Raises:
        ScheduleError: there is none; the hint names the nearest.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        known = {zone.casefold(): zone for zone in available_timezones()}
        near = difflib.get_close_matches(name.casefold(), known, 1)
        hint = (
            f"did you mean '{known[near[0]]}'?" if near else "use an IANA name such as Europe/Berlin, or UTC"
        )
        raise ScheduleError(f"there is no time zone '{name}'", hint=hint) from error


def wall_start(after: datetime, zone: ZoneInfo) -> datetime:
    """The naive local time from which to look for wall times whose instants lie after `after`.

    Inside a repeated hour this is before its first pass, since the second pass of those walls is still to come.
    """
    wall = after.astimezone(zone).replace(tzinfo=None, fold=0)
    first, second = _offsets(wall, zone)
    return wall - max(first - second, timedelta())


def instants(walls: Iterable[datetime], zone: ZoneInfo, *, gaps: bool, repeats: bool) -> Iterator[datetime]:
    """Turn increasing naive local times into strictly increasing aware UTC instants.

    With `gaps` a time that the clock jumps over becomes the first moment after the jump, else it is left out. With
    `repeats` a time that comes twice counts both times, else only the first.
    """
    last = datetime.min.replace(tzinfo=UTC)
    again: list[datetime] = []
    for wall in walls:
        first, second = _offsets(wall, zone)
        moment = (wall - first).replace(tzinfo=UTC)
        if first < second:
            if not gaps:
                continue
            moment = _change(moment - (second - first), moment, zone)
        while again and again[0] < moment:
            last = heapq.heappop(again)
            yield last
        if first > second and repeats:
            heapq.heappush(again, (wall - second).replace(tzinfo=UTC))
        if moment > last:
            last = moment
            yield moment


def _offsets(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The offsets from UTC before and after a change near that wall time; equal where nothing changes.

    The first is smaller for a time that is jumped over, greater for one that comes twice.
    """
    first = zone.utcoffset(wall)
    second = zone.utcoffset(wall.replace(fold=1))
    if first is None or second is None:
        raise AssertionError(f"a zone without an offset: {zone}")
    return first, second


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second in (before, after] at which the zone has the offset it has at `after`."""
    target = after.astimezone(zone).utcoffset()
    low, high = before, after
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if middle.astimezone(zone).utcoffset() == target:
            high = middle
        else:
            low = middle
    return high
