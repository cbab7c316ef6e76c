"""Values at which a check column begins or ends."""

import pytest

from syncd.errors import ScheduleError
from syncd.model.bound import parse_bound

READ = {
    "0": 0,
    "-5": -5,
    "+5": 5,
    "99999999999999999999": 99_999_999_999_999_999_999,
    "2024-02-29": "2024-02-29",
    " 2024-01-31 ": "2024-01-31",
    "2024-01-31 06:00": "2024-01-31 06:00",
    "2024-01-31T06:00:00.123456": "2024-01-31T06:00:00.123456",
    "2024-01-31T06:00:00+01:00": "2024-01-31T06:00:00+01:00",
    "2024-01-31T06:00:00Z": "2024-01-31T06:00:00Z",
}


@pytest.mark.parametrize("text", READ)
def test_bound_is_a_whole_number_or_a_date_as_it_is_written(text: str) -> None:
    assert parse_bound(text) == READ[text]


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "2023-02-29", "2024-1-1", "31.01.2024", "2024-01-31T25:00", "٥", "2024-01-31T06"]
)
def test_text_that_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_bound(text)

    assert "2026-01-31" in caught.value.hint
