"""What every step of a run works with, and the two questions that each asks about itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from syncd.engine.pace import Pace
from syncd.errors import FatalError
from syncd.model.options import Deletes
from syncd.model.plan import Comparison, Transfer
from syncd.model.reading import Extract
from syncd.model.writing import Standing, StepKey
from syncd.ports import Check, Clock, Comparable, Destination, Emit, Source

QUERY_CHANGED: Final = "the query or its options changed"
"""Why a cursor is not used whose digest is another one; a hash does not say which of them."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The ends of a run and the ways to tell, to stop, to wait.

    `full` reads everything again whatever the cursors say. `mirror` opens the destination for reading, for steps that
    compare; None when it cannot be read. `lane` opens both ends once more, for up to `lanes` windows side by side.
    """

    run: str
    job: str
    source: Source
    destination: Destination
    full: bool
    emit: Emit
    check: Check
    clock: Clock
    pace: Pace
    mirror: Callable[[], Source] | None = None
    lane: Callable[[], AbstractContextManager[tuple[Source, Destination]]] | None = None
    lanes: int = 1


def key_of(step: Transfer | Comparison, job: str) -> StepKey:
    """Under which name the destination keeps this step's cursor."""
    name = step.filled_by.name if isinstance(step, Comparison) and step.filled_by else step.name
    return StepKey(job, name, step.target)


def extract_of(step: Transfer, standing: Standing, full: bool, job: str = "") -> Extract:
    """What to ask the source, given what the destination has; without `job` nothing may be written there."""
    options = step.options
    replaced = options.truncate or options.drop
    usable = not full and not replaced and not standing.reset and standing.digest == step.digest
    return Extract(
        step.relation,
        options.check_columns,
        options.lookback_seconds,
        standing.cursor or None if usable else None,
        key=options.key,
        start=options.start,
        interval=options.interval,
        window_rows=options.window_rows,
        single=replaced,
        batch_rows=options.batch_rows,
        batch_bytes=options.batch_bytes,
        reader=f"{job}/{step.name}" if job else "",
        deletes=options.deletes is not Deletes.OFF,
    )


def comparable(port: Source | None, what: str) -> Comparable:
    """The port as one that can be compared.

    Raises:
        FatalError: it cannot.
    """
    if isinstance(port, Comparable):
        return port
    raise FatalError(
        f"the {what} cannot be compared: its connector reads no checksums",
        hint="leave out `deletes` and `verify` for this job",
        code="not_comparable",
    )
