"""The history of a state folder that no daemon serves, read from its own files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncd.control.views import View, run_view
from syncd.errors import NotFoundError
from syncd.model.definitions import Logs
from syncd.observe.runlog import RunLogs
from syncd.observe.scrub import Scrubber
from syncd.state.database import FILE, Database
from syncd.state.journal import Journal
from syncd.worker.body import SystemClock
from syncd.worker.foreground import LOGS


def past_runs(state: Path, job: str | None, limit: int) -> list[View]:
    """Runs, the newest first.

    Raises:
        NotFoundError: the job never ran here.
    """
    with _journal(state) as journal:
        found = [] if journal is None else journal.runs(job, limit)
    if job is not None and not found:
        raise NotFoundError(f"job '{job}' has never run", hint="syncd status shows the jobs of a daemon")
    return [run_view(run) for run in found]


def past_log(state: Path, name: str) -> Iterator[str]:
    """The records of a run, or of a job's newest run, one line of JSON each.

    Raises:
        NotFoundError: there is no such run, or its log is gone.
    """
    with _journal(state) as journal:
        run = None if journal is None else journal.run(name) or next(iter(journal.runs(name, 1)), None)
    if run is None:
        raise NotFoundError(f"'{name}' is neither a run nor a job that has run", hint="syncd runs")
    return RunLogs(state / LOGS, Logs(), Scrubber(()), SystemClock()).lines(run.id)


@contextmanager
def _journal(state: Path) -> Iterator[Journal | None]:
    if not (state / FILE).exists():
        yield None
        return
    database = Database(state)
    try:
        yield Journal(database)
    finally:
        database.close()
