"""What a node knows of itself and of its peers, in tables beside the user's own."""

import json
import secrets
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Final

from syncd.model.exchange import NOTHING_RECEIVED, START, Hello, Mark, Peer, Role, Tracked
from syncd.model.table import TableName
from syncd.repository.naming import Names
from syncd.repository.store import Store

FORMAT: Final = 1
"""The version of these tables."""

NODE: Final = {
    "id": "text",
    "epoch": "int",
    "role": "text",
    "name": "text",
    "gen": "int",
    "oldest": "int",
    "applying": "int",
    "format": "int",
    "compacted": "int",
    "last_table": "int",
    "last_peer": "int",
}
MARKS: Final = {"gen": "int", "token": "text"}
TABLES: Final = {"number": "int", "name": "text", "shape": "text", "made": "text", "behind": "int"}
"""`made` is JSON (see `Node.recall`); `behind` is NULL where a table takes part, else the parent's generation that it stayed at."""
PEERS: Final = {
    "name": "text",
    "number": "int",
    "id": "text",
    "epoch": "int",
    "recv_gen": "int",
    "recv_token": "text",
    "sent_gen": "int",
    "sent_token": "text",
    "floor": "int",
    "state": "text",
    "filters": "text",
    "seen": "int",
}
CONFLICTS: Final = {
    "id": "int",
    "at": "text",
    "tbl": "text",
    "row_key": "text",
    "kind": "text",
    "policy": "text",
    "winner": "text",
    "child": "text",
    "state": "text",
    "parent_row": "text",
    "child_row": "text",
    "merged_row": "text",
    "mask": "int",
    "base": "int",
    "resolved_by": "text",
    "resolved_at": "text",
    "note": "text",
}
REFUSED: Final = {
    "id": "int",
    "peer": "int",
    "tbl": "int",
    "row_key": "text",
    "image": "text",
    "gone": "int",
    "gen": "int",
    "base": "int",
    "op": "int",
    "mask": "int",
    "at": "int",
    "code": "text",
    "error": "text",
    "told": "text",
    "tries": "int",
    "next_try": "int",
    "first_seen": "int",
}
KEPT_MARKS: Final = 100_000
"""How many states a child remembers that its parent is past, so that it knows one which was restored from a copy."""
PARENT: Final = "parent"
"""Under which name a child keeps its parent."""


class Node:
    """The rows that say who a node is. Writes belong into a transaction that the caller began."""

    def __init__(self, store: Store, names: Names) -> None:
        self.store = store
        self.names = names

    @property
    def exists(self) -> bool:
        """Was this database enrolled?"""
        return self.store.relation_exists(self.names.node)

    def create(self, role: Role, name: str) -> None:
        """Make the tables and the node's row unless they are there."""
        names, create = self.names, self.store.create
        create(names.node, NODE, ())
        create(names.marks, MARKS, ("gen",))
        create(names.tables, TABLES, ("number",))
        create(names.peers, PEERS, ("name",))
        create(names.conflicts, CONFLICTS, ("id",))
        create(names.refused, REFUSED, ("id",))
        if not self._rows(f"SELECT 1 FROM {self._node}"):
            self.store.run(
                f"INSERT INTO {self._node} ({', '.join(NODE)}) VALUES (?, 1, ?, ?, 0, 0, 0, {FORMAT}, 0, 0, 0)",
                (uuid.uuid4().hex, role.value, name),
            )
            self._remember(Mark(0, secrets.token_hex(8)))
            if role is Role.CHILD:
                self.put_peer(Peer(PARENT, 0))

    def mark(self) -> Mark:
        """The present state, within a transaction."""
        row = self._rows(f"SELECT n.gen, m.token FROM {self._node} n JOIN {self._marks} m ON m.gen = n.gen")[
            0
        ]
        return Mark(int(row[0]), str(row[1]))

    def advance(self, to: int | None = None) -> Mark:
        """The next generation, with a token of its own."""
        gen = self.gen() + 1 if to is None else to
        mark = Mark(gen, secrets.token_hex(8))
        self.store.run(f"UPDATE {self._node} SET gen = {gen}")
        self._remember(mark)
        return mark

    def gen(self) -> int:
        """The present generation."""
        return int(self._rows(f"SELECT gen FROM {self._node}")[0][0])

    def hello(self, logs: Sequence[Tracked], recall: int | None, role: Role | None = None) -> Hello:
        """Who this node is, and whether something of it is not counted or sent. Cost: one statement where `role` is known."""
        numbers = [table.number for table in logs if table.captured]
        if numbers and role is None:
            role = Role(str(self._rows(f"SELECT role FROM {self._node}")[0][0]))
        row = self._rows(self._hello_sql(numbers, recall, child=role is Role.CHILD))[0]
        return Hello(
            id=str(row[0]),
            epoch=int(row[1]),
            role=Role(str(row[2])),
            name=str(row[3]),
            mark=Mark(int(row[4]), str(row[5])),
            received=START if row[9] is None else Mark(int(row[9]), str(row[10])),
            recalled=None if row[8] is None else str(row[8]),
            oldest_base=None if row[14] is None else int(row[14]),
            confirmed=NOTHING_RECEIVED if row[17] is None else int(row[17]),
            changed=bool(int(row[12])),
            unsent=int(row[13] or 0),
            oldest_gen=int(row[6]),
            compacted=int(row[7]) / 1000,
            last_table=int(row[15]),
            last_peer=int(row[16]),
            next_try=None if row[11] is None else int(row[11]) / 1000,
            behind={number: self.gained(number) for number in self.behind()} if int(row[18]) else {},
        )

    def _hello_sql(self, numbers: Sequence[int], recall: int | None, *, child: bool) -> str:
        names, quote = self.names, self.store.quote
        logs = [f"EXISTS (SELECT 1 FROM {quote(names.log(number))})" for number in numbers]
        changed = f"CASE WHEN {' OR '.join(logs)} THEN 1 ELSE 0 END" if logs else "0"
        token = f"SELECT token FROM {self._marks} WHERE gen = {NOTHING_RECEIVED if recall is None else int(recall)}"
        late = f"SELECT count(*) FROM {quote(names.tables)} WHERE behind IS NOT NULL"
        unsent = "SELECT 0 AS unsent, NULL AS base"
        if child:
            owns = [quote(names.own(number)) for number in numbers]
            each = [f"SELECT count(*) AS unsent, min(base) AS base FROM {own}" for own in owns]
            # What is edited meanwhile in a table that takes no part was made on the state that it stayed at.
            each.append(
                f"SELECT 0 AS unsent, min(behind) AS base FROM {quote(names.tables)} WHERE behind >= 0"
            )
            unsent = f"SELECT sum(unsent) AS unsent, min(base) AS base FROM ({' UNION ALL '.join(each)}) e"
        return (
            f"SELECT n.id, n.epoch, n.role, n.name, n.gen, m.token, n.oldest, n.compacted, ({token}),"
            f" p.recv_gen, p.recv_token, (SELECT min(next_try) FROM {quote(names.refused)}), {changed}, o.unsent, o.base,"
            f" n.last_table, n.last_peer, p.sent_gen, ({late})"
            f" FROM {self._node} n JOIN {self._marks} m ON m.gen = n.gen"
            f" LEFT JOIN {quote(names.peers)} p ON p.name = '{PARENT}' AND n.role = '{Role.CHILD.value}'"
            f" CROSS JOIN ({unsent}) o"
        )

    def name(self) -> str:
        """The repository's name."""
        return str(self._rows(f"SELECT name FROM {self._node}")[0][0])

    def oldest(self) -> int:
        """Changes of this node are known one by one after this generation."""
        return int(self._rows(f"SELECT oldest FROM {self._node}")[0][0])

    def token(self, gen: int) -> str | None:
        """The token that this node had at a generation, None when it had none or has forgotten it."""
        rows = self._rows(f"SELECT token FROM {self._marks} WHERE gen = {int(gen)}")
        return str(rows[0][0]) if rows else None

    def tokens(self, gens: Collection[int]) -> dict[int, str]:
        """The tokens that this node had at these generations, as far as it knows them."""
        if not gens:
            return {}
        listed = ", ".join(str(int(gen)) for gen in gens)
        rows = self._rows(f"SELECT gen, token FROM {self._marks} WHERE gen IN ({listed})")
        return {int(gen): str(token) for gen, token in rows}

    def marks(self, since: int) -> list[Mark]:
        """This node's states from a generation on, oldest first."""
        rows = self._rows(f"SELECT gen, token FROM {self._marks} WHERE gen >= {int(since)} ORDER BY gen")
        return [Mark(int(gen), str(token)) for gen, token in rows]

    def renew(self, gen: int) -> None:
        """Another epoch, with generations after `gen`."""
        self.store.run(f"UPDATE {self._node} SET epoch = epoch + 1")
        self.advance(max(gen, self.gen()) + 1)

    def peers(self) -> list[Peer]:
        """The peers in the order of their numbers."""
        columns = ", ".join(PEERS)
        return [
            _peer(row) for row in self._rows(f"SELECT {columns} FROM {self._peers} ORDER BY number, name")
        ]

    def peer(self, name: str) -> Peer:
        """The peer of that name; one with nothing received when there is none."""
        return next((peer for peer in self.peers() if peer.name == name), Peer(name, 0))

    def put_peer(self, peer: Peer) -> None:
        """Keep a peer in place of what was known under its name."""
        self.store.run(f"DELETE FROM {self._peers} WHERE name = ?", (peer.name,))
        columns = ", ".join(PEERS)
        received, sent = peer.received, peer.sent
        numbers = (peer.number, peer.epoch, received.gen, sent.gen, peer.floor, round(peer.last_seen * 1000))
        number, epoch, recv_gen, sent_gen, floor, seen = numbers
        self.store.run(
            f"INSERT INTO {self._peers} ({columns}) VALUES"
            f" (?, {number}, ?, {epoch}, {recv_gen}, ?, {sent_gen}, ?, {floor}, ?, ?, {seen})",
            (peer.name, peer.id, received.token, sent.token, peer.state, peer.filters),
        )
        self._rise("last_peer", number)

    def drop_peer(self, name: str) -> None:
        """Forget a peer."""
        self.store.run(f"DELETE FROM {self._peers} WHERE name = ?", (name,))

    def tables(self) -> dict[int, tuple[str, str]]:
        """Name and shape of each tracked table by its number."""
        rows = self._rows(f"SELECT number, name, shape FROM {self.store.quote(self.names.tables)}")
        return {int(number): (str(name), str(shape)) for number, name, shape in rows}

    def put_table(self, table: Tracked, shape: str, gained: Sequence[str] = ()) -> None:
        """Keep what a tracked table is and what its triggers were made for; `gained` as in `gained`."""
        made = json.dumps(
            {
                "name": [table.name.name, table.name.schema],
                "key": table.key,
                "sums": table.sums,
                "captured": table.captured,
                "columns": table.names,
                "gained": tuple(gained),
            }
        )
        at = self.store.quote(self.names.tables)
        if self._rows(f"SELECT 1 FROM {at} WHERE number = {table.number}"):
            self.store.run(
                f"UPDATE {at} SET name = ?, shape = ?, made = ? WHERE number = {table.number}",
                (str(table.name), shape, made),
            )
            return
        self.store.run(
            f"INSERT INTO {at} (number, name, shape, made) VALUES ({table.number}, ?, ?, ?)",
            (str(table.name), shape, made),
        )
        self._rise("last_table", table.number)

    def recall(self, number: int) -> Tracked:
        """A tracked table by what was made for it, whatever became of it since: without its columns."""
        facts = self._made(number)
        return Tracked(
            number,
            TableName(*facts["name"]),
            (),
            tuple(facts["key"]),
            captured=facts["captured"],
            sums=tuple(facts["sums"]),
        )

    def gained(self, number: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """The columns of a tracked table of which a child has none of the parent's values: those since it got all rows.

        With `names`, its columns as they are now, those count too that it did not have when this was last asked.
        """
        facts = self._made(number)
        known: Sequence[str] = facts.get("gained", ()) if number in self.behind() else ()
        if names is None:
            return tuple(known)
        old: Sequence[str] = facts.get("columns", names)
        return tuple(name for name in names if name in known or name not in old)

    def _made(self, number: int) -> dict[str, Any]:
        at = self.store.quote(self.names.tables)
        facts: dict[str, Any] = json.loads(
            str(self._rows(f"SELECT made FROM {at} WHERE number = {number}")[0][0])
        )
        return facts

    def behind(self) -> dict[int, int]:
        """The tables that are tracked and take no part now, by number: the parent's generation that each stayed at."""
        at = self.store.quote(self.names.tables)
        rows = self._rows(f"SELECT number, behind FROM {at} WHERE behind IS NOT NULL")
        return {int(number): int(gen) for number, gen in rows}

    def leave_behind(self, number: int, gen: int | None) -> None:
        """Say that a table takes no part, and at which of the parent's generations it stays; None: it is there again."""
        at = self.store.quote(self.names.tables)
        self.store.run(f"UPDATE {at} SET behind = {'NULL' if gen is None else gen} WHERE number = {number}")

    def drop_table(self, number: int) -> None:
        """Forget a tracked table."""
        self.store.run(f"DELETE FROM {self.store.quote(self.names.tables)} WHERE number = {number}")

    def put_compacted(self, now: float) -> None:
        """Remember when older changes were last forgotten; `now` in seconds since 1970."""
        self.store.run(f"UPDATE {self._node} SET compacted = {round(now * 1000)}")

    def forget_marks(self, floor: int) -> None:
        """Forget the tokens of generations below `floor`, and remember that changes up to it are not known one by one."""
        self.store.run(f"DELETE FROM {self._marks} WHERE gen < {floor}")
        self.store.run(f"UPDATE {self._node} SET oldest = {floor}")

    def thin_marks(self, acknowledged: int) -> None:
        """Forget the tokens of generations far below the one that the parent has."""
        self.store.run(f"DELETE FROM {self._marks} WHERE gen < {acknowledged - KEPT_MARKS}")

    def next_id(self, table: str) -> int:
        """A number that no row of conflicts or refused rows has."""
        rows = self._rows(f"SELECT coalesce(max(id), 0) FROM {self.store.quote(table)}")
        return int(rows[0][0]) + 1

    @property
    def _peers(self) -> str:
        return self.store.quote(self.names.peers)

    @property
    def _node(self) -> str:
        return self.store.quote(self.names.node)

    @property
    def _marks(self) -> str:
        return self.store.quote(self.names.marks)

    def _rise(self, counter: str, number: int) -> None:
        """Remember the highest number that was ever given: who is gone may be known under it still."""
        self.store.run(f"UPDATE {self._node} SET {counter} = {number} WHERE {counter} < {number}")

    def _remember(self, mark: Mark) -> None:
        self.store.run(f"INSERT INTO {self._marks} (gen, token) VALUES ({mark.gen}, ?)", (mark.token,))

    def _rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        return self.store.run(sql).rows


def _peer(row: Sequence[Any]) -> Peer:
    found = dict(zip(PEERS, row, strict=True))
    return Peer(
        name=str(found["name"]),
        number=int(found["number"]),
        id=str(found["id"]),
        epoch=int(found["epoch"]),
        received=Mark(int(found["recv_gen"]), str(found["recv_token"])),
        sent=Mark(int(found["sent_gen"]), str(found["sent_token"])),
        floor=int(found["floor"]),
        state=str(found["state"]),
        filters=str(found["filters"]),
        last_seen=int(found["seen"]) / 1000,
    )
