"""The application: everything a face can ask for, as plain method calls."""

import difflib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from syncd.config.diff import Difference, difference
from syncd.errors import BusyError, NotFoundError, RestartNeededError
from syncd.model.configuration import Configuration, Work
from syncd.model.definitions import Overlap
from syncd.model.event import ConfigApplied, JobPaused, RunSkipped
from syncd.model.run import Failure, Run, Status, Trigger
from syncd.pool.dispatch import Dispatcher, Surroundings, Timer, end_event
from syncd.scheduling.dependency import Dependents
from syncd.scheduling.scheduler import Firing, Scheduler, ScheduleState
from syncd.state.journal import Journal, new_run_id
from syncd.state.schedule import Schedules, Standing
from syncd.worker.retry import retry_delay_seconds

STOPPED: Final = Failure(
    "daemon_stopped", "the daemon was stopped", hint="it goes on when the daemon is back"
)
MAX_FIRINGS: Final = 20
"""In one tick."""
PRUNE_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What decides when: the registry of due times, where it is stored, and chance (numbers in [0, 1))."""

    scheduler: Scheduler
    schedules: Schedules
    random: Callable[[], float]


class Service:
    """Jobs, runs and their rules. Used from one thread; every method returns at once."""

    def __init__(self, configuration: Configuration, around: Surroundings, clockwork: Clockwork) -> None:
        self.configuration = configuration
        self.generation = 0
        self.latest: dict[str, Run] = {}
        self.runs = Dispatcher(around, self._ended)
        self.paused: set[str] = set()
        self.retries: dict[str, tuple[Timer, Run, datetime]] = {}
        """Per job: the call that will try again, the run that failed, and when."""
        self.scheduler = clockwork.scheduler
        self.journal: Journal = around.journal
        self.backlog = around.backlog
        self.clock = around.clock
        self._around = around
        self._schedules = clockwork.schedules
        self._random = clockwork.random
        self._dependents = Dependents()
        self._saved: dict[str, Standing] = {}
        self._firings: deque[Firing] = deque()
        self._pruned: datetime | None = None
        self._stopping = False

    def open(self) -> list[Run]:
        """Take over from whoever owned the state before, and begin; the runs that were found interrupted."""
        interrupted = self.journal.interrupt_unfinished(self.clock.now())
        for run in interrupted:
            self._around.publish(end_event(run))
        self.latest = self.journal.latest()
        self._saved = self._schedules.all()
        self.paused = {job for job, standing in self._saved.items() if standing.paused}
        firings = self._swap(self.configuration)
        # A comparison does not do what the load before it failed to do.
        owed = (*self.journal.latest(moving=True).values(), *self.latest.values())
        for run in {run.id: run for run in owed}.values():
            if _to_be_resumed(run):
                self._again(run, Trigger.RESUME, run.attempt)
            else:
                self._plan_retry(run)
        self._firings.extend(firings)
        self._save_schedules()
        return interrupted

    @property
    def behind(self) -> bool:
        """Are there firings that `tick` has still to make runs of?"""
        return bool(self._firings)

    def apply(self, new: Configuration) -> Difference:
        """Put another configuration in force, at once and whole; an empty difference when it means the same.

        Raises:
            RestartNeededError: it names another state folder; nothing was changed.
            ScheduleError: a schedule cannot be meant; nothing was changed.
        """
        old = self.configuration
        changes = difference(old, new)
        if new.state.path != old.state.path:
            raise RestartNeededError(
                f"needs restart: state.path changed from {old.state.path} to {new.state.path}",
                hint="restart the daemon, or change it back; nothing was applied",
            )
        if not changes:
            self.configuration = new
            return changes
        self._swap(new)
        gone = (name.partition(" ") for name in (*changes.changed, *changes.removed))
        self._around.executor.forget([name for kind, _, name in gone if kind == "connection"])
        self._save_schedules()
        self._around.publish(ConfigApplied(self.generation, changes.added, changes.changed, changes.removed))
        return changes

    def tick(self) -> None:
        """Start what is due, and keep house. To be called at `next_due` and now and then."""
        self.backlog.flush()
        self._firings.extend(self.scheduler.due())
        # A thousand jobs may be due at once; whoever asks something meanwhile must not wait for all of them.
        for _ in range(min(len(self._firings), MAX_FIRINGS)):
            self._fire(self._firings.popleft())
        lapses = self.scheduler.lapses()
        for lapse in lapses:
            self._around.publish(RunSkipped(lapse.job, lapse.due, lapse.reason))
        self._save_schedules({lapse.job for lapse in lapses})
        now = self.clock.now()
        if self._pruned is None or not timedelta(0) <= now - self._pruned < PRUNE_EVERY:
            self._pruned = now
            self.backlog.write(lambda: self.journal.prune(now, self.configuration.state.history))

    def start(self, job: str, queries: tuple[str, ...] = (), *, full: bool = False, verify: str = "") -> Run:
        """Begin a run by hand, whatever the schedule says; `verify` (check, repair) compares instead of copying.

        Raises:
            NotFoundError: there is no such job.
            BusyError: it is running or waiting already, or the daemon is stopping.
        """
        definition = self.job(job)
        if self._stopping:
            raise BusyError("the daemon is stopping", hint="start it again first")
        live = self.runs.of_job(job)
        if live:
            raise BusyError(
                f"job '{job}' is {live[0].status.value} already",
                hint=f"wait for it, or: syncd cancel {job}",
                where=f"run {live[0].id}",
            )
        if not verify:
            self._forget_retry(job)
        run = self._new(job, Trigger.MANUAL)
        run = replace(run, queries=queries, full=full, verify=verify)
        self.runs.submit(run, definition, Overlap.SKIP)
        return self.runs.live.get(run.id, self.latest.get(job, run))

    def changed(self, cluster: str) -> None:
        """A repository of a watched cluster was edited: run, or run again after the run that goes on."""
        work = self.configuration.clusters.get(cluster)
        resting = cluster in self.paused or cluster in self.retries
        if work is None or self._stopping or resting or not work.enabled:
            return
        if all(run.status is not Status.QUEUED for run in self.runs.of_job(cluster)):
            self.runs.submit(self._new(cluster, Trigger.CHANGE), work, Overlap.QUEUE)

    def cancel(self, name: str) -> Run:
        """Stop the run of that id, or the runs of that job and its next attempt; the run as it is now.

        Raises:
            NotFoundError: there is neither such a run nor such a job.
            BusyError: nothing of it is running.
        """
        if name in self.runs.live:
            cancelled = self.runs.cancel(name)
            if cancelled is not None:
                return cancelled
        known = self.journal.run(name)
        if known is not None:
            raise BusyError(f"run {name} has ended already: {known.status.value}", code="not_running")
        self.job(name)
        waiting = self._forget_retry(name)
        ended = [self.runs.cancel(run.id) for run in reversed(self.runs.of_job(name))]
        found = next((run for run in reversed(ended) if run is not None), waiting)
        if found is None:
            raise BusyError(f"job '{name}' is not running", hint=f"syncd runs {name}", code="not_running")
        return found

    def pause(self, job: str, paused: bool = True) -> None:
        """Let a job's schedule rest (or go on). Runs by hand stay possible.

        Raises:
            NotFoundError: there is no such job.
        """
        self.job(job)
        if (job in self.paused) is paused:
            return
        if paused:
            self.paused.add(job)
            self.scheduler.pause(job)
        else:
            self.paused.discard(job)
            self.scheduler.resume(job)
        self._save_schedules([job])
        self._around.publish(JobPaused(job, paused))

    def job(self, name: str) -> Work:
        """The job or cluster of that name.

        Raises:
            NotFoundError: there is none; the hint names the nearest.
        """
        found = self.configuration.work.get(name)
        if found is None:
            near = difflib.get_close_matches(name, list(self.configuration.work), 1)
            hint = f"did you mean '{near[0]}'?" if near else "syncd status shows all jobs"
            raise NotFoundError(f"there is no job '{name}'", hint=hint)
        return found

    def standing(self, job: str) -> Standing:
        """Where the job's schedule stands, as it was last stored."""
        return self._saved.get(job, Standing())

    def stop(self) -> None:
        """Begin no more; runs that wait end, runs that go on may until `abort`."""
        self._stopping = True
        for timer, _, _ in self.retries.values():
            timer.cancel()
        self.retries.clear()
        for run in list(self.runs.live.values()):
            if run.status is Status.QUEUED:
                self.runs.cancel(run.id, STOPPED)

    def abort(self) -> None:
        """Stop the runs that still go on."""
        for run in list(self.runs.live.values()):
            self.runs.cancel(run.id, STOPPED)

    def _swap(self, new: Configuration) -> list[Firing]:
        states = {
            job: ScheduleState(one.anchor, one.last_due, one.fired, one.timeline)
            for job, one in self._saved.items()
            if one.anchor is not None
        }
        # The only step that may refuse comes first; everything after it succeeds.
        firings = self.scheduler.apply(new.work, states, self.paused)
        self.configuration = new
        self.generation += 1
        self._dependents.apply(new.work)
        for job in list(self.retries):
            if job not in new.work or not new.work[job].enabled:
                self._forget_retry(job)
        self.runs.apply(new, self.generation)
        return firings

    def _fire(self, firing: Firing) -> None:
        job = self.configuration.work.get(firing.job)
        if job is None:
            return
        catch_up = firing.trigger is Trigger.CATCH_UP
        overlap = job.schedule.overlap if job.schedule is not None and not catch_up else Overlap.QUEUE
        run = replace(self._new(firing.job, firing.trigger), due=firing.due)
        changed = self._moved([firing.job])
        # The firing and the run that it became are stored together: neither lost nor doubled by a crash.
        reason = self.runs.submit(run, job, overlap, partial(self._schedules.save, changed.items()))
        if reason:
            self._save_schedules([firing.job])
            self._around.publish(RunSkipped(firing.job, firing.due, reason))
        self._saved |= changed

    def _ended(self, run: Run) -> None:
        self.latest[run.job] = run
        if run.status is Status.OK and not run.verify:
            for name in self._dependents.succeeded(run.job):
                # A run of it that goes on may have looked before the new rows were there: this one waits for its end.
                run_after = self._new(name, Trigger.DEPENDENCY)
                self.runs.submit(run_after, self.configuration.work[name], Overlap.QUEUE)
                if self._stopping:
                    # The next daemon resumes it.
                    self.runs.cancel(run_after.id, STOPPED)
        if not self._stopping:
            self._plan_retry(run)

    def _plan_retry(self, run: Run) -> None:
        job = self.configuration.work.get(run.job)
        if job is None or not job.enabled:
            return
        if run.verify and run.job in self.retries:
            # The one that waits moves rows.
            return
        delay = retry_delay_seconds(run, job.retry, self._random())
        if delay is not None:
            self._forget_retry(run.job)
            when = self.clock.now() + timedelta(seconds=delay)
            timer = self._around.later(delay, lambda: self._retry(run))
            self.retries[run.job] = (timer, run, when)

    def _retry(self, failed: Run) -> None:
        self.retries.pop(failed.job, None)
        self._again(failed, Trigger.RETRY, failed.attempt + 1)

    def _again(self, run: Run, trigger: Trigger, attempt: int) -> None:
        job = self.configuration.work.get(run.job)
        if job is None or not job.enabled:
            return
        again = replace(self._new(run.job, trigger), attempt=attempt, retry_of=run.retry_of or run.id)
        self._submit(replace(again, full=run.full, verify=run.verify, queries=run.queries, due=run.due))

    def _submit(self, run: Run) -> None:
        """Start it unless the job runs anyway; what it would have done, that run does, if it is no comparison."""
        only_compares = all(live.verify for live in self.runs.of_job(run.job))
        overlap = Overlap.QUEUE if only_compares and not run.verify else Overlap.SKIP
        self.runs.submit(run, self.configuration.work[run.job], overlap)

    def _new(self, job: str, trigger: Trigger) -> Run:
        now = self.clock.now()
        run_id = new_run_id(now, int(self._random() * 0x10000))
        while run_id in self.runs.live:
            run_id = new_run_id(now, int(self._random() * 0x10000))
        return Run(id=run_id, job=job, status=Status.QUEUED, trigger=trigger, created=now)

    def _forget_retry(self, job: str) -> Run | None:
        timer, run, _ = self.retries.pop(job, (None, None, None))
        if timer is not None:
            timer.cancel()
        return run

    def _save_schedules(self, jobs: Iterable[str] | None = None) -> None:
        changed = self._moved(self.configuration.work if jobs is None else jobs)
        if changed:
            self._saved |= changed
            self.backlog.write(lambda: self._schedules.save(changed.items()))

    def _moved(self, jobs: Iterable[str]) -> dict[str, Standing]:
        # A firing that waits to become a run must not be stored as done before that.
        waiting = {firing.job for firing in self._firings}
        now = {job: self._standing_now(job) for job in jobs if job not in waiting}
        return {job: one for job, one in now.items() if one != self._saved.get(job, Standing())}

    def _standing_now(self, job: str) -> Standing:
        paused = job in self.paused
        try:
            state = self.scheduler.state(job)
        except NotFoundError:
            return replace(self._saved.get(job, Standing()), paused=paused)
        return Standing(state.anchor, state.last_due, state.fired, state.timeline, paused)


def _to_be_resumed(run: Run) -> bool:
    stopped = run.failure is not None and run.failure.code == STOPPED.code
    return run.status is Status.INTERRUPTED or stopped
