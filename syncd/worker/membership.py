"""One child comes into a cluster or leaves it, and a database gives back what a cluster keeps in it."""

import time
from dataclasses import dataclass, replace

from syncd.engine.exchange import Exchange
from syncd.engine.lease import compact_if_due, expire, floor_of
from syncd.engine.member import Member
from syncd.errors import BusyError, FatalError, SyncdError
from syncd.model.exchange import Role
from syncd.ports import Check
from syncd.repository.foresight import count_unsent
from syncd.repository.node import PARENT
from syncd.repository.record import conflicts_of
from syncd.repository.refused import all_refused
from syncd.repository.replica import Replica
from syncd.worker.cluster import Nodes
from syncd.worker.meeting import meet, replica_of
from syncd.worker.standing import unsent_of


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database keeps for a cluster, which goes when it is taken out.

    `unsent` counts rows with edits that the parent of this node does not have. `children` are known to this parent.
    """

    role: str
    name: str
    tables: int
    unsent: int
    conflicts: int
    held: int
    children: tuple[str, ...] = ()


def join(nodes: Nodes, member: Member, check: Check) -> Member:
    """Bring one declared child into the cluster: its rows are consolidated, and it gets the parent's.

    `nodes` has this child as its only member.

    Raises:
        BusyError: it is a member already, or another run goes on.
        SyncdError: it cannot be reached, or its tables do not fit.
    """
    name = member.child.repository
    if any(peer.name == name and peer.last_seen > 0 for peer in nodes.parent.peers()):
        raise BusyError(
            f"'{name}' is a member of cluster '{nodes.cluster.name}' already",
            hint=f"syncd sync {nodes.cluster.name}; to begin anew, remove it first: syncd cluster remove-child",
            code="member",
        )
    if member.failure is None:
        Exchange(nodes.cluster, nodes.parent, [member], nodes.wheres, check, time.time).run()
    if member.failure is not None:
        raise member.failure
    return member


def unsent_at(nodes: Nodes, member: Member) -> int:
    """How many rows of a child have edits that the parent does not have.

    Raises:
        SyncdError: it cannot be asked.
    """
    meet(nodes)
    if member.failure is not None:
        raise member.failure
    return unsent_of(member) if member.hello is not None else 0


def leave(nodes: Nodes, member: Member | None, name: str, check: Check) -> None:
    """Take the cluster's part out of a child's database, where there is one, and forget the child at the parent.

    Raises:
        BusyError: a run goes on.
    """
    if not nodes.parent.hold():
        raise _locked(nodes)
    try:
        if member is not None:
            replica_of(member).retire(check)
        if nodes.parent.node.exists:
            nodes.parent.dismiss(name, check)
    finally:
        nodes.parent.let_go()


def compact_now(nodes: Nodes, check: Check) -> tuple[int, int, str, list[str]]:
    """Forget what no child can ask for: rows that went, the floor, who holds it, and the children that are expired.

    Raises:
        BusyError: a run goes on.
        FatalError: the cluster was never synchronised.
    """
    parent, cluster = nodes.parent, nodes.cluster
    meeting = meet(nodes)
    if meeting.hello is None:
        raise FatalError(
            f"cluster '{cluster.name}' was never synchronised", hint=f"syncd sync {cluster.name}"
        )
    if not parent.hold():
        raise _locked(nodes)
    try:
        now = time.time()
        peers = expire(parent, now, cluster.lease_days, check)
        floor = floor_of(peers, meeting.hello.mark.gen)
        gone = compact_if_due(parent, peers, replace(meeting.hello, compacted=0.0), now, check)
    finally:
        parent.let_go()
    return gone, floor.gen, floor.holder, [peer.name for peer in peers if peer.state == "expired"]


def kept_in(replica: Replica) -> Kept | None:
    """What a database keeps for a cluster; None when it has no part in it."""
    node = replica.node
    if not node.exists:
        return None
    tables = replica.remembered()
    replica.tracked = tuple(tables)
    hello = node.hello((), None)
    unsent = 0
    children: tuple[str, ...] = ()
    if hello.role is Role.CHILD:
        # What was acknowledged is still listed until the next run: too many are better than too few.
        unsent = sum(count_unsent(node, table, -1) for table in tables)
    else:
        children = tuple(peer.name for peer in node.peers() if peer.name != PARENT and not peer.is_job)
    return Kept(
        hello.role.value,
        hello.name,
        len(tables),
        unsent,
        len(conflicts_of(node)),
        len(all_refused(node)),
        children,
    )


def _locked(nodes: Nodes) -> SyncdError:
    return BusyError(
        f"a run synchronises cluster '{nodes.cluster.name}' at {nodes.parent.place}",
        hint="wait for its end",
        code="locked",
    )
