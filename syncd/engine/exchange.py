"""One run of a cluster: all children's edits go to the parent first, then the parent's rows to all children.

Source: Synchronize Job Data. The coordinator knows repositories by their ports alone. A child that fails does not stop the
others; what it has missed it gets in the next run, because every cursor is moved in the transaction that writes its rows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from syncd.cluster_ports import Departure, Known, Repository
from syncd.engine.ahead import Sending, has_news, opened_ahead
from syncd.engine.carrying import Lane, Stream, carry
from syncd.engine.filters import conditions_of, narrowed, note_of
from syncd.engine.greeting import Greeting, greet, parent_lost
from syncd.engine.lease import LIVE, compact_if_due, expire, lease_warning
from syncd.engine.member import Delivery, Member, guarded, side_by_side
from syncd.engine.pairing import Pairs, Shared, declared, pair_with, rules_for, shared_tables, waiting
from syncd.engine.touching import warn_of_triggers
from syncd.errors import BusyError, FatalError
from syncd.model.cluster import Child, Cluster
from syncd.model.exchange import (
    NOTHING_RECEIVED,
    START,
    Hello,
    Mark,
    Role,
    Tracked,
    Wanted,
)
from syncd.ports import Check

SEEN_EVERY_SECONDS: Final = 3600.0
"""How old the note of a child's last visit may grow when nothing else is to be written."""
REFILLING: Final = "refilling"
"""The state of a child whose rows are to fill a parent that was restored, until it has sent them."""

Wheres = Callable[[Child, Shared], str]
"""The condition of a child on a table of the parent, in the parent's SQL; empty for all rows."""


class Exchange:
    """The run of one cluster over open repositories."""

    def __init__(
        self,
        cluster: Cluster,
        parent: Repository,
        members: Sequence[Member],
        wheres: Wheres,
        check: Check,
        now: Callable[[], float],
        *,
        full: bool = False,
    ) -> None:
        """`now` gives seconds since 1970. `full`: every child gets all rows, whatever it has."""
        self._cluster = cluster
        self._parent = parent
        self._members = list(members)
        self._wheres = wheres
        self._check = check
        self._now = now
        self._full = full
        self._mine: Hello | None = None
        self.problems: list[str] = []
        self.done: list[str] = []

    @property
    def live(self) -> list[Member]:
        """The children that still take part."""
        return [member for member in self._members if member.live]

    def run(self, heard: Callable[[Member, str], None] = lambda *_: None) -> None:
        """Do it; `heard` is told when a child is done with ``up`` or ``down``.

        Raises:
            BusyError: another coordinator runs this cluster.
            SyncdError: the parent failed; what was committed before stays.
        """
        if not self._parent.hold():
            raise BusyError(
                f"another run synchronises cluster '{self._cluster.name}' at {self._parent.place}",
                hint="wait for its end",
                code="locked",
            )
        try:
            self.meet()
            self.gather(heard)
            self._tend(self._down())
            for member in self._members:
                heard(member, "down")
        finally:
            self._parent.let_go()

    def gather(self, heard: Callable[[Member, str], None] = lambda *_: None) -> None:
        """Consolidate the edits of all children that were met into the parent, one after the other."""
        due = self._mine is not None and self._mine.is_due(self._now())
        senders = [member for member in self.live if due or has_news(member)]
        sendings = {member.child.repository: Sending(member, self._parent) for member in senders}
        with opened_ahead(sendings, self._check) as take:
            for member in self.live:
                guarded(member, partial(self._up, member, take))
                heard(member, "up")

    def share(self) -> Sequence[Shared]:
        """Make what is missing at the parent; its tables that take part."""
        shared, self.problems = shared_tables(self._cluster, self._parent, self._parent.enrolled())
        self._shared = shared
        tables = [each.tracked for each in shared]
        known = declared(self._cluster, self._parent.enrolled())
        self._declared = known | {table.number for table in tables}
        self.done = self._parent.enrol(Role.PARENT, self._cluster.parent, tables, "", self._check, known)
        self.problems += self._parent.unkeyed(tables)
        self._peers = {peer.name: peer for peer in self._parent.peers()}
        return shared

    def meet(self) -> None:
        """Learn who is there with which tables, and make what is missing in the databases."""
        self.share()
        side_by_side(self.live, self._acquaint)
        self._mine = self._parent.hello()
        received = {member.hello.received.gen for member in self.live if member.hello is not None}
        tokens = self._parent.tokens(received)
        for member in self.live:
            guarded(member, partial(self._greet, member, tokens))
        warn_of_triggers(self._parent, self._cluster.parent, self._shared if self.done else (), self.live)
        rewound = [member for member in self.live if member.greeting and member.greeting.parent_rewound]
        if rewound:
            self._parent_was_restored(rewound)

    def _acquaint(self, member: Member) -> None:
        port, name = member.port, member.child.repository
        found: Pairs = pair_with(self._shared, port, name, partial(self._wheres, member.child))
        member.pairs = found.pairs
        member.unshared = found.problems
        member.warnings += found.problems
        peer = self._peers.get(name)
        if not found.pairs and found.problems:
            raise FatalError(found.problems[0], code="no_tables")
        tables = [pair.child for pair in found.pairs]
        member.done = port.enrol(Role.CHILD, name, tables, member.child.on_join, self._check, self._declared)
        member.warnings += found.unmatched if member.done else ()
        said = [waiting(table, name, self._cluster.name) for table in self._undeclared(port)]
        member.warnings += said
        without = port.unkeyed(tables)
        member.unshared += tuple(without)
        member.warnings += without
        member.hello = port.hello(peer.received.gen if peer and peer.received.gen >= 0 else None)

    def _greet(self, member: Member, tokens: Mapping[int, str]) -> None:
        """Judge it by the parent's `tokens` at the generations that the children have of it."""
        hello, mine = member.hello, self._mine
        if hello is None:
            raise FatalError(f"{member.port.place} was not enrolled")
        name = member.child.repository
        if mine is None:
            raise FatalError(f"{self._parent.place} was not enrolled")
        greeting = greet(
            self._cluster.name,
            name,
            mine,
            tokens.get(hello.received.gen),
            self._peers.get(name),
            hello,
            list(self._peers.values()),
        )
        if greeting.rewound:
            member.port.renew(greeting.peer.received.gen, self._check)
            member.warnings.append(
                "its database was restored from a copy: it gets back what it had sent, and keeps what it has not"
            )
            hello = member.port.hello() or hello
            greeting = replace(greeting, peer=replace(greeting.peer, epoch=hello.epoch, received=START))
        member.hello, member.greeting = hello, replace(greeting, whole=greeting.whole or self._full)
        seen = greeting.peer.last_seen or self._now()
        state = REFILLING if greeting.peer.state == REFILLING else LIVE
        kept = self._declared | {table.number for table in self._undeclared(member.port)}
        filters = narrowed(greeting.peer.filters, [pair.parent.number for pair in member.pairs], kept)
        member.peer = replace(greeting.peer, name=name, state=state, last_seen=seen, filters=filters)
        if self._peers.get(name) != member.peer:
            self._parent.admit([member.peer], self._check)
            self._peers[name] = member.peer

    def _parent_was_restored(self, members: Sequence[Member]) -> None:
        # Who was asked to fill it before, and did not come to that, needs no second word.
        unasked = [member for member in members if member.peer.state != REFILLING]
        if unasked:
            self._accept(unasked)
        for member in self.live if unasked else members:
            guarded(member, partial(self._refill_from, member))

    def _accept(self, members: Sequence[Member]) -> None:
        if self._cluster.on_parent_restore != "refill":
            raise parent_lost(self._cluster.name, self._parent.place, [member.peer for member in members])
        highest = max(member.hello.received.gen for member in members if member.hello)
        self._parent.renew(highest, self._check)
        for member in self.live:
            member.peer = replace(member.peer, state=REFILLING)
        self._parent.admit([member.peer for member in self.live], self._check)

    def _refill_from(self, member: Member) -> None:
        member.port.offer_all(self._check)
        member.hello = member.port.hello()
        member.greeting = Greeting(member.peer, whole=True)

    def _up(self, member: Member, take: Callable[[str], Sending | None]) -> None:
        """Consolidate one child's edits into the parent."""
        began = time.monotonic()
        sending = take(member.child.repository)
        if sending is None:
            return
        peer, arrival = member.peer, None
        try:
            pairs = sending.pairs
            arrival = self._parent.arrive(
                [pair.parent for pair in pairs], [pair.child for pair in pairs], self._check
            )
            for pair in pairs:
                lane = Lane(arrival, pair.parent.number)
                blocks = partial(sending.blocks, pair.child)
                carry([Stream(blocks, (lane,))], sending.form(pair.child), self._check)
                lane.raise_failure()
            sending.departure.seal(self._check)
            rules = rules_for(
                member.pairs,
                self._conditions(member),
                self._cluster.max_skew_seconds,
                refilling=peer.state == REFILLING,
                fresh=member.greeting is not None and member.greeting.fresh,
                gained=member.hello.behind if member.hello else {},
            )
            mark = sending.departure.mark
            applied = arrival.apply_edits(peer, mark, rules, self._check)
        finally:
            if arrival is not None:
                arrival.close()
            sending.close()
            member.up_seconds = time.monotonic() - began
        member.peer = replace(peer, received=mark)
        member.up = applied.total
        member.warnings += applied.warnings

    def _conditions(self, member: Member) -> dict[int, str]:
        found = {pair.shared.tracked.number: self._wheres(member.child, pair.shared) for pair in member.pairs}
        return {number: where for number, where in found.items() if where}

    def _down(self) -> Hello | None:
        """Bring every child to the parent's state; what the parent said of itself before."""
        mine = self._parent.hello()
        if mine is None:
            return None
        late = [member for member in self.live if self._is_late(member, mine)]
        if late:
            self.scatter(late)
        now = self._now()
        seen = [
            member
            for member in self.live
            if member in late or now - member.peer.last_seen > SEEN_EVERY_SECONDS
        ]
        if seen:
            for member in seen:
                member.peer = replace(member.peer, last_seen=now)
            self._parent.admit([member.peer for member in seen], self._check)
        return mine

    def _tend(self, mine: Hello | None) -> None:
        """Let go of children whose lease is over, tell of those that stay away, and forget what nobody needs."""
        now, days = self._now(), self._cluster.lease_days
        peers = expire(self._parent, now, days, self._check)
        for member in self._members:
            peer = next((peer for peer in peers if peer.name == member.child.repository), None)
            said = lease_warning(peer, now, days) if peer is not None else ""
            member.warnings += [said] if said else []
        if mine is not None:
            compact_if_due(self._parent, peers, mine, now, self._check)

    def _is_late(self, member: Member, mine: Hello) -> bool:
        hello, greeting = member.hello, member.greeting
        if hello is None or greeting is None:
            return False
        return (
            greeting.whole
            or mine.changed
            or hello.received != mine.mark
            or conditions_of(member.peer.filters) != conditions_of(self.filters(member))
            or hello.is_due(self._now())
            or any(pair.parent.number in hello.behind for pair in member.pairs)
        )

    def filters(self, member: Member) -> str:
        """Which tables a child has under which conditions, to notice that one came or changed."""
        conditions = self._conditions(member)
        given = {pair.parent.number: conditions.get(pair.parent.number, "") for pair in member.receiving}
        waiting = {number for number, had in conditions_of(member.peer.filters).items() if had is None}
        # Of a table that only sends it has none of the parent's rows yet.
        return note_of(given, waiting | {pair.parent.number for pair in member.pairs})

    def _undeclared(self, port: Repository) -> list[Tracked]:
        """The tables that a child tracks still, though the cluster does not name them any more."""
        return [table for table in port.kept if table.number not in self._declared]

    def scatter(self, late: Sequence[Member]) -> None:
        """Give children the parent's state; what they have of it before, and which tables they share, is known."""
        began = time.monotonic()
        departure = self._parent.depart(Role.PARENT, 0, {}, self._check)
        deliveries = [
            Delivery(
                member,
                self._whole(member),
                Known(member.peer.received.gen, self._parent.held(member.peer), member.peer.received.token),
            )
            for member in late
        ]
        try:
            for each in deliveries:
                guarded(each.member, partial(each.open, self._check))
            self._carry_all(departure, [each for each in deliveries if each.member.live])
            departure.seal(self._check)
            mark = departure.mark
            side_by_side(
                [each.member for each in deliveries if each.member.live],
                lambda member: self._apply(next(d for d in deliveries if d.member is member), mark),
            )
        finally:
            for each in deliveries:
                each.close()
                each.member.down_seconds = time.monotonic() - began
            departure.close()

    def _carry_all(self, departure: Departure, deliveries: Sequence["Delivery"]) -> None:
        """Read every change once for all children that want the same, and give it to each but its author."""
        for shared in self._shared:
            number = shared.tracked.number
            groups: dict[Any, list[Delivery]] = {}
            for each in deliveries:
                wish = each.wish(number, self._parent, self._conditions(each.member))
                if wish is not None:
                    groups.setdefault(wish, []).append(each)
            for (wanted, form, _), group in groups.items():
                carry(self._streams(departure, number, wanted, group), form, self._check)
        for each in deliveries:
            each.member.failure = each.member.failure or each.failure

    def _streams(
        self, departure: Departure, number: int, wanted: Wanted, group: Sequence[Delivery]
    ) -> list[Stream]:
        """The changes of a table by their authors, each for all children but the author."""
        table = group[0].pair(number).parent
        authors: Sequence[int | None] = [None]
        if wanted.since != NOTHING_RECEIVED:
            authors = departure.authors(table, wanted.since)
        found = []
        for author in authors:
            # Under a condition a row may have left the part that its author is to have.
            to = [
                each for each in group if author is None or author != each.member.peer.number or wanted.where
            ]
            blocks = partial(departure.versions, table, wanted, author)
            found.append(Stream(blocks, tuple(each.lane(number) for each in to)))
        return found

    def _whole(self, member: Member) -> dict[int, str]:
        """The tables of which a child needs all rows."""
        greeting = member.greeting
        conditions = self._conditions(member)
        known = conditions_of(member.peer.filters)
        late = member.hello.behind if member.hello else {}
        return {
            pair.parent.number: conditions.get(pair.parent.number, "")
            for pair in member.receiving
            if (greeting is not None and greeting.whole)
            or pair.parent.number in late
            or known.get(pair.parent.number) != conditions.get(pair.parent.number, "")
        }

    def _apply(self, delivery: "Delivery", mark: Mark) -> None:
        member = delivery.member
        hello = member.hello
        if hello is None or delivery.arrival is None:
            return
        applied = delivery.arrival.apply_versions(
            hello.received, mark, delivery.whole, delivery.known, self._check
        )
        member.down = applied.total
        member.warnings += applied.warnings
        floor = mark.gen
        # Edits that are not sent yet were made on older generations, which must not be forgotten.
        after = member.port.hello()
        if after is not None and after.oldest_base is not None:
            floor = min(floor, after.oldest_base)
        member.peer = replace(member.peer, sent=mark, floor=floor, filters=self.filters(member), state=LIVE)
