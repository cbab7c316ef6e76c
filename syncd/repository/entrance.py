"""Rows on their way into a stage, with values of columns of other families, for which a product's own types do too much or too little."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from syncd.errors import RowRejectedError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.table import Column, Kind
from syncd.ports import Check
from syncd.repository.fineness import refuse_finer
from syncd.repository.store import Stage, Store, facts_of

Change = Callable[[Any], Any]

UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""The one form in which every product gives a UUID back."""
_UTC: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\+00")


def fill(store: Store, stage: Stage, batch: Batch, check: Check) -> None:
    """Add rows of a sender to a stage.

    Raises:
        RowRejectedError: a value has no form here.
    """
    refuse_finer(stage, batch)
    store.fill(stage, _entered(stage, batch), check)


def _entered(stage: Stage, batch: Batch) -> Batch:
    """The rows as the table's columns take them.

    A text goes into a column of UUIDs when it has their form, since another spelling would not come back. A moment in UTC
    goes without its zone into a column of times that has none.

    Raises:
        RowRejectedError: names the first column with a text that is no UUID, or no moment.
    """
    first = len(facts_of(edits=stage.edits))
    pairs = enumerate(zip(stage.table.columns, stage.theirs.columns, strict=True), first)
    changes = [(at, change) for at, (mine, theirs) in pairs if (change := _change(stage, mine, theirs))]
    if not changes or batch.format not in {Format.ROWS, Format.SQLITE}:
        return batch
    rows: Sequence[tuple[Any, ...]] = tuples_of(batch)
    made = []
    for row in rows:
        fresh = list(row)
        for at, change in changes:
            fresh[at] = change(fresh[at])
        made.append(tuple(fresh))
    return Batch(batch.format, made, batch.rows)


def _change(stage: Stage, mine: Column, theirs: Column) -> Change | None:
    match theirs.type.kind, mine.type.kind:
        case Kind.TEXT, Kind.UUID:
            return _uuid(f"{stage.table.name}.{mine.name}")
        case Kind.TIMESTAMPTZ, Kind.TIMESTAMPTZ | Kind.TIMESTAMP if theirs.type.utc:
            if theirs.type.product == mine.type.product:
                return _without_zone if mine.type.kind is Kind.TIMESTAMP else None
            return _moment(f"{stage.table.name}.{mine.name}", zoned=mine.type.kind is Kind.TIMESTAMPTZ)
        case _:
            return None


def _uuid(where: str) -> Change:
    def check(value: Any) -> Any:
        if value is None or (isinstance(value, str) and UUID.fullmatch(value)):
            return value
        raise RowRejectedError(
            f"a text for {where} is no UUID in its plain form: 32 lower-case digits and four hyphens, without braces",
            hint="write it in that form where it was written",
            where=where,
            code="no_uuid",
        )

    return check


def _moment(where: str, *, zoned: bool) -> Change:
    """A strict product would read a moment into other words, such as yesterday."""

    def check(value: Any) -> Any:
        if value is None or (isinstance(value, str) and _UTC.fullmatch(value)):
            return value if zoned else _without_zone(value)
        raise RowRejectedError(
            f"a value for {where} is no moment as ISO 8601 spells it",
            hint="write it as 2026-11-22T23:44:19.986Z",
            where=where,
            code="no_moment",
        )

    return check


def _without_zone(value: Any) -> Any:
    found = _UTC.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value
