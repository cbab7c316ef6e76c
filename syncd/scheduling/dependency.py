"""Jobs that start when other jobs have ended well (`after`)."""

from collections.abc import Mapping

from syncd.model.definitions import Replication


class Dependents:
    """Which jobs to start after a success. A job with several `after` waits until each of them ended well."""

    def __init__(self) -> None:
        raise AssertionError

    def apply(self, jobs: Mapping[str, Replication]) -> None:
        """Take a new set of jobs; successes already counted for unchanged `after` lists are kept."""
        raise AssertionError(jobs)

    def succeeded(self, job: str) -> list[str]:
        """The job ended well: the enabled jobs to start now, in order of name."""
        raise AssertionError(job)
