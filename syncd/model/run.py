"""One execution of a job: its status, its counters and how each step ended."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Where a run or a step stands. Those after `cancelling` are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    OK = "ok"
    PARTIAL = "partial"
    """It ended, and something was left undone: a query failed, a row was set aside, a post-event failed."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its process died; set by whoever owns the state folder next."""
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """True when nothing more will happen to it."""
        return self not in {Status.QUEUED, Status.RUNNING, Status.CANCELLING}


class Trigger(StrEnum):
    """Why a run exists."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch-up"
    MANUAL = "manual"
    DEPENDENCY = "dependency"
    RETRY = "retry"
    CHANGE = "change"
    """A repository of a watched cluster was edited."""
    RESUME = "resume"
    """The run before it was interrupted."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Rows as acknowledged by the destination. `read` are rows that the source gave; `deleted` are not among them."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(
            self.read + other.read,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
            self.deleted + other.deleted,
        )

    @property
    def balanced(self) -> bool:
        """True when every row that was read is accounted for."""
        return self.read == self.inserted + self.updated + self.unchanged + self.rejected


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored and shown: `code` for programs, the texts for people; none holds a secret."""

    code: str
    message: str
    hint: str = ""
    where: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison of both tables found: rows that are missing at the destination, differ, or are too many.

    `examples` are up to 100 keys as JSON lists; they are row values, shown only where the user asked for the comparison.
    `method` is count or checksum. `repaired` counts rows that were mended. `held`: rows of a cluster
    that are set aside; they may differ, and are not among the others. `at` is when it was done, aware UTC.
    """

    method: str
    rows: int
    missing: int = 0
    different: int = 0
    surplus: int = 0
    repaired: int = 0
    held: int = 0
    examples: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def same(self) -> bool:
        """Do both hold the same (after a repair, if there was one)?"""
        return self.missing + self.different + self.surplus <= self.repaired


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step of a run ended.

    `mark_from` and `mark_to` show the check column's mark before and after. `nothing_to_do` is true when both ends
    were asked and nothing had to move. `warnings` are sentences for people, without row values. `truncated` counts the
    texts that were cut, by column. `deletes` says how rows that are gone at the source are treated. `conflicts` of a
    cluster were settled by its policies, but `conflicts_open` wait for a person; `held` rows are set aside.
    `child` is whom a step of a cluster is about: its name stands first in `step`, before the way or the table. `still_held`: how many are set aside at the end, those of earlier runs included.
    """

    step: str
    status: Status
    counters: Counters = field(default_factory=Counters)
    mark_from: str | None = None
    mark_to: str | None = None
    nothing_to_do: bool = False
    rows_known: int | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    truncated: tuple[tuple[str, int], ...] = ()
    verdict: Verdict | None = None
    deletes: str = "off"
    conflicts: int = 0
    conflicts_open: int = 0
    held: int = 0
    still_held: int = 0
    child: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job. Times are aware UTC; `seconds` is the time from `started` to `ended`.

    `generation` is the configuration generation it began with. `due` is the moment a schedule named, when one did.
    `attempt` counts from 1; a retry is a run of its own that points at the first by `retry_of`.
    """

    id: str
    job: str
    status: Status
    trigger: Trigger
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    due: datetime | None = None
    attempt: int = 1
    retry_of: str | None = None
    generation: int = 0
    full: bool = False
    verify: str = ""
    """check or repair: both sides are compared instead of rows being moved; empty for an ordinary run."""
    queries: tuple[str, ...] = ()
    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it has not ended."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()

    @property
    def counters(self) -> Counters:
        """The sum over all steps."""
        total = Counters()
        for step in self.steps:
            total = total + step.counters
        return total
