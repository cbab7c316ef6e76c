"""Looks a second time at the rows in which two tables differ, before anybody is told."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from syncd.engine.careful import key_text
from syncd.engine.compare import (
    Findings,
    Hashes,
    Identity,
    Key,
    Side,
    identities,
    keys_at_source,
    keys_at_target,
)
from syncd.engine.sides import Sides
from syncd.engine.surroundings import Surroundings, extract_of, key_of
from syncd.model.batch import Batch, Format
from syncd.model.following import find_check_column
from syncd.model.plan import Comparison, Relation, Transfer
from syncd.model.reading import Extract

MOST_KEYS: Final = 10_000
"""More rows than these differ for another reason than a commit in the wrong moment."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row as it stands now: the hash of its values, its check value as read, and as one text for both sides."""

    digest: bytes
    mark: Any = None
    version: str = ""


def look_again(
    step: Transfer | Comparison,
    sides: Sides,
    found: Findings,
    around: Surroundings,
    *,
    keys_only: bool,
    mark: str | None = None,
) -> None:
    """Read the differing rows again on both sides, and keep those that differ now.

    After a load, which read up to `mark`, a row that the source gave another check value at or above it is let pass:
    the next run brings it. A source without check column does not tell which rows those are.
    """
    if not 0 < found.count <= MOST_KEYS:
        return
    source, target = sides.source, sides.target
    ahead = [*found.missing, *found.different]
    at_source = (*ahead, *keys_at_source(source, target, found.surplus))
    at_target = (*keys_at_target(source, target, ahead), *found.surplus)
    follow = _followed(step, sides, around)
    hashes = Hashes(source, target, keys_only=keys_only)
    asked = Extract(step.relation, key=step.options.key, keys=at_source)
    mine = _rows_now(source, asked, hashes, follow, around)
    asked = Extract(Relation(table=sides.table.name), key=target.key, keys=at_target)
    theirs = _rows_now(target, asked, hashes, follow, around)
    aside = {reject.key for reject in around.destination.rejects(key_of(step, around.job))}
    found.missing, found.different, found.surplus = [], [], []
    names = identities(source, target)[1](at_target)
    for name, own, other in zip(names, at_source, at_target, strict=True):
        here, there = mine.get(name), theirs.get(name)
        if here is None:
            found.surplus += [other] if there is not None else []
            continue
        equal = there is not None and here.digest == there.digest
        later = follow is not None and key_text(own) not in aside and _is_later(here, there, mark)
        if not equal and not later:
            (found.missing if there is None else found.different).append(own)


def _followed(step: Transfer | Comparison, sides: Sides, around: Surroundings) -> int | None:
    """The place of the check column among the columns, when rows may have changed since a load; else None."""
    if not isinstance(step, Transfer):
        return None
    column = find_check_column(sides.source.table, step.options.check_columns)
    if column is None:
        return None
    standing = around.destination.survey([key_of(step, around.job)])[0]
    # A source that stands still has no newer rows: what differs there got lost.
    asked = replace(extract_of(step, standing, full=False), cursor=standing.cursor or None)
    if asked.cursor is not None and around.source.unchanged([asked])[0]:
        return None
    return sides.source.columns.index(column.name)


def _rows_now(
    side: Side, asked: Extract, hashes: Hashes, follow: int | None, around: Surroundings
) -> dict[Identity, _Seen]:
    found: dict[Identity, _Seen] = {}
    reading = side.port.open(asked, (Format.ROWS,), around.check)
    try:
        columns = reading.table.column_names
        places = [columns.index(name) for name in hashes.names[id(side)]]
        absent = columns.index(side.relation.only_null) if side.relation.only_null else None
        for window in reading.windows():
            with closing(reading.read(window, Format.ROWS, around.check)) as batches:
                for batch in batches:
                    rows: list[Key] = [
                        tuple(row[at] for at in places)  # type: ignore[index] # ROWS batches hold tuples
                        for row in batch.data
                        if absent is None or row[absent] is None  # type: ignore[index] # as above
                    ]
                    found |= _seen(side, rows, hashes, follow)
    finally:
        reading.close()
    return found


def _seen(side: Side, rows: Sequence[Key], hashes: Hashes, follow: int | None) -> dict[Identity, _Seen]:
    batch = Batch(Format.ROWS, rows, len(rows))
    hashed = [(identity, digest) for identity, (_, digest) in hashes.of(side, batch)]
    if follow is None:
        return {identity: _Seen(digest) for identity, digest in hashed}
    text = hashes.functions[follow]
    return {
        identity: _Seen(digest, row[follow], "" if values[follow] is None else text(values[follow]))
        for (identity, digest), row, values in zip(hashed, rows, hashes.arriving(side, batch), strict=True)
    }


def _is_later(here: _Seen, there: _Seen | None, mark: str | None) -> bool:
    """Did the source write the row after the load, as far as its check value tells? The next run reads from the mark on."""
    if here.mark is None or (there is not None and here.version == there.version):
        return False
    return mark is None or _reaches(str(here.mark), mark)


def _reaches(value: str, mark: str) -> bool:
    """Is a check value at or above the mark? What is neither a number nor a time is not."""
    try:
        return Decimal(value) >= Decimal(mark)
    except InvalidOperation:
        pass
    try:
        return _moment(value) >= _moment(mark)
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
