"""The rules of schedules: cron lines, intervals, zones and the time between start and end."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from syncd.config.fault import judged, read_text_at, tell_fault
from syncd.config.moment import parse_moment, parse_zone
from syncd.config.place import Path, Table, text_of
from syncd.config.report import Report
from syncd.model.duration import parse_duration

_UTC: Final = "UTC"


def check_schedule(report: Report, path: Path, schedule: Table, cron: Callable[[str, str], None]) -> None:
    """Report what the schema cannot say about one schedule; values of a wrong type are left to it."""
    name = text_of(schedule, "timezone") or _UTC
    zone = read_text_at(report, (*path, "timezone"), name, parse_zone)
    line = text_of(schedule, "cron")
    found = judged(cron, str(line), name if zone else _UTC).fault if line else None
    if found:
        tell_fault(report, (*path, "cron"), line, found)
    read_text_at(report, (*path, "every"), text_of(schedule, "every"), parse_duration)
    start = _moment(report, (*path, "start"), schedule, zone)
    end = _moment(report, (*path, "end"), schedule, zone)
    if start and end and end <= start:
        report.at_value((*path, "end"), "the end must be later than the start")


def _moment(report: Report, path: Path, schedule: Table, zone: ZoneInfo | None) -> datetime | None:
    def parse(text: str) -> datetime:
        return parse_moment(text, zone or parse_zone(_UTC))

    return read_text_at(report, path, text_of(schedule, str(path[-1])), parse)
