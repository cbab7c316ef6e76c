"""How long a child may stay away, and what its parent must keep for it meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncd.cluster_ports import Repository
from syncd.model.exchange import Hello, Peer
from syncd.ports import Check

DAY_SECONDS: Final = 86_400.0
WARNED_AT: Final = (0.8, 0.5)
"""Of the lease, at which parts a person is told."""
COMPACT_EVERY_SECONDS: Final = 3600.0
LIVE: Final = "live"
EXPIRED: Final = "expired"


@dataclass(frozen=True, slots=True)
class Floor:
    """Up to which generation nobody can ask for single changes any more, and the child that keeps it from rising."""

    gen: int
    holder: str = ""


def floor_of(peers: Sequence[Peer], gen: int) -> Floor:
    """The floor of a parent that is at generation `gen`; expired children hold nothing."""
    live = [peer for peer in peers if peer.state != EXPIRED]
    lowest = min(live, key=lambda peer: peer.floor, default=None)
    if lowest is None or lowest.floor >= gen:
        return Floor(gen)
    return Floor(max(0, lowest.floor), lowest.name)


def used_part(peer: Peer, now: float, lease_days: int) -> float:
    """How much of its lease a child has used up: 0 when it is here now, 1 and more when the lease is over."""
    if peer.last_seen <= 0:
        return 0.0
    return max(0.0, now - peer.last_seen) / (lease_days * DAY_SECONDS)


def lease_warning(peer: Peer, now: float, lease_days: int) -> str:
    """What a person should know of a child that stays away; empty when there is nothing to say."""
    days = int(max(0.0, now - peer.last_seen) / DAY_SECONDS)
    if peer.state == EXPIRED:
        return (
            f"'{peer.name}' was away for more than its lease of {lease_days} days: nothing is kept for it any more;"
            " when it comes back, it sends what it has and gets everything anew"
        )
    part = used_part(peer, now, lease_days)
    passed = next((step for step in WARNED_AT if part >= step), None)
    if passed is None:
        return ""
    return (
        f"'{peer.name}' has not been here for {days} of the {lease_days} days of its lease ({passed:.0%} are over);"
        " until then the parent keeps all changes for it"
    )


def lapsed(peers: Sequence[Peer], now: float, lease_days: int) -> list[Peer]:
    """The live children whose lease is over, as expired ones."""
    return [
        replace(peer, state=EXPIRED)
        for peer in peers
        if peer.state == LIVE and used_part(peer, now, lease_days) >= 1
    ]


def expire(parent: Repository, now: float, lease_days: int, check: Check) -> list[Peer]:
    """Let go of children whose lease is over; the children as they stand afterwards. Writes only what changed."""
    peers = parent.peers()
    gone = {peer.name: peer for peer in lapsed(peers, now, lease_days)}
    if gone:
        parent.admit(list(gone.values()), check)
    return [gone.get(peer.name, peer) for peer in peers]


def compact_if_due(parent: Repository, peers: Sequence[Peer], mine: Hello, now: float, check: Check) -> int:
    """Forget what no child can ask for, at most once an hour; how many rows of ours went."""
    floor = floor_of(peers, mine.mark.gen)
    if floor.gen <= mine.oldest_gen or now - mine.compacted < COMPACT_EVERY_SECONDS:
        return 0
    return parent.compact(floor.gen, check)
