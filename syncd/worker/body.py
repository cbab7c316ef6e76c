"""The body of a run: open both ends, compile, execute, say how it ended. Used by workers and in the foreground."""

import threading
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from syncd.errors import RunCancelledError, SyncdError
from syncd.model.event import RunEvent, StepEnded, StepProgressed, WindowCommitted
from syncd.model.plan import Plan
from syncd.model.run import Failure, Status, StepResult
from syncd.ports import Emit
from syncd.worker.kept import KeptPorts
from syncd.worker.mask import SecretMask
from syncd.worker.wire import Order, Outcome

CANCELLED: Final = Failure("cancelled", "the run was cancelled")
MAX_PLANS: Final = 256


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
        self._plans: dict[bytes, Plan] = {}

    def carry_out(self, order: Order, emit: Emit, stop: Stop) -> Outcome:
        """Do the run to its end; never raises. A kept connection that turns out dead is replaced once."""
        mask = SecretMask((order.source, order.destination))
        ear = _Ear(emit, mask, holding=self.ports.holds(order.source, order.destination))
        outcome = self._attempt(order, ear, stop)
        if ear.holding and not stop.asked and outcome.failure is not None and outcome.failure.transient:
            self._drop(order)
            ear = _Ear(emit, mask, holding=False)
            outcome = self._attempt(order, ear, stop)
        ear.release()
        self.ports.settle()
        # A driver that was told to stop may notice late, and would then break the next run.
        if outcome.status is not Status.OK or stop.asked:
            self._drop(order)
        return mask.outcome(outcome)

    def _attempt(self, order: Order, ear: _Ear, stop: Stop) -> Outcome:
        try:
            outcome = _judged(self._execute(order, ear.hear, stop))
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

    def _execute(self, order: Order, emit: Emit, stop: Stop) -> tuple[StepResult, ...]:
        from syncd.engine.execute import execute

        plan = self._plan(order)
        stop.check()
        source = self.ports.source(order.source)
        stop.check()
        destination = self.ports.destination(order.destination)
        stop.check()
        return execute(
            plan,
            source,
            destination,
            run=order.run,
            full=order.full,
            emit=emit,
            check=stop.check,
            clock=SystemClock(),
        )

    def _plan(self, order: Order) -> Plan:
        from syncd.engine.compile import compile_job
        from syncd.registry import connector

        dialect = connector(order.source.type).dialect
        key = msgspec.json.encode((order.job, dialect, order.queries))
        if key not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[key] = compile_job(order.job, dialect, order.queries)
        return self._plans[key]

    def _drop(self, order: Order) -> None:
        self.ports.forget({order.source.name, order.destination.name})


def timed_out(seconds: float) -> Failure:
    """The reason of a run that was stopped because its time was over."""
    return Failure(
        "timeout",
        f"the run took longer than {seconds:g} s",
        hint="raise timeout_seconds, or see in its log what it waited for",
    )


def _judged(steps: tuple[StepResult, ...]) -> Outcome:
    """A run is ok only when every step is, and when every row that was read is accounted for."""
    for step in steps:
        if step.status is not Status.OK:
            return Outcome(
                Status.FAILED, steps, step.failure or Failure("failed", f"step '{step.step}' failed")
            )
        if not step.counters.balanced:
            lost = Failure(
                "unbalanced",
                f"step '{step.step}' read {step.counters.read} rows but accounts for another number",
                hint="run it again with --full, and report this",
            )
            return Outcome(Status.FAILED, steps, lost)
    return Outcome(Status.OK, steps)


def _unforeseen(error: Exception) -> Failure:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "syncd" in frame.filename]
    place = f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""
    text = " ".join(str(error).split())[:500]
    return Failure(
        "internal", f"{type(error).__name__}: {text}", hint="this is a fault of syncd; report it", where=place
    )
