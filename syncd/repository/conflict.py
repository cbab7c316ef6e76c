"""Who wins when a child's edit meets a version that it was not made on: pure rules over two rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from syncd.model.cluster import Combine, ConflictPolicy, DeleteRule, Winner
from syncd.repository.store import ALL_COLUMNS

Row = tuple[Any, ...]

_DAY: Final = re.compile(r"^(\d{4}-\d\d-\d\d)T(?=\d\d:)")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two rows: None when it is deleted. `mask` has a bit for each column that changed since both were equal.

    `at` is the moment of the edit in milliseconds, 0 when nobody recorded it. `repository` is who made it. `summed`, of a
    child's side, has the parent's values with what the child added, by the columns' places, as far as that is known.
    """

    row: Row | None
    mask: int
    at: int
    repository: str
    summed: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is in force from now on: the parent's row, the child's, or `row` (merged). `open`: a person is to look."""

    winner: str
    """parent, child or merged."""
    row: Row | None
    open: bool = False


def kind_of(parent: Side, child: Side, *, inserted: bool) -> str:
    """What kind of conflict it is, for people."""
    if parent.row is None:
        return "delete/update"
    if child.row is None:
        return "update/delete"
    return "insert/insert" if inserted else "update/update"


def decide(policy: ConflictPolicy, columns: Sequence[str], parent: Side, child: Side) -> Decision:
    """Settle a conflict of two rows that differ; `columns` are their columns in order.

    Nothing but the arguments counts, so every repository would decide alike.
    """
    if parent.row is None or child.row is None:
        return _with_deletion(policy, columns, parent, child)
    if policy.by_column:
        return _by_column(policy, columns, parent, child)
    return _whole(policy, policy.winner, columns, parent, child)


def _with_deletion(policy: ConflictPolicy, columns: Sequence[str], parent: Side, child: Side) -> Decision:
    match policy.delete:
        case DeleteRule.LOSES:
            return _take("child" if parent.row is None else "parent", parent, child)
        case DeleteRule.WINS:
            return _take("parent" if parent.row is None else "child", parent, child)
        case _:
            winner = policy.then if policy.winner is Winner.MERGE_FIELDS else policy.winner
            return _whole(policy, winner, columns, parent, child)


def _whole(
    policy: ConflictPolicy, winner: Winner, columns: Sequence[str], parent: Side, child: Side
) -> Decision:
    if winner is Winner.MANUAL:
        return Decision("parent", parent.row, open=True)
    return _take(_winner(policy, winner, columns, parent, child), parent, child)


def _winner(policy: ConflictPolicy, winner: Winner, columns: Sequence[str], parent: Side, child: Side) -> str:
    if winner is Winner.NEWEST and policy.newest_by:
        return _newest_by(policy.newest_by, columns, parent, child)
    if winner is Winner.NEWEST:
        return "child" if child.at > parent.at else "parent"
    if winner is Winner.PRIORITY:
        return "child" if _rank(policy, child) < _rank(policy, parent) else "parent"
    return "child" if winner is Winner.CHILD else "parent"


def _rank(policy: ConflictPolicy, side: Side) -> int:
    """The place in the list; who is not in it comes last."""
    try:
        return policy.priority.index(side.repository)
    except ValueError:
        return len(policy.priority)


def _newest_by(column: str, columns: Sequence[str], parent: Side, child: Side) -> str:
    if parent.row is None or child.row is None:
        return "parent" if child.row is None else "child"
    place = _place(columns, column)
    ours, theirs = parent.row[place], child.row[place]
    if theirs is None:
        return "parent"
    return "child" if ours is None or _order(theirs) > _order(ours) else "parent"


def _by_column(policy: ConflictPolicy, columns: Sequence[str], parent: Side, child: Side) -> Decision:
    """Column by column: its own rule, else the side that changed it, else the policy for both."""
    ours, theirs = parent.row or (), child.row or ()
    rules = {_place(columns, name): rule for name, rule in policy.columns.items()}
    merging = policy.winner is Winner.MERGE_FIELDS
    both = policy.then if merging else policy.winner
    fallback = _winner(policy, both, columns, parent, child) if both is not Winner.MANUAL else "parent"
    merged: list[Any] = []
    disputed = False
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if place in child.summed and rules.get(place) is Combine.SUM:
            # Both may have added the same.
            merged.append(child.summed[place])
        elif mine == other:
            merged.append(mine)
        elif rules.get(place) in _COMBINED:
            merged.append(_COMBINED[rules[place]](mine, other))
        elif merging and not _changed(child, place):
            merged.append(mine)
        elif merging and not _changed(parent, place):
            merged.append(other)
        else:
            disputed = True
            merged.append(other if fallback == "child" else mine)
    row = tuple(merged)
    opened = disputed and both is Winner.MANUAL
    if row == ours:
        return Decision("parent", ours, opened)
    return Decision("child" if row == theirs else "merged", row, opened)


def _changed(side: Side, place: int) -> bool:
    return side.mask == ALL_COLUMNS or bool(side.mask >> place & 1)


def _take(winner: str, parent: Side, child: Side) -> Decision:
    return Decision(winner, child.row if winner == "child" else parent.row)


def _place(columns: Sequence[str], name: str) -> int:
    folded = [column.lower() for column in columns]
    return folded.index(name.lower())


def _order(value: Any) -> tuple[int, Any]:
    """Numbers, also those that travel as text, by their value; then what is not a number; then everything else as text.

    Of times both forms of ISO 8601 count alike: one side may have a T where the other has a blank.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        text = value.hex() if isinstance(value, bytes) else str(value)
        return 2, _DAY.sub(r"\1 ", text)
    return (1, 0) if number.is_nan() else (0, number)


def _highest(mine: Any, other: Any) -> Any:
    if mine is None or other is None:
        return other if mine is None else mine
    return max(mine, other, key=_order)


def _lowest(mine: Any, other: Any) -> Any:
    if mine is None or other is None:
        return other if mine is None else mine
    return min(mine, other, key=_order)


def _append(mine: Any, other: Any) -> Any:
    """Ours, and what theirs has after the part that both have in common."""
    if mine is None or other is None:
        return other if mine is None else mine
    ours, theirs = str(mine), str(other)
    if ours.startswith(theirs):
        return ours
    same = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
    return ours + theirs[same:]


_COMBINED: Final[Mapping[Combine, Callable[[Any, Any], Any]]] = {
    Combine.MAX: _highest,
    Combine.MIN: _lowest,
    Combine.APPEND: _append,
}
