"""The rules of jobs that a schema cannot say: names that must exist, queries that must parse, no waiting in circles."""

from collections.abc import Mapping
from typing import Final

from syncd.config.checkers import Checkers
from syncd.config.connection import Connectors
from syncd.config.event import check_connection, check_events
from syncd.config.fault import judged, tell_fault
from syncd.config.number import is_number
from syncd.config.option import check_options
from syncd.config.order import cycles
from syncd.config.place import Path, Table, Unknown
from syncd.config.report import Report
from syncd.config.schedule import check_schedule
from syncd.config.schema import definition
from syncd.config.suggestion import suggest
from syncd.config.validate import checked, section

_ROLES: Final = ("source", "destination")


def check_jobs(report: Report, checkers: Checkers, connectors: Connectors, complete: bool) -> None:
    """Report all that is wrong with the jobs of a tree.

    `complete` is false when a file could not be read: then names that seem unknown may stand there, and are let pass.
    """
    connections = section(report.root, "connections")
    jobs = section(report.root, "jobs")
    job_schema = checked("job")
    for name, job in jobs.items():
        path: Path = ("jobs", name)
        job_schema.check(report, path, job)
        if not isinstance(job, Table):
            continue
        _check_queries(report, path, job, checkers)
        check_options(report, path, job, checkers)
        known = connections if complete else None
        check_events(report, (*path, "events"), job.get("events"), known, connectors)
        schedule = job.get("schedule")
        if isinstance(schedule, Table):
            check_schedule(report, (*path, "schedule"), schedule, checkers.cron)
        _check_retry(report, (*path, "retry"), job.get("retry"))
        if complete:
            _check_connections(report, path, job, connections, connectors)
    if complete:
        _check_order(report, jobs)


def _check_queries(report: Report, path: Path, job: Table, checkers: Checkers) -> None:
    queries = job.get("queries")
    single = isinstance(queries, str)
    for index, query in enumerate([queries] if single else queries if isinstance(queries, list) else ()):
        if not isinstance(query, str) or isinstance(query, Unknown) or not query:
            continue
        found = judged(checkers.query, str(query)).fault
        if found:
            at = (*path, "queries") if single else (*path, "queries", index)
            tell_fault(report, at, query, found)


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


def _check_connections(
    report: Report, path: Path, job: Table, connections: Mapping[str, object], connectors: Connectors
) -> None:
    for role in _ROLES:
        name = job.get(role)
        if isinstance(name, str) and name:
            check_connection(report, (*path, role), name, role, connections, connectors)


def _check_order(report: Report, jobs: Mapping[str, object]) -> None:
    after = {name: _names(job) for name, job in jobs.items() if isinstance(job, Table)}
    for job, names in after.items():
        for index, name in enumerate(names):
            if name and name not in jobs:
                message = f"there is no job '{name}'"
                report.at_value(_after_path(jobs, job, index), message, suggest(name, jobs, "jobs"))
    for circle in cycles(after):
        index = after[circle[0]].index(circle[1 % len(circle)])
        around = " -> ".join((*circle, circle[0]))
        message = (
            "a job cannot wait for itself"
            if len(circle) == 1
            else f"these jobs wait for each other: {around}"
        )
        report.at_value(_after_path(jobs, circle[0], index), message)


def _names(job: Table) -> list[str]:
    after = job.get("after", [])
    names = [after] if isinstance(after, str) else after if isinstance(after, list) else []
    return ["" if isinstance(name, Unknown) or not isinstance(name, str) else name for name in names]


def _after_path(jobs: Mapping[str, object], job: str, index: int) -> Path:
    declared = jobs[job]
    single = isinstance(declared, Table) and isinstance(declared["after"], str)
    return ("jobs", job, "after") if single else ("jobs", job, "after", index)
