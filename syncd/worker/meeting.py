"""The nodes of a cluster side by side as they are, for commands that ask and write nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from syncd.engine.exchange import REFILLING
from syncd.engine.greeting import greet, parent_lost
from syncd.engine.member import Member, guarded
from syncd.engine.pairing import Shared, pair_with, shared_tables
from syncd.errors import FatalError
from syncd.model.exchange import Hello, Peer, Role
from syncd.repository.replica import Replica
from syncd.worker.cluster import Nodes


@dataclass(frozen=True, slots=True)
class Meeting:
    """What was learnt: the parent's tables that take part, what is wrong with others, and the children that it knows.

    `hello` is None when the parent was never synchronised. Each member knows its pairs of tables, its peer and its hello;
    one that failed carries the failure.
    """

    nodes: Nodes
    shared: Sequence[Shared]
    problems: Sequence[str]
    hello: Hello | None
    peers: dict[str, Peer]

    @property
    def parent(self) -> Replica:
        """The parent."""
        return self.nodes.parent

    @property
    def live(self) -> list[Member]:
        """The children that can be asked."""
        return [member for member in self.nodes.members if member.live]


def meet(nodes: Nodes) -> Meeting:
    """Learn who is there with which tables; what fails at one child is its failure alone.

    Raises:
        SyncdError: the parent cannot be asked.
    """
    parent = nodes.parent
    shared, problems = shared_tables(nodes.cluster, parent, parent.enrolled())
    parent.recall(Role.PARENT, nodes.cluster.parent, [each.tracked for each in shared])
    peers = {peer.name: peer for peer in parent.peers()}
    meeting = Meeting(nodes, shared, problems, parent.hello(), peers)
    for member in meeting.live:
        guarded(member, lambda member=member: _acquaint(meeting, member))  # type: ignore[misc] # bound now
    return replace(meeting, problems=(*problems, *_parent_lost(meeting)))


def replica_of(member: Member) -> Replica:
    """The database of a member.

    Raises:
        FatalError: it has none, or is no database.
    """
    port = member.port
    if not isinstance(port, Replica):
        raise FatalError(f"child '{member.child.repository}' is no database", code="not_offered")
    return port


def _parent_lost(meeting: Meeting) -> list[str]:
    """What the next run will refuse with, when children have seen later states of the parent than it has."""
    cluster = meeting.nodes.cluster
    knowing = [
        member.peer
        for member in meeting.live
        if member.greeting and member.greeting.parent_rewound and member.peer.state != REFILLING
    ]
    if not knowing or cluster.on_parent_restore == "refill":
        return []
    error = parent_lost(cluster.name, meeting.parent.place, knowing)
    return [f"{error.message}; {error.hint}"]


def _acquaint(meeting: Meeting, member: Member) -> None:
    replica, name = replica_of(member), member.child.repository
    found = pair_with(meeting.shared, replica, name, partial(meeting.nodes.wheres, member.child))
    member.pairs = found.pairs
    member.warnings += found.problems
    member.unmatched = found.unmatched
    replica.recall(Role.CHILD, name, [pair.child for pair in found.pairs])
    peer = meeting.peers.get(name)
    member.peer = peer or Peer(name, -1)
    member.hello = replica.hello(peer.received.gen if peer and peer.received.gen >= 0 else None)
    if member.hello is None or meeting.hello is None:
        return
    received = member.hello.received.gen
    mine = meeting.parent.hello(received if received >= 0 else None)
    if mine is not None:
        greeting = greet(
            meeting.nodes.cluster.name,
            name,
            mine,
            mine.recalled,
            peer,
            member.hello,
            list(meeting.peers.values()),
        )
        member.greeting = greeting
        member.peer = replace(greeting.peer, name=name)
