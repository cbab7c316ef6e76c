"""When a run that failed, whole or in part, for a passing reason is tried again."""

from syncd.model.definitions import Retry
from syncd.model.run import Run, Status


def retry_delay_seconds(run: Run, retry: Retry, chance: float) -> float | None:
    """How long to wait before the next attempt, None when there is none.

    The longest wait doubles with each attempt up to the policy's limit; `chance` in [0, 1) picks a moment in it
    (full jitter), so that many jobs that lost the same server do not come back at the same time.
    """
    failed = run.status in {Status.FAILED, Status.PARTIAL}
    if not failed or run.failure is None or not run.failure.transient:
        return None
    if run.attempt >= retry.attempts:
        return None
    # Past this exponent every limit is reached, and the power would only grow.
    longest = retry.delay_seconds * 2.0 ** min(run.attempt - 1, 60)
    return chance * min(retry.max_delay_seconds, longest)
