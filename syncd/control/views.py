"""The application's facts as plain JSON values, for whoever asks from outside."""

from typing import Any

import msgspec

from syncd.model.definitions import Replication
from syncd.model.run import Run
from syncd.service import Service

View = dict[str, Any]


def run_view(run: Run) -> View:
    """A run with its steps, its counters summed and the seconds it took."""
    view: View = msgspec.to_builtins(run)
    view["seconds"] = run.seconds
    view["counters"] = msgspec.to_builtins(run.counters)
    return view


def job_view(service: Service, job: Replication) -> View:
    """One job: what it does now, how it last ended, when it is due next."""
    live = service.runs.of_job(job.name)
    latest = service.latest.get(job.name)
    retry = service.retries.get(job.name)
    current = next((run for run in live if run.started is not None), live[0] if live else None)
    shown = current or latest
    return {
        "job": job.name,
        "description": job.description,
        "source": job.source,
        "destination": job.destination,
        "enabled": job.enabled,
        "paused": job.name in service.paused,
        "status": shown.status.value if shown else "never run",
        "run": run_view(current) if current else None,
        "last": _brief(latest) if latest else None,
        "retry_at": retry[2].isoformat() if retry else None,
        "origin": str(job.origin) if job.origin else None,
    }


def jobs_view(service: Service, names: list[str] | None = None) -> list[View]:
    """Every job in order of name, or the named ones, with the moments they are due next."""
    due: dict[str, str] = {}
    wanted = sorted(service.configuration.jobs) if names is None else names
    for name in wanted:
        job = service.configuration.jobs[name]
        if job.schedule is not None and job.enabled and name not in service.paused:
            for firing in service.scheduler.upcoming(name, 1):
                due[name] = firing.due.isoformat()
    return [
        {**job_view(service, service.configuration.jobs[name]), "next_due": due.get(name)} for name in wanted
    ]


def _brief(run: Run) -> View:
    view = run_view(run)
    del view["steps"]
    view["warnings"] = [warning for step in run.steps for warning in step.warnings]
    return view
