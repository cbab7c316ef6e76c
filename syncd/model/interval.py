"""Cuts a stretch of time into windows."""

import calendar
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from syncd.errors import FatalError
from syncd.model.options import Interval

MOST_WINDOWS: Final = 100_000


def interval_edges(start: datetime, end: datetime, step: Interval) -> Iterator[datetime]:
    """The moments at which windows meet that cover ``[start, end)``, without `start` and `end` themselves.

    Each is counted from `start`, so that days do not drift. Months follow the calendar (31 Jan + 1 month = 28 or 29 Feb),
    seconds are exact. All moments have the zone of `start`; the last window may be shorter.

    Raises:
        FatalError: the interval is not positive, or there would be more than 100 000 windows.

    Cost: constant memory. Source: Job Management API, ReplicateInterval and ReplicateIntervalUnit.
    """
    if step.months <= 0 and step.seconds <= 0:
        raise FatalError("an interval must be longer than nothing", code="bad_interval")
    count = 1
    while (edge := _after(start, step, count)) is not None and edge < end:
        if count >= MOST_WINDOWS:
            raise FatalError(
                f"the interval would cut the load into more than {MOST_WINDOWS} windows",
                hint="give a longer interval, or a later start",
                code="bad_interval",
            )
        yield edge
        count += 1


def _after(start: datetime, step: Interval, count: int) -> datetime | None:
    """The moment `count` steps later; None beyond the year 9999."""
    try:
        if not step.months:
            return start + timedelta(seconds=step.seconds * count)
        month = start.month - 1 + step.months * count
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day)
    except (OverflowError, ValueError):
        return None
