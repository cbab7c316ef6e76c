"""Everything that a set of files declares, typed."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from syncd.model.cluster import Cluster
from syncd.model.definitions import Connection, Limits, Logs, Replication, State

Work: TypeAlias = Replication | Cluster
"""What can be started: it has a name, a schedule, connections and runs."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything one set of files declares, checked and with secrets resolved.

    `digest` is a hash of the meaning (secrets included, one way), equal for files that mean the same.
    `files` are the paths that were read, in order. Jobs and clusters share their names: none stands in both.
    """

    state: State
    connections: Mapping[str, Connection]
    jobs: Mapping[str, Replication]
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    logs: Logs = field(default_factory=Logs)
    limits: Limits = field(default_factory=Limits)
    files: tuple[str, ...] = ()
    digest: str = ""

    @property
    def work(self) -> Mapping[str, Work]:
        """All that can be started, by name: jobs, then clusters."""
        # Asked for with every firing: a copy of thousands of jobs each time would be noticed.
        maps = (cast("MutableMapping[str, Work]", one) for one in (self.clusters, self.jobs))
        return ChainMap(*maps)
