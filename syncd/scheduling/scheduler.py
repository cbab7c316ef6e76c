"""The registry of due times: which job fires when, exactly once for each moment its schedule names."""

import heapq
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count as counter
from typing import Final

import schedule

from syncd.errors import NotFoundError
from syncd.model.configuration import Work
from syncd.model.definitions import CatchUp, Schedule
from syncd.model.run import Trigger
from syncd.ports import Clock
from syncd.scheduling.cron import parse_cron
from syncd.scheduling.times import missed, next_firing

GRACE: Final = timedelta(seconds=60)
"""A firing that is given this late is late; later than this it was missed, and `catch_up` decides."""


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
    """A moment that passed without a firing, and why: "paused" or "too late".

    Of several in a row it is the last, and none when a catch-up firing after it stands for them.
    """

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


class TimedJob(schedule.Job):
    """A job of the registry whose due times come from our own firings, not from the package's local clock.

    `after` is the moment from which on firings count, `due` the next one (None: no more), `wake` the same with jitter.
    """

    def __init__(self, name: str, plan: Schedule, state: ScheduleState, after: datetime) -> None:
        super().__init__(1)
        self.name = name
        self.plan = plan
        self.state = replace(state, timeline=timeline(plan))
        self.after = after
        self.due: datetime | None = None
        self.wake: datetime | None = None
        self.tag(name)

    @property
    def remaining(self) -> int | None:
        """How many firings `occurrences` leaves, None for no limit."""
        return None if self.plan.occurrences is None else max(0, self.plan.occurrences - self.state.fired)

    def pass_by(self, due: datetime, firings: int) -> None:
        """Everything up to `due` was dealt with, by so many firings."""
        self.after = due
        self.state = replace(self.state, last_due=due, fired=self.state.fired + firings)

    def run(self) -> None:
        """Fire once for `due` and move on to the next moment."""
        if self.due is not None:
            due = self.due
            self.pass_by(due, 1)
            if self.job_func is not None:
                self.job_func(Firing(self.name, due, Trigger.SCHEDULE))
        self._schedule_next_run()

    def _schedule_next_run(self) -> None:
        """Called by the package after `do`, and by us whenever `after` moved."""
        self.due = None if self.remaining == 0 else next_firing(self.plan, self.state.anchor, self.after)
        self.next_run = None if self.due is None else self.due.replace(tzinfo=None)
        self.wake = None


class Scheduler:
    """The due times of every enabled job that has a schedule. Used from one thread only.

    The caller sleeps until `next_due`, at most a minute so that a clock step is noticed, calls `due`, and stores
    `state` of each fired job together with the run it makes of the firing.

    The `schedule` package keeps the jobs; a heap beside it makes a tick cost what is due, not what is registered.
    """

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        """`random` gives numbers in [0, 1) for the jitter."""
        self._clock = clock
        self._random = random
        self._registry = schedule.Scheduler()
        self._jobs: dict[str, TimedJob] = {}
        self._heap: list[tuple[datetime, int, TimedJob]] = []
        self._order = counter()
        self._paused: set[str] = set()
        self._lapses: list[Lapse] = []
        self._given: list[Firing] = []
        self._began = False

    def apply(
        self,
        jobs: Mapping[str, Work],
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
        now = self._clock.now()
        fresh: dict[str, TimedJob] = {}
        for name, job in jobs.items():
            if job.enabled and job.schedule is not None:
                fresh[name] = self._place(name, job.schedule, states.get(name), now)
        self._paused.update(paused)
        caught: list[Firing] = []
        if not self._began:
            caught = [firing for job in fresh.values() for firing in self._missed(job, now, timedelta())]
        self._register(fresh)
        self._began = True
        return sorted((replace(firing, trigger=Trigger.CATCH_UP) for firing in caught), key=_by_time)

    def due(self) -> list[Firing]:
        """Everything due now, oldest first; each with its state advanced, so that it is given only once."""
        now = self._clock.now()
        self._given = []
        while self._heap and self._heap[0][0] <= now:
            wake, _, job = heapq.heappop(self._heap)
            if job.name in self._paused or now - wake > GRACE:
                self._given += self._missed(job, now, GRACE)
                job._schedule_next_run()
            else:
                job.run()
            self._push(job)
        return sorted(self._given, key=_by_time)

    def lapses(self) -> list[Lapse]:
        """Moments that passed without a firing since the last call."""
        found, self._lapses = self._lapses, []
        return found

    def next_due(self) -> datetime | None:
        """When `due` has something to look at, jitter included; None when nothing is to come."""
        return self._heap[0][0] if self._heap else None

    def state(self, job: str) -> ScheduleState:
        """What to store for the job.

        Raises:
            NotFoundError: it is not registered.
        """
        if job not in self._jobs:
            raise NotFoundError(f"job '{job}' has no schedule that is in force")
        return self._jobs[job].state

    def upcoming(self, job: str | None, count: int) -> list[Firing]:
        """The next `count` firings of one job, or of all; paused jobs have none."""
        chosen = self._jobs.values() if job is None else [self._jobs[job]] if job in self._jobs else []
        heap = [(one.due, one.name) for one in chosen if one.due is not None and one.name not in self._paused]
        heapq.heapify(heap)
        left = {name: self._jobs[name].remaining for _, name in heap}
        found: list[Firing] = []
        while heap and len(found) < count:
            due, name = heapq.heappop(heap)
            found.append(Firing(name, due, Trigger.SCHEDULE))
            one, remaining = self._jobs[name], left[name]
            left[name] = None if remaining is None else remaining - 1
            following = None if left[name] == 0 else next_firing(one.plan, one.state.anchor, due)
            if following is not None:
                heapq.heappush(heap, (following, name))
        return found

    def pause(self, job: str) -> None:
        """Let the job's moments lapse until `resume`. Unknown names are remembered for when they come."""
        self._paused.add(job)

    def resume(self, job: str) -> None:
        """Fire again from now on; what lapsed meanwhile is not made up for."""
        one = self._jobs.get(job)
        if one is not None and job in self._paused:
            self._missed(one, self._clock.now(), timedelta())
            one._schedule_next_run()
            self._register(self._jobs)
        self._paused.discard(job)

    def _place(self, name: str, plan: Schedule, stored: ScheduleState | None, now: datetime) -> TimedJob:
        """The job at the place in its timeline from which on it is to fire."""
        line = timeline(plan)
        old = self._jobs.get(name)
        if old is not None and old.state.timeline == line:
            if old.plan == plan:
                return old
            return TimedJob(name, plan, old.state, old.after if old.due is not None else max(old.after, now))
        known = stored if old is None else old.state
        if known is None or (known.timeline or line) != line:
            fired = 0 if known is None else known.fired
            return TimedJob(name, plan, ScheduleState(now, None, fired), now)
        since = known.anchor if known.last_due is None else known.last_due
        return TimedJob(name, plan, known, max(since, now) if self._began else since)

    def _missed(self, job: TimedJob, now: datetime, grace: timedelta) -> list[Firing]:
        """Deal with everything between the job's place and now: what fires by its policy, the rest lapses."""
        paused = job.name in self._paused
        chosen = [] if paused else _chosen(job, now, grace)[: job.remaining]
        newest = chosen[-1:] or missed(job.plan, job.state.anchor, job.after, now, 1)
        if not newest:
            return []
        if not chosen and job.remaining != 0:
            self._lapses.append(Lapse(job.name, newest[0], "paused" if paused else "too late"))
        job.pass_by(newest[0], len(chosen))
        late = [Trigger.SCHEDULE if now - moment <= grace else Trigger.CATCH_UP for moment in chosen]
        return [Firing(job.name, moment, trigger) for moment, trigger in zip(chosen, late, strict=True)]

    def _register(self, jobs: dict[str, TimedJob]) -> None:
        """Make registry and heap anew from the jobs; swapped in only when all of them could be placed."""
        registry = schedule.Scheduler()
        for job in jobs.values():
            job.scheduler = registry
            if job.job_func is None:
                job.do(self._enqueue)
            else:
                registry.jobs.append(job)
        self._registry, self._jobs, self._heap = registry, jobs, []
        for job in jobs.values():
            self._push(job)

    def _enqueue(self, firing: Firing) -> None:
        self._given.append(firing)

    def _push(self, job: TimedJob) -> None:
        if job.due is None:
            return
        if job.wake is None:
            job.wake = job.due
            if job.plan.jitter_seconds:
                # Never before now: the delay of the firing before it may have been longer than the time between them.
                delayed = job.due + timedelta(seconds=job.plan.jitter_seconds * self._random())
                job.wake = max(delayed, self._clock.now())
        heapq.heappush(self._heap, (job.wake, next(self._order), job))


def timeline(plan: Schedule) -> str:
    """The schedule's moments in a few words, equal for schedules that name the same moments (but for their end)."""
    start = "" if plan.start is None else f" from {plan.start.isoformat()}"
    if plan.cron is not None:
        return f"{' '.join(parse_cron(plan.cron).fields)} {plan.timezone}{start}"
    return f"every {plan.every_seconds}{start}"


def _chosen(job: TimedJob, now: datetime, grace: timedelta) -> list[datetime]:
    """Of the moments between the job's place and now those that fire, oldest first."""
    match job.plan.catch_up:
        case CatchUp.ALL:
            return missed(job.plan, job.state.anchor, job.after, now)
        case CatchUp.LATEST:
            return missed(job.plan, job.state.anchor, job.after, now, 1)
        case CatchUp.NONE:
            # The lower bound is exclusive.
            since = max(job.after, now - grace - timedelta(microseconds=1))
            return missed(job.plan, job.state.anchor, since, now)


def _by_time(firing: Firing) -> tuple[datetime, str]:
    return firing.due, firing.job
