"""The rules of schedules: cron lines, intervals, zones and the time between start and end."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from syncd.config.moment import parse_moment, parse_zone
from syncd.config.place import Path, Resolved, Table, Unknown
from syncd.config.report import Report
from syncd.errors import QueryError, ScheduleError
from syncd.model.duration import parse_duration

_UTC: Final = "UTC"
_Result = TypeVar("_Result")


class Fault(NamedTuple):
    """What is wrong with a text, and at which character of it."""

    message: str
    hint: str
    offset: int | None


@lru_cache(maxsize=65_536)
def fault(check: Callable[..., None], *texts: str) -> Fault | None:
    """What a checker says against these texts, None when nothing.

    Remembered, because a reload asks again about thousands of texts of which few are new.
    """
    try:
        check(*texts)
    except (QueryError, ScheduleError) as error:
        offset = error.offset if isinstance(error, QueryError) else None
        return Fault(error.message, error.hint, offset)
    return None


def tell_fault(report: Report, path: Path, text: object, found: Fault) -> None:
    """Report it, without a word of a text that came from outside the file."""
    if isinstance(text, Resolved):
        report.at_value(path, "what its reference gives does not fit here")
    else:
        report.at_value(path, found.message, found.hint, found.offset)


def check_schedule(report: Report, path: Path, schedule: Table, cron: Callable[[str, str], None]) -> None:
    """Report what the schema cannot say about one schedule; values of a wrong type are left to it."""
    name = _text(schedule, "timezone") or _UTC
    zone = _read(report, (*path, "timezone"), name, parse_zone)
    line = _text(schedule, "cron")
    found = fault(cron, str(line), name if zone else _UTC) if line else None
    if found:
        tell_fault(report, (*path, "cron"), line, found)
    _read(report, (*path, "every"), _text(schedule, "every"), parse_duration)
    start = _moment(report, (*path, "start"), schedule, zone)
    end = _moment(report, (*path, "end"), schedule, zone)
    if start and end and end <= start:
        report.at_value((*path, "end"), "the end must be later than the start")


def _moment(report: Report, path: Path, schedule: Table, zone: ZoneInfo | None) -> datetime | None:
    def parse(text: str) -> datetime:
        return parse_moment(text, zone or parse_zone(_UTC))

    return _read(report, path, _text(schedule, str(path[-1])), parse)


def _read(report: Report, path: Path, text: str | None, parse: Callable[[str], _Result]) -> _Result | None:
    if not text:
        return None
    try:
        return parse(text)
    except ScheduleError as error:
        tell_fault(report, path, text, Fault(error.message, error.hint, None))
        return None


def _text(schedule: Table, key: str) -> str | None:
    value = schedule.get(key)
    return value if isinstance(value, str) and not isinstance(value, Unknown) else None
