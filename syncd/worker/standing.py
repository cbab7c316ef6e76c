"""How a cluster stands: its parent, each child, and what keeps the parent from forgetting old changes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from syncd.engine.execute import failure_of
from syncd.engine.lease import floor_of, lease_warning, used_part
from syncd.engine.member import Member, guarded
from syncd.model.cluster import Child
from syncd.model.exchange import Peer
from syncd.model.run import Failure
from syncd.repository.foresight import count_unsent
from syncd.repository.record import conflicts_of
from syncd.repository.refused import all_refused
from syncd.worker.cluster import left_out
from syncd.worker.meeting import Meeting, replica_of


@dataclass(frozen=True, slots=True)
class ChildStanding:
    """One child. None stands for what cannot be known, because the child cannot be asked or was never here.

    `state` is new, live, expired, left out, unreachable, failed or not declared (the parent keeps it, the configuration does not
    name it). `unsent` counts rows with edits that the parent does not have, `behind` the parent's generations that the
    child does not have, `lease_used` the part of its lease that is over.
    """

    child: str
    connected: str
    state: str
    last_seen: str | None = None
    unsent: int | None = None
    behind: int | None = None
    held: int = 0
    conflicts_open: int = 0
    lease_used: float = 0.0
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ClusterStanding:
    """The cluster. `floor` is the generation below which nothing is needed, and `floor_holder` the child that keeps it there."""

    cluster: str
    parent: str
    place: str
    generation: int | None
    changed: bool
    floor: int
    floor_holder: str
    compacted: str | None
    conflicts: int
    conflicts_open: int
    children: tuple[ChildStanding, ...]
    problems: tuple[str, ...] = ()


def standing_of(meeting: Meeting) -> ClusterStanding:
    """Ask all nodes; nothing is written."""
    cluster, node = meeting.nodes.cluster, meeting.parent.node
    records = conflicts_of(node) if node.exists else []
    waiting = [str(record["child"]) for record in records if record["state"] == "open"]
    hello = meeting.hello
    floor = floor_of(list(meeting.peers.values()), hello.mark.gen if hello else 0)
    children = [_child(meeting, member, waiting) for member in meeting.nodes.members]
    declared = {child.repository for child in cluster.children}
    children += [
        _undeclared(meeting, peer, waiting)
        for name, peer in meeting.peers.items()
        if name not in declared and not peer.is_job
    ]
    return ClusterStanding(
        cluster.name,
        cluster.parent,
        meeting.parent.place,
        hello.mark.gen if hello else None,
        hello.changed if hello else False,
        floor.gen,
        floor.holder,
        _moment(hello.compacted) if hello else None,
        len(records),
        len(waiting),
        tuple(children),
        tuple(meeting.problems),
    )


def unsent_of(member: Member) -> int:
    """How many rows of a child have edits that the parent does not have."""
    replica = replica_of(member)
    received = member.peer.received.gen
    return sum(count_unsent(replica.node, table, received) for table in replica.tracked)


def _child(meeting: Meeting, member: Member, waiting: Sequence[str]) -> ChildStanding:
    child, name = member.child, member.child.repository
    peer = meeting.peers.get(name)
    unsent: list[int] = []
    if member.live and member.hello is not None:
        guarded(member, lambda: unsent.append(unsent_of(member)))
    hello = member.hello
    behind = None
    if hello is not None and meeting.hello is not None:
        behind = max(0, meeting.hello.mark.gen - max(0, hello.received.gen))
    held = len(all_refused(meeting.parent.node, peer.number)) if peer else 0
    if member.live and hello is not None:
        held += len(all_refused(replica_of(member).node, 0))
    return ChildStanding(
        name,
        child.connected,
        _state(child, member, peer),
        _moment(peer.last_seen) if peer else None,
        unsent[0] if unsent else None,
        behind,
        held,
        waiting.count(name),
        _used(meeting, peer),
        (
            *((left_out(child),) if not child.takes_part else ()),
            *member.warnings,
            *member.unmatched,
            *_lease(meeting, peer),
        ),
        failure_of(member.failure) if member.failure is not None else None,
    )


def _undeclared(meeting: Meeting, peer: Peer, waiting: Sequence[str]) -> ChildStanding:
    name = meeting.nodes.cluster.name
    said = (
        f"'{peer.name}' is not declared any more, and the parent still keeps changes for it:"
        f" syncd cluster remove-child {name} {peer.name}"
    )
    return ChildStanding(
        peer.name,
        "",
        "not declared",
        _moment(peer.last_seen),
        held=len(all_refused(meeting.parent.node, peer.number)),
        conflicts_open=waiting.count(peer.name),
        lease_used=_used(meeting, peer),
        warnings=(said, *_lease(meeting, peer)),
    )


def _state(child: Child, member: Member, peer: Peer | None) -> str:
    if not child.takes_part:
        return "left out"
    if member.failure is not None:
        return "unreachable" if member.repository is None else "failed"
    return peer.state if peer is not None else "new"


def _lease(meeting: Meeting, peer: Peer | None) -> tuple[str, ...]:
    said = lease_warning(peer, time.time(), meeting.nodes.cluster.lease_days) if peer is not None else ""
    return (said,) if said else ()


def _used(meeting: Meeting, peer: Peer | None) -> float:
    days = meeting.nodes.cluster.lease_days
    return round(used_part(peer, time.time(), days), 3) if peer is not None else 0.0


def _moment(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds > 0 else None
