"""A child's unsent edits: the parent says which of them it has."""

from collections.abc import Sequence
from typing import Final

from syncd.cluster_ports import Keys
from syncd.model.exchange import Tracked
from syncd.repository.node import Node

NEVER_SENT: Final = 2**62
"""Added to the generation of edits in a table that takes no part: acknowledged edits of other tables do not mean them."""
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


def keep_unsent(node: Node, tables: Sequence[Tracked]) -> None:
    """Edits in these tables stay unsent whatever is acknowledged from now on."""
    for table in tables:
        for name in _tables_of(node, table):
            node.store.run(f"UPDATE {name} SET gen = gen + {NEVER_SENT} WHERE gen < {NEVER_SENT}")


def send_again(node: Node, table: Tracked) -> None:
    """The table takes part again: what was kept of it is counted by generations that nobody has, in the same order."""
    store = node.store
    bounds = [
        (int(str(row[0])), int(str(row[1])))
        for name in _tables_of(node, table)
        for row in store.run(f"SELECT min(gen), max(gen) FROM {name} WHERE gen >= {NEVER_SENT}").rows
        if row[0] is not None
    ]
    if not bounds:
        return
    lowest, highest = min(low for low, _ in bounds), max(high for _, high in bounds)
    first = node.gen() + 1
    node.advance(first + highest - lowest)
    for name in _tables_of(node, table):
        store.run(f"UPDATE {name} SET gen = gen - {lowest} + {first} WHERE gen >= {NEVER_SENT}")


def _tables_of(node: Node, table: Tracked) -> list[str]:
    names = [node.names.own(table.number), *([node.names.begun(table.number)] if table.sums else [])]
    return [node.store.quote(name) for name in names]
