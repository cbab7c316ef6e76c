"""A parent of a cluster that feeds a one-way job, and how tests edit, look and compact."""

import time
from typing import Any

from syncd.engine.lease import compact_if_due, expire
from syncd.engine.pairing import shared_tables
from syncd.model.cluster import Child, Cluster, ClusterTable
from syncd.model.exchange import Role
from syncd.model.options import Deletes
from syncd.registry import connector
from syncd.repository.naming import slug_of
from syncd.repository.replica import Replica
from tests.stores import Outcome, Pair

CLUSTER = "shop"
HARD = {"check": None, "deletes": Deletes.HARD, "max_delete_percent": 100.0}


def nothing() -> None:
    """A check that never stops."""


class Feeding:
    """A pair of stores whose source is the parent of a cluster with these tables."""

    def __init__(self, pair: Pair, *tables: str) -> None:
        self.pair = pair
        self.tables = tables or ("t",)

    def replica(self) -> Replica:
        """The parent as a node, opened anew."""
        opener: Any = connector(self.pair.source.type)
        return Replica(opener.open_store(self.pair.source.options()), CLUSTER, time.time)

    def enrol(self, role: Role = Role.PARENT, key: tuple[str, ...] = (), **policy: Any) -> list[str]:
        """Do what a run of the cluster does first at a parent."""
        entries = tuple(ClusterTable(name, key=key) for name in self.tables)
        cluster = Cluster(CLUSTER, "P", "p", (Child("C", "c"),), entries, **policy)
        replica = self.replica()
        try:
            shared, problems = shared_tables(cluster, replica, replica.enrolled())
            assert not problems
            return replica.enrol(role, "P", [each.tracked for each in shared], "", nothing)
        finally:
            replica.close()

    def compact(self, days_later: int = 0) -> int:
        """Forget what nobody needs, as a run does; how many rows of ours went."""
        replica = self.replica()
        try:
            replica.tracked = tuple(replica.remembered())
            mine = replica.hello()
            assert mine is not None
            now = time.time() + days_later * 86_400
            return compact_if_due(replica, expire(replica, now, 90, nothing), mine, now, nothing)
        finally:
            replica.close()

    def seal(self) -> None:
        """Count what was edited, as a run of the cluster does."""
        replica = self.replica()
        try:
            replica.tracked = tuple(replica.remembered())
            departure = replica.depart(Role.PARENT, 0, {}, nothing)
            departure.seal(nothing)
            departure.close()
        finally:
            replica.close()

    def kept(self, table: str = "row") -> int:
        """How many rows one of the first table's logs has."""
        return int(self.pair.source.rows(f"SELECT count(*) FROM syncd_{slug_of(CLUSTER)}_1_{table}")[0][0])

    def edit(self, *statements: str) -> None:
        """Run statements at the source."""
        for statement in statements:
            self.pair.source.execute(statement)

    def run(self, **options: Any) -> Outcome:
        """Run the job, which must succeed."""
        return self.pair.ok(**{**HARD, **options})

    def equal(self, table: str = "t") -> bool:
        """Do both sides hold the same?"""
        sql = f"SELECT * FROM {table}"
        both = [sorted(map(repr, one.rows(sql))) for one in (self.pair.source, self.pair.destination)]
        return both[0] == both[1]
