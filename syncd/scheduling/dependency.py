"""Jobs that start when other jobs have ended well (`after`)."""

from collections.abc import Mapping

from syncd.model.configuration import Work


class Dependents:
    """Which jobs to start after a success. A job with several `after` waits until each of them ended well.

    Successes that still wait for others are kept in memory only: after a restart they are waited for again.
    """

    def __init__(self) -> None:
        self._after: dict[str, frozenset[str]] = {}
        self._done: dict[str, set[str]] = {}

    def apply(self, jobs: Mapping[str, Work]) -> None:
        """Take a new set of jobs; successes already counted for unchanged `after` lists are kept."""
        fresh = {name: frozenset(job.after) for name, job in jobs.items() if job.enabled and job.after}
        self._done = {name: self._done[name] for name in self._done if self._after[name] == fresh.get(name)}
        self._after = fresh

    def succeeded(self, job: str) -> list[str]:
        """The job ended well: the enabled jobs to start now, in order of name."""
        ready: list[str] = []
        for name in sorted(self._after):
            if job not in self._after[name]:
                continue
            done = self._done.setdefault(name, set())
            done.add(job)
            if done == self._after[name]:
                del self._done[name]
                ready.append(name)
        return ready

    def dependents(self, job: str) -> list[str]:
        """The enabled jobs that name this one in their `after`, in order of name."""
        return sorted(name for name, after in self._after.items() if job in after)
