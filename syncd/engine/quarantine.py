"""Tries again, at the begin of each run, the rows that the destination refused before."""

from dataclasses import replace

from syncd.engine.careful import key_values
from syncd.engine.step import Step
from syncd.engine.surroundings import Surroundings, extract_of, key_of
from syncd.engine.transfer import run_windows
from syncd.model.plan import Transfer
from syncd.model.run import Counters
from syncd.model.writing import Standing


def try_again(step: Transfer, standing: Standing, around: Surroundings) -> tuple[Counters, Standing]:
    """Read the rows that were set aside from the source, as they are now, and write those that fit.

    A row that the source has no longer is forgotten. Never writes the stored image of a row: it may be old.
    """
    options = step.options
    other = standing.reset or standing.digest != step.digest
    if not options.quarantine or not standing.exists or other or options.truncate or options.drop:
        return Counters(), standing
    rejects = around.destination.rejects(key_of(step, around.job))
    source = around.source.describe(step.relation)
    if not rejects or not (options.key or source.key):
        return Counters(), standing
    extract = extract_of(step, standing, full=False)
    keys = tuple(key_values(reject.key) for reject in rejects)
    reading = around.source.open(
        replace(extract, keys=keys, cursor=None, check_columns=(), start=None),
        around.destination.formats,
        around.check,
    )
    try:
        one = Step(step, replace(standing, empty=False), around, reading, rejects)
        result = run_windows(one)
        one.forget(tuple(reject.key for reject in rejects if reject.key not in one.touched))
    finally:
        reading.close()
    # What is refused again is set aside already, and the run that follows counts it.
    counters = replace(result.counters, read=result.counters.read - result.counters.rejected, rejected=0)
    return counters, replace(standing, revision=one.revision, rows=one.rows_known)
