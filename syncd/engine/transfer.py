"""One step: the rows of one relation into one table, window by window, each durable with its cursor."""

from collections.abc import Sequence

from syncd.engine.lanes import run_side_by_side
from syncd.engine.step import CAPTURED, Step
from syncd.engine.surroundings import QUERY_CHANGED, Surroundings, extract_of, key_of
from syncd.model.event import StateReset, StepStarted
from syncd.model.plan import Transfer
from syncd.model.reading import Window
from syncd.model.run import StepResult
from syncd.model.writing import Mode, Standing
from syncd.ports import Source


def transfer(step: Transfer, standing: Standing, around: Surroundings) -> tuple[StepResult, bool]:
    """Move what has to be moved; what became of it, and whether every row went that is gone at the source.

    Raises:
        SyncdError: the step failed; windows that were committed before stay, and the next run goes on after them.
    """
    _tell_reset(step, standing, around)
    rejects = around.destination.rejects(key_of(step, around.job)) if step.options.quarantine else []
    extract = extract_of(step, standing, around.full, around.job)
    reading = around.source.open(extract, around.destination.formats, around.check)
    try:
        result = run_windows(Step(step, standing, around, reading, rejects))
        return result, reading.mode == CAPTURED and is_accounted(extract.cursor, around.source)
    finally:
        reading.close()


def is_accounted(cursor: str | None, source: Source) -> bool:
    """Were all rows let go that were gone when this cursor was stored, and does the source tell those since?"""
    return cursor is not None and source.accounted(cursor) == cursor


def run_windows(one: Step) -> StepResult:
    """Do all windows of a step's reading, and say how it ended."""
    around, reading, name = one.around, one.reading, one.step.name
    if reading.reset:
        around.emit(StateReset(around.run, around.job, name, reading.reset))
    shape = one.prepare()
    mode = "replace" if shape.replaced else reading.mode
    around.emit(StepStarted(around.run, around.job, name, mode, reading.rows_estimated, reading.mark_from))
    empty = shape.create or one.standing.empty
    create = shape.create
    waiting: Sequence[Window] = list(reading.windows())
    while waiting:
        window, *waiting = waiting
        around.check()
        target = one.target(shape, one.mode(shape, window, empty=empty), create=create)
        create = one.move(window, target) and create
        if waiting and target.mode is Mode.INSERT and all(later.whole for later in waiting):
            waiting = run_side_by_side(one, shape, waiting)
    return one.result(shape)


def _tell_reset(step: Transfer, standing: Standing, around: Surroundings) -> None:
    reason = standing.reset
    if not reason and standing.cursor and standing.digest != step.digest:
        reason = QUERY_CHANGED
    if reason:
        around.emit(StateReset(around.run, around.job, step.name, reason))
