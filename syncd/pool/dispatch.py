"""Runs from being asked for to their end: admission, deadline, cancelling, history."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from syncd.errors import NotFoundError, SyncdError
from syncd.model.configuration import Configuration, Work
from syncd.model.definitions import Overlap
from syncd.model.event import Event, RunEnded, RunEvent, RunQueued, RunStarted
from syncd.model.run import Failure, Run, Status, Trigger
from syncd.ports import Clock
from syncd.scheduling.queue import RunQueue, Verdict
from syncd.state.backlog import Backlog
from syncd.state.journal import Journal
from syncd.worker.body import CANCELLED, timed_out
from syncd.worker.wire import AnyOrder, Outcome, order_of

REPLACED: Final = Failure("replaced", "a newer run took its place before it started")
NO_LONGER: Final = Failure("no_longer", "the job was removed or disabled before the run started")


class Executor(Protocol):
    """Carries runs out somewhere else; calls back on the thread that called it."""

    def launch(
        self, order: AnyOrder, emit: Callable[[RunEvent], None], ended: Callable[[Outcome], None]
    ) -> None:
        """Begin; `ended` is called exactly once, later."""
        ...

    def cancel(self, run: str) -> None:
        """Make a run end soon."""
        ...

    def forget(self, connections: Collection[str]) -> None:
        """Close what is kept open for these connections."""
        ...


class Timer(Protocol):
    """A call that will be made."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Makes a call after so many seconds."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What runs need of the world: where to write, who carries out, what time it is, whom to tell."""

    journal: Journal
    backlog: Backlog
    executor: Executor
    clock: Clock
    later: Later
    publish: Callable[[Event], None]
    pid: int
    previous: Callable[[str], Run | None] = lambda _job: None
    """A job's last run that has ended."""
    log_file: Callable[[Run], str] = lambda _run: ""
    """Where the log of a run is written."""


class Dispatcher:
    """Every run that is not final, and the rules for starting and stopping it. Used from one thread."""

    def __init__(self, around: Surroundings, ended: Callable[[Run], None]) -> None:
        """`ended` hears of each run that became final, after its history was written."""
        self.live: dict[str, Run] = {}
        self._around = around
        self._ended = ended
        self._configuration: Configuration | None = None
        self._generation = 0
        self._queue = RunQueue(1, {})
        self._deadlines: dict[str, Timer] = {}
        self._reasons: dict[str, Failure] = {}

    def apply(self, configuration: Configuration, generation: int) -> None:
        """Begin later runs with this configuration; waiting runs of jobs that went end, running ones go on."""
        self._configuration = configuration
        self._generation = generation
        for run in list(self.live.values()):
            job = configuration.work.get(run.job)
            unwanted = job is None or not (job.enabled or run.trigger is Trigger.MANUAL)
            if run.status is Status.QUEUED and unwanted and self._queue.withdraw(run.id):
                self._finish(run, Outcome(Status.CANCELLED, (), NO_LONGER))
        limits: Mapping[str, int | None] = {
            one.name: one.max_runs for one in configuration.connections.values()
        }
        self._begin_all(self._queue.limit(configuration.limits.max_runs, limits))

    def submit(
        self, run: Run, job: Work, overlap: Overlap, alongside: Callable[[], None] = lambda: None
    ) -> str:
        """Let a run start, or wait, or not happen; the reason when it does not, else empty.

        `alongside` writes what must be stored together with the run, in the same transaction.
        """
        decision = self._queue.submit(run.id, job.name, job.connections, overlap)
        if decision.verdict is Verdict.SKIPPED:
            return decision.reason
        around = self._around
        self.live[run.id] = run
        around.backlog.write(lambda: around.journal.create_run(run, alongside))
        around.publish(RunQueued(run.id, run.job, run.trigger, self._generation, run.due))
        for dropped in decision.dropped:
            self._finish(self.live[dropped], Outcome(Status.SKIPPED, (), REPLACED))
        for running in decision.cancel:
            self.cancel(running)
        if decision.verdict is Verdict.START:
            self._begin(run.id)
        return ""

    def cancel(self, run_id: str, reason: Failure | None = None) -> Run | None:
        """Stop a run; `reason` replaces the usual one in its history. None when it is final or unknown."""
        run = self.live.get(run_id)
        if run is None:
            return None
        if reason is not None:
            self._reasons.setdefault(run_id, reason)
        if run.status is Status.QUEUED and self._queue.withdraw(run_id):
            return self._finish(run, Outcome(Status.CANCELLED, (), CANCELLED))
        if run.status is not Status.CANCELLING:
            run = self.live[run_id] = replace(run, status=Status.CANCELLING)
            changed, journal = run, self._around.journal
            self._around.backlog.write(lambda: journal.update_run(changed))
        self._around.executor.cancel(run_id)
        return run

    def of_job(self, job: str) -> list[Run]:
        """The job's runs that are not final, oldest first."""
        return [run for run in self.live.values() if run.job == job]

    def _begin_all(self, run_ids: Collection[str]) -> None:
        for run_id in run_ids:
            self._begin(run_id)

    def _begin(self, run_id: str) -> None:
        around = self._around
        waiting = self.live[run_id]
        started = replace(
            waiting, status=Status.RUNNING, started=around.clock.now(), generation=self._generation
        )
        self.live[run_id] = started
        around.backlog.write(lambda: around.journal.start_run(started, around.pid))
        around.publish(RunStarted(run_id, started.job, started.generation, started.attempt))
        try:
            order = self._order(started)
        except SyncdError as error:
            self._end(run_id, Outcome(Status.FAILED, (), Failure(error.code, error.message, error.hint)))
            return
        if order.work.timeout_seconds is not None:
            seconds = order.work.timeout_seconds
            self._deadlines[run_id] = around.later(seconds, lambda: self._time_out(run_id, seconds))
        generation = started.generation
        around.executor.launch(
            order,
            lambda event: around.publish(replace(event, generation=generation)),
            lambda outcome: self._end(run_id, outcome),
        )

    def _order(self, run: Run) -> AnyOrder:
        if self._configuration is None:
            raise NotFoundError(f"there is no job '{run.job}'")
        around = self._around
        return order_of(run, self._configuration, around.previous(run.job), around.log_file(run))

    def _time_out(self, run_id: str, seconds: float) -> None:
        self.cancel(run_id, timed_out(seconds))

    def _end(self, run_id: str, outcome: Outcome) -> None:
        self._finish(self.live[run_id], outcome)
        self._begin_all(self._queue.ended(run_id))

    def _finish(self, run: Run, outcome: Outcome) -> Run:
        around = self._around
        deadline = self._deadlines.pop(run.id, None)
        if deadline is not None:
            deadline.cancel()
        status, failure = self._verdict(run.id, outcome)
        ended = replace(
            run,
            status=status,
            ended=_not_before(run, around.clock.now()),
            steps=outcome.steps,
            failure=failure,
        )
        del self.live[run.id]
        around.backlog.write(lambda: around.journal.end_run(ended))
        around.publish(end_event(ended))
        self._ended(ended)
        return ended

    def _verdict(self, run_id: str, outcome: Outcome) -> tuple[Status, Failure | None]:
        reason = self._reasons.pop(run_id, None)
        if outcome.status is not Status.CANCELLED or reason is None:
            return outcome.status, outcome.failure
        return (Status.FAILED if reason.code == "timeout" else Status.CANCELLED), reason


def end_event(run: Run) -> RunEnded:
    """What is told about a run that is over."""
    return RunEnded(
        run.id, run.job, run.status, run.counters, run.seconds, run.failure, generation=run.generation
    )


def _not_before(run: Run, moment: datetime) -> datetime:
    """A clock that was set back must not make a run end before it began."""
    return max(moment, run.started) if run.started is not None else moment
