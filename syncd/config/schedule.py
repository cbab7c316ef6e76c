"""The rules of schedules: cron lines, intervals, zones and the time between start and end."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from syncd.config.duration import parse_duration
from syncd.config.moment import parse_moment, parse_zone
from syncd.config.place import Path, Table, Unknown
from syncd.config.report import Report
from syncd.errors import QueryError, ScheduleError

_UTC: Final = "UTC"
_Result = TypeVar("_Result")


class Fault(NamedTuple):
    """What is wrong with a text, and at which character of it."""

    message: str
    hint: str
    offset: int


@lru_cache(maxsize=65_536)
def fault(check: Callable[..., None], *texts: str) -> Fault | None:
    """What a checker says against these texts, None when nothing.

    Remembered, because a reload asks again about thousands of texts of which few are new.
    """
    try:
        check(*texts)
    except (QueryError, ScheduleError) as error:
        return Fault(error.message, error.hint, error.offset)
    return None


def check_schedule(report: Report, path: Path, schedule: Table, cron: Callable[[str, str], None]) -> None:
    """Report what the schema cannot say about one schedule; values of a wrong type are left to it."""
    name = _text(schedule, "timezone") or _UTC
    zone = _read(report, (*path, "timezone"), name, parse_zone)
    line = _text(schedule, "cron")
    found = fault(cron, line, name if zone else _UTC) if line else None
    if found:
        report.at_value((*path, "cron"), found.message, found.hint)
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
        report.at_value(path, error.message, error.hint)
        return None


def _text(schedule: Table, key: str) -> str | None:
    value = schedule.get(key)
    return value if isinstance(value, str) and not isinstance(value, Unknown) else None
