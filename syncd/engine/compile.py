"""Turns a declared job into a plan, without I/O."""

from collections.abc import Sequence

from syncd.model.definitions import Replication
from syncd.model.plan import Plan


def compile_job(job: Replication, source_dialect: str, queries: Sequence[str] = ()) -> Plan:
    """The plan of one run of the job; `queries` limits it to those statements of the job.

    Raises:
        QueryError: a statement of the job does not parse.
        NotFoundError: `queries` names a statement that is not in the job.
    """
    raise AssertionError((job, source_dialect, queries))
