"""What two repositories of a cluster tell each other: who they are, which edits they have, what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from syncd.model.batch import Format
from syncd.model.cluster import ConflictPolicy
from syncd.model.table import Column, TableName

UNKNOWN_BASE = -1
"""The base of an edit of which nobody knows what it was made on: a row that was there before the first contact."""
JOB = "job "
"""How the names of peers begin that are one-way jobs."""
NOTHING_RECEIVED = -1
"""The cursor of a node that has received nothing yet: it needs all rows, not only the changed ones."""
NAMES_BESIDE_KEYS = frozenset(
    ("op", "mask", "at", "gen", "base", "nid", "ngen", "came", "syncd_n", "syncd_before")
)
"""What stands beside the key's columns in the tables that a cluster keeps, in lower case."""


class Role(StrEnum):
    """What a node is in its cluster."""

    PARENT = "parent"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Mark:
    """A state of one node: the generation, and a random token that no other state has.

    Two marks of one generation with different tokens are two histories: one of them was restored or copied.
    """

    gen: int
    token: str


START = Mark(NOTHING_RECEIVED, "")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One table as a node takes part with it.

    `number` names the table in the whole cluster. `columns` are those that both sides have, as this node spells them, in the
    parent's order; `key` are those that tell rows apart. `captured`: edits made here are recorded. `by_column`: with the
    columns that changed; `timed`: with the moment; `sums`: with the values that these columns had before.
    """

    number: int
    name: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    captured: bool = True
    by_column: bool = False
    timed: bool = False
    sums: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def others(self) -> tuple[str, ...]:
        """The names of the columns that are not in the key, in order."""
        return tuple(column.name for column in self.columns if column.name not in self.key)

    @property
    def optional_key(self) -> tuple[str, ...]:
        """The names of key columns that may be without a value, as in SQLite: such rows take no part."""
        return tuple(column.name for column in self.columns if column.name in self.key and column.nullable)

    def column(self, name: str) -> Column:
        """The column of that exact name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node says of itself.

    `id` is random and stays with the database; `epoch` rises whenever it was found restored. `mark` is its present state,
    `recalled` its token at the generation that was asked about (None: it has none there). `received` is the parent's state
    that a child has (for a parent: START). `oldest_base` is the lowest parent generation that an unsent edit was made on.
    `confirmed` is the child's own generation up to which the parent has said that it has everything (-1: none).
    `changed`: there are edits that no generation counts yet. `unsent` counts rows with unsent edits that are counted.
    `oldest_gen`: changes after it are known one by one. `compacted` is when older ones were last forgotten, in seconds
    since 1970, `next_try` when the first of the rows that are set aside is to be tried again (None: there is none). `last_table` and
    `last_peer` are the highest numbers that it ever gave to a table and to a peer. `behind` are its tables that are
    not in step with the others and need all rows, by number: with the columns of which it has no values of the parent's.
    """

    id: str
    epoch: int
    role: Role
    name: str
    mark: Mark
    received: Mark = START
    recalled: str | None = None
    oldest_base: int | None = None
    confirmed: int = -1
    changed: bool = False
    unsent: int = 0
    oldest_gen: int = 0
    compacted: float = 0.0
    last_table: int = 0
    last_peer: int = 0
    next_try: float | None = None
    behind: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def is_due(self, now: float) -> bool:
        """Is a row that is set aside to be tried again at this moment, in seconds since 1970?"""
        return self.next_try is not None and self.next_try <= now


@dataclass(frozen=True, slots=True)
class Peer:
    """What a parent keeps about a child.

    `number` marks the child's edits among the rows of the parent; a child that was restored gets another. `received` is
    what the parent has of it, `sent` what it is known to have of the parent. `floor`: it makes no more edits on
    generations below. `state` is live, refilling, expired or removed.

    A one-way job that reads the parent's changes is a peer too, with the number 0. It has `sent`, `floor` is the
    generation whose changes it needs no more, `epoch` the last one that was counted for it, `received` the one before
    which changes may have been missed, and `filters` the number of its table.
    """

    name: str
    number: int
    id: str = ""
    epoch: int = 0
    received: Mark = START
    sent: Mark = START
    floor: int = 0
    state: str = "live"
    filters: str = ""
    last_seen: float = 0.0

    @property
    def is_job(self) -> bool:
        """Is it a one-way job, and no child?"""
        return self.number == 0 and self.name.startswith(JOB)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one table on their way from node to node, in the layout of `edit_columns` or `version_columns`."""

    table: int
    format: Format
    data: bytes | Sequence[tuple[object, ...]]
    rows: int


class Outcome(StrEnum):
    """What became of a conflict."""

    AUTO = "auto"
    """A policy settled it."""
    OPEN = "open"
    """A person is to decide; the parent's row is in force meanwhile."""
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a node wants of another's edits of one table.

    `since` is the generation that it has; NOTHING_RECEIVED asks for all rows. `but_of` leaves out rows whose last edit is
    of that peer. `where` is a condition, and `again` are keys that are wanted whatever their generation.
    """

    since: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """How edits that arrive are judged: the policy of each table by its number, and who sends.

    `blind` are the tables of which the sender never receives a row, so that it knows no version but its own. `fresh`:
    where nothing was received of it, nothing ever was. `gained` are the columns of each table that the sender has for the
    first time, by the parent's names: it has none of the parent's values there.
    """

    policies: Mapping[int, ConflictPolicy] = field(default_factory=dict)
    wheres: Mapping[int, str] = field(default_factory=dict)
    allow_outside: frozenset[int] = frozenset()
    blind: frozenset[int] = frozenset()
    atomic: bool = False
    max_skew_seconds: float = 60.0
    fresh: bool = True
    gained: Mapping[int, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What became of the rows of one table that arrived."""

    received: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    same: int = 0
    skipped: int = 0
    """They have an unsent edit here, which is not overwritten."""
    conflicts: int = 0
    opened: int = 0
    """Conflicts that wait for a person."""
    held: int = 0
    """Rows that the table refuses: set aside, and tried again."""

    def __add__(self, other: "TableCounts") -> "TableCounts":
        return TableCounts(
            self.received + other.received,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.same + other.same,
            self.skipped + other.skipped,
            self.conflicts + other.conflicts,
            self.opened + other.opened,
            self.held + other.held,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a delivery: counts by table number, and sentences for people. `repeated`: it was applied before."""

    counts: Mapping[int, TableCounts] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def total(self) -> TableCounts:
        """All tables together."""
        return sum(self.counts.values(), TableCounts())
