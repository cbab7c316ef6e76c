"""Admission control: which runs may start now, which wait, which do not happen."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from syncd.errors import BusyError, NotFoundError
from syncd.model.definitions import Overlap

MAX_WAITING_PER_JOB: Final = 100
"""As many as one catch-up brings; a job that is due faster than it runs must not fill the memory."""
PATIENCE: Final = 8
"""How often a waiting run lets others use what it waits for, before they wait behind it."""


class Verdict(StrEnum):
    """What becomes of a run that was submitted."""

    START = "start"
    QUEUED = "queued"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict and, for one that is not START, the reason in words.

    `cancel` are running runs that the caller must stop now; the submitted run starts when they have ended.
    `dropped` are waiting runs whose place the new one took; they will not start.
    """

    verdict: Verdict
    reason: str = ""
    cancel: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Ticket:
    run: str
    job: str
    connections: tuple[str, ...]
    overtaken: int = 0


class RunQueue:
    """At most so many runs at once, in the daemon and per connection, and one per job. Used from one thread only.

    Who waits longest goes first. A run that waits for a busy connection does not hold up those that need others;
    after it was overtaken `PATIENCE` times on a connection it needs, nobody else gets that connection before it.
    """

    def __init__(self, max_runs: int, max_per_connection: Mapping[str, int | None]) -> None:
        """A connection without an entry, or with None, has no limit of its own."""
        self._max_runs = max_runs
        self._limits = dict(max_per_connection)
        self._running: dict[str, _Ticket] = {}
        self._waiting: dict[str, _Ticket] = {}

    def submit(self, run: str, job: str, connections: tuple[str, ...], overlap: Overlap) -> Decision:
        """Ask for a run. With START or QUEUED it is known here until `ended` or `withdraw`.

        `overlap` says what to do while the job has a run already; for a catch-up firing pass QUEUE.

        Raises:
            BusyError: a run of that id is known already.
        """
        if run in self._running or run in self._waiting:
            raise BusyError(f"run {run} was submitted before")
        running = tuple(one.run for one in self._running.values() if one.job == job)
        waiting = tuple(one.run for one in self._waiting.values() if one.job == job)
        ticket = _Ticket(run, job, tuple(dict.fromkeys(connections)))
        if not running and not waiting:
            return self._admit(ticket)
        match overlap:
            case Overlap.SKIP:
                state = f"run {running[0]} has not ended" if running else f"run {waiting[0]} still waits"
                return Decision(Verdict.SKIPPED, f"overlap: {state}")
            case Overlap.QUEUE if len(waiting) >= MAX_WAITING_PER_JOB:
                return Decision(Verdict.SKIPPED, f"overlap: {len(waiting)} runs of the job wait already")
            case Overlap.QUEUE:
                return self._admit(ticket)
            case Overlap.CANCEL:
                for one in waiting:
                    del self._waiting[one]
                decision = self._admit(ticket)
                reason = f"overlap: run {running[0]} is being cancelled" if running else decision.reason
                return Decision(decision.verdict, reason, running, waiting)

    def ended(self, run: str) -> list[str]:
        """A running run is over: the waiting runs that may start now, which count as running from here on.

        Raises:
            NotFoundError: it was not running.
        """
        if self._running.pop(run, None) is None:
            raise NotFoundError(f"run {run} is not running")
        return self._start()

    def withdraw(self, run: str) -> bool:
        """Forget a waiting run; False when it does not wait here (it may be running)."""
        return self._waiting.pop(run, None) is not None

    def limit(self, max_runs: int, max_per_connection: Mapping[str, int | None]) -> list[str]:
        """Change the limits: the waiting runs that may start now. Running ones go on, even too many of them."""
        self._max_runs = max_runs
        self._limits = dict(max_per_connection)
        return self._start()

    @property
    def running(self) -> tuple[str, ...]:
        """The runs that have started and not ended, oldest first."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The runs that wait, oldest first."""
        return tuple(self._waiting)

    def reason(self, run: str) -> str:
        """Why a waiting run waits, in words; empty for one that does not wait."""
        ticket = self._waiting.get(run)
        return "" if ticket is None else self._obstacle(ticket, self._usage()) or "others were there before"

    def _admit(self, ticket: _Ticket) -> Decision:
        self._waiting[ticket.run] = ticket
        if self._start(ticket.run):
            return Decision(Verdict.START)
        return Decision(Verdict.QUEUED, self.reason(ticket.run))

    def _start(self, only: str = "") -> list[str]:
        """Move every waiting run that fits, or only that one, to the running ones, oldest first."""
        usage = self._usage()
        started: list[str] = []
        blocked: list[_Ticket] = []
        for ticket in list(self._waiting.values()):
            if len(self._running) >= self._max_runs:
                break
            if self._job_runs(ticket.job):
                continue
            if self._obstacle(ticket, usage):
                blocked.append(ticket)
                if ticket.overtaken >= PATIENCE:
                    usage.update(ticket.connections)
                continue
            if only not in ("", ticket.run):
                usage.update(ticket.connections)
                continue
            for one in blocked:
                one.overtaken += any(name in ticket.connections for name in one.connections)
            usage.update(ticket.connections)
            self._running[ticket.run] = self._waiting.pop(ticket.run)
            started.append(ticket.run)
        return started

    def _usage(self) -> Counter[str]:
        return Counter(name for ticket in self._running.values() for name in ticket.connections)

    def _job_runs(self, job: str) -> bool:
        return any(ticket.job == job for ticket in self._running.values())

    def _obstacle(self, ticket: _Ticket, usage: Mapping[str, int]) -> str:
        """What keeps the run from starting, in words; empty when nothing does."""
        if self._job_runs(ticket.job):
            return "the job's run before it has not ended"
        if len(self._running) >= self._max_runs:
            return f"{len(self._running)} runs are running, the limit is {self._max_runs}"
        for name in ticket.connections:
            most = self._limits.get(name)
            if most is not None and usage[name] >= most:
                return f"connection '{name}' is used by {most} {'run' if most == 1 else 'runs'}, its limit"
        return ""
