"""Which tables a child shares with a parent that is known by its file alone."""

from collections.abc import Sequence
from dataclasses import replace

from syncd.delta.content import named
from syncd.delta.header import Cargo, DeltaTable
from syncd.delta.site import Site
from syncd.engine.pairing import Pair, Pairs, Shared, pair_with
from syncd.model.cluster import ClusterTable, ConflictPolicy
from syncd.model.exchange import Role
from syncd.model.table import Table
from syncd.repository.node import PARENT


def enrolled(site: Site, tables: Sequence[DeltaTable], *, whole: bool) -> Pairs:
    """Be a child with the parent's tables; those that do not fit with the reason.

    A table that took no part for a while is out of step until all its rows have come: it waits for a file that has them
    (`whole`: the tables are of such a file that is being applied). The parent sends them when a file from here was without it.
    """
    port, name = site.port, site.child.repository
    found = pair_with([_shared(table) for table in tables], port, name)
    late = behind(site) - {table.tracked.number for table in tables if whole and table.whole}
    pairs = tuple(pair for pair in found.pairs if pair.child.number not in late)
    waiting = tuple(
        f"{pair.child.name} with '{name}' waits for all its rows: they come with the parent's next file after one from here"
        for pair in found.pairs
        if pair.child.number in late
    )
    if pairs or not found.problems:
        declared = {table.tracked.number for table in tables}
        tracked = [pair.child for pair in pairs]
        port.enrol(Role.CHILD, name, tracked, site.child.on_join, site.check, declared)
    return Pairs(pairs, (*found.problems, *waiting))


def behind(site: Site) -> set[int]:
    """The tables at a child that are not in step with the others, by number."""
    node = site.port.node
    if not node.exists:
        return set()
    received = node.peer(PARENT).received.gen
    return {number for number, gen in node.behind().items() if gen < received}


def tables_for(pairs: Sequence[Pair], cargo: Cargo) -> list[DeltaTable]:
    """The tables of a file with what its receiver must know of them."""
    own = [pair.parent if cargo is Cargo.VERSIONS else pair.child for pair in pairs]
    made = named(
        [(table, pair.shared.entry.direction) for table, pair in zip(own, pairs, strict=True)], cargo
    )
    return [replace(table, key=pair.shared.entry.key) for table, pair in zip(made, pairs, strict=True)]


def _shared(table: DeltaTable) -> Shared:
    tracked, sums = replace(table.tracked, sums=()), table.tracked.sums
    entry = ClusterTable(str(tracked.name), table.direction, key=table.key)
    return Shared(entry, ConflictPolicy(), tracked, Table(tracked.name, tracked.columns, tracked.key), sums)
