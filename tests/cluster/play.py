"""A cluster that is attacked: edits, runs that are disturbed, databases that are restored, and what must hold after each."""

from concurrent.futures import Future

import pytest

from syncd.engine import ahead
from syncd.engine import member as members_of
from syncd.errors import FatalError, SyncdError, TransientError
from syncd.model.cluster import ConflictPolicy
from syncd.repository import arrival, departure
from tests.cluster.judging import judge, judge_equal
from tests.cluster.ledger import Ledger, Seen, records_of, row_of_record
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
        self.patch = pytest.MonkeyPatch()
        for what, attribute, value in patches:
            self.patch.setattr(what, attribute, value)
        self.ledger = Ledger()
        self.open = set()
        self.saves = {}
        self.rewound, self.unheard, self.deaf = set(), set(), False
        self.parent_restored = False
        self.records = 0
        self.received = {}
        self.oldest = 0
        self.broken = False
        self.masks_known = True
        self.columns = set()
        self.calm = None
        self.aside_before = set()
        self.forgotten = set()
        self.lives = set()
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
        if not self.world.everyone()[name].enrolled():
            # Nobody records what is deleted before the first contact.
            fresh = list(self.ledger.events.values())[known:]
            self.ledger.excuse_past(event for event in fresh if event.gone)
            self._excuse_forgotten(name)

    def _excuse_forgotten(self, name):
        """Who joins with a row that went, and of which the parent forgot that, brings it back.

        What went with that row had gone before, and is not looked for again.
        """
        has = self.contents(name)
        back = [event for each in self.forgotten if (event := self.ledger.events[each]).row in has]
        self.ledger.excuse_past(back)

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
            self.open.add(name)

    def end(self, name, *, keep):
        """The user comes back."""
        if name not in self.open:
            return
        node = self.world.everyone()[name]
        self.open.remove(name)
        self.calm = None
        before = node.committed()
        if not keep:
            node.rollback()
        elif node.commit():
            self._commit(name, before, node.contents())

    # What befalls databases

    def save(self, name):
        """Take a copy of a database."""
        if name in self.open or name in self.rewound:
            # A copy of a restored child that nobody has met since would count as a second one: that is refused.
            return
        path = self.folder / f"{name}.saved"
        self._close_ports()
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
        self._close_ports()
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
        live = {values["mark"] for name in self.world.children for values in self.contents(name).values()} | {
            values["mark"] for values in self.contents("P").values()
        }
        self.ledger.excuse(
            event for event in self.ledger.events.values() if event.id.partition("@")[0] not in live
        )
        self.ledger.known = set()
        self.rewound |= set(self.world.children)
        self.parent_restored = True
        self.records = max((record["id"] for record in self.all_records()), default=0)

    def clone(self, name):
        """A second child appears that is a copy of one: it must be refused."""
        if name in self.open or not any(peer.name == name for peer in self.world.port("P").peers()):
            return
        path = self.folder / "clone.saved"
        self._close_ports()
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
            self._close_ports()
            self.world.children.pop("clone").close()

    def drop_trigger(self, name, number):
        """Somebody drops a trigger of ours: the next run says that it was renewed."""
        if self.open or (dropped := self.world.everyone()[name].drop_trigger(number)) is None:
            return
        port = self.world.port(name)
        self.deaf, self.unheard = True, set(self.world.children)
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
        self.unheard = set(self.world.children)
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
            events = self.ledger.events.values()
            self.forgotten |= {event.id for event in events if event.gone and event.id in self.ledger.known}
            for name in self.world.children:
                if not self.world.port(name).enrolled():
                    self._excuse_forgotten(name)

    # Runs

    def sync(self, names=None, midway=(), crash=None):
        """One run. `midway` are (moment, node, edit); `crash` is the moment or the named point at which the process dies."""
        self.broken = True
        names = list(names or self.world.children)
        self.last = {name: self.contents(name) for name in ("P", *names)}
        before = self.last
        self.oldest = self.world.port("P").node.oldest() if self.world.port("P").enrolled() else 0
        self._midway, self._crash, self._moment, disturbed = sorted(midway, key=repr), crash, 0, False
        members = []
        try:
            members = self._run(names)
        except Crash:
            disturbed = True
            self._close_ports()
        except TransientError:
            if "P" not in self.open:
                raise
            disturbed = True
        disturbed = disturbed or before is not self.last or bool(self.open)
        disturbed = disturbed or any(member.failure for member in members)
        judge(self, before, members, clean=not disturbed)
        self.broken = False
        return members

    def _run(self, names):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrival, "crash_point", self._pass)
            patch.setattr(departure, "crash_point", self._pass)
            patch.setattr(ahead, "ThreadPoolExecutor", OneByOne)
            patch.setattr(members_of, "ThreadPoolExecutor", OneByOne)
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
        if failure is None or (isinstance(failure, TransientError) and self.open & {name, "P"}):
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
        now = {name: self.contents(name) for name in self.last}
        self.ledger.observed(self.last["P"], self.last, now, clean=False)
        self.last = now

    # What must hold

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
        records = records_of(self.all_records())
        lost = self.ledger.unaccounted(self.contents("P"), records, aside)
        assert not lost, f"nothing tells what became of {lost}"
        marks = self._marks()
        members = self.sync()
        assert self._marks() == marks, "a quiet third run makes new generations"
        for member in members:
            total = member.up + member.down
            moved = total.inserted + total.updated + total.deleted + total.conflicts
            assert not moved, f"a quiet third run still moves rows of {member.child.repository}: {total}"
        for name in everyone:
            judge_equal(self, name, {each: self.contents(each) for each in ("P", name)}, aside)

    def _marks(self):
        return {name: self.world.port(name).hello().mark for name in self.world.everyone()}

    def _close_ports(self):
        self.world.close_ports()
        for node in self.world.everyone().values():
            node.settle()

    def close(self):
        """Close everything."""
        self.patch.undo()
        self.world.close_ports()
        for node in self.world.everyone().values():
            node.close()

    def contents(self, name):
        """The rows of a node as everybody sees them."""
        node = self.world.everyone()[name]
        return node.committed() if name in self.open else node.contents()

    def all_records(self):
        """The records of conflicts, newest first."""
        port = self.world.port("P")
        return self.world.conflicts() if port.enrolled() else []


class OneByOne:
    """In the place of threads: each task ends before the next begins, so that a history can be repeated exactly."""

    def __init__(self, _most):
        """However many there could be."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, task, *given):
        done = Future()
        try:
            done.set_result(task(*given))
        except SyncdError as error:
            done.set_exception(error)
        return done
