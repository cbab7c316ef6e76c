"""The firings of a schedule: which moments it names, which were missed, which comes next."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from syncd.errors import ScheduleError
from syncd.model.definitions import Schedule
from syncd.scheduling.cron import parse_cron

MICROSECOND: Final = timedelta(microseconds=1)
MAX_MISSED: Final = 100
"""The most firings that are ever made up for at once."""
SHORTEST_LOOK_BACK: Final = timedelta(minutes=1)


def firings(schedule: Schedule, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """The moments after `after` at which the schedule fires, strictly increasing, aware UTC.

    A `cron` line is read in the schedule's zone. An interval counts exact multiples from `start`, which itself fires,
    or else from `anchor`, the moment the job was first seen, which does not. `occurrences` is not looked at.

    Raises:
        ScheduleError: the cron line, zone or interval cannot be meant.
    """
    if schedule.start is not None:
        after = max(after, schedule.start - MICROSECOND)
    moments = _cron(schedule, after) if schedule.cron is not None else _interval(schedule, anchor, after)
    if schedule.end is None:
        return moments
    end = schedule.end
    return takewhile(lambda moment: moment < end, moments)


def next_firing(schedule: Schedule, anchor: datetime, after: datetime) -> datetime | None:
    """The first firing after `after`, None when there is none."""
    return next(firings(schedule, anchor, after), None)


def missed(
    schedule: Schedule, anchor: datetime, last_fired: datetime | None, now: datetime, limit: int = MAX_MISSED
) -> list[datetime]:
    """The firings after `last_fired` (or the anchor) up to and including `now`, oldest first.

    Of more than `limit` only the newest are given. Cost: about twice `limit` firings, however long ago it was.
    """
    since = anchor if last_fired is None else last_fired
    first = list(islice(_until(now, schedule, anchor, since), limit + 1))
    if len(first) <= limit:
        return first
    # There are more. Look back from now, by as much as should hold enough of them when they are as dense as the first.
    span = max((first[-1] - since) * 5 / 4, SHORTEST_LOOK_BACK)
    while True:
        start = max(since, now - span)
        found = list(_until(now, schedule, anchor, start))
        if start == since or len(found) >= limit:
            return found[-limit:]
        span = min(span * 4, now - since)


def previous_firing(schedule: Schedule, anchor: datetime, now: datetime) -> datetime | None:
    """The last firing at or before `now`, None when there was none since the anchor or `start`."""
    begin = anchor if schedule.start is None else schedule.start - MICROSECOND
    return next(iter(missed(schedule, anchor, begin, now, 1)), None)


def _until(now: datetime, schedule: Schedule, anchor: datetime, after: datetime) -> Iterator[datetime]:
    return takewhile(lambda moment: moment <= now, firings(schedule, anchor, after))


def _cron(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    return parse_cron(schedule.cron or "").firings(after, schedule.timezone)


def _interval(schedule: Schedule, anchor: datetime, after: datetime) -> Iterator[datetime]:
    step = timedelta(seconds=schedule.every_seconds or 0)
    if step <= timedelta():
        raise ScheduleError(
            "an interval must be longer than nothing", hint="write `every: 15 minutes`, or `cron:`"
        )
    first = 1 if schedule.start is None else 0
    base = anchor if schedule.start is None else schedule.start
    number = max(first, (after - base) // step + 1)
    while True:
        yield base + number * step
        number += 1
