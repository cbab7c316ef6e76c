"""Records of conflicts: what both sides had, who won and by which rule, complete enough to take it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.model.exchange import Tracked
from syncd.repository.image import image_of, row_of
from syncd.repository.node import CONFLICTS, Node
from syncd.repository.refused import key_text

REFUSALS: Final = frozenset({"unique", "rule"})
"""The kinds of conflict of a row that the table refused."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One record. `key` is a row with the key's values; rows are None where they were deleted.

    `state` is auto, open or resolved; `mask` tells which columns the child changed, `base` the generation it knew.
    """

    at: str
    kind: str
    policy: str
    winner: str
    child: str
    state: str
    key: Sequence[Any]
    parent: Sequence[Any] | None
    theirs: Sequence[Any] | None
    merged: Sequence[Any] | None
    mask: int
    base: int


def keep_conflict(node: Node, table: Tracked, conflict: Conflict) -> int:
    """Write a record; its number."""
    number = node.next_id(node.names.conflicts)
    columns = ", ".join(CONFLICTS)
    names = table.names
    node.store.run(
        f"INSERT INTO {node.store.quote(node.names.conflicts)} ({columns}) VALUES"
        f" ({number}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {conflict.mask}, {conflict.base}, ?, ?, ?)",
        (
            conflict.at,
            str(table.name),
            key_text(table, conflict.key),
            conflict.kind,
            conflict.policy,
            conflict.winner,
            conflict.child,
            conflict.state,
            image_of(names, conflict.parent),
            image_of(names, conflict.theirs),
            image_of(names, conflict.merged),
            None,
            None,
            None,
        ),
    )
    return number


def forget_conflict(node: Node, table: Tracked, number: int) -> tuple[Any, ...] | None:
    """Drop a record of a decision that was not carried out; the child's row in it."""
    at = node.store.quote(node.names.conflicts)
    rows = node.store.run(f"SELECT child_row FROM {at} WHERE id = {number}").rows
    node.store.run(f"DELETE FROM {at} WHERE id = {number}")
    return row_of(table.names, str(rows[0][0])) if rows[0][0] is not None else None


def conflicts_of(node: Node, state: str = "", number: int | None = None) -> list[dict[str, Any]]:
    """The records, newest first, each as a mapping with the columns of `CONFLICTS`; by state or number if given."""
    conditions, values = [], []
    if state:
        conditions.append("state = ?")
        values.append(state)
    if number is not None:
        conditions.append(f"id = {int(number)}")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    columns = ", ".join(CONFLICTS)
    at = node.store.quote(node.names.conflicts)
    rows = node.store.run(f"SELECT {columns} FROM {at}{where} ORDER BY id DESC", values).rows
    return [dict(zip(CONFLICTS, row, strict=True)) for row in rows]


def settle_refused(node: Node, table: Tracked, row: Sequence[Any], at: str, child: str = "") -> None:
    """A row that waited because the table refused it, of one child or of any, was taken or replaced: its record needs nobody any more."""
    of_child = " AND child = ?" if child else ""
    node.store.run(
        f"UPDATE {node.store.quote(node.names.conflicts)} SET state = 'resolved', resolved_at = ?, note = ?"
        f" WHERE state = 'open' AND kind IN ('unique', 'rule') AND tbl = ? AND row_key = ?{of_child}",
        (
            at,
            "the row was taken or replaced since",
            str(table.name),
            key_text(table, row),
            *([child] if child else []),
        ),
    )


def close_refused(node: Node, child: str, at: str) -> None:
    """Nobody tries a row of this child again that a table refused."""
    node.store.run(
        f"UPDATE {node.store.quote(node.names.conflicts)} SET state = 'resolved', resolved_at = ?, note = ?"
        " WHERE state = 'open' AND kind IN ('unique', 'rule') AND child = ?",
        (at, "the child was removed", child),
    )


def resolve(node: Node, number: int, by: str, at: str, note: str) -> None:
    """Say that a person has settled a conflict, and how."""
    node.store.run(
        f"UPDATE {node.store.quote(node.names.conflicts)} SET state = 'resolved', resolved_by = ?, resolved_at = ?,"
        f" note = ? WHERE id = {int(number)}",
        (by, at, note),
    )
