"""Runs a plan on open ports: every stage in order, every step to its end."""

from syncd.model.plan import Plan
from syncd.model.run import StepResult
from syncd.ports import Check, Clock, Destination, Emit, Source


def execute(
    plan: Plan,
    source: Source,
    destination: Destination,
    *,
    run: str,
    full: bool,
    emit: Emit,
    check: Check,
    clock: Clock,
) -> tuple[StepResult, ...]:
    """Do all steps of the plan and say how each ended; a failed step does not raise, and ends the run.

    `full` reads everything again whatever the cursors say. The results are in step order; steps after a failed
    or cancelled one are missing.

    Raises:
        RunCancelledError: `check` raised it, or a port after its `cancel`.
    """
    raise AssertionError((plan, source, destination, run, full, emit, check, clock))
