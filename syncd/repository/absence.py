"""Tables that a node tracks and that take no part in a run: their edits are kept, with what they were made on.

A table may be missing from the configuration, or not fit, for a while. Forgetting its edits then would undo them.
"""

import json
from collections.abc import Collection, Sequence

from syncd.model.exchange import Role, Tracked
from syncd.repository.node import PARENT, Node
from syncd.repository.refused import PARENTS

EXPIRED = "expired"


def absent(node: Node, role: Role, tables: Sequence[Tracked], declared: Collection[int]) -> list[Tracked]:
    """The tracked tables that are not among these, and are kept nevertheless.

    Those are all that are `declared`. Of others a child keeps those with edits that its parent may not have, and a parent
    those that one of its children has.
    """
    wanted = {table.number for table in tables}
    names = {str(table.name) for table in tables}
    others = [number for number in node.tables() if number not in wanted]
    found = []
    for table in map(node.recall, others):
        needed = table.number in declared or (
            _shared(node, table.number) if role is Role.PARENT else _unsent(node, table)
        )
        if needed and str(table.name) not in names:
            found.append(table)
    return found


def leave(node: Node, role: Role, tables: Sequence[Tracked]) -> None:
    """These tables take no part from now on."""
    gen = node.peer(PARENT).received.gen if role is Role.CHILD else node.gen()
    for table in tables:
        node.leave_behind(table.number, gen)


def catch_up(node: Node, numbers: Collection[int], skipped: Collection[int], to: int) -> None:
    """A child has got all rows of these tables as of the parent's generation `to`, but those `skipped` for edits of its own.

    Such an edit would take the values of a new column from the parent: then all rows come once more.
    """
    for number, gen in node.behind().items():
        if number in numbers:
            at = node.store.quote(node.names.refused)
            # What it could not take of them is newer than the state that it stayed at.
            node.store.run(
                f"UPDATE {at} SET base = {gen} WHERE tbl = {number} AND peer = {PARENTS} AND base > {gen}"
            )
            node.leave_behind(number, to if number in skipped and node.gained(number) else None)


def _unsent(node: Node, table: Tracked) -> bool:
    if not table.captured:
        return False
    store, names = node.store, node.names
    acknowledged = node.peer(PARENT).sent.gen
    own, log = store.quote(names.own(table.number)), store.quote(names.log(table.number))
    return bool(
        store.run(f"SELECT 1 FROM {own} WHERE gen > {acknowledged} LIMIT 1").rows
        or store.run(f"SELECT 1 FROM {log} LIMIT 1").rows
    )


def _shared(node: Node, number: int) -> bool:
    return any(
        str(number) in json.loads(peer.filters or "{}")
        for peer in node.peers()
        if not peer.is_job and peer.state != EXPIRED
    )
