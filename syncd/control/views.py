"""The application's facts as plain JSON values, for whoever asks from outside."""

from typing import Any

import msgspec

from syncd.model.cluster import Cluster
from syncd.model.configuration import Work
from syncd.model.run import Run
from syncd.service import Service

View = dict[str, Any]


def run_view(run: Run) -> View:
    """A run with its steps, its counters summed and the seconds it took."""
    view: View = msgspec.to_builtins(run)
    view["seconds"] = run.seconds
    view["counters"] = msgspec.to_builtins(run.counters)
    return view


def job_view(service: Service, job: Work) -> View:
    """One job or cluster: what it does now, how it last ended, when it is due next."""
    live = service.runs.of_job(job.name)
    latest = service.latest.get(job.name)
    retry = service.retries.get(job.name)
    current = next((run for run in live if run.started is not None), live[0] if live else None)
    shown = current or latest
    return {
        "job": job.name,
        "description": job.description,
        **_ends(job),
        "enabled": job.enabled,
        "paused": job.name in service.paused,
        "status": shown.status.value if shown else "never run",
        "run": run_view(current) if current else None,
        "last": _brief(latest) if latest else None,
        "retry_at": retry[2].isoformat() if retry else None,
        "origin": str(job.origin) if job.origin else None,
    }


def jobs_view(service: Service, names: list[str] | None = None) -> list[View]:
    """Every job and cluster in order of name, or the named ones, with the moments they are due next."""
    due: dict[str, str] = {}
    work = service.configuration.work
    wanted = sorted(work) if names is None else names
    for name in wanted:
        job = work[name]
        if job.schedule is not None and job.enabled and name not in service.paused:
            for firing in service.scheduler.upcoming(name, 1):
                due[name] = firing.due.isoformat()
    return [{**job_view(service, work[name]), "next_due": due.get(name)} for name in wanted]


def _ends(job: Work) -> View:
    """Where rows come from and go to, or who exchanges them."""
    if isinstance(job, Cluster):
        children = [{"repository": one.repository, "connected": one.takes_part} for one in job.children]
        return {"parent": job.parent, "children": children, "watch": job.watch}
    return {"source": job.source, "destination": job.destination}


def _brief(run: Run) -> View:
    view = run_view(run)
    del view["steps"]
    view["conflicts"] = sum(step.conflicts for step in run.steps)
    view["conflicts_open"] = sum(step.conflicts_open for step in run.steps)
    view["warnings"] = [warning for step in run.steps for warning in step.warnings]
    return view
