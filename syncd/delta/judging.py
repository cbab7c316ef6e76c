"""May a file be applied here? Judged by what it says of itself and what this node knows, before any row is read."""

from collections.abc import Callable
from enum import Enum, auto
from shlex import quote

from syncd.delta.header import Cargo, Header
from syncd.errors import FatalError
from syncd.model.cluster import Cluster
from syncd.model.exchange import Hello, Mark, Peer


class Verdict(Enum):
    """What is to be done with a file that is not refused."""

    APPLY = auto()
    REPEATED = auto()
    """It was applied before, or one was that has all of it."""


def check_address(header: Header, cluster: Cluster, name: str, node_id: str, path: str) -> None:
    """Is the file for this node?

    Raises:
        FatalError: it is for another cluster, repository or database (codes ``other_cluster``, ``other_repository``, ``identity``).
    """
    if header.cluster != cluster.name:
        raise FatalError(
            f"{path} is of cluster '{header.cluster}', not of '{cluster.name}'; nothing was applied",
            hint=f"syncd import {header.cluster} {path}",
            code="other_cluster",
        )
    sender = header.sender if header.kind is Cargo.EDITS else header.receiver
    children = {child.repository for child in cluster.children}
    parent = header.receiver if header.kind is Cargo.EDITS else header.sender
    if parent != cluster.parent or sender not in children or header.receiver != name:
        raise FatalError(
            f"{path} goes from '{header.sender}' to '{header.receiver}', and this is '{name}'; nothing was applied",
            hint="the configurations of both sites name the same parent and children",
            code="other_repository",
        )
    if header.receiver_id and header.receiver_id != node_id:
        raise FatalError(
            f"{path} is for another database that was '{name}'; nothing was applied",
            hint=(
                f"for a new database let the parent forget the old one, and export again:"
                f" syncd cluster remove-child {cluster.name} {sender}"
            ),
            code="identity",
        )
    if header.sender_id == node_id:
        raise FatalError(
            f"node identity used twice: {path} comes from a copy of this database; nothing was applied",
            hint=f"at the site of the copy take the cluster's part out of it: syncd cluster untrack {quote(cluster.name)} {quote(header.sender)}",
            code="identity",
        )


def check_past(
    header: Header, hello: Hello | None, parent: Peer, path: str, renew: Callable[[int], None]
) -> None:
    """Do this child and its parent's file agree about their past? `hello` recalls the state that the parent has of this child.

    A child that finds itself restored takes another epoch by `renew`, with which its next file is taken for a new start.

    Raises:
        FatalError: they do not (codes ``identity``, ``parent_restored``).
    """
    if hello is None:
        return
    if parent.id and parent.id != header.sender_id:
        raise FatalError(
            f"{path} comes from another parent than the files before it; nothing was applied",
            hint=f"to follow the new one take the cluster's part out of this database: {_untrack(header)}",
            code="identity",
        )
    if header.sender_epoch < parent.epoch and parent.id:
        raise FatalError(
            f"{path} comes from an older copy of the parent's database; nothing was applied", code="identity"
        )
    if header.receiver_id and header.receiver_epoch < hello.epoch:
        raise FatalError(
            f"{path} was written before the parent knew that this repository was restored; nothing was applied",
            hint=f"export from here, import that at the parent, and export again: syncd export {header.cluster} {header.receiver} FILE",
            code="identity",
        )
    if header.received.gen >= 0 and hello.recalled != header.received.token:
        renew(header.received.gen)
        raise FatalError(
            f"this repository was restored from a copy, or is a copy: {path} acknowledges edits that it never made;"
            " nothing was applied",
            hint=f"it counts anew now: syncd export {header.cluster} {header.receiver} FILE, and the parent's next file brings back what was lost",
            code="identity",
        )
    token = header.token(parent.received.gen)
    if token is not None and token != parent.received.token:
        raise FatalError(
            f"the parent '{header.sender}' was restored from a copy: this repository has seen later states of it;"
            " nothing was applied",
            hint=f"let the parent be filled again by its connected children, then join anew: {_untrack(header)}",
            code="parent_restored",
        )


def _untrack(header: Header) -> str:
    return f"syncd cluster untrack {quote(header.cluster)} {quote(header.receiver)}"


def judge(header: Header, received: Mark, acknowledged: Mark, known: bool, path: str) -> Verdict:
    """Does the file follow on what was received of its sender?

    `received` is the sender's state that this node has, `acknowledged` its own that it knows the sender to have; `known`: the
    file's state came here with a file already.

    Raises:
        FatalError: a file between is missing (code ``file_missing``), or it is of another past (``old_file``).
    """
    if header.ack_only:
        return Verdict.APPLY if header.received.gen > acknowledged.gen else Verdict.REPEATED
    if header.mark == received:
        return Verdict.APPLY if header.received.gen > acknowledged.gen else Verdict.REPEATED
    if header.mark.gen <= received.gen:
        if known:
            return Verdict.REPEATED
        raise FatalError(
            f"{path} is of generation {header.mark.gen} of '{header.sender}', this repository has {received.gen} of it,"
            " and never saw this file; nothing was applied",
            hint=(
                "it is older than an exchange without files, or its sender was restored from a copy: then import this"
                " side's newest file there, and export again"
            ),
            code="old_file",
        )
    if header.since.gen > received.gen:
        raise FatalError(
            f"a file is missing: this one needs generation {header.since.gen}..{header.mark.gen}, this repository has"
            f" {received.gen if received.gen >= 0 else 'none'}; nothing was applied",
            hint="import the files before it first, or export again without --only-new",
            code="file_missing",
        )
    return Verdict.APPLY
