"""A run of a cluster inside a worker: open the repositories, exchange, say what became of each child."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syncd.engine.condition import render_condition
from syncd.engine.exchange import Exchange, Wheres
from syncd.engine.execute import failure_of
from syncd.engine.member import Member
from syncd.engine.pairing import Shared
from syncd.errors import FatalError, RunCancelledError, SyncdError, TransientError
from syncd.model.cluster import CONNECTED, Child, Cluster
from syncd.model.event import StepEnded, StepStarted
from syncd.model.exchange import TableCounts
from syncd.model.run import Counters, Status, StepResult
from syncd.ports import Check, Emit
from syncd.registry import connector
from syncd.repository.refused import PARENTS, count_refused
from syncd.repository.replica import Replica
from syncd.worker.kept import KeptPorts
from syncd.worker.wire import ClusterOrder, Place

LEFT_OUT: Final = "left out: `connected` is not 'true'"
HINT: Final = "; it must be written in small letters"


def left_out(child: Child) -> str:
    """Why a child takes no part, in words."""
    return LEFT_OUT + (HINT if child.connected.lower() == CONNECTED else "")


@dataclass(frozen=True, slots=True)
class Nodes:
    """The open repositories of a cluster."""

    cluster: Cluster
    parent: Replica
    members: Sequence[Member]
    wheres: Wheres


def carry_out(order: ClusterOrder, ports: KeptPorts, emit: Emit, check: Check) -> tuple[StepResult, ...]:
    """Synchronise the cluster; one step for each child and direction, and one for each child that is left out.

    Raises:
        SyncdError: the parent cannot be reached, or failed.
    """
    nodes = open_nodes(order.cluster, order.parent, order.children, ports)
    teller = _Teller(order, nodes.parent, emit)
    exchange = Exchange(
        order.cluster,
        nodes.parent,
        nodes.members,
        nodes.wheres,
        check,
        time.time,
        full=order.full,
    )
    exchange.run(teller.hear)
    teller.close(nodes.members, exchange.problems)
    return tuple(teller.steps)


def open_nodes(cluster: Cluster, parent: Place, children: Sequence[Place | None], ports: KeptPorts) -> Nodes:
    """Open the repositories; a child that cannot be opened carries its failure.

    Raises:
        SyncdError: the parent cannot be opened.
    """
    main = _open(cluster, parent, ports)
    members = []
    for child, place in zip(cluster.children, children, strict=True):
        member = Member(child)
        if child.takes_part and place is not None:
            try:
                member.repository = _open(cluster, place, ports)
            except RunCancelledError:
                raise
            except SyncdError as error:
                member.failure = error
        members.append(member)
    return Nodes(cluster, main, members, wheres_of(connector(parent.type).dialect))


def wheres_of(dialect: str) -> Wheres:
    """The conditions of children in the SQL of the parent's product."""

    def where(child: Child, shared: Shared) -> str:
        name = shared.tracked.name
        folded = {table.lower(): text for table, text in child.where.items()}
        text = folded.get(str(name).lower(), folded.get(name.name.lower(), shared.entry.where))
        return render_condition(text, dialect, child.repository) if text else ""

    return where


def _open(cluster: Cluster, place: Place, ports: KeptPorts) -> Replica:
    """The repository at a place; a kept connection that is dead is replaced."""
    replica = ports.node(place, cluster.name)
    try:
        replica.look()
    except TransientError:
        ports.forget([place.name])
        replica = ports.node(place, cluster.name)
        replica.look()
    return replica


class _Teller:
    """Turns what became of children into steps, and tells of those in which something happened."""

    def __init__(self, order: ClusterOrder, parent: Replica, emit: Emit) -> None:
        self.steps: list[StepResult] = []
        self._order = order
        self._parent = parent
        self._at_parent: dict[int, int] | None = None
        self._emit = emit
        self._told: set[tuple[str, str]] = set()

    def hear(self, member: Member, way: str) -> None:
        """A child is done with one way."""
        name = member.child.repository
        if not member.child.takes_part or (name, way) in self._told:
            return
        if way == "up" and member.failure is not None:
            # It is told once, with everything, at the end.
            return
        counts, seconds = (
            (member.up, member.up_seconds) if way == "up" else (member.down, member.down_seconds)
        )
        failure = member.failure if way == "down" else None
        warnings = tuple(member.warnings) if way == "down" else ()
        status = Status.PARTIAL if way == "down" and member.unshared else Status.OK
        held = self._still_held(member) if way == "down" and failure is None else 0
        self._tell(name, way, counts, seconds, failure, warnings, status, held)

    def close(self, members: Sequence[Member], problems: Sequence[str]) -> None:
        """Tell what is left: children that were left out, and tables of the parent that cannot take part."""
        for member in members:
            child = member.child
            if not child.takes_part:
                said = (left_out(child), *member.warnings)
                step = StepResult(child.repository, Status.SKIPPED, warnings=said)
                self._end(step)
        if problems:
            failure = failure_of(FatalError("; ".join(problems), code="table_left_out"))
            self._end(StepResult("tables", Status.FAILED, warnings=tuple(problems), failure=failure))

    def _tell(
        self,
        name: str,
        way: str,
        counts: TableCounts,
        seconds: float,
        failure: SyncdError | None,
        warnings: tuple[str, ...],
        status: Status,
        still_held: int,
    ) -> None:
        self._told.add((name, way))
        step = StepResult(
            step=f"{name} {way}",
            status=Status.FAILED if failure is not None else status,
            counters=counters_of(counts),
            nothing_to_do=counts == TableCounts() and failure is None,
            seconds=seconds,
            warnings=warnings,
            failure=failure_of(failure) if failure is not None else None,
            deletes="captured",
            conflicts=counts.conflicts,
            conflicts_open=counts.opened,
            held=counts.held,
            still_held=still_held,
            child=name,
        )
        if step.nothing_to_do and step.status is Status.OK and not warnings:
            # Nothing happened, and a cluster of a hundred children would tell of it two hundred times.
            self.steps.append(step)
            return
        self._emit(StepStarted(self._order.run, self._order.cluster.name, step.step, f"exchange {way}"))
        self._end(step)

    def _still_held(self, member: Member) -> int:
        """How many rows of a child are set aside at either side, now that all children are done."""
        if self._at_parent is None:
            self._at_parent = count_refused(self._parent.node)
        count = self._at_parent.get(member.peer.number, 0)
        # A child without news is not asked once more: it has said whether rows wait to be tried again.
        waits = member.hello is not None and member.hello.next_try is not None
        if isinstance(member.repository, Replica) and (waits or member.down.held):
            count += count_refused(member.repository.node).get(PARENTS, 0)
        return count

    def _end(self, step: StepResult) -> None:
        self.steps.append(step)
        self._emit(StepEnded(self._order.run, self._order.cluster.name, step))


def counters_of(counts: TableCounts) -> Counters:
    """What became of the rows as every run counts it; rows that were deleted are not among those read."""
    read = max(counts.received - counts.deleted, counts.inserted + counts.updated + counts.held)
    return Counters(
        read=read,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=read - counts.inserted - counts.updated - counts.held,
        rejected=counts.held,
        deleted=counts.deleted,
    )
