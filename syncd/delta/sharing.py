"""Which tables a child shares with a parent that is known by its file alone."""

from collections.abc import Sequence
from dataclasses import replace

from syncd.delta.header import DeltaTable
from syncd.engine.pairing import Pairs, Shared, pair_with
from syncd.model.cluster import ClusterTable, ConflictPolicy
from syncd.model.table import Table
from syncd.repository.replica import Replica


def pairs_with(tables: Sequence[DeltaTable], child: Replica, name: str) -> Pairs:
    """The parent's tables with the child's own; those that do not fit with the reason."""
    return pair_with([_shared(table) for table in tables], child, name)


def _shared(table: DeltaTable) -> Shared:
    tracked, sums = replace(table.tracked, sums=()), table.tracked.sums
    entry = ClusterTable(str(tracked.name), table.direction)
    return Shared(entry, ConflictPolicy(), tracked, Table(tracked.name, tracked.columns, tracked.key), sums)
