"""A cluster that is attacked: edits, runs that are disturbed, databases that are restored, and what must hold after each."""

import json

import pytest

from syncd.engine.exchange import Exchange
from syncd.errors import FatalError, TransientError
from syncd.model.cluster import ConflictPolicy, Winner
from syncd.model.exchange import UNKNOWN_BASE
from syncd.repository import arrival, departure
from tests.cluster.ledger import Ledger, Seen, as_in_image, marks_of, plain, records_of, row_of_record
from tests.cluster.playground import TABLES, UUIDS, statements_of
from tests.cluster.world import World

PLAIN = ConflictPolicy()
SETTLED_SECONDS = 7200
"""After so long every row that is set aside is tried again."""


class Crash(BaseException):
    """The process is gone."""


class Play:
    """A parent "P" and children, with a ledger of everything that was committed.

    `make` gives a node for a name; nodes are as `playground.SqliteCopy`. `patches` are (object, name, value) that make
    waits for locks short.
    """

    def __init__(self, folder, make, children, policy=PLAIN, patches=()):
        self.folder = folder
        self.make = make
        self.world = World(make("P"), {f"c{n}": make(f"c{n}") for n in range(children)}, list(TABLES), policy)
        self.patches = patches
        self.ledger = Ledger()
        self.open = {}
        self.saves = {}
        self.rewound = set()
        self.parent_restored = False
        self.records = 0
        self.received = {}
        self.broken = False
        self.masks_known = True
        self.columns = set()
        self.calm = None
        self.aside_before = set()
        for name, node in self.world.everyone().items():
            self.ledger.committed("start", {}, node.contents()) if name == "P" else None

    # What users do

    def edit(self, name, *edits):
        """Edits of a node in one transaction: an open one, or one of their own. What nothing takes is left out."""
        node = self.world.everyone()[name]
        if name in self.open:
            for edit in edits:
                node.attempt(statements_of(edit, self.ledger.mark))
            return
        transaction = [statements_of(edit, self.ledger.mark) for edit in edits]
        if len(edits) == 1 and edits[0][0] == "update":
            self.ledger.plain.add(transaction[0][0][1][0])
        self.write(name, transaction)

    def write(self, name, transaction):
        node = self.world.everyone()[name]
        if name in self.open or not node.begin():
            return
        if sum(map(len, transaction)) > 1:
            # What comes and goes in one transaction is counted without an event.
            self.calm = None
        before = node.contents()
        for statements in transaction:
            node.attempt(statements)
        after = node.contents()
        if node.commit():
            self._commit(name, before, after)

    def _commit(self, name, before, after):
        known = len(self.ledger.events)
        self.ledger.committed(name, before, after)
        if not self.world.port(name).enrolled():
            # Nobody records what is deleted before the first contact.
            fresh = list(self.ledger.events.values())[known:]
            gone = {name for event in fresh if event.gone for name in event.seen.maybe}
            self.ledger.excuse(self.ledger.events[name] for name in gone)

    def twin(self, names, edit):
        """The very same edit at several nodes."""
        mark = self.ledger.mark()
        if edit[0] in {"insert", "update", "replace"}:
            for name in names:
                self.write(name, [statements_of(edit, lambda: mark)])

    def clash(self, names, value):
        """Nodes give the same unique code to things of their own, then the last one edits what the first one edited."""
        for key, name in enumerate(names):
            statement = (
                "UPDATE thing SET code = ?, mark = ? WHERE id = ?",
                (value, self.ledger.mark(), *UUIDS[key]),
            )
            self.write(name, [[statement]])
        self.sync()
        self.edit(names[-1], ("update", "thing", 0, 1, 3))

    def begin(self, name):
        """A user begins a transaction and leaves it open."""
        node = self.world.everyone()[name]
        if name not in self.open and node.begin():
            self.open[name] = node.contents()

    def end(self, name, *, keep):
        """The user comes back."""
        if name not in self.open:
            return
        node, before = self.world.everyone()[name], self.open.pop(name)
        self.calm = None
        after = node.contents()
        if not keep:
            node.rollback()
        elif node.commit():
            self._commit(name, before, after)

    # What befalls databases

    def save(self, name):
        """Take a copy of a database."""
        if name in self.open or name in self.rewound:
            # A copy of a restored child that nobody has met since would count as a second one: that is refused.
            return
        path = self.folder / f"{name}.saved"
        self.world.everyone()[name].save(path)
        absent = {row: seen for (node, row), seen in self.ledger.absent.items() if node == name}
        self.saves[name] = (path, absent, len(self.ledger.events))

    def restore(self, name):
        """Put the copy in its place. What was committed since then, and nobody else has, is gone."""
        if name not in self.saves:
            return
        self.end(name, keep=False)
        self.masks_known, self.calm = False, None
        path, absent, count = self.saves.pop(name)
        self.world.close_ports()
        self.world.everyone()[name].restore(path)
        for node, row in [pair for pair in self.ledger.absent if pair[0] == name]:
            self.ledger.absent[node, row] = absent.get(row, Seen())
        self.received = {}
        if name == "P":
            self._parent_lost()
        else:
            later = [event for event in self.ledger.events.values() if event.order >= count]
            self.ledger.excuse(
                event for event in later if event.node == name and event.id not in self.ledger.known
            )
            self.rewound.add(name)

    def _parent_lost(self):
        """Of all that was before, only what the children have now must survive."""
        live = {
            values["mark"] for name in self.world.children for values in self._contents(name).values()
        } | {values["mark"] for values in self._contents("P").values()}
        self.ledger.excuse(
            event for event in self.ledger.events.values() if event.id.partition("@")[0] not in live
        )
        self.ledger.known = set()
        self.rewound |= set(self.world.children)
        self.parent_restored = True
        self.records = max((record["id"] for record in self._records()), default=0)

    def clone(self, name):
        """A second child appears that is a copy of one: it must be refused."""
        if name in self.open or not any(peer.name == name for peer in self.world.port("P").peers()):
            return
        path = self.folder / "clone.saved"
        self.world.children[name].save(path)
        self.world.children["clone"] = self.make("clone")
        self.world.children["clone"].restore(path)
        try:
            members = {member.child.repository: member for member in self.sync(["clone", name])}
            refused = [member.failure for member in members.values() if member.failure is not None]
            assert members == {} or any(
                isinstance(failure, FatalError) and failure.code == "identity" for failure in refused
            ), "two databases with one identity took part"
        except AssertionError:
            self.broken = True
            raise
        finally:
            self.world.close_ports()
            self.world.children.pop("clone").close()

    def drop_trigger(self, name, number):
        """Somebody drops a trigger of ours: the next run says that it was renewed."""
        if self.open or (dropped := self.world.everyone()[name].drop_trigger(number)) is None:
            return
        port = self.world.port(name)
        if port.tracked:
            assert port.planned(port.tracked), f"nobody notices that {dropped} is gone"
        self.sync()
        port = self.world.port(name)
        assert not port.planned(port.tracked), f"{dropped} was not made again"

    def add_column(self, table, name):
        """A column that may be empty appears, at one node after the other, with runs in between."""
        if self.open or (table, name) in self.columns:
            return
        self.columns.add((table, name))
        self.saves = {}
        self.masks_known = False
        for number, node in enumerate(self.world.everyone().values()):
            node.add_column(table, name)
            if number < 2:
                self.sync()

    def add_child(self, name):
        """A child comes that nobody knows; it has all columns."""
        self.world.children[name] = self.make(name)
        for table, column in sorted(self.columns):
            self.world.children[name].add_column(table, column)

    def compact(self):
        """Forget what every child has."""
        self.masks_known = False
        peers = self.world.port("P").peers()
        live = [peer for peer in peers if peer.state == "live"]
        if live and "P" not in self.open and self.world.port("P").tracked:
            self.world.port("P").compact(max(0, min(peer.floor for peer in live)), lambda: None)

    # Runs

    def sync(self, names=None, midway=(), crash=None):
        """One run. `midway` are (moment, node, edit); `crash` is the moment or the named point at which the process dies."""
        self.broken = True
        names = list(names or self.world.children)
        self._last = {name: self._contents(name) for name in ("P", *names)}
        before = self._last
        self._midway, self._crash, self._moment, disturbed = sorted(midway, key=repr), crash, 0, False
        members = []
        try:
            members = self._run(names)
        except Crash:
            disturbed = True
            self.world.close_ports()
        except TransientError:
            if "P" not in self.open:
                raise
            disturbed = True
        disturbed = disturbed or before is not self._last or bool(self.open)
        disturbed = disturbed or any(member.failure for member in members)
        self._judge(before, members, clean=not disturbed)
        self.broken = False
        return members

    def _run(self, names):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrival, "crash_point", self._pass)
            patch.setattr(departure, "crash_point", self._pass)
            patch.setattr(Exchange, "_each", _one_by_one)
            for what, name, value in self.patches:
                patch.setattr(what, name, value)
            try:
                members = self.world.sync(names, self._pass, strict=False)
            except FatalError as error:
                if error.code != "parent_restored" or not self.parent_restored:
                    raise
                self.rewound |= set(self.world.children)
                members = self.world.sync(names, self._pass, strict=False, accept_restore=True)
        for member in members:
            self._excuse_failure(member)
        return members

    def _excuse_failure(self, member):
        name, failure = member.child.repository, member.failure
        if failure is None or (isinstance(failure, TransientError) and self.open.keys() & {name, "P"}):
            return
        if isinstance(failure, FatalError) and failure.code == "identity" and "clone" in self.world.children:
            return
        raise failure

    def _pass(self, name=None):
        """A moment in a run at which a user may edit, or the process may die."""
        self._moment += 1
        if self._crash is not None and self._crash in {self._moment, name}:
            raise Crash
        while self._midway and self._midway[0][0] <= self._moment:
            _, name, edit = self._midway.pop(0)
            if name not in self.open:
                self._look()
                self.edit(name, edit)

    def _look(self):
        now = {name: self._contents(name) for name in self._last}
        self.ledger.observed(self._last["P"], self._last, now, clean=False)
        self._last = now

    # What must hold

    def _judge(self, before, members, *, clean):
        self._judge_records(before, clean=clean)
        after = {name: self._contents(name) for name in before}
        self.ledger.observed(self._last["P"], self._last, after, clean=clean)
        for name, contents in after.items():
            for row, values in contents.items():
                assert self._is_a_version(values), f"{name} holds {row} as nobody wrote it: {values}"
        if "P" not in self.open:
            self._judge_cursors()
        if not clean:
            self.calm = None
            return
        for name in before:
            assert not self.world.everyone()[name].violations(), f"{name} breaks its own rules"
        aside = self.aside(before)
        for name in before:
            self._judge_equal(name, after, aside)
        self.rewound -= {member.child.repository for member in members}
        self._judge_traffic(members, aside)

    def _judge_traffic(self, members, aside):
        """What one child alone edited is never sent back to it, and goes to each other child once."""
        events = list(self.ledger.events.values())[self.calm :] if self.calm is not None else []
        whole = len(members) == len(self.world.children)
        if any(member.greeting.whole or member.greeting.rewound for member in members):
            events = []
        authors = {event.node for event in events}
        counted = sum(member.up.conflicts + member.up.same + member.up.held for member in members)
        if whole and len(authors) == 1 and not (aside or self.aside_before or counted):
            rows = len({event.row for event in events})
            for member in members:
                if member.child.repository in authors:
                    assert not member.down.received, "a child gets its own edits back"
                else:
                    assert member.down.received <= rows, "a child gets rows that nobody changed"
        self.calm = len(self.ledger.events) if whole else None
        self.aside_before = aside

    def _is_a_version(self, values):
        now = plain(values)
        return any(
            all(image.get(name, "None") == value for name, value in now.items())
            for image in self.ledger.images[values["mark"]]
        )

    def _judge_equal(self, name, after, aside):
        for row in after["P"].keys() | after[name].keys():
            ours, theirs = after["P"].get(row), after[name].get(row)
            same = (ours and _filled(ours)) == (theirs and _filled(theirs))
            assert same or row in aside, (
                f"after a quiet run {name} has {row} as {theirs}, the parent as {ours}"
            )

    def _judge_cursors(self):
        """What a parent has received never falls within one life of both."""
        for peer in self.world.port("P").peers():
            life = (peer.name, peer.number)
            assert peer.received.gen >= self.received.get(life, -1), f"the cursor of {peer.name} fell"
            self.received[life] = peer.received.gen

    def _judge_records(self, before, *, clean):
        """Who could have known the other's edit has no conflict with it."""
        if "P" in self.open:
            return
        for record in reversed(self._records()):
            if record["id"] <= self.records:
                continue
            self.records = record["id"]
            row, (ours, theirs) = row_of_record(record["tbl"], record["row_key"]), marks_of(record)
            assert record["parent_row"] != record["child_row"], f"equal rows are a conflict: {record}"
            # What fills a restored parent has no base, and may be tried again after the filling.
            baseless = self.parent_restored and record["base"] == UNKNOWN_BASE
            if record["child"] not in self.rewound and not baseless:
                assert self._truly_concurrent(record["child"], row, ours, theirs, before, clean), (
                    f"no conflict, but recorded: {record}"
                )
                self._judge_columns(record, ours, theirs)
            if record["winner"] == "merged":
                self.ledger.merged(row_image(record), record["id"])

    def _judge_columns(self, record, ours, theirs):
        """A merge takes a column that one side alone has changed from that side."""
        if (
            not self.masks_known
            or self.world.policy.winner is not Winner.MERGE_FIELDS
            or None in (ours, theirs)
        ):
            return
        base = self.ledger.common(ours, theirs)
        rows = [
            json.loads(record[name]) for name in ("parent_row", "child_row", "merged_row") if record[name]
        ]
        decided = rows[-1] if record["merged_row"] else rows[record["winner"] == "child"]
        for name in () if base is None else base.keys() - {"mark", *TABLES[record["tbl"]].key}:
            values = [as_in_image(row[name]) for row in (rows[0], rows[1], decided)]
            changed = [self.ledger.touched(mark, base, name) for mark in (ours, theirs)]
            if changed[0] != changed[1]:
                assert values[2] == values[changed[1]], f"{name} was taken from the wrong side: {record}"

    def _truly_concurrent(self, child, row, ours, theirs, before, clean):
        if ours is not None and theirs is not None:
            return self.ledger.concurrent(ours, theirs)
        if not clean:
            return True
        if theirs is None:
            at_parent = before["P"].get(row)
            if row in before[child] or at_parent is None or at_parent["mark"] != ours:
                return True
            return not self.ledger.seen_of(ours).sure <= self.ledger.absent[child, row].sure
        deleted = self.ledger.absent["P", row]
        events = {event.id for event in self.ledger.of_row[row] if event.gone}
        known = events & deleted.maybe
        return bool(row in before["P"] or not known or not known <= self.ledger.seen_of(theirs).sure)

    def aside(self, names):
        """Rows that are set aside anywhere, at the parent or at these nodes."""
        numbers = {number: name for name, number in self.world.port("P").enrolled().items()}
        return {
            row_of_record(numbers[int(refused["tbl"])], refused["row_key"])
            for name in {"P", *names}
            for refused in self.world.held(name)
        }

    def finish(self):
        """Stop, heal and run twice: all nodes are equal, nothing is lost, and a third run has nothing to do."""
        if self.broken:
            return
        for name in list(self.open):
            self.end(name, keep=True)
        for _ in range(2):
            self.world.clock += SETTLED_SECONDS
            self.sync()
        everyone = list(self.world.everyone())
        aside = self.aside(everyone)
        records = records_of(self._records())
        lost = self.ledger.unaccounted(self._contents("P"), records, aside)
        assert not lost, f"nothing tells what became of {lost}"
        marks = self._marks()
        members = self.sync()
        assert self._marks() == marks, "a quiet third run makes new generations"
        for member in members:
            total = member.up + member.down
            moved = total.inserted + total.updated + total.deleted + total.conflicts
            assert not moved, f"a quiet third run still moves rows of {member.child.repository}: {total}"
        for name in everyone:
            self._judge_equal(name, {each: self._contents(each) for each in ("P", name)}, aside)

    def _marks(self):
        return {name: self.world.port(name).hello().mark for name in self.world.everyone()}

    def close(self):
        """Close everything."""
        self.world.close_ports()
        for node in self.world.everyone().values():
            node.close()

    def _contents(self, name):
        return self.open[name] if name in self.open else self.world.everyone()[name].contents()

    def _records(self):
        port = self.world.port("P")
        return self.world.conflicts() if port.enrolled() else []


def row_image(record):
    """The decided row of a record."""
    return json.loads(record["merged_row"])


def _filled(values):
    """A row without columns that are empty: they may not be everywhere yet."""
    return {name: repr(value) for name, value in values.items() if value is not None}


def _one_by_one(exchange, members, action):
    """Children one after the other, so that a history can be repeated exactly."""
    for member in members:
        exchange._guard(member, lambda member=member: action(member))
