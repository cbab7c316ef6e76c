"""Lengths of time, dates and zones as users write them."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.moment import parse_moment, parse_zone
from syncd.errors import ScheduleError
from syncd.model.duration import MAX_SECONDS, parse_duration

LENGTHS = {
    "30 seconds": 30,
    "1 second": 1,
    "15 minutes": 900,
    "15min": 900,
    "1 hour": 3600,
    "2 days": 172_800,
    "1 week": 604_800,
    "90s": 90,
    "5m": 300,
    "1h30m": 5400,
    "1 h 30 m": 5400,
    "1D 2H": 93_600,
    "PT15M": 900,
    "PT1H30M5S": 5405,
    "P1D": 86_400,
    "P1DT12H": 129_600,
    "P2W": 1_209_600,
}
NO_LENGTHS = [
    "",
    " ",
    "15",
    "m",
    "15 m 3",
    "1h-30m",
    "1.5h",
    "-1h",
    "P",
    "PT",
    "P1M",
    "P1Y",
    "PT1H30",
    "1 hour!",
    "²s",
    "٣s",
]


@pytest.mark.parametrize(("text", "seconds"), LENGTHS.items())
def test_length_of_time_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", [*NO_LENGTHS, "0s", "PT0S", "1 month", "2 years", "3650 days 1s", "9" * 13 + "s"]
)
def test_what_is_no_length_of_time_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_duration(text)

    assert caught.value.hint


@pytest.mark.parametrize("text", [" " * 1_000_000, "1s" * 1_000_000, "P" * 1_000_000])
def test_very_long_text_is_refused_at_once(text: str) -> None:
    began = time.process_time()

    with pytest.raises(ScheduleError) as caught:
        parse_duration(text)

    assert len(caught.value.message) < 200
    assert time.process_time() - began < 0.1


@given(st.integers(min_value=1, max_value=MAX_SECONDS))
def test_every_whole_number_of_seconds_can_be_written_three_ways(seconds: int) -> None:
    hours, rest = divmod(seconds, 3600)

    assert parse_duration(f"{seconds}s") == seconds
    assert parse_duration(f"{hours}h{rest}s") == seconds
    assert parse_duration(f"PT{hours}H{rest}S") == seconds


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ScheduleError:
        return
    assert 0 < seconds <= MAX_SECONDS


MOMENTS = {
    ("2026-01-31", "UTC"): "2026-01-31T00:00:00",
    ("2026-01-31", "Europe/Berlin"): "2026-01-30T23:00:00",
    ("2026-07-31", "Europe/Berlin"): "2026-07-30T22:00:00",
    ("2026-01-31T06:00", "America/New_York"): "2026-01-31T11:00:00",
    ("2026-01-31 06:00:30", "UTC"): "2026-01-31T06:00:30",
    ("2026-01-31T06:00:00Z", "Europe/Berlin"): "2026-01-31T06:00:00",
    ("2026-01-31T06:00:00+05:30", "Europe/Berlin"): "2026-01-31T00:30:00",
    ("2026-01-31T06:00:00.25-01:00", "UTC"): "2026-01-31T07:00:00.250000",
    ("2024-02-29", "UTC"): "2024-02-29T00:00:00",
}


@pytest.mark.parametrize(("written", "utc"), MOMENTS.items(), ids=lambda value: str(value))
def test_moment_without_an_offset_is_meant_in_its_zone(written: tuple[str, str], utc: str) -> None:
    found = parse_moment(written[0], ZoneInfo(written[1]))

    assert found == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


NO_MOMENTS = [
    "",
    "today",
    "2026",
    "2026-02-30",
    "2025-02-29",
    "2026-13-01",
    "2026-01-01T25:00",
    "2026-01-01T06",
    "2026-1-1",
    "20260101",
    "2026-W01-1",
    "01.02.2026",
    "0001-01-01",
    "9999-12-31T23:59:59-12:00",
    "2026-01-01T00:00:00+24:00",
    "٢٠٢٦-01-01",
]


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"neither a date|no such date"):
        parse_moment(text, ZoneInfo("Asia/Tokyo"))


@given(st.datetimes(), st.sampled_from(["T", " "]))
def test_every_utc_moment_comes_back(moment: datetime, divider: str) -> None:
    text = moment.isoformat(sep=divider)[: None if moment.microsecond else 19]

    assert parse_moment(text, ZoneInfo("UTC")) == moment.replace(tzinfo=UTC)


def test_all_zones_of_the_system_are_known() -> None:
    for name in sorted(available_timezones())[::20]:
        assert parse_zone(name).key == name


NO_ZONES = {
    "Europe/Berln": "did you mean 'Europe/Berlin'?",
    "europe/berlin": "did you mean 'Europe/Berlin'?",
    "America/NewYork": "did you mean 'America/New_York'?",
    "Berlin": "did you mean 'Europe/Berlin'?",
    "New York": "did you mean 'America/New_York'?",
    "utc": "did you mean 'UTC'?",
    "CEST": "write a name such as Europe/Berlin or UTC",
    "Europe": "write a name such as Europe/Berlin or UTC",
    "+02:00": "write a name such as Europe/Berlin or UTC",
    "/etc/localtime": "write a name such as Europe/Berlin or UTC",
    "../UTC": "did you mean 'Etc/UTC'?",
    "a\0b": "write a name such as Europe/Berlin or UTC",
    "x" * 5000: "write a name such as Europe/Berlin or UTC",
}


@pytest.mark.parametrize(("name", "hint"), NO_ZONES.items(), ids=lambda text: repr(text[:20]))
def test_unknown_zone_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_zone(name)

    assert caught.value.hint == hint
