"""Admission control: which runs may start now, which wait, which do not happen."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from syncd.model.definitions import Overlap


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


class RunQueue:
    """At most so many runs at once, in the daemon and per connection, and one per job. Used from one thread only."""

    def __init__(self, max_runs: int, max_per_connection: Mapping[str, int | None]) -> None:
        """A connection without an entry, or with None, has no limit of its own."""
        raise AssertionError((max_runs, max_per_connection))

    def submit(self, run: str, job: str, connections: tuple[str, ...], overlap: Overlap) -> Decision:
        """Ask for a run. With START or QUEUED it is known here until `ended` or `withdraw`.

        `overlap` says what to do while the job has a run already; for a catch-up firing pass QUEUE.
        """
        raise AssertionError((run, job, connections, overlap))

    def ended(self, run: str) -> list[str]:
        """A running run is over: the waiting runs that may start now, which count as running from here on."""
        raise AssertionError(run)

    def withdraw(self, run: str) -> bool:
        """Forget a waiting run; False when it does not wait here (it may be running)."""
        raise AssertionError(run)

    def limit(self, max_runs: int, max_per_connection: Mapping[str, int | None]) -> list[str]:
        """Change the limits: the waiting runs that may start now. Running ones go on, even too many of them."""
        raise AssertionError((max_runs, max_per_connection))

    @property
    def running(self) -> tuple[str, ...]:
        """The runs that have started and not ended, oldest first."""
        raise AssertionError

    @property
    def waiting(self) -> tuple[str, ...]:
        """The runs that wait, oldest first."""
        raise AssertionError
