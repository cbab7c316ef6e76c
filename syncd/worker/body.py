"""The body of a run: open both ends, compile, execute, say how it ended. Used by workers and in the foreground."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from syncd.errors import RunCancelledError, SyncdError
from syncd.model.event import RunEvent, StepEnded, StepProgressed, WindowCommitted
from syncd.model.run import Failure, Status, StepResult
from syncd.ports import Destination, Emit, Source
from syncd.worker.hooked import Hooked
from syncd.worker.kept import KeptPorts
from syncd.worker.mask import SecretMask, secrets_of_work
from syncd.worker.plans import Plans
from syncd.worker.tuning import tuning_of
from syncd.worker.unforeseen import unforeseen
from syncd.worker.wire import AnyOrder, ClusterOrder, Order, Outcome

CANCELLED: Final = Failure("cancelled", "the run was cancelled")


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
    """Hears what a run tells: keeps the steps that ended, and holds events back while a second try is possible.

    Lanes speak side by side: `_lock` guards `holding` and `_held`.
    """

    def __init__(self, emit: Emit, mask: SecretMask, holding: bool) -> None:
        self.steps: list[StepResult] = []
        self.holding = holding
        self._emit = emit
        self._mask = mask
        self._held: list[RunEvent] = []
        self._lock = threading.Lock()

    def hear(self, event: RunEvent) -> None:
        if isinstance(event, StepEnded):
            event = replace(event, result=self._mask.step(event.result))
            self.steps.append(event.result)
        if isinstance(event, StepProgressed | WindowCommitted):
            self.release()
        with self._lock:
            if self.holding:
                self._held.append(event)
                return
        self._emit(event)

    def release(self) -> None:
        with self._lock:
            self.holding = False
            held, self._held = self._held, []
        for event in held:
            self._emit(event)


class RunBody:
    """Carries out orders one after another, with connections and plans kept between them."""

    def __init__(self, ports: KeptPorts) -> None:
        self.ports = ports
        self._plans = Plans()

    def carry_out(self, order: AnyOrder, emit: Emit, stop: Stop) -> Outcome:
        """Do the run to its end; never raises. A kept connection that turns out dead is replaced once."""
        mask = SecretMask((*order.places, *order.others), secrets_of_work(order.work))
        masked = lambda event: emit(mask.event(event))  # noqa: E731  # shorter than a function
        job = Hooked(order, self.ports, masked, stop.check)
        outcome = job.before()
        if outcome is None:
            outcome = self._tried(order, masked, stop, mask, job.variables)
        # What is told to an event is as public as a log.
        outcome = job.after(mask.outcome(outcome))
        self.ports.settle()
        # A driver that was told to stop may notice late, and would then break the next run.
        if outcome.status is not Status.OK or stop.asked:
            self._drop(order)
        return mask.outcome(outcome)

    def _tried(
        self, order: AnyOrder, emit: Emit, stop: Stop, mask: SecretMask, variables: Mapping[str, str]
    ) -> Outcome:
        """The run's outcome, after a second try on fresh connections if kept ones were dead."""
        ear = _Ear(emit, mask, holding=self.ports.holds(order.places))
        outcome = self._attempt(order, ear, stop, variables)
        if ear.holding and not stop.asked and outcome.failure is not None and outcome.failure.transient:
            self._drop(order)
            ear = _Ear(emit, mask, holding=False)
            outcome = self._attempt(order, ear, stop, variables)
        ear.release()
        return outcome

    def _attempt(self, order: AnyOrder, ear: _Ear, stop: Stop, variables: Mapping[str, str]) -> Outcome:
        try:
            if isinstance(order, ClusterOrder):
                # A child that cannot be reached does not stop the others.
                outcome = judged(self._synchronise(order, ear.hear, stop), go_on=True)
            else:
                steps = self._execute(order, ear.hear, stop, variables)
                outcome = judged(steps, go_on=order.job.continue_on_error)
        except RunCancelledError:
            return Outcome(Status.CANCELLED, tuple(ear.steps), CANCELLED)
        except SyncdError as error:
            from syncd.engine.execute import failure_of

            outcome = Outcome(Status.FAILED, tuple(ear.steps), failure_of(error))
        except Exception as error:  # noqa: BLE001  # here a run ends: whatever went wrong belongs to this run alone
            outcome = Outcome(Status.FAILED, tuple(ear.steps), unforeseen(error))
        if stop.asked and outcome.status is Status.FAILED:
            return Outcome(Status.CANCELLED, outcome.steps, CANCELLED)
        return outcome

    def _synchronise(self, order: ClusterOrder, emit: Emit, stop: Stop) -> tuple[StepResult, ...]:
        stop.check()
        if order.verify:
            from syncd.worker.agreement import agree

            return agree(order, self.ports, emit, stop.check)
        from syncd.worker.cluster import carry_out

        return carry_out(order, self.ports, emit, stop.check)

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
        source.tune(tuning_of(order, emit, "source"))
        destination.tune(tuning_of(order, emit, "destination"))
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
            mirror=lambda: self._mirror(order, emit),
            lane=lambda: self._lane(order, emit),
            lanes=order.job.parallel,
        )
        return execute(plan, around, go_on=order.job.continue_on_error)

    def _mirror(self, order: Order, emit: Emit) -> Source:
        mirror = self.ports.source(order.destination)
        mirror.tune(tuning_of(order, emit, "destination"))
        return mirror

    @contextlib.contextmanager
    def _lane(self, order: Order, emit: Emit) -> Iterator[tuple[Source, Destination]]:
        with self.ports.lane(order.source, order.destination) as (source, destination):
            source.tune(tuning_of(order, emit, "source"))
            destination.tune(tuning_of(order, emit, "destination"))
            yield source, destination

    def _drop(self, order: AnyOrder) -> None:
        self.ports.forget({place.name for place in (*order.places, *order.others)})


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
        # What the first of them does not promise, another one may: a second try then does some of the rest.
        passing = any(step.failure is not None and step.failure.transient for step in failed)
        partial = go_on and len(failed) < len(steps)
        return Outcome(
            Status.PARTIAL if partial else Status.FAILED, steps, replace(failure, transient=passing)
        )
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
