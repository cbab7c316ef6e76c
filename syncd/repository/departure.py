"""Edits on their way out of a node: counted by a generation, and read from one state."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from syncd.errors import TransientError
from syncd.model.batch import Format
from syncd.model.exchange import NOTHING_RECEIVED, Block, Role, Tracked, Wanted
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.crash import crash_point
from syncd.repository.node import PARENT, Node
from syncd.repository.refused import PARENTS, key_text_of, let_go, refused_keys
from syncd.repository.store import FACTS_OF_EDITS, FACTS_OF_VERSIONS, TEXT, TOLD, WHOLE, Purpose, keyed

TURNS: Final = 4
"""How often a state is looked for that nobody changes while it is being made durable, before writers have to wait."""

Prepare = Callable[[], None]


class NodeDeparture:
    """An open state of a node. Made by `depart`."""

    def __init__(self, node: Node, tables: Sequence[Tracked], received: int) -> None:
        self._node = node
        self._tables = tables
        self._received = received
        self._durable = False
        self.mark = node.mark()

    def edits(self, table: Tracked, form: Format, check: Check) -> Generator[Block]:
        """A child's unsent edits."""
        store, names = self._node.store, self._node.names
        first = store.quote(table.key[0])
        keys = set(table.key)
        columns = ", ".join(
            f"{'o' if column.name in keys else 't'}.{store.quote(column.name)}" for column in table.columns
        )
        if table.sums:
            begun = store.quote(names.begun(table.number))
            same = " AND ".join(f"b.{store.quote(name)} = o.{store.quote(name)}" for name in table.key)
            columns += f", (SELECT {store.told} FROM {begun} b WHERE {same})"
        select = (
            f"SELECT {store.whole(f'CASE WHEN t.{first} IS NULL THEN 1 ELSE 0 END')}, o.gen, o.base, {store.whole('o.op')},"
            f" o.mask, o.at, {columns} FROM {store.quote(names.own(table.number))} o"
            f" LEFT JOIN {store.text_of(table.name)} t ON {_meeting(store, table, 'o')}"
            f" WHERE o.gen > {self._received}"
        )
        yield from self._blocks(select, FACTS_OF_EDITS, table, form, check, told=bool(table.sums))

    def authors(self, table: Tracked, since: int) -> list[int]:
        """Whose edits there are."""
        row = self._node.store.quote(self._node.names.row(table.number))
        rows: Sequence[Any] = self._node.store.run(f"SELECT DISTINCT nid FROM {row} WHERE gen > {since}").rows
        return sorted(int(found[0]) for found in rows)

    def versions(
        self, table: Tracked, wanted: Wanted, author: int | None, form: Format, check: Check
    ) -> Generator[Block]:
        """A parent's rows that changed, or all."""
        store, names = self._node.store, self._node.names
        plain = ", ".join(store.quote(column.name) for column in table.columns)
        source = store.text_of(table.name)
        if wanted.where:
            source = f"(SELECT {plain} FROM {source} WHERE ({wanted.where}))"
        if wanted.since == NOTHING_RECEIVED:
            having = keyed(store.quote, table, "t")
            select = f"SELECT {store.whole('0')}, {plain} FROM {source} t WHERE {having}"
        else:
            keys = set(table.key)
            columns = ", ".join(
                f"{'r' if column.name in keys else 't'}.{store.quote(column.name)}"
                for column in table.columns
            )
            of = f" AND r.nid = {author}" if author is not None else ""
            gone = f"CASE WHEN t.{store.quote(table.key[0])} IS NULL THEN 1 ELSE 0 END"
            select = (
                f"SELECT {store.whole(gone)}, {columns} FROM {store.quote(names.row(table.number))} r"
                f" LEFT JOIN {source} t ON {_meeting(store, table, 'r')}"
                f" WHERE r.gen > {wanted.since}{of}"
            )
        yield from self._blocks(select, FACTS_OF_VERSIONS, table, form, check)

    def settle(self, check: Check) -> bool:
        """Make it durable at once where reading may go on afterwards; see `Store.settle`."""
        logs = [self._node.names.log(table.number) for table in self._tables if table.captured]
        return self._node.store.settle(logs, check)

    def seal(self, check: Check) -> None:
        """Make it durable."""
        if not self._durable:
            crash_point("before seal")
            self._node.store.commit(check)
            self._durable = True
            crash_point("after seal")

    def close(self) -> None:
        """End the transaction."""
        self._node.store.rollback()

    def _blocks(
        self,
        select: str,
        facts: Sequence[str],
        table: Tracked,
        form: Format,
        check: Check,
        *,
        told: bool = False,
    ) -> Generator[Block]:
        columns = [*(Column(fact, WHOLE) for fact in facts), *table.columns]
        columns += [Column(TOLD, TEXT)] if told else []
        for batch in self._node.store.extract(select, columns, form, check):
            yield Block(table.number, batch.format, batch.data, batch.rows)


def depart(
    node: Node, role: Role, tables: Sequence[Tracked], prepare: Prepare, received: int, check: Check
) -> NodeDeparture:
    """Count all edits that can be seen, and open the state that they make.

    `prepare` runs first in the transaction. The last turn keeps writers waiting, where the others would not come to an end.
    """
    store = node.store
    for turn in range(TURNS):
        store.begin(Purpose.SNAPSHOT, node.names, check)
        try:
            prepare()
            seal(node, role, tables)
            departure = NodeDeparture(node, tables, received)
            if turn == TURNS - 1 or departure.settle(check):
                crash_point("after settle")
                return departure
        except BaseException:
            store.rollback()
            raise
    raise TransientError(
        f"the state of {store.place} changes faster than it can be made durable", hint="it is tried again"
    )


def seal(node: Node, role: Role, tables: Sequence[Tracked]) -> int:
    """Give every edit that can be seen the next generation; how many rows. Nothing is written when there are none."""
    store, names = node.store, node.names
    captured = [table for table in tables if table.captured]
    changed = [
        table
        for table in captured
        if store.run(f"SELECT 1 FROM {store.quote(names.log(table.number))} LIMIT 1").rows
    ]
    if not changed:
        return 0
    mark = node.advance()
    if role is Role.PARENT:
        return sum(store.seal_parent(names, table, mark.gen) for table in changed)
    base, behind = node.peer(PARENT).received.gen, node.behind()
    sealed = sum(
        store.seal_child(names, table, mark.gen, behind.get(table.number, base)) for table in changed
    )
    for table in changed:
        lower_bases(node, table, mark.gen)
    return sealed


def lower_bases(node: Node, table: Tracked, gen: int) -> None:
    """An edit of a row whose newest version this node could not take was made on an older one.

    The parent settles that, so its version is not tried again here: it would come over what was settled.
    """
    store = node.store
    own = store.quote(node.names.own(table.number))
    condition = " AND ".join(f"{store.quote(name)} = ?" for name in table.key)
    for key, base in list(refused_keys(node, table)):
        edited = f"WHERE gen = {gen} AND {condition}"
        if not store.run(f"SELECT 1 FROM {own} {edited}", list(key)).rows:
            continue
        store.run(f"UPDATE {own} SET base = {base} {edited} AND base > {base}", list(key))
        let_go(node, table, PARENTS, [key_text_of(table, key)])


def _meeting(store: Any, table: Tracked, other: str) -> str:
    return " AND ".join(f"t.{store.quote(name)} = {other}.{store.quote(name)}" for name in table.key)
