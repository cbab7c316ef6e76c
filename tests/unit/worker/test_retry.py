"""When a failed run is tried again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model.definitions import Retry
from syncd.model.run import Failure, Run, Status, Trigger
from syncd.worker.retry import retry_delay_seconds
from tests.conftest import StillClock

PASSING = Failure("unavailable", "gone", transient=True)
FAILED = Run("r", "j", Status.FAILED, Trigger.MANUAL, StillClock().now(), failure=PASSING)


def test_the_wait_doubles_up_to_its_limit():
    retry = Retry(attempts=6, delay_seconds=1, max_delay_seconds=5)

    waits = [retry_delay_seconds(replace(FAILED, attempt=number), retry, 1.0) for number in range(1, 7)]

    assert waits == [1, 2, 4, 5, 5, None]


def test_a_run_of_which_a_part_failed_for_a_passing_reason_is_tried_again():
    assert retry_delay_seconds(replace(FAILED, status=Status.PARTIAL), Retry(delay_seconds=1), 1.0) == 1


@pytest.mark.parametrize(
    "run",
    [
        replace(FAILED, status=Status.OK, failure=None),
        replace(FAILED, status=Status.CANCELLED),
        replace(FAILED, failure=Failure("failed", "wrong")),
        replace(FAILED, status=Status.PARTIAL, failure=Failure("partial", "a row was set aside")),
        replace(FAILED, attempt=5),
    ],
    ids=["ok", "cancelled", "for good", "partial for good", "last attempt"],
)
def test_what_is_not_tried_again(run):
    assert retry_delay_seconds(run, Retry(attempts=5), 0.5) is None


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wait_is_never_longer_than_the_limit(attempt, chance, delay, limit):
    retry = Retry(attempts=20_000, delay_seconds=delay, max_delay_seconds=limit)

    wait = retry_delay_seconds(replace(FAILED, attempt=attempt), retry, chance)

    assert 0 <= wait <= limit
