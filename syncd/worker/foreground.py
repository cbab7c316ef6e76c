"""Runs in this very process, for commands that do not want a daemon: same body, same history, same rules."""

import contextlib
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from syncd.model.configuration import Configuration
from syncd.model.event import Event, RunEnded, RunEvent, RunStarted
from syncd.model.run import Failure, Run, Status, Trigger
from syncd.observe.runlog import RunLogs, verbosity_of
from syncd.observe.scrub import Scrubber
from syncd.state.database import Database
from syncd.state.journal import Journal, new_run_id
from syncd.state.owner import Owner
from syncd.worker.body import CANCELLED, RunBody, Stop, SystemClock, timed_out
from syncd.worker.kept import KeptPorts
from syncd.worker.mask import secrets_of
from syncd.worker.retry import retry_delay_seconds
from syncd.worker.wire import AnyOrder, Outcome, order_of

COOPERATION_SECONDS: Final = 0.1
GIVE_UP_SECONDS: Final = 0.8
GLANCE_SECONDS: Final = 0.05
LEAVE_SECONDS: Final = 1.0
LOGS: Final = "runs"

Hear = Callable[[Event], None]
Told = queue.SimpleQueue[RunEvent | Outcome]
"""What one order's run tells."""
Tasks = queue.SimpleQueue[tuple[AnyOrder, Stop, Told] | None]


class Foreground:
    """The owner of a state folder that runs jobs itself, from `open` to the end of it.

    One thread runs, because connections belong to the thread that opened them; the main one stays free to hear
    Ctrl-C while a driver blocks.
    """

    def __init__(self, configuration: Configuration, journal: Journal, logs: RunLogs) -> None:
        self._configuration = configuration
        self._journal = journal
        self._logs = logs
        self._clock = SystemClock()
        self._chance = random.SystemRandom().random
        self._interrupted = threading.Event()
        self._previous: Run | None = None
        self._begin()

    def _begin(self) -> None:
        """A thread with connections of its own; one that hangs in a driver is left behind with them."""
        self._ports = KeptPorts(time.monotonic)
        self._tasks: Tasks = queue.SimpleQueue()
        self._thread = threading.Thread(target=_run_all, args=(self._ports, self._tasks), daemon=True)
        self._thread.start()

    @classmethod
    @contextlib.contextmanager
    def open(cls, configuration: Configuration, command: str = "syncd sync") -> Iterator["Foreground"]:
        """Own the state folder meanwhile; SIGINT and SIGTERM cancel the run that goes on.

        Raises:
            BusyError: somebody else owns it.
            FatalError: it cannot be used.
        """
        folder, clock = Path(configuration.state.path), SystemClock()
        with contextlib.ExitStack() as stack:
            owner = Owner.take(folder, command=command, now=clock.now())
            stack.callback(owner.release)
            database = Database(folder)
            stack.callback(database.close)
            journal = Journal(database)
            journal.interrupt_unfinished(clock.now())
            logs = RunLogs(folder / LOGS, configuration.logs, Scrubber(secrets_of(configuration)), clock)
            logs.change(configuration.logs, verbosity_of(configuration))
            foreground = cls(configuration, journal, logs)
            with foreground._signals():
                yield foreground
            foreground._leave()
            journal.prune(clock.now(), configuration.state.history)

    def run(
        self, job: str, queries: Sequence[str], hear: Hear, *, full: bool = False, verify: str = ""
    ) -> Run:
        """Run the job to its end, retries included; `hear` is told every event. `verify`: see `Run.verify`."""
        retry = self._configuration.work[job].retry
        self._previous = self._journal.latest().get(job)
        run = self._once(replace(self._new(job, tuple(queries), full), verify=verify), hear)
        while (delay := retry_delay_seconds(run, retry, self._chance())) is not None:
            if self._interrupted.wait(delay):
                return replace(run, status=Status.CANCELLED, failure=CANCELLED)
            first = run.retry_of or run.id
            again = replace(self._new(job, run.queries, full), trigger=Trigger.RETRY, retry_of=first)
            run = self._once(replace(again, attempt=run.attempt + 1, verify=verify), hear)
        return run

    def _new(self, job: str, queries: tuple[str, ...], full: bool) -> Run:
        now = self._clock.now()
        return Run(
            id=new_run_id(now, int(self._chance() * 0x10000)),
            job=job,
            status=Status.RUNNING,
            trigger=Trigger.MANUAL,
            created=now,
            started=now,
            generation=1,
            full=full,
            queries=queries,
        )

    def _once(self, run: Run, hear: Hear) -> Run:
        facts: list[Event] = []

        def tell(event: Event) -> None:
            facts.append(event)
            self._logs.write(event)
            hear(event)

        self._journal.create_run(run)
        tell(RunStarted(run.id, run.job, run.generation, run.attempt))
        outcome = self._follow(run, tell)
        ended = replace(
            run,
            status=outcome.status,
            ended=max(self._clock.now(), run.created),
            steps=outcome.steps,
            failure=outcome.failure,
        )
        self._journal.end_run(ended)
        tell(
            RunEnded(
                ended.id,
                ended.job,
                ended.status,
                ended.counters,
                ended.seconds,
                ended.failure,
                generation=ended.generation,
            )
        )
        self._journal.record_all(facts, self._clock.now())
        return ended

    def _follow(self, run: Run, hear: Callable[[RunEvent], None]) -> Outcome:
        stop, began = Stop(), time.monotonic()
        limit = self._configuration.work[run.job].timeout_seconds
        reason: Failure = CANCELLED
        asked: float | None = None
        told: Told = queue.SimpleQueue()
        log = os.fspath(self._logs.expected(run.id, run.job))
        self._tasks.put((order_of(run, self._configuration, self._previous, log), stop, told))
        while True:
            with contextlib.suppress(queue.Empty):
                message = told.get(timeout=GLANCE_SECONDS)
                if isinstance(message, Outcome):
                    return _final(message, reason)
                hear(replace(message, generation=run.generation))
            now = time.monotonic()
            if asked is None and (self._interrupted.is_set() or (limit is not None and now > began + limit)):
                if not self._interrupted.is_set() and limit is not None:
                    reason = timed_out(limit)
                asked = now
                stop.ask()
            if asked is not None and now > asked + COOPERATION_SECONDS:
                self._ports.cancel()
            if asked is not None and now > asked + GIVE_UP_SECONDS:
                # Whatever it says later is said to nobody.
                self._begin()
                return _final(Outcome(Status.CANCELLED, (), CANCELLED), reason)

    def _leave(self) -> None:
        """Close the connections; a thread that hangs in a driver ends with the process."""
        self._tasks.put(None)
        self._thread.join(LEAVE_SECONDS)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, lambda *_: self._interrupted.set()) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def _final(outcome: Outcome, reason: Failure) -> Outcome:
    if outcome.status is not Status.CANCELLED:
        return outcome
    status = Status.FAILED if reason.code == "timeout" else Status.CANCELLED
    return Outcome(status, outcome.steps, reason)


def _run_all(ports: KeptPorts, tasks: Tasks) -> None:
    body = RunBody(ports)
    while (task := tasks.get()) is not None:
        order, stop, told = task
        told.put(body.carry_out(order, told.put, stop))
    ports.close()
