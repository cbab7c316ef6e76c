"""The registry of due times: which job fires when, exactly once for each moment its schedule names."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.model.definitions import Replication
from syncd.model.run import Trigger
from syncd.ports import Clock


@dataclass(frozen=True, slots=True)
class Firing:
    """A job is due. `due` is the moment its schedule names; jitter delays the firing, never this time.

    `trigger` is SCHEDULE, or CATCH_UP for a moment that was missed.
    """

    job: str
    due: datetime
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Lapse:
    """A moment that passed without a firing, and why: "paused" or "too late". Of several, the last one."""

    job: str
    due: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What must survive a restart, per job.

    `anchor` is the moment the schedule was first seen; intervals without a start count from it. `last_due` is the
    last moment that was dealt with, fired or lapsed. `fired` counts firings ever. `timeline` describes the schedule
    that these belong to: when it differs, the past is not made up for. Empty text fits every schedule.
    """

    anchor: datetime
    last_due: datetime | None
    fired: int
    timeline: str = ""


class Scheduler:
    """The due times of every enabled job that has a schedule. Used from one thread only.

    The caller sleeps until `next_due`, at most a minute so that a clock step is noticed, calls `due`, and stores
    `state` of each fired job together with the run it makes of the firing.
    """

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        """`random` gives numbers in [0, 1) for the jitter."""
        raise AssertionError((clock, random))

    def apply(
        self,
        jobs: Mapping[str, Replication],
        states: Mapping[str, ScheduleState],
        paused: Collection[str] = (),
    ) -> list[Firing]:
        """Swap in a new set of jobs; those whose schedule is unchanged keep their place.

        `states` are read for jobs that were not registered before. The first call returns the firings that make up
        for what was missed since then (by `catch_up`, never more than 100 a job); a later one returns none, because
        a job that was taken away and comes back was not expected to run.

        Raises:
            ScheduleError: a schedule cannot be meant; nothing was changed.
        """
        raise AssertionError((jobs, states, paused))

    def due(self) -> list[Firing]:
        """Everything due now, oldest first; each with its state advanced, so that it is given only once."""
        raise AssertionError

    def lapses(self) -> list[Lapse]:
        """Moments that passed without a firing since the last call."""
        raise AssertionError

    def next_due(self) -> datetime | None:
        """When `due` has something to give, jitter included; None when nothing is to come."""
        raise AssertionError

    def state(self, job: str) -> ScheduleState:
        """What to store for the job.

        Raises:
            NotFoundError: it is not registered.
        """
        raise AssertionError(job)

    def upcoming(self, job: str | None, count: int) -> list[Firing]:
        """The next `count` firings of one job, or of all; paused jobs have none."""
        raise AssertionError((job, count))

    def pause(self, job: str) -> None:
        """Let the job's moments lapse until `resume`. Unknown names are remembered for when they come."""
        raise AssertionError(job)

    def resume(self, job: str) -> None:
        """Fire again from now on; what lapsed meanwhile is not made up for."""
        raise AssertionError(job)
