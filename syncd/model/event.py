"""Facts worth telling a person or a monitor; logs, history and notifications follow from them.

What a run tells leaves `generation` at 0; whoever started the run fills it in.

An event is published once. Its class name is the event's stable name; the fields are facts, never formatted text.
"""

from dataclasses import dataclass
from datetime import datetime

from syncd.model.run import Counters, Failure, Status, StepResult, Trigger


@dataclass(frozen=True, slots=True)
class RunQueued:
    """A run exists and waits for its turn."""

    run: str
    job: str
    trigger: Trigger
    generation: int
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A worker took the run."""

    run: str
    job: str
    generation: int
    attempt: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step began to look at its source and destination; `rows_estimated` is None when nobody knows."""

    run: str
    job: str
    step: str
    mode: str
    """first load, resume, incremental, full or replace."""
    rows_estimated: int | None = None
    mark_from: str | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class StepProgressed:
    """Rows are moving; sent at most twice a second. `rows` counts this step's rows read so far."""

    run: str
    job: str
    step: str
    rows: int
    bytes: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class WindowCommitted:
    """One window of a step is durable at the destination, together with its cursor."""

    run: str
    job: str
    step: str
    window: int
    counters: Counters
    seconds: float
    generation: int = 0


@dataclass(frozen=True, slots=True)
class StatementSent:
    """A statement went to one end of a run, `end` being source or destination; told only when the job asks for it."""

    run: str
    job: str
    end: str
    statement: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class HookEnded:
    """A job's pre- or post-event is over; `when` is pre or post, `failure` None when it went well."""

    run: str
    job: str
    when: str
    seconds: float
    veto: bool = False
    failure: Failure | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class StateReset:
    """A stored cursor was not used, and why: the destination was emptied or replaced, the query changed, ..."""

    run: str
    job: str
    step: str
    reason: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is over; everything about it is in `result`."""

    run: str
    job: str
    result: StepResult
    generation: int = 0


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over. `seconds` is None when it never started."""

    run: str
    job: str
    status: Status
    counters: Counters
    seconds: float | None = None
    failure: Failure | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class RunSkipped:
    """A firing that did not become a run, and why (overlap, disabled, paused, too late)."""

    job: str
    due: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ConfigApplied:
    """A new configuration is in force; the lists name jobs and connections as ``job accounts``."""

    generation: int
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigRejected:
    """A new configuration was refused; the one before it stays in force."""

    generation: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DaemonStarted:
    """The daemon is ready; `interrupted` names runs that its predecessor left unfinished."""

    version: str
    generation: int
    jobs: int
    interrupted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DaemonStopped:
    """The daemon ends in an orderly way."""

    reason: str


@dataclass(frozen=True, slots=True)
class JobPaused:
    """Somebody paused (or, with `paused` false, resumed) a job by hand."""

    job: str
    paused: bool


Event = (
    RunQueued
    | RunStarted
    | StepStarted
    | StepProgressed
    | WindowCommitted
    | StatementSent
    | HookEnded
    | StateReset
    | StepEnded
    | RunEnded
    | RunSkipped
    | ConfigApplied
    | ConfigRejected
    | DaemonStarted
    | DaemonStopped
    | JobPaused
)

RunEvent = StepStarted | StepProgressed | WindowCommitted | StatementSent | HookEnded | StateReset | StepEnded
"""What a worker tells while it executes a plan."""
