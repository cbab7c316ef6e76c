"""The rules of jobs that a schema cannot say: connections that must exist, queries that must parse."""

from collections.abc import Mapping
from typing import Final

from syncd.config.checkers import Checkers
from syncd.config.connection import Connectors
from syncd.config.event import check_connection
from syncd.config.fault import judged, tell_fault
from syncd.config.option import check_options
from syncd.config.place import Path, Table, Unknown
from syncd.config.report import Report
from syncd.config.validate import checked, section
from syncd.config.work import check_work

_ROLES: Final = ("source", "destination")


def check_jobs(report: Report, checkers: Checkers, connectors: Connectors, complete: bool) -> None:
    """Report all that is wrong with the jobs of a tree.

    `complete` is false when a file could not be read: then names that seem unknown may stand there, and are let pass.
    """
    connections = section(report.root, "connections")
    job_schema = checked("job")
    for name, job in section(report.root, "jobs").items():
        path: Path = ("jobs", name)
        job_schema.check(report, path, job)
        if not isinstance(job, Table):
            continue
        _check_queries(report, path, job, checkers)
        check_options(report, path, job, checkers)
        known = connections if complete else None
        check_work(report, path, job, checkers, known, connectors)
        if complete:
            _check_connections(report, path, job, connections, connectors)


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


def _check_connections(
    report: Report, path: Path, job: Table, connections: Mapping[str, object], connectors: Connectors
) -> None:
    for role in _ROLES:
        name = job.get(role)
        if isinstance(name, str) and name:
            check_connection(report, (*path, role), name, role, connections, connectors)
