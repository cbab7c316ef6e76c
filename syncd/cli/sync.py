"""`syncd sync` runs jobs now: through the daemon when one owns the state, else in this very process."""

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.clustertable import cluster_table
from syncd.cli.progress import Progress
from syncd.cli.table import balanced, closing_table
from syncd.errors import NotFoundError, SyncdError
from syncd.model.configuration import Configuration

CANCELLED: Final = 130

View = dict[str, Any]
Runner = Callable[[str], View]
"""Runs a job to its end and gives the run as plain values."""


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@click.option(
    "--query", "queries", multiple=True, help="Only this query of the job, as written or by its table."
)
@click.option("--full", is_flag=True, help="Read everything again, whatever the cursors say.")
@config_option
@json_option
def sync(
    jobs: tuple[str, ...], queries: tuple[str, ...], full: bool, config: Path | None, as_json: bool
) -> int:
    """Run jobs now, one after the other, and wait for the outcome.

    Exits with 0 when all went well, 1 when a run failed, 130 when one was cancelled.
    """
    configuration = load(config)
    refuse_unknown(configuration, jobs, clusters=not queries)
    _refuse_elsewhere(configuration, jobs)
    return run_jobs(configuration, jobs, queries, full=full, as_json=as_json)


def run_jobs(
    configuration: Configuration,
    jobs: tuple[str, ...],
    queries: tuple[str, ...],
    *,
    full: bool,
    as_json: bool,
) -> int:
    """Run jobs one after the other and print what became of each; the exit code for all of them."""
    progress = Progress(shown=not as_json)
    done: list[View] = []
    with running(configuration, queries, progress, full=full) as run:
        for job in jobs:
            done.append(run(job))
            progress.clear()
            if not as_json:
                shape = cluster_table if job in configuration.clusters else closing_table
                click.echo("\n".join(shape(done[-1])))
            if done[-1]["status"] == "cancelled":
                break
    if as_json:
        from syncd.cli.control import print_json

        print_json(done)
    return _leave(exit_code(done))


def exit_code(runs: list[View]) -> int:
    """0 when every run is ok (or an event said that it shall not run) and every row accounted for, 130 when one was cancelled, else 1."""
    if any(run["status"] == "cancelled" for run in runs):
        return CANCELLED
    return 0 if all(_well(run) for run in runs) else 1


def _well(run: View) -> bool:
    """Is it ok with every row accounted for, or did its own pre-event say that it shall not run?"""
    vetoed = run["status"] == "skipped" and (run["failure"] or {}).get("code") == "vetoed"
    return vetoed or (run["status"] == "ok" and balanced(run))


def refuse_unknown(configuration: Configuration, jobs: tuple[str, ...], *, clusters: bool = False) -> None:
    """Refuse names that no job has, with the nearest one; with `clusters`, those may be named too.

    Raises:
        NotFoundError: there is no such job.
    """
    work: Mapping[str, object] = configuration.work if clusters else configuration.jobs
    for job in jobs:
        if job not in work:
            if job in configuration.clusters:
                raise NotFoundError(
                    f"'{job}' is a cluster, and this is for jobs", hint="syncd cluster --help"
                )
            near = difflib.get_close_matches(job, list(work), 1)
            known = ", ".join(sorted(work)[:10])
            hint = f"did you mean '{near[0]}'?" if near else f"jobs: {known}"
            raise NotFoundError(f"there is no job '{job}'", hint=hint)


@contextlib.contextmanager
def running(
    configuration: Configuration,
    queries: tuple[str, ...],
    progress: Progress,
    *,
    full: bool = False,
    verify: str = "",
) -> Iterator[Runner]:
    """Something that runs a job to its end: the daemon that owns the state folder, or this process."""
    from syncd.control.client import daemon_socket

    state = Path(configuration.state.path)
    if daemon_socket(state) is not None:
        wanted = {"queries": queries, "full": full, "verify": verify, "wait": True}
        yield lambda job: _through_daemon(state, job, wanted, progress)
        return
    import msgspec

    from syncd.control.views import run_view
    from syncd.worker.foreground import Foreground

    with Foreground.open(configuration) as foreground:
        hear = lambda event: progress.hear({"event": type(event).__name__, **msgspec.to_builtins(event)})  # noqa: E731
        yield lambda job: run_view(foreground.run(job, queries, hear, full=full, verify=verify))


def _through_daemon(state: Path, job: str, wanted: View, progress: Progress) -> View:
    from syncd.control.client import call

    arguments = {"job": job, **wanted}
    begun: list[str] = []

    def hear(event: View) -> None:
        if event.get("run"):
            begun.append(event["run"])
        progress.hear(event)

    try:
        run: View = call(state, "start", arguments, each=hear, wait_seconds=None)
    except KeyboardInterrupt:
        with contextlib.suppress(SyncdError):
            call(state, "cancel", {"name": begun[-1] if begun else job})
        return {"job": job, "status": "cancelled", "steps": [], "seconds": None, "failure": None}
    return run


def _refuse_elsewhere(configuration: Configuration, names: tuple[str, ...]) -> None:
    """Refuse clusters whose parent has no connection here."""
    from syncd.worker.wire import refuse_elsewhere

    for name in names:
        if name in configuration.clusters:
            refuse_elsewhere(configuration.clusters[name])


def _leave(code: int) -> int:
    """A thread that hangs in a driver after a cancel must not keep the process alive."""
    if code == CANCELLED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
