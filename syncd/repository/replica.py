"""A database as a node of a cluster: the port of the coordinator over one product's statements."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from syncd.cluster_ports import Keys
from syncd.model.batch import Format
from syncd.model.exchange import UNKNOWN_BASE, Hello, Mark, Peer, Role, Tracked
from syncd.model.table import Table, TableName
from syncd.ports import Check
from syncd.repository import enrolment, offering
from syncd.repository.arrival import NodeArrival
from syncd.repository.catalogue import Catalogue
from syncd.repository.compact import compact
from syncd.repository.crash import crash_point
from syncd.repository.departure import NodeDeparture, depart, seal
from syncd.repository.image import row_of
from syncd.repository.naming import Names
from syncd.repository.node import PARENT, Node
from syncd.repository.own import keep_unsent, learn
from syncd.repository.readers import is_ahead
from syncd.repository.record import close_refused
from syncd.repository.refused import all_refused, forget_refused
from syncd.repository.store import ForeignKey, Purpose, Store


class Replica:
    """One database in one cluster. Used from one thread at a time; `cancel` from any."""

    def __init__(self, store: Store, cluster: str, now: Callable[[], float]) -> None:
        """`now` gives seconds since 1970."""
        self.store = store
        self.names = Names.of(cluster)
        self.product = store.product
        self.formats: tuple[Format, ...] = store.formats
        self.place = store.place
        self.tracked: tuple[Tracked, ...] = ()
        self.kept: tuple[Tracked, ...] = ()
        self.node = Node(store, self.names)
        self._now = now
        self._catalogue = Catalogue(store)
        self._rules: Sequence[ForeignKey] | None = None
        self._role: Role | None = None
        """Its part in the cluster, once it was enrolled."""

    def look(self) -> None:
        """Begin a run: what the catalogue said in an earlier one holds as long as nothing was altered.

        Raises:
            TransientError: the connection is lost.
        """
        if not self._catalogue.look():
            self._rules = None

    def tables(self) -> list[TableName]:
        """All tables that could take part."""
        return self._catalogue.once("tables", self.store.tables)

    def table(self, name: TableName) -> Table | None:
        """The table with its writable columns and key, or None."""
        return self._catalogue.once(("table", name), lambda: self.store.table(name))

    def unkeyed(self, tables: Sequence[Tracked]) -> list[str]:
        """In words, those of the tables with rows that lack a key, and so take no part."""
        return [said for table in tables if (said := enrolment.unkeyed(self.store, table))]

    def touching(self, table: Tracked) -> list[str]:
        """The names of the users' triggers that may change rows which arrive in a table."""
        found = self.store.run(self.store.touching, (table.name.name, table.name.schema)).rows
        return sorted(str(row[0]) for row in found)

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Do these columns always have values, and never the same twice?"""
        asked = ("unique", name, tuple(columns))
        return self._catalogue.once(asked, lambda: self.store.unique(name, columns))

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Does each of these columns get a value by itself where a new row has none for it?"""
        return self.store.fills(name, columns)

    def enrolled(self) -> Mapping[str, int]:
        """The tracked tables' numbers by name."""
        return self._catalogue.once("enrolled", self._numbers)

    def enrol(
        self,
        role: Role,
        name: str,
        tables: Sequence[Tracked],
        join: str,
        check: Check,
        declared: Collection[int] = (),
    ) -> list[str]:
        """Be a node with these tables; what was done, in words."""

        def join_in() -> tuple[list[str], list[Tracked]]:
            return enrolment.enrol(self.store, self.names, role, name, tables, join, check, declared)

        asked = ("enrol", role, name, tuple(tables), join, frozenset(declared))
        done, kept = self._catalogue.once(asked, join_in)
        if done or kept:
            # Which tables are kept is not the catalogue's alone to say.
            self._catalogue.forget()
        self.tracked, self.kept, self._role = tuple(tables), tuple(kept), role
        return done

    def recall(self, role: Role, name: str, tables: Sequence[Tracked]) -> None:
        """Take those of these tables that were tracked before, and ask as that node; writes nothing.

        Raises:
            FatalError: the database has the other part in the cluster.
        """
        known: Mapping[int, tuple[str, str]] = {}
        if self.node.exists:
            enrolment.refuse_other_part(self.node, role, name)
            known = self.node.tables()
        self.tracked = tuple(table for table in tables if table.number in known)

    def remembered(self) -> list[Tracked]:
        """The tables that this node tracks by its own account, as it has them now."""
        return enrolment.remembered(self.store, self.names) if self.node.exists else []

    def planned(self, tables: Sequence[Tracked]) -> list[str]:
        """The tables whose triggers `enrol` would make or renew; writes nothing."""
        return enrolment.planned(self.store, self.names, tables)

    def hello(self, recall: int | None = None) -> Hello | None:
        """Who this node is; None before it was enrolled."""
        if self._role is None and not self.node.exists:
            return None
        return self.node.hello(self.tracked, recall, self._role)

    def tokens(self, gens: Collection[int]) -> Mapping[int, str]:
        """The tokens that this node had at these generations."""
        return self.node.tokens(gens)

    def renew(self, gen: int, check: Check) -> None:
        """Take a new epoch, with generations after `gen`."""
        self._write(lambda: self.node.renew(gen), check)

    def peers(self) -> list[Peer]:
        """A parent's children."""
        return self.node.peers() if self.node.exists else []

    def admit(self, peers: Sequence[Peer], check: Check) -> None:
        """Keep children, in place of what was known under their names."""
        crash_point("before the peer is told")

        def keep() -> None:
            for peer in peers:
                known = self.node.peer(peer.name)
                if known.number not in {0, peer.number}:
                    # It was restored, or is another database: it sends again what it still has, under its new number.
                    forget_refused(self.node, known.number)
                self.node.put_peer(peer)

        self._write(keep, check)

    def offer_all(self, check: Check, *, keep_bases: bool = False) -> None:
        """Count all rows as edits that nobody has, and forget what was received.

        Edits that were counted before keep what they were made on with `keep_bases`. Without, the parent lost its past,
        and its generations mean others now.
        """

        def offer() -> None:
            seal(self.node, Role.CHILD, self.tracked)
            mark = self.node.advance()
            for table in self.tracked:
                if table.captured:
                    own = self.store.quote(self.names.own(table.number))
                    if not keep_bases:
                        self.store.run(f"UPDATE {own} SET base = {UNKNOWN_BASE}")
                        if table.sums:
                            begun = self.store.quote(self.names.begun(table.number))
                            self.store.run(f"DELETE FROM {begun}")
                    offering.offer(self.store, self.names, table, mark.gen)
            for number in self.node.behind():
                own = self.store.quote(self.names.own(number))
                self.store.run(f"UPDATE {own} SET base = {UNKNOWN_BASE}")
                self.node.leave_behind(number, UNKNOWN_BASE)
            self.node.put_peer(Peer(PARENT, 0))

        self._write(offer, check)

    def dismiss(self, name: str, check: Check) -> None:
        """Forget a child, with its rows that are set aside; their records are closed and keep both images."""

        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")

        def forget() -> None:
            forget_refused(self.node, self.node.peer(name).number)
            close_refused(self.node, name, at)
            self.node.drop_peer(name)

        self._write(forget, check)

    def held(self, peer: Peer) -> Keys:
        """Rows of a child that are set aside here."""
        by_number = {table.number: table for table in (*self.tracked, *self.kept)}
        found: dict[int, list[tuple[object, ...]]] = {}
        for row in all_refused(self.node, peer.number):
            table = by_number.get(int(row["tbl"]))
            if table is not None:
                key = row_of(table.key, str(row["row_key"]))
                found.setdefault(table.number, []).append(key)
        return found

    def depart(self, role: Role, received: int, held: Keys, check: Check) -> NodeDeparture:
        """Count what was edited, and open the state."""

        def prepare() -> None:
            if role is Role.CHILD:
                learn(self.node, (*self.tracked, *self.kept), received, held)
                keep_unsent(self.node, self.kept)
                self._confirm(received)

        return depart(self.node, role, self.tracked, prepare, received, check)

    def _confirm(self, received: int) -> None:
        """Remember what the parent has: a parent that has less one day was restored from a copy."""
        parent = self.node.peer(PARENT)
        token = self.node.token(received)
        if token is not None and received > parent.sent.gen:
            self.node.put_peer(replace(parent, sent=Mark(received, token)))

    def arrive(self, tables: Sequence[Tracked], theirs: Sequence[Tracked], check: Check) -> NodeArrival:
        """Open a delivery."""
        if self._rules is None:
            self._rules = self.store.foreign_keys()
        hello = self.hello()
        edits = hello is not None and hello.role is Role.PARENT
        return NodeArrival(self.node, self.tracked, tables, theirs, self._rules, self._now, edits=edits)

    def compact(self, floor: int, check: Check) -> int:
        """Forget changes up to `floor`; how many rows of ours went."""
        return compact(self.node, self.tracked, floor, self._now(), check)

    def drop_table(self, name: str, check: Check) -> None:
        """Track a table no more, whatever becomes of its edits."""
        self._write(lambda: enrolment.drop_table(self.store, self.names, name), check)
        self._catalogue.forget()

    def retire(self, check: Check) -> None:
        """Take everything of the cluster out of the database."""
        self._write(lambda: enrolment.retire(self.store, self.names, check), check)
        self._role = None
        self._catalogue.forget()

    def hold(self) -> bool:
        """Be the only coordinator of this cluster."""
        return self.store.hold(self.names)

    def let_go(self) -> None:
        """Let another coordinate."""
        self.store.let_go(self.names)

    def stirred(self) -> int | None:
        """The present generation when there are edits that none counts, or that were only counted for a job; else None."""
        store, names = self.store, self.names
        behind = self.node.behind()
        logs = [store.quote(names.log(number)) for number in self.node.tables() if number not in behind]
        asked = " OR ".join(f"EXISTS (SELECT 1 FROM {log})" for log in logs)
        rows = store.run(f"SELECT CASE WHEN {asked} THEN 1 ELSE 0 END").rows if logs else ()
        gen = self.node.gen()
        edited = bool(rows) and int(str(rows[0][0])) == 1
        return gen if edited or is_ahead(self.node.peers(), gen) else None

    def wait(self, seconds: float) -> bool:
        """Wait until something may have changed, at most so long."""
        return self.store.wait(self.names, seconds)

    def cancel(self) -> None:
        """Make whatever runs end soon."""
        self.store.cancel()

    def close(self) -> None:
        """Give the connection back."""
        self.store.close()

    def _numbers(self) -> dict[str, int]:
        if not self.node.exists:
            return {}
        return {name: number for number, (name, _) in self.node.tables().items()}

    def _write(self, change: Callable[[], None], check: Check) -> None:
        self.store.begin(Purpose.SNAPSHOT, self.names, check)
        try:
            change()
            self.store.commit(check)
        finally:
            self.store.rollback()
