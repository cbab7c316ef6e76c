"""Times in SQLite's texts and numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.connectors.sqlite.moment import back, day_of, form_of, is_time, place
from syncd.connectors.sqlite.storage import affinity_of
from syncd.model.cursor import Value
from syncd.model.table import Kind

MOMENTS = st.integers(946684800, 3786912000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("like", "kind", "placed"),
    [
        ("2099-01-01", Kind.DATE, "2026-03-01"),
        ("2099-01-01T00:00Z", Kind.TEXT, "2026-03-01T12:30Z"),
        ("2099-01-01 00:00:00.000Z", Kind.TEXT, "2026-03-01 12:30:15.123Z"),
        ("2099-01-01T00:00:00+05:30", Kind.TEXT, "2026-03-01T18:00:15+05:30"),
        ("2099-01-01T00:00:00-0800", Kind.TEXT, "2026-03-01T04:30:15-0800"),
        (4_000_000_000, Kind.TIMESTAMP, int(NOW.timestamp())),
        (4_000_000_000_000, Kind.TIMESTAMP, int(NOW.timestamp() * 1000)),
        (4_000_000_000, Kind.INTEGER, None),
        ("word", Kind.TIMESTAMP, None),
        ("2026-03-01 10:00 PM", Kind.TIMESTAMP, None),
        (None, Kind.TIMESTAMP, None),
    ],
)
def test_present_is_written_as_the_value_is(like: Value, kind: Kind, placed: Value) -> None:
    assert place(like, kind, NOW) == placed


@given(MOMENTS, st.sampled_from(["", "Z", "+00:00"]))
def test_time_has_its_own_form_and_never_lies_before_itself(moment: datetime, zone: str) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M:%S.%f}{zone}"

    assert is_time(text)
    assert form_of(text).count("[0-9]") == 20
    assert day_of(text, 2) < text
    moved = back(text, Kind.TEXT, 3600)
    assert isinstance(moved, str)
    assert moved < text


@pytest.mark.parametrize("zone", ["Z", "+02:00"])
def test_lookback_goes_back_by_its_seconds(zone: str) -> None:
    assert back(f"2026-03-01T00:00:30{zone}", Kind.TEXT, 60) == f"2026-02-28T23:59:30{zone}"
    assert back(1000, Kind.TIMESTAMP, 60) == 940
    assert back(1000, Kind.INTEGER, 60) == 1000


@pytest.mark.parametrize(
    ("declared", "affinity"),
    [
        ("BIGINT", "integer"),
        ("VARCHAR(9)", "text"),
        ("", "none"),
        ("BLOB", "none"),
        ("DOUBLE", "real"),
        ("DATETIME", "numeric"),
        ("CHARINT", "integer"),
    ],
)
def test_affinity_follows_sqlites_rules(declared: str, affinity: str) -> None:
    assert affinity_of(declared) == affinity
