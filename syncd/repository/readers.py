"""One-way jobs as peers of a parent whose changes they read."""

from collections.abc import Sequence
from dataclasses import replace

from syncd.model.exchange import JOB, Peer
from syncd.repository.node import Node


def name_of(reader: str) -> str:
    """The name under which a node knows a job's step."""
    return f"{JOB}{reader}"


def restart_feeds(node: Node, number: int) -> None:
    """Changes of a table may have been missed until now: jobs that read it start anew."""
    jobs = [peer for peer in node.peers() if peer.is_job and peer.filters == str(number)]
    if jobs:
        mark = node.advance()
        for peer in jobs:
            node.put_peer(replace(peer, received=mark))


def forget_feeds(node: Node, number: int) -> None:
    """A table is not tracked any more: nothing is kept for jobs that read it."""
    for peer in node.peers():
        if peer.is_job and peer.filters == str(number):
            node.drop_peer(peer.name)


def is_ahead(peers: Sequence[Peer], gen: int) -> bool:
    """Was the present generation counted for a job, and no child has got it since?"""
    children = [peer.sent.gen for peer in peers if not peer.is_job]
    counted = max((peer.epoch for peer in peers if peer.is_job), default=-1)
    return bool(children) and counted == gen > max(children)
