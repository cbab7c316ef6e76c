"""Lengths of time that may follow the calendar."""

import pytest

from syncd.errors import ScheduleError
from syncd.model.duration import parse_interval
from syncd.model.options import Interval

READ = {
    "180 days": Interval(seconds=180 * 86_400),
    "1 month": Interval(months=1),
    " 6 Months ": Interval(months=6),
    "2 years": Interval(months=24),
    "1y": Interval(months=12),
    "P1M": Interval(months=1),
    "P1Y6M": Interval(months=18),
    "P2Y": Interval(months=24),
    "PT12H": Interval(seconds=43_200),
    "P1W": Interval(seconds=604_800),
    "1h30m": Interval(seconds=5400),
}


@pytest.mark.parametrize("text", READ)
def test_interval_is_by_the_calendar_or_exact(text: str) -> None:
    assert parse_interval(text) == READ[text]


@pytest.mark.parametrize(
    "text",
    ["", "P", "0 months", "P0M", "-1 month", "1 month 3 days", "P1M3D", "a while", "9999 years", "11 y 5"],
)
def test_text_that_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_interval(text)

    assert "180 days" in caught.value.hint
