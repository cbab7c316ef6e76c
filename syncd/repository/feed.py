"""One-way jobs read what the parent of a cluster captures: which rows changed since a generation, and which are gone.

A job keeps its place in its cursor, and is known to the node as a peer, so that nothing is forgotten that it needs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from syncd.model.exchange import Mark, Role, Tracked
from syncd.model.reading import Changes
from syncd.model.table import Table, TableName
from syncd.ports import Check
from syncd.repository.departure import seal
from syncd.repository.enrolment import shape_of
from syncd.repository.naming import Names
from syncd.repository.node import Node
from syncd.repository.readers import name_of
from syncd.repository.store import Purpose, Store

FORM: Final = "captured"
SEEN_EVERY_SECONDS: Final = 3600.0
"""How old the note of a job's last visit may grow when nothing else is to be written."""
LOST: Final = "the source was restored, or has forgotten the changes since the last run"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands: it has every change up to a state of one node's table.

    `settled`: rows that were gone by then were let go. `load` is the source's own cursor of a first load that has not
    ended; the state is then the one before it began.
    """

    cluster: str
    node: str
    table: int
    columns: str
    mark: Mark
    settled: bool = False
    load: str = ""

    @property
    def text(self) -> str:
        """The place as a cursor."""
        return json.dumps({"form": FORM, **asdict(self)}, separators=(",", ":"), sort_keys=True)


def place_of(cursor: str | None) -> Place | None:
    """The place that a cursor tells; None when it is a cursor of another kind."""
    try:
        document = json.loads(cursor or "")
        if document.pop("form") != FORM:
            return None
        return Place(**{**document, "mark": Mark(**document["mark"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Feed:
    """One tracked table of a parent, as jobs read it. `reader` in its methods is the job and its step."""

    def __init__(self, node: Node, table: Tracked) -> None:
        self.table = table
        self.node = node
        self.cluster = node.names.slug
        self._id = str(self._value(f"SELECT id FROM {self._quoted(node.names.node)}"))

    def begin(
        self, place: Place | None, columns: str, reader: str, now: float, check: Check
    ) -> tuple[Place, str]:
        """Count what was edited, and keep what the job needs; the place of the state, and why `place` is not good.

        With an empty `reader` nothing is written, and the place is only good for showing. A place without a reason
        against it is where the job goes on. `now` is in seconds since 1970.
        """
        if not reader:
            return self._at(columns, self.node.mark()), self.refusal(place, columns, "")
        store = self.node.store
        store.begin(Purpose.SNAPSHOT, self.node.names, check)
        try:
            reason = self.refusal(place, columns, reader)
            sealed = seal(self.node, Role.PARENT, [self.table])
            mark = self.node.mark()
            since = place.mark if place is not None and not reason else mark
            self._keep(reader, since, since.gen, mark.gen if sealed else None, now)
            store.commit(check)
        finally:
            store.rollback()
        return self._at(columns, mark), reason

    def is_quiet(self, place: Place, columns: str, reader: str, now: float, check: Check) -> bool:
        """Has nothing of the table changed since? Then nothing older than the present state is needed any more."""
        if place.load or self.refusal(place, columns, reader) or self._changed(place.mark.gen):
            return False
        peer = self.node.peer(name_of(reader))
        if not reader or (peer.floor >= self.node.gen() and now - peer.last_seen < SEEN_EVERY_SECONDS):
            return True
        store = self.node.store
        store.begin(Purpose.SNAPSHOT, self.node.names, check)
        try:
            quiet = not self.refusal(place, columns, reader) and not self._changed(place.mark.gen)
            if quiet:
                self._keep(reader, place.mark, self.node.gen(), None, now)
            store.commit(check)
        finally:
            store.rollback()
        return quiet

    def refusal(self, place: Place | None, columns: str, reader: str) -> str:
        """Why the changes since a place cannot be told; empty when they can, and when there is no place."""
        if place is None:
            return ""
        if (place.cluster, place.node, place.table) != (self.cluster, self._id, self.table.number):
            return "the source is captured by another cluster, or is another database"
        if place.columns != columns:
            return "the columns of the source changed"
        if not reader:
            known = self.node.token(place.mark.gen) == place.mark.token
            return "" if known or self._peers_at(place.mark) else LOST
        peer = next((each for each in self.node.peers() if each.name == name_of(reader)), None)
        if peer is None:
            return (
                "the source does not know this job: it was restored, or the job was taken out of the cluster"
            )
        if place.mark.gen < peer.received.gen:
            return "changes of the source were not captured for a while"
        oldest = self.node.oldest()
        if self.node.token(place.mark.gen) == place.mark.token and place.mark.gen >= oldest:
            return ""
        return "" if peer.sent == place.mark and peer.floor >= oldest else LOST

    def changes(self, since: int, key: Sequence[str], columns: Sequence[str]) -> Changes:
        """The rows that changed after a generation, and the keys of those that are gone, as SQL.

        What no generation counts yet belongs to them: so every snapshot gives the very state that it shows. `key` is
        the table's, in the order in which keys of rows that are gone are given.
        """
        store, names, number = self.node.store, self.node.names, self.table.number
        keys = ", ".join(store.quote(name) for name in key)
        changed = (
            f"SELECT {keys} FROM {self._quoted(names.row(number))} WHERE gen > {since}"
            f" UNION SELECT {keys} FROM {self._quoted(names.log(number))}"
        )
        met = " AND ".join(f"r.{store.quote(name)} = k.{store.quote(name)}" for name in key)
        table = store.text_of(self.table.name)
        chosen = ", ".join(f"r.{store.quote(name)}" for name in columns)
        given = ", ".join(f"k.{store.quote(name)}" for name in key)
        return Changes(
            rows=f"SELECT {chosen} FROM ({changed}) k JOIN {table} r ON {met}",
            gone=f"SELECT {given} FROM ({changed}) k WHERE NOT EXISTS (SELECT 1 FROM {table} r WHERE {met})",
            key=tuple(key),
        )

    def _at(self, columns: str, mark: Mark) -> Place:
        return Place(self.cluster, self._id, self.table.number, columns, mark)

    def _keep(self, reader: str, sent: Mark, floor: int, sealed: int | None, now: float) -> None:
        """Write down that the job has this state, and that nothing up to `floor` is needed for it."""
        peer = self.node.peer(name_of(reader))
        self.node.put_peer(
            replace(
                peer,
                filters=str(self.table.number),
                state="live",
                sent=sent,
                floor=floor,
                epoch=peer.epoch if sealed is None else sealed,
                last_seen=now,
            )
        )

    def _changed(self, since: int) -> bool:
        names, number = self.node.names, self.table.number
        log, row = self._quoted(names.log(number)), self._quoted(names.row(number))
        asked = f"EXISTS (SELECT 1 FROM {log}) OR EXISTS (SELECT 1 FROM {row} WHERE gen > {since})"
        return int(str(self._value(f"SELECT CASE WHEN {asked} THEN 1 ELSE 0 END"))) == 1

    def _peers_at(self, mark: Mark) -> bool:
        return any(peer.is_job and peer.sent == mark for peer in self.node.peers())

    def _quoted(self, name: str) -> str:
        return self.node.store.quote(name)

    def _value(self, sql: str) -> object:
        return self.node.store.run(sql).rows[0][0]


def find_feed(
    store: Store, clusters: Sequence[str], name: TableName, key: Sequence[str]
) -> tuple[Feed | None, str]:
    """What feeds a job that tells rows by `key`; None with the reason when clusters know the table and none of them does.

    `clusters` are the parts of names (see `slug_of`) of those that keep something in this database.
    """
    found, reason = None, ""
    table = store.table(name) if clusters else None
    for slug in clusters if table is not None and key else ():
        node = Node(store, Names(slug))
        numbers = {known: (number, shape) for number, (known, shape) in node.tables().items()}
        if table is None or str(table.name) not in numbers:
            continue
        number, shape = numbers[str(table.name)]
        made = next((each for each in _as_made(number, table, key) if shape_of(each) == shape), None)
        said = node.hello((), None)
        if said.role is not Role.PARENT:
            reason = f"'{said.name}' is a child in its cluster, and only a parent knows all changes"
        elif made is None:
            reason = "the table was altered since the cluster was synchronised, or the cluster tells rows by another key"
        elif not store.captures(node.names, made):
            reason = "triggers of its cluster are missing until the cluster is synchronised"
        else:
            found = found or Feed(node, made)
    return found, "" if found is not None else reason


def _as_made(number: int, table: Table, key: Sequence[str]) -> list[Tracked]:
    """The table as a cluster tracks it that tells rows by this key, with the triggers that its policies may ask for.

    Where the key is not the primary one, the primary key's columns belong to each database alone.
    """
    own = set(key) == set(table.key)
    local = set() if own else set(table.key) - set(key)
    columns = tuple(column for column in table.columns if column.name not in local)
    tracked = Tracked(number, table.name, columns, table.key if own else tuple(key))
    flags = (False, True)
    return [replace(tracked, by_column=one, timed=other) for one in flags for other in flags]
