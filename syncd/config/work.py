"""The rules that jobs and clusters share: events, schedules, retries, and no waiting in circles."""

from collections.abc import Iterator, Mapping

from syncd.config.checkers import Checkers
from syncd.config.connection import Connectors
from syncd.config.event import check_events
from syncd.config.merge import WORK
from syncd.config.number import is_number
from syncd.config.order import cycles
from syncd.config.place import Path, Table, Unknown
from syncd.config.report import Report
from syncd.config.schedule import check_schedule
from syncd.config.schema import definition
from syncd.config.suggestion import suggest
from syncd.config.validate import section


def check_work(
    report: Report,
    path: Path,
    work: Table,
    checkers: Checkers,
    connections: Mapping[str, object] | None,
    connectors: Connectors,
) -> None:
    """Report what the schema cannot say about what one job or cluster shares with all others.

    `connections` is None when not all of them are known.
    """
    check_events(report, (*path, "events"), work.get("events"), connections, connectors)
    schedule = work.get("schedule")
    if isinstance(schedule, Table):
        check_schedule(report, (*path, "schedule"), schedule, checkers.cron)
    _check_retry(report, (*path, "retry"), work.get("retry"))


def check_order(report: Report) -> None:
    """Report names that jobs and clusters share, `after` that names nobody, and those that wait for each other."""
    homes: dict[str, str] = {}
    after: dict[str, list[str]] = {}
    for home, name, work in _all_work(report):
        if name in homes:
            message = f"there is a {homes[name].removesuffix('s')} of this name already"
            report.at_key((home, name), message, "rename one of them")
            continue
        homes[name] = home
        if isinstance(work, Table):
            after[name] = _names(work)
    for name, awaited in after.items():
        for index, other in enumerate(awaited):
            if other and other not in homes:
                message = f"there is no job '{other}'"
                report.at_value(
                    _after_path(report, homes, name, index), message, suggest(other, homes, "jobs")
                )
    for circle in cycles(after):
        index = after[circle[0]].index(circle[1 % len(circle)])
        around = " -> ".join((*circle, circle[0]))
        message = (
            f"a {homes[circle[0]].removesuffix('s')} cannot wait for itself"
            if len(circle) == 1
            else f"these {_nouns(homes, circle)} wait for each other: {around}"
        )
        report.at_value(_after_path(report, homes, circle[0], index), message)


def _all_work(report: Report) -> Iterator[tuple[str, str, object]]:
    for home in WORK:
        for name, work in section(report.root, home).items():
            yield home, name, work


def _check_retry(report: Report, path: Path, retry: object) -> None:
    if not isinstance(retry, Table) or "delay_seconds" not in retry:
        return
    longest = retry.get(
        "max_delay_seconds", definition("retry")["properties"]["max_delay_seconds"]["default"]
    )
    delay = retry["delay_seconds"]
    if is_number(delay) and is_number(longest) and delay > longest:
        message = f"must not exceed max_delay_seconds, {longest}"
        report.at_value((*path, "delay_seconds"), message, "raise max_delay_seconds too")


def _names(work: Table) -> list[str]:
    after = work.get("after", [])
    names = [after] if isinstance(after, str) else after if isinstance(after, list) else []
    return ["" if isinstance(name, Unknown) or not isinstance(name, str) else name for name in names]


def _nouns(homes: Mapping[str, str], names: list[str]) -> str:
    found = {homes[name] for name in names}
    return " and ".join(home for home in WORK if home in found)


def _after_path(report: Report, homes: Mapping[str, str], name: str, index: int) -> Path:
    home = homes[name]
    declared = section(report.root, home)[name]
    single = isinstance(declared, Table) and isinstance(declared["after"], str)
    return (home, name, "after") if single else (home, name, "after", index)
