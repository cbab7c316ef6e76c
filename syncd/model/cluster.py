"""Clusters as a user declares them: one parent, its children, the tables they share and how conflicts are settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from syncd.model.definitions import Email, Events, Origin, Retry, Schedule
from syncd.model.secret import Secret
from syncd.model.table import TableName

CONNECTED = "true"
"""The one value of `connected` with which a child is synchronised. Source: Synchronize Job Data, Input_Multi_Name."""


class Direction(StrEnum):
    """Which way the edits of a table go."""

    BOTH = "both"
    DOWN = "down"
    """From the parent to the children; what is edited at a child stays there until the parent's row changes."""
    UP = "up"
    """From the children to the parent; nobody receives the parent's rows."""


class Winner(StrEnum):
    """Who wins a conflict, or who decides."""

    PARENT = "parent"
    CHILD = "child"
    NEWEST = "newest"
    MERGE_FIELDS = "merge-fields"
    """Columns that only one side changed are taken from that side; the others as `then` says."""
    MANUAL = "manual"
    """The parent's row stays in force, and the record waits for a person."""
    PRIORITY = "priority"
    """The repository that stands first in `priority`."""


class Combine(StrEnum):
    """How two values of one column become one."""

    MAX = "max"
    MIN = "min"
    APPEND = "append"
    """The parent's text, then what the child's text has more than the base, or all of it."""
    SUM = "sum"
    """The parent's number and what the child added to the one that its edits were made on."""


class DeleteRule(StrEnum):
    """What becomes of a row that one side deleted and the other changed."""

    LOSES = "loses"
    """The changed row stays: data are kept."""
    WINS = "wins"
    POLICY = "policy"
    """Whoever wins by the policy, a deletion included."""


@dataclass(frozen=True, slots=True)
class ConflictPolicy:
    """How the conflicts of a table are settled.

    `newest_by` is the column whose higher value wins, NULL being the lowest and the parent winning a tie. `columns` says
    for single columns how both values become one; the other columns follow `winner`, and in `merge-fields` those that
    both sides changed follow `then`. `priority` names repositories, the strongest first.
    """

    winner: Winner = Winner.PARENT
    newest_by: str = ""
    columns: Mapping[str, Combine] = field(default_factory=dict)
    then: Winner = Winner.PARENT
    priority: tuple[str, ...] = ()
    delete: DeleteRule = DeleteRule.LOSES

    @property
    def by_column(self) -> bool:
        """Must it be known which columns were changed?"""
        return self.winner is Winner.MERGE_FIELDS or bool(self.columns)

    @property
    def summed(self) -> tuple[str, ...]:
        """The columns in which both sides' additions count."""
        return tuple(name for name, rule in self.columns.items() if rule is Combine.SUM)


@dataclass(frozen=True, slots=True)
class ClusterTable:
    """One entry of a cluster's tables: a name, or a pattern with ``*`` and ``?``.

    `where` is a condition over the parent's columns; ``:child`` in it stands for the child's repository name. `conflict`
    is None where the cluster's own policy holds. `allow_outside`: children may send rows that the condition leaves out.
    """

    name: str
    direction: Direction = Direction.BOTH
    where: str = ""
    conflict: ConflictPolicy | None = None
    key: tuple[str, ...] = ()
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """One child of a cluster. It is synchronised when `connected` is exactly ``true``.

    `connection` may be empty for a child that takes part by files, `url` is the address under which callers know it. `where`
    gives for single tables another condition than the table's own. `on_join` says what happens at the first contact when both sides hold rows already.
    """

    repository: str
    connection: str = ""
    connected: str = CONNECTED
    url: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    on_join: str = "merge"
    last_sync_time: str = ""

    @property
    def takes_part(self) -> bool:
        """Is it synchronised, and not only by files?"""
        return self.connected == CONNECTED


@dataclass(frozen=True, slots=True)
class Cluster:
    """A parent repository and its children, kept equal in both directions.

    Without `parent_connection` this is the site of a child that takes part by files, and nothing of it can be run.
    `watch` starts a run as soon as one of the repositories says that something changed. `lease_days` is how long a child
    may stay away before the parent stops keeping history for it. The fields from `verbosity` on are those of a job.
    """

    name: str
    parent: str
    parent_connection: str
    children: tuple[Child, ...]
    tables: tuple[ClusterTable, ...]
    parent_url: str = ""
    exclude: tuple[str, ...] = ()
    conflict: ConflictPolicy = field(default_factory=ConflictPolicy)
    watch: bool = False
    lease_days: int = 90
    signing_key: Secret | None = None
    max_skew_seconds: float = 60.0
    on_parent_restore: str = "refuse"
    verbosity: int = 2
    schedule: Schedule | None = None
    after: tuple[str, ...] = ()
    enabled: bool = True
    timeout_seconds: float | None = None
    retry: Retry = field(default_factory=Retry)
    events: Events = field(default_factory=Events)
    email: Email = field(default_factory=Email)
    description: str = ""
    origin: Origin | None = None

    def entry(self, table: TableName) -> ClusterTable | None:
        """The entry of `tables` that holds for a table, None when the cluster leaves it out.

        The one with its very name holds, else the first pattern that fits, unless `exclude` fits too. Case does not
        count, and an entry without a schema fits in every one.
        """
        names = (table.name.lower(), str(table).lower())
        for entry in self.tables:
            if entry.name.lower() in names:
                return entry
        if any(fnmatchcase(name, pattern.lower()) for name in names for pattern in self.exclude):
            return None
        fitting = (one for one in self.tables for name in names if fnmatchcase(name, one.name.lower()))
        return next(fitting, None)

    @property
    def connections(self) -> tuple[str, ...]:
        """Every connection that a run of it opens, the parent's first."""
        others = [child.connection for child in self.children if child.takes_part and child.connection]
        return (self.parent_connection, *others) if self.can_run else tuple(others)

    @property
    def can_run(self) -> bool:
        """Can it be synchronised from here, and not only exported and imported?"""
        return bool(self.parent_connection)
