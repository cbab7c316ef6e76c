"""Finds what is gone at the source by comparing keys, and lets it go at the destination."""

from dataclasses import replace

from syncd.engine.careful import key_text
from syncd.engine.compare import compare
from syncd.engine.mend import copy_rows, delete_rows, refuse_too_many, spare_present
from syncd.engine.sides import range_of, sides_of
from syncd.engine.surroundings import Surroundings, key_of
from syncd.model.plan import Transfer
from syncd.model.run import Counters
from syncd.model.writing import Standing


def note_accounted(step: Transfer, around: Surroundings) -> None:
    """Tell the cursor that every row went that is gone, where the source knows of those that will go from now on."""
    key = key_of(step, around.job)
    for stored in around.destination.cursors(around.job):
        if stored.key != key:
            continue
        cursor = around.source.accounted(stored.cursor)
        if cursor is not None and cursor != stored.cursor:
            around.destination.put_cursor(stored, cursor, stored.mark)


def reconcile(step: Transfer, standing: Standing, around: Surroundings) -> tuple[Counters, tuple[str, ...]]:
    """Compare the keys of both sides; delete what only the destination has, copy what only the source has.

    What was done, and warnings.

    Rows that only the source has are new since the run read it, or were lost at the destination: both are copied.

    Raises:
        FatalError: a guard stopped the deletion; nothing was deleted.

    Cost: two scans of the keys when nothing is gone.
    """
    sides = sides_of(step, around, range_of(step))
    found = compare(sides.source, sides.target, keys_only=True, check=around.check)
    if not found.count:
        return Counters(), ()
    spare_present(step, sides, found, around)
    refuse_too_many(step.name, found, step.options)
    standing = replace(standing, rows=min(standing.rows, found.target_rows))
    counters = Counters()
    if found.surplus:
        gone, standing = delete_rows(step, standing, sides, found.surplus, around)
        counters = counters + gone
    aside = {reject.key for reject in around.destination.rejects(key_of(step, around.job))}
    missing = [key for key in (*found.missing, *found.different) if key_text(key) not in aside]
    if not missing:
        return counters, ()
    result, _ = copy_rows(step, standing, missing, around)
    return counters + result.counters, result.warnings
