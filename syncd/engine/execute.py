"""Runs a plan on open ports: every stage in order, every step to its end."""

from dataclasses import replace

from syncd.engine.transfer import Surroundings, extract_of, key_of, transfer
from syncd.errors import RunCancelledError, SyncdError, TransientError
from syncd.model.event import RunEvent, StepEnded, WindowCommitted
from syncd.model.plan import Plan, Transfer
from syncd.model.run import Counters, Failure, Status, StepResult
from syncd.model.writing import Standing
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
        SyncdError: neither end could be asked where the steps stand.
    """
    around = Surroundings(run, plan.job, source, destination, full, emit, check, clock)
    began = clock.monotonic()
    steps = [step for step in plan.steps if isinstance(step, Transfer)]
    standings = destination.survey([key_of(step, plan.job) for step in steps])
    quiet = _quiet_steps(steps, standings, around)
    asked = clock.monotonic() - began
    results: list[StepResult] = []
    for step, standing in zip(steps, standings, strict=True):
        check()
        if step.name in quiet:
            result = _nothing_to_do(step, standing, asked)
            emit(StepEnded(run, plan.job, result))
        else:
            result = _run_step(step, standing, around)
        results.append(result)
        if result.status is not Status.OK:
            break
    return tuple(results)


def failure_of(error: SyncdError) -> Failure:
    """An error as it is stored and shown."""
    return Failure(
        code=error.code,
        message=error.message,
        hint=error.hint,
        where=error.where,
        transient=isinstance(error, TransientError),
    )


def _quiet_steps(steps: list[Transfer], standings: list[Standing], around: Surroundings) -> frozenset[str]:
    """The steps of which both ends say that nothing has changed: one question to the source for all of them."""
    candidates = [
        (step, extract)
        for step, standing in zip(steps, standings, strict=True)
        if (extract := extract_of(step, standing, around.full)).cursor is not None and standing.exists
    ]
    if not candidates:
        return frozenset()
    unchanged = around.source.unchanged([extract for _, extract in candidates])
    return frozenset(step.name for (step, _), same in zip(candidates, unchanged, strict=True) if same)


def _nothing_to_do(step: Transfer, standing: Standing, seconds: float) -> StepResult:
    return StepResult(
        step=step.name,
        status=Status.OK,
        mark_from=standing.mark,
        mark_to=standing.mark,
        nothing_to_do=True,
        rows_known=standing.rows,
        seconds=seconds,
    )


def _run_step(step: Transfer, standing: Standing, around: Surroundings) -> StepResult:
    """The step's result; what its windows committed counts also when it fails or is stopped."""
    began = around.clock.monotonic()
    committed = Counters()

    def hear(event: RunEvent) -> None:
        nonlocal committed
        if isinstance(event, WindowCommitted):
            committed = committed + event.counters
        around.emit(event)

    try:
        result = transfer(step, standing, replace(around, emit=hear))
    except SyncdError as error:
        stopped = isinstance(error, RunCancelledError) or _stopped(around)
        result = StepResult(
            step=step.name,
            status=Status.CANCELLED if stopped else Status.FAILED,
            counters=committed,
            mark_from=standing.mark,
            failure=None if stopped else failure_of(error),
        )
    result = replace(result, seconds=around.clock.monotonic() - began)
    around.emit(StepEnded(around.run, around.job, result))
    if result.status is Status.CANCELLED:
        raise RunCancelledError("the run was stopped")
    return result


def _stopped(around: Surroundings) -> bool:
    """Was a stop asked for? It shows itself as whatever error the driver made of it."""
    try:
        around.check()
    except RunCancelledError:
        return True
    return False
