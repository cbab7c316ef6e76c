"""Forgets what nobody can ask for any more: tombstones, versions and past changes that every child has."""

from collections.abc import Sequence
from typing import Final

from syncd.model.exchange import Tracked
from syncd.ports import Check
from syncd.repository.node import Node
from syncd.repository.store import Purpose

ROWS_AT_ONCE: Final = 10_000
"""How many rows go in one transaction, so that nobody waits long."""


def compact(node: Node, tables: Sequence[Tracked], floor: int, now: float, check: Check) -> int:
    """Delete what belongs to generations up to `floor`, in short transactions; how many rows.

    `now` is in seconds since 1970.
    """
    gone = 0
    store, names = node.store, node.names
    for table in tables:
        for name in (names.row(table.number), names.past(table.number)):
            while True:
                check()
                deleted = _some(node, name, table, floor, check)
                gone += deleted
                if deleted < ROWS_AT_ONCE:
                    break
    store.begin(Purpose.SNAPSHOT, names, check)
    try:
        if floor > node.oldest():
            node.forget_marks(floor)
        node.put_compacted(now)
        store.commit(check)
    finally:
        store.rollback()
    return gone


def _some(node: Node, name: str, table: Tracked, floor: int, check: Check) -> int:
    """Delete at most ROWS_AT_ONCE rows of one table of ours.

    What is not known one by one any more is remembered first: a crash in between must not leave gaps that nobody sees.
    """
    store = node.store
    store.begin(Purpose.SNAPSHOT, node.names, check)
    try:
        if floor > node.oldest():
            store.run(f"UPDATE {store.quote(node.names.node)} SET oldest = {floor}")
        quoted = store.quote(name)
        rows = store.run(
            f"SELECT DISTINCT gen FROM {quoted} WHERE gen <= {floor} ORDER BY gen LIMIT 100"
        ).rows
        deleted = 0
        for row in rows:
            deleted += store.run(f"DELETE FROM {quoted} WHERE gen = {int(str(row[0]))}").changed
            if deleted >= ROWS_AT_ONCE:
                break
        store.commit(check)
    finally:
        store.rollback()
    return deleted
