"""Says why a job's last expected run did or did not happen, and what comes next."""

from datetime import datetime
from typing import Any

from syncd.model.cluster import Cluster
from syncd.model.configuration import Work
from syncd.model.run import Run, Status
from syncd.service import Service
from syncd.state.journal import Record

SHOWN_LATENESS_SECONDS = 1.0


def why(service: Service, name: str) -> dict[str, Any]:
    """The sentences and the facts behind them.

    Raises:
        NotFoundError: there is no such job.
    """
    job = service.job(name)
    expected = _last_expected(service, name)
    live = service.runs.of_job(name)
    latest = service.latest.get(name)
    sentences = [
        *_expectation(job, expected),
        *_present(live),
        *_latest(latest, expected if isinstance(expected, Run) else None),
        *_retry(service, name),
        *_future(service, job),
    ]
    return {"job": name, "sentences": sentences, "run": expected.id if isinstance(expected, Run) else None}


def _last_expected(service: Service, job: str) -> Run | Record | None:
    """The newest run that a schedule named, or the newest firing that became none: whichever was due later."""
    ran = next((run for run in service.runs.of_job(job)[::-1] if run.due is not None), None)
    ran = ran or service.journal.last_due_run(job)
    skipped = service.journal.last_event("RunSkipped", job)
    if ran is None or skipped is None:
        return ran or skipped
    return ran if ran.due is not None and ran.due >= _due(skipped) else skipped


def _due(skipped: Record) -> datetime:
    return datetime.fromisoformat(str(skipped.facts["due"]))


def _expectation(job: Work, expected: Run | Record | None) -> list[str]:
    if expected is None:
        nothing = "has not been due yet" if job.schedule is not None else "has no schedule"
        return [f"{job.name} {nothing}."]
    if isinstance(expected, Record):
        return [
            f"{job.name} was due at {_moment(_due(expected))} and did not run: {expected.facts['reason']}."
        ]
    late = ""
    if expected.due is not None and expected.started is not None:
        seconds = (expected.started - expected.due).total_seconds()
        late = f", {seconds:.0f} s late" if seconds >= SHOWN_LATENESS_SECONDS else ", on time"
    return [
        f"{job.name} was due at {_moment(expected.due)} and ran ({expected.trigger.value}{late}):"
        f" run {expected.id} is {_ending(expected)}."
    ]


def _present(live: list[Run]) -> list[str]:
    return [f"Run {run.id} ({run.trigger.value}) is {run.status.value} now." for run in live]


def _latest(latest: Run | None, told: Run | None) -> list[str]:
    if latest is None or (told is not None and told.id == latest.id):
        return []
    return [f"Its latest run, {latest.id} ({latest.trigger.value}), is {_ending(latest)}."]


def _ending(run: Run) -> str:
    why_not = f": {run.failure.message}" if run.failure is not None and run.status is not Status.OK else ""
    return f"{run.status.value}{why_not}"


def _retry(service: Service, job: str) -> list[str]:
    if job not in service.retries:
        return []
    _, failed, when = service.retries[job]
    attempts = service.configuration.work[job].retry.attempts
    return [f"It is tried again at {_moment(when)}, attempt {failed.attempt + 1} of {attempts}."]


def _future(service: Service, job: Work) -> list[str]:
    schedule = job.schedule
    if not job.enabled:
        return ["It is disabled: enabled is false in its definition."]
    if job.after:
        return [f"It runs after {', '.join(job.after)}."]
    watched = isinstance(job, Cluster) and job.watch
    if schedule is None and not watched:
        return [f"It runs when somebody starts it: syncd start {job.name}."]
    if job.name in service.paused:
        return [f"It is paused; let it go on with: syncd resume {job.name}."]
    upcoming = service.scheduler.upcoming(job.name, 1)
    if upcoming and watched:
        return [f"It runs as soon as one of its repositories is edited, and at {_moment(upcoming[0].due)}."]
    if upcoming:
        return [f"It is due next at {_moment(upcoming[0].due)}."]
    if schedule is None or watched:
        return ["It runs as soon as one of its repositories is edited."]
    fired = service.standing(job.name).fired
    if schedule.occurrences is not None and fired >= schedule.occurrences:
        return [f"It will not be due again: its {schedule.occurrences} occurrences are used up."]
    if schedule.end is not None and schedule.end <= service.clock.now():
        return [f"It will not be due again: its schedule ended at {_moment(schedule.end)}."]
    return ["It will not be due again."]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "no time"
