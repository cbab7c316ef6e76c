"""What a child's edits added to summed columns: their values now, less those on which the edits began.

A child says of each edited row what the columns held before the first edit of each generation, as one text: ``GEN:BEFORE`` with
``;`` between. BEFORE is a mark of the columns' names, then each value behind a ``,``, empty for NULL and for no row; ``?`` says that
nobody recorded it. The parent takes the first one after the child's generation that it has: so what it has taken
never counts again, however often it is sent, and what came later counts from there. ``=BEFORE`` is one that was chosen already.
"""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, Final

from syncd.model.exchange import Tracked
from syncd.model.table import Column, Kind

CHOSEN: Final = "="
DIGITS: Final = 40_000
"""How many digits are calculated with: more than any number that databases add."""

Start = tuple[Decimal, ...]
"""The values of the summed columns before the edits, in the order of `Tracked.sums`."""


def mark_of(sums: Sequence[str]) -> str:
    """What tells values of these columns from those of others, if a policy changes its columns."""
    return hashlib.sha256("\x1f".join(name.lower() for name in sums).encode()).hexdigest()[:6]


def start_of(told: str | None, received: int | None, table: Tracked) -> Start | None:
    """The values on which the edits began that a parent lacks; None when nobody knows.

    `received` is the child's generation that the parent has; None when it may have more of the child, from a time of which it
    knows nothing.
    """
    if told and told.startswith(CHOSEN):
        return _values(told.removeprefix(CHOSEN), table)
    if not told or received is None:
        return None
    parts = (part.partition(":") for part in told.split(";"))
    later = {int(gen): text for gen, _, text in parts if int(gen) > received}
    return _values(later[min(later)], table) if later else None


def told_of(start: Start | None, table: Tracked) -> str | None:
    """Such values as a text that `start_of` reads whatever was received."""
    if start is None:
        return None
    return ",".join([CHOSEN + mark_of(table.sums), *(f"{value:f}" for value in start)])


def held_start(table: Tracked, row: Sequence[Any]) -> Start | None:
    """The values of a row's summed columns as a start; None when one of them is no number."""
    found = [_number(row[table.names.index(name)]) for name in table.sums]
    return tuple(value for value in found if value is not None) if None not in found else None


def joined(table: Tracked, start: Start | None, row: Sequence[Any], before: Start | None) -> Start | None:
    """The start of edits that follow on others, which went from `before` to `row` and were not taken."""
    end = held_start(table, row)
    if start is None or before is None or end is None:
        return None
    with localcontext(Context(prec=DIGITS)):
        return tuple(one - two + three for one, two, three in zip(start, end, before, strict=True))


def summed(
    table: Tracked, ours: Sequence[Any], theirs: Sequence[Any], start: Start | None
) -> Mapping[int, Any]:
    """Our values with what the child added, by the columns' places; only where all of them are numbers."""
    found: dict[int, Any] = {}
    for name, began in zip(table.sums, start or (), strict=start is not None):
        place = table.names.index(name)
        mine, now = _number(ours[place]), _number(theirs[place])
        if mine is not None and now is not None:
            with localcontext(Context(prec=DIGITS)):
                total = mine + now - began
            same = total == mine or (ours[place] is None and theirs[place] is None)
            found[place] = (
                ours[place] if same else _alike(total, ours[place], theirs[place], table.columns[place])
            )
    return found


def _values(text: str, table: Tracked) -> Start | None:
    mark, *parts = text.split(",")
    if mark != mark_of(table.sums) or len(parts) != len(table.sums):
        return None
    found = [_number(part or None) for part in parts]
    return tuple(value for value in found if value is not None) if None not in found else None


def _number(value: Any) -> Decimal | None:
    """A value as a number, NULL as 0; None when it is none."""
    try:
        found = Decimal(0) if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) < DIGITS / 4 else None


def _alike(total: Decimal, ours: Any, theirs: Any, column: Column) -> Any:
    """A number in the form of the column's values."""
    like = theirs if ours is None else ours
    if column.type.kind is Kind.DECIMAL and column.type.precision:
        with localcontext(Context(prec=DIGITS)):
            total = total.quantize(Decimal(1).scaleb(-column.type.scale))
    if isinstance(like, str):
        return f"{total:f}"
    if isinstance(like, int) and total == total.to_integral_value():
        return int(total)
    return float(total)
