"""Runs a plan on open ports: every stage in order, every step to its end."""

from collections.abc import Sequence
from dataclasses import replace

from syncd.engine.quarantine import try_again
from syncd.engine.reconcile import note_accounted, reconcile
from syncd.engine.surroundings import Surroundings, extract_of, key_of
from syncd.engine.transfer import is_accounted, transfer
from syncd.engine.verify import check_step, difference_warnings, verdict_of
from syncd.errors import RunCancelledError, SyncdError, TransientError
from syncd.model.event import RunEvent, StepEnded, WindowCommitted
from syncd.model.options import Deletes, Verify
from syncd.model.plan import Comparison, Plan, Step, Transfer
from syncd.model.run import Counters, Failure, Status, StepResult
from syncd.model.writing import Standing, StepKey


def execute(plan: Plan, around: Surroundings, *, go_on: bool = False) -> tuple[StepResult, ...]:
    """Do all steps of the plan and say how each ended; a failed step does not raise, and ends the run.

    With `go_on`, steps after a failed one are done too. The results are in step order; steps after a failed (without
    `go_on`) or cancelled one are missing.

    Raises:
        RunCancelledError: `check` raised it, or a port after its `cancel`.
        SyncdError: neither end could be asked where the steps stand.
    """
    began = around.clock.monotonic()
    steps = plan.steps
    standings = around.destination.survey([key_of(step, plan.job) for step in steps])
    quiet = _quiet_steps(steps, standings, around)
    asked = around.clock.monotonic() - began
    results: list[StepResult] = []
    begun: set[StepKey] = set()
    for step, standing in zip(steps, standings, strict=True):
        around.check()
        key = key_of(step, plan.job)
        if key in begun:
            # A comparison and the step that fills its table share a cursor, and the one before moved it.
            standing = around.destination.survey([key])[0]
        begun.add(key)
        if step.name in quiet and not _proves(step):
            result = _nothing_to_do(step, standing, asked)
            around.emit(StepEnded(around.run, plan.job, result))
        else:
            result = _run_step(step, standing, around, quiet=step.name in quiet)
        results.append(result)
        if result.status is Status.FAILED and not go_on:
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


def _proves(step: Step) -> bool:
    """Does the step look at both tables even when nothing has changed?"""
    return step.options.deletes is not Deletes.OFF or step.options.verify is not Verify.OFF


def _quiet_steps(
    steps: Sequence[Step], standings: Sequence[Standing], around: Surroundings
) -> frozenset[str]:
    """The steps of which both ends say that nothing has changed: one question to the source for all of them."""
    candidates = [
        (step, extract)
        for step, standing in zip(steps, standings, strict=True)
        if isinstance(step, Transfer)
        and (extract := extract_of(step, standing, around.full, around.job)).cursor is not None
        and standing.exists
    ]
    if not candidates:
        return frozenset()
    unchanged = around.source.unchanged([extract for _, extract in candidates])
    same = {step.name for (step, _), quiet in zip(candidates, unchanged, strict=True) if quiet}
    aside = {
        step.name
        for step, _ in candidates
        if step.options.quarantine and around.destination.rejects(key_of(step, around.job))
    }
    return frozenset(same - aside)


def _nothing_to_do(step: Step, standing: Standing, seconds: float) -> StepResult:
    return StepResult(
        step=step.name,
        status=Status.OK,
        mark_from=standing.mark,
        mark_to=standing.mark,
        nothing_to_do=True,
        rows_known=standing.rows,
        seconds=seconds,
        deletes=step.options.deletes.value,
    )


def _run_step(step: Step, standing: Standing, around: Surroundings, *, quiet: bool) -> StepResult:
    """The step's result; what its windows committed counts also when it fails or is stopped."""
    began = around.clock.monotonic()
    committed = Counters()

    def hear(event: RunEvent) -> None:
        nonlocal committed
        if isinstance(event, WindowCommitted):
            committed = committed + event.counters
        around.emit(event)

    try:
        result = _done(step, standing, replace(around, emit=hear), quiet=quiet)
    except SyncdError as error:
        stopped = isinstance(error, RunCancelledError) or _stopped(around)
        result = StepResult(
            step=step.name,
            status=Status.CANCELLED if stopped else Status.FAILED,
            counters=committed,
            mark_from=standing.mark,
            failure=None if stopped else failure_of(error),
            deletes=step.options.deletes.value,
        )
    result = replace(result, seconds=around.clock.monotonic() - began)
    around.emit(StepEnded(around.run, around.job, result))
    if result.status is Status.CANCELLED:
        raise RunCancelledError("the run was stopped")
    return result


def _done(step: Step, standing: Standing, around: Surroundings, *, quiet: bool) -> StepResult:
    """The step's work: its rows, then what is gone at the source, then the proof."""
    if isinstance(step, Comparison):
        return check_step(step, standing, around)
    again, standing = try_again(step, standing, around)
    accounted = quiet and is_accounted(standing.cursor, around.source)
    moved = _nothing_to_do(step, standing, 0.0)
    if not quiet:
        moved, accounted = transfer(step, standing, around)
    moved = replace(moved, counters=again + moved.counters)
    if not _proves(step):
        return moved
    warnings = list(moved.warnings)
    counters, status = moved.counters, moved.status
    replaced = step.options.truncate or step.options.drop
    if step.options.deletes is not Deletes.OFF and not replaced and not accounted:
        now = around.destination.survey([key_of(step, around.job)])[0]
        mended, said = reconcile(step, now, around)
        note_accounted(step, around)
        counters = counters + mended
        status = Status.PARTIAL if mended.rejected else status
        warnings += said
    verdict = None
    if step.options.verify is not Verify.OFF:
        verdict = verdict_of(step, around, moved.mark_to)[0]
        warnings += difference_warnings(verdict)
        status = Status.PARTIAL if not verdict.same else status
    idle = moved.nothing_to_do and counters == Counters()
    known = moved.rows_known if moved.rows_known is None else max(0, moved.rows_known - counters.deleted)
    return replace(
        moved,
        counters=counters,
        warnings=tuple(warnings),
        verdict=verdict,
        status=status,
        nothing_to_do=idle,
        rows_known=known,
    )


def _stopped(around: Surroundings) -> bool:
    """Was a stop asked for? It shows itself as whatever error the driver made of it."""
    try:
        around.check()
    except RunCancelledError:
        return True
    return False
