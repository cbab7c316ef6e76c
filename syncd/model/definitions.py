"""What a user declares, typed: the frozen result of a validated configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.model.options import Options
from syncd.model.secret import Secret

OptionValue = str | int | float | bool | None | Secret
"""What a connector receives for one of its options: plain values, secrets wrapped."""


class CatchUp(StrEnum):
    """What to do about firings that were missed while nobody was there to fire them."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class Overlap(StrEnum):
    """What to do when a job is due while its previous run has not ended."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a definition was written: file, line and column (both from 1)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due. Exactly one of `cron` and `every_seconds` is set.

    `timezone` is an IANA name. `start` (inclusive) and `end` (exclusive) are aware UTC. `occurrences` is the most
    firings ever, None for no limit. `jitter_seconds` delays each firing by a random time up to that long.
    """

    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    occurrences: int | None = None
    jitter_seconds: float = 0.0
    catch_up: CatchUp = CatchUp.LATEST
    overlap: Overlap = Overlap.SKIP


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a run that failed for a transient reason is tried, and how long to wait before each new try.

    The wait doubles from `delay_seconds` up to `max_delay_seconds`, with full jitter. `attempts` counts the
    first one, so 1 means never again.
    """

    attempts: int = 5
    delay_seconds: float = 1.0
    max_delay_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A store that jobs read from or write to; `options` belong to its connector `type`.

    `max_runs` limits the runs that may use it at once; `rows_per_second` and `bytes_per_second` limit what one run
    moves through it. None is no limit.
    """

    name: str
    type: str
    options: Mapping[str, OptionValue]
    max_runs: int | None = None
    rows_per_second: float | None = None
    bytes_per_second: float | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """What is done before or after a run: exactly one of `command`, `sql` and `url` is set.

    `command` is an argument list, never a shell line. `sql` runs on `connection` (empty: the destination). `url` is
    called with `method`, `headers` (each may be a secret) and a JSON body of the run's variables.
    """

    command: tuple[str, ...] = ()
    sql: str = ""
    connection: str = ""
    url: str = ""
    method: str = "POST"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    timeout_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Events:
    """The hooks of a job: `pre` before its first query, `post` after its last, however it ended."""

    pre: Hook | None = None
    post: Hook | None = None


@dataclass(frozen=True, slots=True)
class Email:
    """Who is told by mail when a run has ended; `only_errors` leaves out runs that are ok."""

    to: tuple[str, ...] = ()
    subject: str = ""
    only_errors: bool = False


@dataclass(frozen=True, slots=True)
class Replication:
    """A one-way job: every query copies rows of the source into a table of the destination.

    `queries` are REPLICATE and CHECKCACHE statements, run in order. `options` hold for all of them. `exclude` are
    patterns of tables that a wildcard leaves out. `continue_on_error` goes on after a query that failed. `verbosity`
    is 1 (errors), 2 (info), 3 (statements) or 5 (everything). `parallel` is how many windows of a table may be read at once.
    `after` names jobs whose success starts this one. `timeout_seconds` is the longest a run may take, None for no limit.
    """

    name: str
    source: str
    destination: str
    queries: tuple[str, ...]
    options: Options = field(default_factory=Options)
    exclude: tuple[str, ...] = ()
    continue_on_error: bool = False
    verbosity: int = 2
    parallel: int = 1
    schedule: Schedule | None = None
    after: tuple[str, ...] = ()
    enabled: bool = True
    timeout_seconds: float | None = None
    retry: Retry = field(default_factory=Retry)
    events: Events = field(default_factory=Events)
    email: Email = field(default_factory=Email)
    description: str = ""
    origin: Origin | None = None

    @property
    def connections(self) -> tuple[str, ...]:
        """Every connection that its transfers open, the source first."""
        return (self.source, self.destination)


@dataclass(frozen=True, slots=True)
class History:
    """How much of the past is kept: runs by age in days and by count per job."""

    max_age_days: int = 90
    max_runs_per_job: int = 1000


@dataclass(frozen=True, slots=True)
class State:
    """The folder that holds the state database, run logs and lock files, and how much of the past it keeps."""

    path: str
    history: History = field(default_factory=History)


@dataclass(frozen=True, slots=True)
class Logs:
    """How much is logged, how it looks, and how long the log files of runs are kept.

    `level`: debug, info, warning or error. `format`: json, console, or auto (console on a terminal).
    """

    level: str = "info"
    format: str = "auto"
    max_age_days: int = 30
    max_total_megabytes: int = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may happen at once: runs in the whole daemon."""

    max_runs: int = 4
