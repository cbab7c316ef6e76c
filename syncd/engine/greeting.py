"""Do two repositories agree about their past? A restored, copied or exchanged database is told before any row moves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote

from syncd.errors import FatalError
from syncd.model.exchange import START, Hello, Peer


@dataclass(frozen=True, slots=True)
class Greeting:
    """How a child goes on. `whole`: it needs all rows, since changes are not known one by one since it was here.

    `rewound`: it was restored from a copy and takes another epoch; what it sent since then comes back to it.
    `parent_rewound`: the parent was restored; its children know more than it does. `fresh`: nothing of it can have come
    to the parent in a time of which the parent knows nothing.
    """

    peer: Peer
    whole: bool = False
    rewound: bool = False
    parent_rewound: bool = False
    fresh: bool = False


def greet(
    cluster: str,
    name: str,
    parent: Hello,
    recalled: str | None,
    peer: Peer | None,
    child: Hello,
    others: list[Peer],
) -> Greeting:
    """Judge a child that says hello. `name` is how it is called here: a copy goes on saying the name of its original.

    `recalled` is the parent's token at the generation that the child has of it, `child.recalled` the child's at the one that
    the parent has of the child. `others` are all children that the parent knows.

    Raises:
        FatalError: the database is used under another name too, or is a copy of one that went on since (code ``identity``).
    """
    _refuse_copy(cluster, name, parent, child, others)
    # By file a child has the parent's rows before the parent has heard of it.
    fresh = child.epoch == 1 and (peer is not None or child.received.gen < 0)
    # The child let go of what the parent had once: nobody else can tell that it has it no more.
    lost = peer is not None and peer.id == child.id and 0 <= peer.received.gen < child.confirmed
    # Rows of one that is gone may still bear its number.
    number = max([parent.last_peer, *(other.number for other in others)]) + 1
    if peer is None or not peer.id or peer.id != child.id:
        peer = Peer(name, number, id=child.id, epoch=child.epoch, floor=0)
    elif child.epoch < peer.epoch:
        raise FatalError(
            f"the database of '{peer.name}' is an older copy of one that has taken part since then",
            hint="two databases use one identity: go on with the newer one, or take the cluster's part out of this one:"
            f" syncd cluster untrack {quote(cluster)} {quote(name)}",
            code="identity",
        )
    elif child.epoch > peer.epoch:
        peer = replace(peer, epoch=child.epoch, number=number, received=START)
    rewound = peer.received.gen >= 0 and child.recalled != peer.received.token
    if rewound:
        peer = replace(peer, number=number)
    has = child.received
    fresh = fresh and not rewound
    if has.gen < max(0, parent.oldest_gen):
        return Greeting(peer, whole=True, rewound=rewound, parent_rewound=lost, fresh=fresh)
    return Greeting(peer, rewound=rewound, parent_rewound=lost or recalled != has.token, fresh=fresh)


def parent_lost(cluster: str, place: str, peers: Sequence[Peer]) -> FatalError:
    """What to say when these children know later states of their parent than it does itself."""
    names = ", ".join(f"'{peer.name}'" for peer in peers)
    refill = "to fill it again from the children, set on_parent_restore: refill"
    if all(peer.received == peer.sent == START for peer in peers):
        commands = "; ".join(f"syncd cluster untrack {quote(cluster)} {quote(peer.name)}" for peer in peers)
        return FatalError(
            f"the parent's database {place} knows nothing of this cluster any more, but {names} took part in it:"
            " it was untracked, made anew, or restored from a copy without the cluster's part",
            hint=f"{refill}; to begin anew, untrack the children, too: {commands}; no row was changed",
            code="parent_restored",
        )
    return FatalError(
        f"the parent's database {place} was restored from a copy: {names} have seen later states of it",
        hint=f"{refill}; no row was changed",
        code="parent_restored",
    )


def _refuse_copy(cluster: str, name: str, parent: Hello, child: Hello, others: Sequence[Peer]) -> None:
    if child.id == parent.id:
        raise _twice(cluster, name, "the parent's own database")
    for other in others:
        if other.id == child.id and other.name != name:
            raise _twice(
                cluster,
                name,
                f"that of the child '{other.name}'",
                f"; was '{other.name}' renamed? Then"
                f" remove the old name: syncd cluster remove-child {quote(cluster)} {quote(other.name)}",
            )


def _twice(cluster: str, name: str, whose: str, more: str = "") -> FatalError:
    return FatalError(
        f"node identity used twice: the database of '{name}' is a copy of {whose}",
        hint=f"take the cluster's part out of the copy: syncd cluster untrack {quote(cluster)} {quote(name)}; then it joins"
        f" as a new child{more}",
        code="identity",
    )
