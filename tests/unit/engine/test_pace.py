"""A run moves no faster than its connections allow."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.pace import Pace
from syncd.errors import RunCancelledError


class Watch:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self):
        raise AssertionError("the pace needs no date")

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 1000))
def test_rows_never_come_faster_than_the_rate_but_for_the_first_second(blocks, rate):
    watch = Watch()
    pace = Pace(watch, rows_per_second=rate, sleep=watch.sleep)

    for rows in blocks:
        pace.moved(rows, 0, lambda: None)

    assert watch.seconds - 100.0 >= sum(blocks) / rate - 1.0 - 1e-6


def test_the_tighter_of_two_limits_counts():
    watch = Watch()
    pace = Pace(watch, rows_per_second=1000, bytes_per_second=10, sleep=watch.sleep)

    pace.moved(1, 100, lambda: None)

    assert watch.seconds == pytest.approx(109.0)


def test_no_limit_waits_never():
    watch = Watch()

    Pace(watch, sleep=watch.sleep).moved(10**9, 10**12, lambda: None)

    assert watch.seconds == 100.0


def test_a_stop_ends_the_waiting():
    watch = Watch()
    pace = Pace(watch, rows_per_second=1, sleep=watch.sleep)

    def check() -> None:
        if watch.seconds > 101:
            raise RunCancelledError("stopped")

    with pytest.raises(RunCancelledError):
        pace.moved(10**6, 0, check)

    assert watch.seconds < 102


class SlowSum(float):
    """A moment whose sum takes long enough for another lane to come between."""

    def __add__(self, seconds):
        time.sleep(0.002)
        return SlowSum(float(self) + seconds)


def test_lanes_share_one_rate():
    watch = Watch()
    pace = Pace(watch, rows_per_second=1)
    pace._free_at = SlowSum(100.0)

    def stop() -> None:
        raise RunCancelledError("stopped")

    def lane() -> None:
        for _ in range(5):
            with pytest.raises(RunCancelledError):
                pace.moved(1, 0, stop)

    lanes = [threading.Thread(target=lane) for _ in range(4)]
    for each in lanes:
        each.start()
    for each in lanes:
        each.join()

    assert pace._free_at == 120.0
