"""Compares the tables of a cluster's children with their parent's, and brings together what differs.

Rows with edits that are still on their way are no differences. Rows that are set aside are counted apart. Repairing loses nothing: a
child offers all its rows, and those that differ are judged as conflicts, with a record.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from syncd.engine.careful import key_text
from syncd.engine.compare import Findings, Side, compare, identities
from syncd.engine.exchange import Exchange
from syncd.engine.execute import failure_of
from syncd.engine.member import Member
from syncd.engine.pairing import Pair
from syncd.engine.surroundings import comparable
from syncd.engine.verify import EXAMPLES
from syncd.errors import RunCancelledError, SyncdError
from syncd.model.cluster import Direction
from syncd.model.event import StepEnded, StepStarted
from syncd.model.exchange import Tracked
from syncd.model.plan import Relation
from syncd.model.run import Status, StepResult, Verdict
from syncd.model.table import Table
from syncd.ports import Check, Comparable, Emit
from syncd.repository.foresight import fresh_keys, part_of, unsent_keys
from syncd.repository.image import row_of
from syncd.repository.refused import PARENTS, all_refused, key_of
from syncd.worker.cluster import Nodes, counters_of, left_out, open_nodes
from syncd.worker.kept import KeptPorts
from syncd.worker.meeting import Meeting, meet, replica_of
from syncd.worker.wire import ClusterOrder, Place

REPAIR: Final = "repair"
Key = tuple[Any, ...]


@dataclass(slots=True)
class _Compared:
    """One table of one child: what was found, how long it took, and why it could not be compared."""

    member: Member
    pair: Pair
    verdict: Verdict
    seconds: float
    warnings: list[str] = field(default_factory=list)


def agree(order: ClusterOrder, ports: KeptPorts, emit: Emit, check: Check) -> tuple[StepResult, ...]:
    """Carry out an order with `verify`: one step for each table of each child, with its verdict.

    Raises:
        SyncdError: the parent cannot be reached.
    """
    comparing = _Comparing(order, ports, emit, check)
    found = comparing.compare_all()
    if order.verify == REPAIR and any(one.verdict.examples or one.warnings for one in found):
        found = comparing.repair(found)
    return comparing.told(found)


class _Comparing:
    """One comparison of a whole cluster."""

    def __init__(self, order: ClusterOrder, ports: KeptPorts, emit: Emit, check: Check) -> None:
        self._order = order
        self._ports = ports
        self._emit = emit
        self._check = check
        self._nodes: Nodes = open_nodes(order.cluster, order.parent, order.children, ports)
        self._meeting: Meeting = meet(self._nodes)
        self._judged: list[StepResult] = []

    def compare_all(self) -> list[_Compared]:
        """Compare every table of every child that can be reached; what fails at a child is its failure alone."""
        found = []
        for member, place in zip(self._nodes.members, self._order.children, strict=True):
            try:
                if place is not None and member.live:
                    found += [self._compare(member, pair, place) for pair in member.pairs]
            except RunCancelledError:
                raise
            except SyncdError as error:
                member.failure = error
        return found

    def repair(self, found: list[_Compared]) -> list[_Compared]:
        """Let children with differences offer all their rows, run the cluster, and look again."""
        order = self._order
        members = {id(one.member): one.member for one in found if one.verdict.examples}
        for member in members.values():
            # Should another run take these edits to the parent meanwhile, it judges them alike.
            replica_of(member).offer_all(self._check, keep_bases=True)
        ran = open_nodes(order.cluster, order.parent, order.children, self._ports)
        Exchange(order.cluster, ran.parent, ran.members, ran.wheres, self._check, time.time).run()
        self._nodes = open_nodes(order.cluster, order.parent, order.children, self._ports)
        for member, exchanged in zip(self._nodes.members, ran.members, strict=True):
            member.failure = member.failure or exchanged.failure
        self._meeting = meet(self._nodes)
        self._judged = [_judged(member) for member in ran.members if member.up.conflicts]
        before = {(one.member.child.repository, one.pair.parent.number): one for one in found}
        after = self.compare_all()
        return [
            _mended(before.get((one.member.child.repository, one.pair.parent.number)), one) for one in after
        ]

    def told(self, found: Iterable[_Compared]) -> tuple[StepResult, ...]:
        """The steps, each told once."""
        steps = list(self._judged)
        for one in found:
            child = one.member.child.repository
            name = f"{child} {one.pair.parent.name}"
            self._emit(StepStarted(self._order.run, self._order.cluster.name, name, "compare"))
            same = one.verdict.same and not one.verdict.held and not one.warnings
            name_of_cluster = self._order.cluster.name
            said = (
                *one.warnings,
                *_said(one.verdict, name_of_cluster),
                *_aside(one.verdict, name_of_cluster),
            )
            status = Status.OK if same else Status.PARTIAL
            steps.append(
                StepResult(
                    name,
                    status,
                    seconds=one.seconds,
                    warnings=said,
                    verdict=one.verdict,
                    deletes="captured",
                    child=child,
                )
            )
        for member in self._nodes.members:
            steps += _of_member(member)
        if self._meeting.problems:
            steps.append(StepResult("tables", Status.PARTIAL, warnings=tuple(self._meeting.problems)))
        for step in steps:
            self._emit(StepEnded(self._order.run, self._order.cluster.name, step))
        return tuple(steps)

    def _compare(self, member: Member, pair: Pair, place: Place) -> _Compared:
        began = time.monotonic()
        parent = _side(comparable(self._ports.source(self._order.parent), "parent"), pair.parent)
        child = _side(comparable(self._ports.source(place), "child"), pair.child)
        where = self._nodes.wheres(member.child, pair.shared)
        if where:
            select = part_of(self._meeting.parent.store, pair.parent, where)
            parent = replace(parent, relation=Relation(select=select))
        findings = compare(parent, child, keys_only=False, check=self._check)
        for keys in (findings.missing, findings.different, findings.surplus):
            # They take no part, and no repair could bring them anywhere.
            keys[:] = [key for key in keys if None not in key]
        if pair.shared.entry.direction is Direction.UP:
            # Nobody receives the parent's rows of such a table.
            findings.missing = []
        held = self._leave_out(member, pair, parent, child, findings)
        keys = [*findings.missing, *findings.different, *findings.surplus][:EXAMPLES]
        verdict = Verdict(
            "checksum",
            findings.source_rows,
            missing=len(findings.missing),
            different=len(findings.different),
            surplus=len(findings.surplus),
            held=held,
            examples=tuple(key_text(key) for key in keys),
            at=datetime.now(UTC),
        )
        warnings = [*self._untracked(member, pair), *self._unkeyed(member, pair)]
        return _Compared(member, pair, verdict, time.monotonic() - began, warnings)

    def _leave_out(self, member: Member, pair: Pair, parent: Side, child: Side, found: Findings) -> int:
        """Rows that somebody edited since the last run will come together by themselves; those set aside are counted."""
        of_parent, of_child = identities(parent, child)
        mine, theirs = self._meeting.parent, replica_of(member)
        hello = member.hello
        pending: set[tuple[str, ...]] = set()
        held: set[tuple[str, ...]] = set()
        if hello is not None and _tracks(mine.tracked, pair):
            since = hello.received.gen
            if found.count:
                pending.update(of_parent(list(fresh_keys(mine.node, pair.parent, since, self._check))))
            held.update(of_parent(_refused(mine.node, pair.parent, member.peer.number)))
        if _tracks(theirs.tracked, pair):
            if found.count:
                pending.update(of_child(list(unsent_keys(theirs.node, pair.child, self._check))))
            held.update(of_child(_refused(theirs.node, pair.child, PARENTS)))
        pending |= held
        found.missing = _but(found.missing, of_parent, pending)
        found.different = _but(found.different, of_parent, pending)
        found.surplus = _but(found.surplus, of_child, pending)
        return len(held)

    def _unkeyed(self, member: Member, pair: Pair) -> list[str]:
        """Tables with rows that have no value in their key, and so take no part."""
        sides = (
            (self._meeting.parent, pair.parent, self._nodes.cluster.parent),
            (replica_of(member), pair.child, member.child.repository),
        )
        return [f"'{whose}': {said}" for port, table, whose in sides for said in port.unkeyed((table,))]

    def _untracked(self, member: Member, pair: Pair) -> list[str]:
        """Triggers that are missing, so that edits went unnoticed."""
        said = []
        for replica, table, whose in (
            (self._meeting.parent, pair.parent, self._nodes.cluster.parent),
            (replica_of(member), pair.child, member.child.repository),
        ):
            if table.captured and _tracks(replica.tracked, pair):
                full = next(one for one in replica.tracked if one.number == table.number)
                if not replica.store.captures(replica.names, full):
                    said.append(
                        f"the triggers of {table.name} at '{whose}' are missing or changed: edits go unnoticed"
                    )
        return said


def _side(port: Comparable, table: Tracked) -> Side:
    relation = Relation(table=table.name)
    return Side(port, relation, Table(table.name, table.columns, table.key), table.key, table.names)


def _tracks(tracked: Iterable[Tracked], pair: Pair) -> bool:
    return any(one.number == pair.parent.number for one in tracked)


def _refused(node: Any, table: Tracked, peer: int) -> list[Key]:
    rows = [row for row in all_refused(node, peer) if int(row["tbl"]) == table.number]
    return [key_of(table, row_of(table.names, str(row["image"]))) for row in rows]


def _but(
    keys: list[Key], identify: Callable[[list[Key]], list[tuple[str, ...]]], pending: set[tuple[str, ...]]
) -> list[Key]:
    return [key for key, identity in zip(keys, identify(keys), strict=True) if identity not in pending]


def _mended(before: _Compared | None, after: _Compared) -> _Compared:
    """What was found at first, with as many rows repaired as are no differences any more."""
    if before is None:
        return after
    first, last = before.verdict, after.verdict
    count = first.missing + first.different + first.surplus
    left = last.missing + last.different + last.surplus
    verdict = replace(first, repaired=max(0, count - left), held=last.held, at=last.at)
    return replace(after, verdict=verdict, seconds=before.seconds + after.seconds)


def _said(verdict: Verdict, cluster: str) -> tuple[str, ...]:
    counts = ((verdict.missing, "missing"), (verdict.different, "different"), (verdict.surplus, "too many"))
    parts = [f"{count} {word}" for count, word in counts if count]
    if not parts:
        return ()
    found = ", ".join(parts)
    if verdict.same:
        return (f"the child differed from its parent, and was repaired: {found}",)
    done = f": syncd cluster verify {cluster} --repair brings them together"
    if verdict.repaired:
        done = f": {verdict.repaired} repaired"
    return (f"the child differs from its parent: {found}{done}",)


def _aside(verdict: Verdict, cluster: str) -> tuple[str, ...]:
    if not verdict.held:
        return ()
    said = "1 row is" if verdict.held == 1 else f"{verdict.held} rows are"
    return (f"{said} set aside, and may differ until taken: syncd conflicts list {cluster}",)


def _judged(member: Member) -> StepResult:
    """What became of the rows that a child offered."""
    return StepResult(
        f"{member.child.repository} up",
        Status.OK,
        counters_of(member.up),
        seconds=member.up_seconds,
        deletes="captured",
        conflicts=member.up.conflicts,
        conflicts_open=member.up.opened,
        held=member.up.held,
        child=member.child.repository,
    )


def _of_member(member: Member) -> list[StepResult]:
    """What there is to say of a child besides its tables."""
    name = member.child.repository
    if not member.child.takes_part:
        return [StepResult(name, Status.SKIPPED, warnings=(left_out(member.child),))]
    if member.failure is not None:
        return [StepResult(name, Status.FAILED, failure=failure_of(member.failure))]
    if member.warnings:
        return [StepResult(name, Status.PARTIAL, warnings=tuple(member.warnings))]
    return []
