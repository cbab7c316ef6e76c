"""Makes a destination's table equal to what the source has where a comparison found differences."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from syncd.engine.compare import Findings, identities, keys_at_source
from syncd.engine.sides import Sides
from syncd.engine.step import Step
from syncd.engine.surroundings import Surroundings, extract_of, key_of
from syncd.engine.transfer import run_windows
from syncd.errors import FatalError
from syncd.model.batch import Format
from syncd.model.options import Options, Write
from syncd.model.plan import Transfer
from syncd.model.reading import Extract
from syncd.model.run import Counters, StepResult
from syncd.model.writing import Mode, Standing, Target

KEYS_AT_ONCE: Final = 10_000


def refuse_too_many(name: str, findings: Findings, options: Options) -> None:
    """Guard a table against a source that is empty or wrong by accident.

    Raises:
        FatalError: the source has no rows and the table has, or more rows would go than the options allow.
    """
    gone, rows = len(findings.surplus), findings.target_rows
    if not gone:
        return
    if not findings.source_rows and not options.allow_empty:
        raise FatalError(
            f"the source of {name} has no rows, and {rows} rows of the destination would be deleted",
            hint="if that is meant, run once with allow_empty: true",
            code="source_empty",
        )
    percent = 100.0 * gone / max(rows, 1)
    if findings.source_rows and percent > options.max_delete_percent:
        raise FatalError(
            f"{gone} of {rows} rows of {name} are gone at the source: {percent:.1f} % is more than"
            f" {options.max_delete_percent:g} %",
            hint="nothing was deleted; if that is meant, raise max_delete_percent",
            code="too_many_deletes",
        )


def spare_present(step: Transfer, sides: Sides, findings: Findings, around: Surroundings) -> None:
    """Look each surplus row up at the source once more, whatever range was compared; one that is there only differs.

    Nothing is deleted that the source has: a row may have left the range, or have come while both sides were read.
    """
    if not findings.surplus:
        return
    at_source, at_target = identities(sides.source, sides.target)
    there: set[tuple[str, ...]] = set()
    # The source is asked in its own spelling; at the destination the keys stand as they were found.
    keys = keys_at_source(sides.source, sides.target, findings.surplus)
    extract = Extract(step.relation, key=step.options.key, keys=keys)
    reading = around.source.open(extract, (Format.ROWS,), around.check)
    try:
        places = [reading.table.column_names.index(name) for name in sides.source.key]
        for window in reading.windows():
            with closing(reading.read(window, Format.ROWS, around.check)) as batches:
                for batch in batches:
                    there.update(at_source([tuple(row[at] for at in places) for row in batch.data]))  # type: ignore[index] # tuples
    finally:
        reading.close()
    present = [identity in there for identity in at_target(findings.surplus)]
    findings.different += [key for key, stays in zip(keys, present, strict=True) if stays]
    findings.surplus = [key for key, stays in zip(findings.surplus, present, strict=True) if not stays]


def delete_rows(
    step: Transfer, standing: Standing, sides: Sides, keys: Sequence[tuple[Any, ...]], around: Surroundings
) -> tuple[Counters, Standing]:
    """Delete rows by key (or mark them, or end their versions), with the cursor as it stands."""
    target = _target(step, standing, sides, around)
    writing = around.destination.begin(target, around.check)
    try:
        counters = writing.finish()
        gone = 0
        for start in range(0, len(keys), KEYS_AT_ONCE):
            around.check()
            gone += writing.delete(keys[start : start + KEYS_AT_ONCE], sides.revive)
        rows = standing.rows if sides.revive or step.options.write is Write.HISTORY else standing.rows - gone
        revision = writing.commit(standing.cursor or "", standing.mark, max(0, rows))
    finally:
        writing.abandon()
    counters = replace(counters, deleted=gone)
    return counters, replace(standing, revision=revision, rows=max(0, rows))


def copy_rows(
    step: Transfer, standing: Standing, keys: Sequence[tuple[Any, ...]], around: Surroundings
) -> tuple[StepResult, Standing]:
    """Read the rows with these keys from the source and merge them, with the cursor as it stands."""
    rejects = around.destination.rejects(key_of(step, around.job)) if step.options.quarantine else []
    extract = replace(
        extract_of(step, standing, full=False), keys=tuple(keys), cursor=None, check_columns=(), start=None
    )
    kept = replace(step, options=replace(step.options, truncate=False, drop=False))
    reading = around.source.open(extract, around.destination.formats, around.check)
    try:
        one = Step(kept, replace(standing, empty=False), around, reading, rejects)
        result = run_windows(one)
    finally:
        reading.close()
    return result, replace(standing, revision=one.revision, rows=one.rows_known)


def _target(step: Transfer, standing: Standing, sides: Sides, around: Surroundings) -> Target:
    names = sides.target.columns
    history = step.options.write is Write.HISTORY
    return Target(
        key=key_of(step, around.job),
        table=sides.table,
        source=sides.source.table,
        columns=names,
        mode=Mode.HISTORY if history else Mode.MERGE,
        format=Format.ROWS,
        create=False,
        revision=standing.revision,
        digest=standing.digest,
        match=sides.target.key,
        revive=sides.revive,
    )
