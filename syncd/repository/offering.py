"""Rows of a child that no trigger told of: nobody knows what they were made on, so the parent looks at each of them."""

from collections.abc import Sequence

from syncd.model.exchange import UNKNOWN_BASE, Tracked
from syncd.repository.naming import Names
from syncd.repository.node import PARENT, Node
from syncd.repository.store import ALL_COLUMNS, INSERTED, UPDATED, Store, keyed


def offer_again(node: Node, table: Tracked, *, replaced: bool) -> None:
    """Bring a table into step that is tracked already: its rows are offered unless they are `replaced`, and it gets all rows."""
    fall_behind(node, table)
    if not replaced:
        # The parent may have this generation already: what is offered with it would count as received.
        offer(node.store, node.names, table, node.advance().gen)


def offer_filled(node: Node, table: Tracked, gained: Sequence[str], *, replaced: bool) -> None:
    """A child has columns of the parent's for the first time: rows with values there count as edited, and it gets all rows."""
    fall_behind(node, table)
    if table.captured and not replaced:
        filled = " OR ".join(f"t.{node.store.quote(name)} IS NOT NULL" for name in gained)
        base = node.behind()[table.number]
        offer(node.store, node.names, table, node.advance().gen, f"({filled})", base, UPDATED)


def fall_behind(node: Node, table: Tracked) -> None:
    """The table stays at the parent's state that it has, until all its rows have come."""
    if table.number not in node.behind():
        node.leave_behind(table.number, node.peer(PARENT).received.gen)


def offer(
    store: Store,
    names: Names,
    table: Tracked,
    gen: int,
    which: str = "1 = 1",
    base: int = UNKNOWN_BASE,
    op: int = INSERTED,
) -> int:
    """Count all rows of a table as edits, of which nobody knows what they were made on; how many.

    `which` is a condition on them, as ``t``.
    """
    keys = ", ".join(store.quote(key) for key in table.key)
    own = store.quote(names.own(table.number))
    meeting = " AND ".join(f"o.{store.quote(key)} = t.{store.quote(key)}" for key in table.key)
    qualified = ", ".join(f"t.{store.quote(key)}" for key in table.key)
    having = keyed(store.quote, table, "t")
    offered = store.run(
        f"INSERT INTO {own} ({keys}, gen, base, op, mask, at)"
        f" SELECT {qualified}, {gen}, {base}, {op}, {ALL_COLUMNS}, 0"
        f" FROM {store.text_of(table.name)} t"
        f" WHERE NOT EXISTS (SELECT 1 FROM {own} o WHERE {meeting}) AND {having} AND {which}"
    ).changed
    if table.sums:
        begin_unknown(store, names, table)
    return offered


def begin_unknown(store: Store, names: Names, table: Tracked) -> None:
    """Of edits that no trigger told of, nobody knows what they added."""
    keys = ", ".join(store.quote(key) for key in table.key)
    own, begun = store.quote(names.own(table.number)), store.quote(names.begun(table.number))
    meeting = " AND ".join(f"b.{store.quote(key)} = o.{store.quote(key)}" for key in table.key)
    store.run(
        f"INSERT INTO {begun} ({keys}, gen)"
        f" SELECT {', '.join(f'o.{store.quote(key)}' for key in table.key)}, o.gen FROM {own} o"
        f" WHERE NOT EXISTS (SELECT 1 FROM {begun} b WHERE {meeting} AND b.gen = o.gen)"
    )
