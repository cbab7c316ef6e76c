"""A child's unsent edits: the parent says which of them it has."""

from collections.abc import Sequence
from typing import Final

from syncd.cluster_ports import Keys
from syncd.model.exchange import Tracked
from syncd.repository.node import Node

HELD: Final = 16
"""Added to `op` for a moment, to tell rows that are kept from those that go."""


def learn(node: Node, tables: Sequence[Tracked], received: int, held: Keys) -> None:
    """The parent has all edits up to `received`, so they are no longer unsent, but for those that it keeps aside."""
    for table in tables:
        _learn(node, table, received, held.get(table.number, ()))


def _learn(node: Node, table: Tracked, received: int, held: Sequence[tuple[object, ...]]) -> None:
    store = node.store
    own = store.quote(node.names.own(table.number))
    condition = " AND ".join(f"{store.quote(name)} = ?" for name in table.key)
    for key in held:
        store.run(f"UPDATE {own} SET op = op + {HELD} WHERE op < {HELD} AND {condition}", list(key))
    store.run(f"DELETE FROM {own} WHERE gen <= {received} AND op < {HELD}")
    if table.sums:
        # What the parent keeps aside it has with all that was added until then.
        store.run(f"DELETE FROM {store.quote(node.names.begun(table.number))} WHERE gen <= {received}")
    if held:
        store.run(f"UPDATE {own} SET op = op - {HELD} WHERE op >= {HELD}")
