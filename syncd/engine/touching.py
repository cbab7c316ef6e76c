"""Tells of triggers of the users that change rows while they arrive, so that nodes never hold the same."""

from collections.abc import Sequence

from syncd.cluster_ports import Repository
from syncd.engine.member import Member
from syncd.engine.pairing import Shared
from syncd.model.exchange import Tracked


def touched_by(port: Repository, name: str, tables: Sequence[Tracked]) -> list[str]:
    """In words, the triggers of a repository's tables that may change rows which arrive there."""
    return [
        f"table {table.name} at '{name}' has triggers of its own that fire when rows arrive: {', '.join(found)};"
        " what they change never becomes the same as elsewhere: let the application write these values instead"
        for table in tables
        if (found := port.touching(table))
    ]


def warn_of_triggers(parent: Repository, name: str, shared: Sequence[Shared], live: Sequence[Member]) -> None:
    """Say it once: with the run in which a node's own triggers are made. `shared` is empty for a parent that is not new."""
    for member in live:
        if member.done:
            mine = [pair.child for pair in member.pairs]
            member.warnings += touched_by(member.port, member.child.repository, mine)
    if live and shared:
        live[0].warnings += touched_by(parent, name, [each.tracked for each in shared])
