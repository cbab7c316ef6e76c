"""The body of a run: open both ends, compile, execute, say how it ended. Used by workers and in the foreground."""

import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from syncd.errors import RunCancelledError, SyncdError
from syncd.model.event import RunEvent, StatementSent, StepEnded, StepProgressed, WindowCommitted
from syncd.model.reading import Tuning
from syncd.model.run import Failure, Status, StepResult
from syncd.ports import Emit
from syncd.worker.hooked import Hooked
from syncd.worker.kept import KeptPorts
from syncd.worker.mask import SecretMask, secrets_of_events
from syncd.worker.plans import Plans
from syncd.worker.wire import Order, Outcome

CANCELLED: Final = Failure("cancelled", "the run was cancelled")
STATEMENTS: Final = 3
"""From this verbosity on, statements are told."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class Stop:
    """A wish to stop that any thread may utter and the run looks at."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Was it uttered?"""
        return self._asked.is_set()

    def ask(self) -> None:
        """Utter it."""
        self._asked.set()

    def check(self) -> None:
        """Raise RunCancelledError once it was uttered."""
        if self._asked.is_set():
            raise RunCancelledError("the run was cancelled")


class _Ear:
    """Hears what a run tells: keeps the steps that ended, and holds events back while a second try is possible."""

    def __init__(self, emit: Emit, mask: SecretMask, holding: bool) -> None:
        self.steps: list[StepResult] = []
        self.holding = holding
        self._emit = emit
        self._mask = mask
        self._held: list[RunEvent] = []

    def hear(self, event: RunEvent) -> None:
        if isinstance(event, StepEnded):
            event = replace(event, result=self._mask.step(event.result))
            self.steps.append(event.result)
        if isinstance(event, StepProgressed | WindowCommitted):
            self.release()
        if self.holding:
            self._held.append(event)
        else:
            self._emit(event)

    def release(self) -> None:
        self.holding = False
        for event in self._held:
            self._emit(event)
        self._held.clear()


class RunBody:
    """Carries out orders one after another, with connections and plans kept between them."""

    def __init__(self, ports: KeptPorts) -> None:
        self.ports = ports
        self._plans = Plans()

    def carry_out(self, order: Order, emit: Emit, stop: Stop) -> Outcome:
        """Do the run to its end; never raises. A kept connection that turns out dead is replaced once."""
        mask = SecretMask((order.source, order.destination, *order.others), secrets_of_events(order.job))
        masked = lambda event: emit(mask.event(event))  # noqa: E731  # shorter than a function
        job = Hooked(order, self.ports, masked, stop.check)
        outcome = job.before()
        if outcome is None:
            outcome = self._tried(order, masked, stop, mask, job.variables)
        outcome = job.after(outcome)
        self.ports.settle()
        # A driver that was told to stop may notice late, and would then break the next run.
        if outcome.status is not Status.OK or stop.asked:
            self._drop(order)
        return mask.outcome(outcome)

    def _tried(
        self, order: Order, emit: Emit, stop: Stop, mask: SecretMask, variables: Mapping[str, str]
    ) -> Outcome:
        """The run's outcome, after a second try on fresh connections if kept ones were dead."""
        ear = _Ear(emit, mask, holding=self.ports.holds(order.source, order.destination))
        outcome = self._attempt(order, ear, stop, variables)
        if ear.holding and not stop.asked and outcome.failure is not None and outcome.failure.transient:
            self._drop(order)
            ear = _Ear(emit, mask, holding=False)
            outcome = self._attempt(order, ear, stop, variables)
        ear.release()
        return outcome

    def _attempt(self, order: Order, ear: _Ear, stop: Stop, variables: Mapping[str, str]) -> Outcome:
        try:
            steps = self._execute(order, ear.hear, stop, variables)
            outcome = judged(steps, go_on=order.job.continue_on_error)
        except RunCancelledError:
            return Outcome(Status.CANCELLED, tuple(ear.steps), CANCELLED)
        except SyncdError as error:
            from syncd.engine.execute import failure_of

            outcome = Outcome(Status.FAILED, tuple(ear.steps), failure_of(error))
        except Exception as error:  # noqa: BLE001  # here a run ends: whatever went wrong belongs to this run alone
            outcome = Outcome(Status.FAILED, tuple(ear.steps), _unforeseen(error))
        if stop.asked and outcome.status is Status.FAILED:
            return Outcome(Status.CANCELLED, outcome.steps, CANCELLED)
        return outcome

    def _execute(
        self, order: Order, emit: Emit, stop: Stop, variables: Mapping[str, str]
    ) -> tuple[StepResult, ...]:
        from syncd.engine.execute import execute
        from syncd.engine.pace import Pace
        from syncd.engine.surroundings import Surroundings

        stop.check()
        source = self.ports.source(order.source)
        stop.check()
        destination = self.ports.destination(order.destination)
        stop.check()
        source.tune(_tuning(order, emit, "source"))
        destination.tune(_tuning(order, emit, "destination"))
        plan = self._plans.of(order, source, variables)
        clock = SystemClock()
        around = Surroundings(
            run=order.run,
            job=order.job.name,
            source=source,
            destination=destination,
            full=order.full,
            emit=emit,
            check=stop.check,
            clock=clock,
            pace=Pace(
                clock,
                _least(order.source.rows_per_second, order.destination.rows_per_second),
                _least(order.source.bytes_per_second, order.destination.bytes_per_second),
            ),
            mirror=lambda: self.ports.source(order.destination),
            lane=lambda: self.ports.lane(order.source, order.destination),
            lanes=order.job.parallel,
        )
        return execute(plan, around, go_on=order.job.continue_on_error)

    def _drop(self, order: Order) -> None:
        self.ports.forget({order.source.name, order.destination.name})


def _tuning(order: Order, emit: Emit, end: str) -> Tuning:
    def trace(statement: str) -> None:
        emit(StatementSent(order.run, order.job.name, end, statement))

    seconds = order.job.options.command_timeout_seconds
    return Tuning(
        seconds if end == "destination" else 0.0, trace if order.job.verbosity >= STATEMENTS else None
    )


def _least(one: float | None, other: float | None) -> float | None:
    return min((rate for rate in (one, other) if rate is not None), default=None)


def timed_out(seconds: float) -> Failure:
    """The reason of a run that was stopped because its time was over."""
    return Failure(
        "timeout",
        f"the run took longer than {seconds:g} s",
        hint="raise timeout_seconds, or see in its log what it waited for",
    )


def judged(steps: tuple[StepResult, ...], *, go_on: bool = False) -> Outcome:
    """A run is ok only when every step is, and when every row that was read is accounted for.

    It is partial when something was left undone while the rest went well; with `go_on` also when a query failed.
    """
    failed = [step for step in steps if step.status is Status.FAILED]
    if failed:
        first = failed[0]
        failure = first.failure or Failure("failed", f"step '{first.step}' failed")
        partial = go_on and len(failed) < len(steps)
        return Outcome(Status.PARTIAL if partial else Status.FAILED, steps, failure)
    for step in steps:
        if not step.counters.balanced:
            lost = Failure(
                "unbalanced",
                f"step '{step.step}' read {step.counters.read} rows but accounts for another number",
                hint="run it again with --full, and report this",
            )
            return Outcome(Status.FAILED, steps, lost)
    partial_steps = [step for step in steps if step.status is Status.PARTIAL]
    if partial_steps:
        said = partial_steps[0].warnings[-1] if partial_steps[0].warnings else "something was left undone"
        return Outcome(Status.PARTIAL, steps, Failure("partial", f"{partial_steps[0].step}: {said}"))
    return Outcome(Status.OK, steps)


def _unforeseen(error: Exception) -> Failure:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "syncd" in frame.filename]
    place = f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""
    text = " ".join(str(error).split())[:500]
    return Failure(
        "internal", f"{type(error).__name__}: {text}", hint="this is a fault of syncd; report it", where=place
    )
