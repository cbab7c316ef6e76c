"""Stretches of time are cut into windows that touch and never overlap."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import FatalError
from syncd.model.interval import interval_edges
from syncd.model.options import Interval


def test_months_follow_the_calendar_and_do_not_drift() -> None:
    edges = list(interval_edges(datetime(2024, 1, 31), datetime(2024, 6, 1), Interval(months=1)))  # noqa: DTZ001  # naive on purpose

    assert [(edge.month, edge.day) for edge in edges] == [(2, 29), (3, 31), (4, 30), (5, 31)]


def test_end_is_no_edge() -> None:
    start = datetime(2024, 1, 1)  # noqa: DTZ001  # naive on purpose

    assert list(interval_edges(start, start + timedelta(days=2), Interval(seconds=86400))) == [
        start + timedelta(days=1)
    ]


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(FatalError, match="longer than nothing"):
        list(interval_edges(datetime(2024, 1, 1), datetime(2025, 1, 1), Interval()))  # noqa: DTZ001  # naive on purpose


def test_a_flood_of_windows_is_refused() -> None:
    with pytest.raises(FatalError, match="more than 100000 windows"):
        list(interval_edges(datetime(1990, 1, 1), datetime(2025, 1, 1), Interval(seconds=1)))  # noqa: DTZ001  # naive on purpose


def test_the_calendar_ends_without_an_error() -> None:
    edges = list(interval_edges(datetime(9998, 5, 1), datetime(9999, 12, 31), Interval(months=12)))  # noqa: DTZ001  # naive on purpose

    assert [edge.year for edge in edges] == [9999]


@given(
    st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2060, 1, 1)),  # noqa: DTZ001  # naive on purpose
    st.integers(0, 4000),
    st.one_of(
        st.builds(lambda months: Interval(months=months), st.integers(1, 30)),
        st.builds(lambda days: Interval(seconds=days * 86400.0), st.integers(1, 400)),
    ),
)
def test_edges_grow_and_stay_inside(start: datetime, days: int, step: Interval) -> None:
    end = start + timedelta(days=days)

    edges = list(interval_edges(start, end, step))

    assert all(low < high for low, high in zip([start, *edges], [*edges, end], strict=True) if edges)
