"""The moments of a schedule: intervals without drift, start and end, and what was missed."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ScheduleError
from syncd.model.definitions import Schedule
from syncd.scheduling import times
from syncd.scheduling.times import firings, missed, next_firing, previous_firing

ANCHOR = datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_interval_counts_from_the_anchor_which_does_not_fire():
    found = list(islice(firings(Schedule(every_seconds=900), ANCHOR, ANCHOR - HOUR), 2))

    assert found == [at("2026-03-01 00:15:05"), at("2026-03-01 00:30:05")]


def test_interval_counts_from_start_which_fires():
    plan = Schedule(every_seconds=3600, start=at("2026-03-01 12:00"))

    assert list(islice(firings(plan, ANCHOR, ANCHOR), 2)) == [at("2026-03-01 12:00"), at("2026-03-01 13:00")]


def test_interval_does_not_drift_over_years():
    plan = Schedule(every_seconds=0.1, start=at("2026-01-01 00:00"))

    assert next_firing(plan, ANCHOR, at("2036-01-01 00:00")) == at("2036-01-01 00:00:00.100000")


def test_interval_does_not_see_the_clock_change():
    plan = Schedule(every_seconds=3600, timezone="Europe/Berlin")
    found = list(islice(firings(plan, ANCHOR, at("2026-10-24 22:00")), 6))

    assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


@pytest.mark.parametrize("every", [0, -5, None])
def test_interval_of_nothing_is_refused(every):
    with pytest.raises(ScheduleError, match="longer than nothing"):
        next_firing(Schedule(every_seconds=every), ANCHOR, ANCHOR)


def test_start_is_inclusive_and_end_is_exclusive():
    plan = Schedule(cron="0 * * * *", start=at("2026-03-01 02:00"), end=at("2026-03-01 04:00"))

    assert list(firings(plan, ANCHOR, ANCHOR)) == [at("2026-03-01 02:00"), at("2026-03-01 03:00")]


def test_nothing_comes_after_the_end():
    plan = Schedule(every_seconds=60, end=ANCHOR)

    assert next_firing(plan, ANCHOR, ANCHOR) is None


def test_missed_are_those_after_the_last_up_to_now():
    plan = Schedule(cron="0 * * * *")

    found = missed(plan, ANCHOR, at("2026-03-01 01:00"), at("2026-03-01 04:00"))

    assert found == [at("2026-03-01 02:00"), at("2026-03-01 03:00"), at("2026-03-01 04:00")]


def test_missed_since_the_anchor_when_it_never_fired():
    assert missed(Schedule(every_seconds=60), ANCHOR, None, ANCHOR + timedelta(seconds=121)) == [
        ANCHOR + timedelta(seconds=60),
        ANCHOR + timedelta(seconds=120),
    ]


@pytest.mark.parametrize(
    "plan",
    [
        Schedule(cron="* * * * *"),
        Schedule(every_seconds=1),
        Schedule(cron="0 9-17 * * 1-5"),
        Schedule(cron="0 0 1 * *"),
        Schedule(cron="* 0 1 3 *"),
    ],
    ids=["minutes", "seconds", "office hours", "months", "an hour a year"],
)
def test_of_ten_missed_years_only_the_newest_are_looked_at(plan, monkeypatch):
    looked_at = []

    def counted(*arguments):
        for moment in firings(*arguments):
            looked_at.append(moment)
            yield moment

    monkeypatch.setattr(times, "firings", counted)
    now = ANCHOR + timedelta(days=3650)

    found = missed(plan, ANCHOR, ANCHOR, now, 3)

    assert len(found) == 3
    assert next_firing(plan, ANCHOR, found[-1]) > now
    assert len(looked_at) < 200


def test_nothing_is_missed_when_the_clock_went_back():
    assert missed(Schedule(every_seconds=60), ANCHOR, ANCHOR + HOUR, ANCHOR) == []


def test_previous_firing_is_the_last_that_was_due():
    assert previous_firing(Schedule(cron="0 0 29 2 *"), at("2020-01-01"), at("2026-03-01")) == at(
        "2024-02-29"
    )
    assert previous_firing(Schedule(cron="0 0 * * *"), at("2026-03-01 12:00"), at("2026-03-01 13:00")) is None


PLANS = st.one_of(
    st.builds(lambda seconds: Schedule(every_seconds=seconds), st.integers(30, 90_000)),
    st.builds(
        lambda cron, zone: Schedule(cron=cron, timezone=zone),
        st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */5 * * 1-5", "0 9 1 * *"]),
        st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    ),
)


@given(PLANS, st.integers(0, 400 * 86_400), st.integers(1, 20))
def test_missed_are_the_newest_of_the_firings_up_to_now(plan, seconds, limit):
    now = ANCHOR + timedelta(seconds=seconds)
    whole = []
    for moment in firings(plan, ANCHOR, max(ANCHOR, now - timedelta(days=60))):
        if moment > now:
            break
        whole.append(moment)

    found = missed(plan, ANCHOR, ANCHOR, now, limit)

    assert found[-len(whole) :] == whole[-limit:] if whole else len(found) <= limit
