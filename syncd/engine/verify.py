"""Proves that both tables hold the same, or says how many rows do not; mends them when asked to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.engine.careful import key_text
from syncd.engine.compare import Findings, compare, count_rows
from syncd.engine.mend import copy_rows, delete_rows, refuse_too_many, spare_present
from syncd.engine.recheck import look_again
from syncd.engine.sides import Sides, range_of, sides_of
from syncd.engine.surroundings import Surroundings
from syncd.errors import FatalError
from syncd.model.options import Verify
from syncd.model.plan import Comparison, Transfer
from syncd.model.run import Counters, Status, StepResult, Verdict
from syncd.model.writing import ACTIVE, DELETED_AT, SINCE, UNTIL, Standing

EXAMPLES: Final = 100


def verdict_of(
    step: Transfer | Comparison, around: Surroundings, mark: str | None = None
) -> tuple[Verdict, Findings | None, Sides]:
    """Compare both sides of a step as its options say; with counts alone there are no findings.

    `mark` is the one up to which a load has just read: what the source wrote after it is no difference.

    Raises:
        NotFoundError: the destination has no such table.
        FatalError: the rows have no key, or an end cannot be compared.
    """
    counted = isinstance(step, Transfer) and step.options.verify is Verify.COUNT
    sides = sides_of(step, around, range_of(step), counted=counted)
    if counted:
        return _counts(sides, around), None, sides
    keys_only = isinstance(step, Comparison) and step.skip_modified
    found = compare(sides.source, sides.target, keys_only=keys_only, check=around.check)
    look_again(step, sides, found, around, keys_only=keys_only, mark=mark)
    if isinstance(step, Comparison) and step.skip_deleted:
        found.surplus = []
    return _verdict(found, around), found, sides


def check_step(step: Comparison, standing: Standing, around: Surroundings) -> StepResult:
    """Carry out a CHECKCACHE: compare, and mend the destination when it says WITH REPAIR.

    The step is partial when differences are left.

    Raises:
        FatalError: more rows would be deleted than the options allow; nothing was changed.
    """
    verdict, found, sides = verdict_of(step, around)
    counters = Counters()
    if step.repair and found is not None and found.count:
        if standing.reset and not step.whole:
            # Only a comparison of all that the step moves brings back all rows that went; after another one the
            # cursor, stored once more, would keep them from being read again.
            standing = replace(standing, cursor=None, mark=None)
        counters = repair(_transfer(step, standing, sides), standing, sides, found, around)
        # What is left is looked for, not assumed; rows that are set aside are left too.
        left = verdict_of(step, around)[1]
        verdict = replace(verdict, repaired=max(0, found.count - (left.count if left else 0)))
    return StepResult(
        step=step.name,
        status=Status.OK if verdict.same else Status.PARTIAL,
        counters=counters,
        mark_from=standing.mark,
        mark_to=standing.mark,
        rows_known=found.target_rows if found else None,
        warnings=difference_warnings(verdict),
        verdict=verdict,
        deletes=step.options.deletes.value,
    )


def repair(
    step: Transfer, standing: Standing, sides: Sides, found: Findings, around: Surroundings
) -> Counters:
    """Insert what is missing, update what differs, delete what is too much; at the destination only.

    Raises:
        FatalError: a guard stopped it; nothing was changed.
    """
    spare_present(step, sides, found, around)
    refuse_too_many(step.name, found, step.options)
    standing = replace(standing, rows=min(standing.rows, found.target_rows))
    counters = Counters()
    if found.surplus:
        gone, standing = delete_rows(step, standing, sides, found.surplus, around)
        counters = counters + gone
    keys: Sequence[tuple[Any, ...]] = [*found.missing, *found.different]
    if keys:
        result, _ = copy_rows(step, standing, keys, around)
        counters = counters + result.counters
    return counters


def difference_warnings(verdict: Verdict) -> tuple[str, ...]:
    """What a person should know of a verdict."""
    if verdict.same and not verdict.repaired:
        return ()
    parts = [
        f"{count} {word}"
        for count, word in (
            (verdict.missing, "missing"),
            (verdict.different, "different"),
            (verdict.surplus, "too many"),
        )
        if count
    ]
    done = ": syncd verify JOB --repair mends them"
    if verdict.repaired:
        done = ": repaired" if verdict.same else f": {verdict.repaired} repaired"
    return (f"the destination differs from the source: {', '.join(parts)}{done}",)


def _counts(sides: Sides, around: Surroundings) -> Verdict:
    mine, theirs = (count_rows(side, around.check) for side in (sides.source, sides.target))
    return Verdict(
        "count",
        mine,
        missing=max(0, mine - theirs),
        surplus=max(0, theirs - mine),
        at=around.clock.now(),
    )


def _verdict(found: Findings, around: Surroundings) -> Verdict:
    keys = [*found.missing, *found.different, *found.surplus][:EXAMPLES]
    return Verdict(
        "checksum",
        found.source_rows,
        missing=len(found.missing),
        different=len(found.different),
        surplus=len(found.surplus),
        examples=tuple(key_text(key) for key in keys),
        at=around.clock.now(),
    )


def _transfer(step: Comparison, standing: Standing, sides: Sides) -> Transfer:
    """The step by which rows are copied to mend what was found: the one that fills the table, where there is one.

    Raises:
        FatalError: there is none, and the comparison does not give all columns of the table.
    """
    if step.filled_by is not None:
        return replace(step.filled_by, digest=standing.digest, options=step.options)
    own = {DELETED_AT, ACTIVE, SINCE, UNTIL, *sides.target.columns}
    lacking = [name for name in sides.table.column_names if name not in own]
    if lacking:
        raise FatalError(
            f"{step.name} cannot mend: it compares without {', '.join(lacking)}, so a missing row would come without them",
            hint="compare with all columns, or put the query that fills the table into the same job",
            code="column_missing",
        )
    return Transfer(step.name, step.query, standing.digest, step.relation, step.target, step.options)
