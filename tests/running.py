"""Runs a plan on open ports, with the surroundings that most tests want."""

from collections.abc import Callable
from typing import Any

from syncd.engine import execute as engine
from syncd.engine.pace import Pace
from syncd.engine.surroundings import Surroundings
from syncd.model.plan import Plan
from syncd.model.run import StepResult


def execute(
    plan: Plan,
    source: Any,
    destination: Any,
    *,
    run: str = "r",
    full: bool = False,
    emit: Callable[[Any], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    clock: Any,
    mirror: Callable[[], Any] | None = None,
    go_on: bool = False,
    pace: Pace | None = None,
) -> tuple[StepResult, ...]:
    """Do all steps of the plan."""
    around = Surroundings(
        run=run,
        job=plan.job,
        source=source,
        destination=destination,
        full=full,
        emit=emit,
        check=check,
        clock=clock,
        pace=pace or Pace(clock),
        mirror=mirror,
    )
    return engine.execute(plan, around, go_on=go_on)
