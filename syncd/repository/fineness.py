"""Times that are finer than the column that is to hold them: a strict store would round them without a word."""

import re
from collections.abc import Sequence
from typing import Final

from syncd.errors import RowRejectedError
from syncd.model.batch import Batch, tuples_of
from syncd.model.table import ANY_DIGITS
from syncd.repository.store import Stage, facts_of

PATTERN: Final = r"\.\d{%d}\d*[1-9]"


def refuse_finer(stage: Stage, batch: Batch) -> None:
    """Refuse rows with digits of a second for which there is no place.

    Only columns of times that the sender keeps as text are looked at: others have been compared by their types.

    Raises:
        RowRejectedError: names the first column with such a time.
    """
    rows: Sequence[tuple[object, ...]] | None = None
    first = len(facts_of(edits=stage.edits))
    for place, (mine, theirs) in enumerate(zip(stage.table.columns, stage.theirs.columns, strict=True)):
        if theirs.type.precision != ANY_DIGITS or mine.type.precision == ANY_DIGITS:
            continue
        rows = tuples_of(batch) if rows is None else rows
        finer = re.compile(PATTERN % mine.type.precision).search
        at = first + place
        if any(isinstance(row[at], str) and finer(str(row[at])) for row in rows):
            raise RowRejectedError(
                f"{stage.table.name}.{mine.name} ({mine.type}) keeps {mine.type.precision} digits of a second, a row has more",
                hint="shorten it where it was written",
                where=f"{stage.table.name}.{mine.name}",
                code="too_fine",
            )
