"""The registry of due times: every moment fires once, over restarts, reloads and clock steps."""

import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest
import schedule
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import NotFoundError, ScheduleError
from syncd.model.definitions import CatchUp, Replication, Schedule
from syncd.model.run import Trigger
from syncd.scheduling.scheduler import Firing, Lapse, Scheduler, ScheduleState, TimedJob
from syncd.scheduling.times import firings
from tests.conftest import StillClock

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def job(name="a", enabled=True, **plan):
    return Replication(
        name, "s", "d", ("REPLICATE [T]",), schedule=Schedule(**plan) if plan else None, enabled=enabled
    )


def jobs(*definitions):
    return {one.name: one for one in definitions}


def scheduler(clock, *definitions, states=None):
    one = Scheduler(clock, lambda: 0.5)
    one.apply(jobs(*definitions), states or {})
    return one


def minutes(found):
    return [(one.due - MIDNIGHT) / MINUTE for one in found]


def test_job_fires_at_its_moment_and_only_once(clock):
    one = scheduler(clock, job(cron="*/5 * * * *"))

    clock.advance(299.9)
    early = one.due()
    clock.advance(0.1)

    assert early == []
    assert one.due() == [Firing("a", MIDNIGHT + 5 * MINUTE, Trigger.SCHEDULE)]
    assert one.due() == []
    assert one.next_due() == MIDNIGHT + 10 * MINUTE


def test_jobs_without_a_schedule_and_disabled_ones_are_not_registered(clock):
    one = scheduler(clock, job("plain"), job("off", enabled=False, every_seconds=60))

    assert one.next_due() is None
    with pytest.raises(NotFoundError, match="'off'"):
        one.state("off")


def test_several_jobs_due_at_once_come_oldest_first(clock):
    one = scheduler(clock, job("b", every_seconds=60), job("a", every_seconds=60), job("c", every_seconds=50))

    clock.advance(60)

    assert [firing.job for firing in one.due()] == ["c", "a", "b"]


def test_late_tick_fires_every_moment_of_the_last_minute(clock):
    one = scheduler(clock, job(every_seconds=20, catch_up=CatchUp.NONE))

    clock.advance(65)

    assert minutes(one.due()) == [1 / 3, 2 / 3, 1]


def test_jitter_delays_the_firing_and_not_its_nominal_time(clock):
    one = scheduler(clock, job(every_seconds=600, jitter_seconds=100))

    clock.advance(649)
    early = one.due()
    clock.advance(1)

    assert early == []
    assert minutes(one.due()) == [10]
    assert one.next_due() == MIDNIGHT + 20 * MINUTE + timedelta(seconds=50)


def test_jitter_longer_than_the_interval_loses_nothing(clock):
    one = scheduler(clock, job(every_seconds=60, jitter_seconds=1000, catch_up=CatchUp.NONE))
    found = []
    while clock.now() < MIDNIGHT + 60 * MINUTE:
        clock.advance((one.next_due() - clock.now()).total_seconds())
        found += one.due()

    assert minutes(found) == [float(number) for number in range(1, len(found) + 1)]
    assert len(found) > 40


def test_short_delay_after_a_long_one_does_not_make_a_firing_missed(clock):
    delays = cycle([0.9, 0.0])
    one = Scheduler(clock, lambda: next(delays))
    one.apply(jobs(job(every_seconds=60, jitter_seconds=1000, catch_up=CatchUp.NONE)), {})
    found = []
    for _ in range(10):
        clock.advance((one.next_due() - clock.now()).total_seconds())
        found += one.due()

    assert minutes(found) == [float(number) for number in range(1, len(found) + 1)]
    assert {firing.trigger for firing in found} == {Trigger.SCHEDULE}
    assert len(found) >= 10


def test_start_end_and_occurrences_bound_the_firings(clock):
    bounded = job("b", every_seconds=60, start=MIDNIGHT + 2 * MINUTE, end=MIDNIGHT + 4 * MINUTE)
    one = scheduler(clock, bounded, job("c", every_seconds=60, occurrences=2))
    found = []
    for _ in range(10):
        clock.advance(60)
        found += one.due()

    assert minutes(firing for firing in found if firing.job == "b") == [2, 3]
    assert minutes(firing for firing in found if firing.job == "c") == [1, 2]
    assert one.next_due() is None


@pytest.mark.parametrize(
    ("policy", "expected"), [(CatchUp.NONE, []), (CatchUp.LATEST, [180]), (CatchUp.ALL, [60, 120, 180])]
)
def test_start_makes_up_for_missed_firings_by_policy(clock, policy, expected):
    one = Scheduler(clock, lambda: 0.0)
    clock.advance(3 * 3600 + 60)

    found = one.apply(
        jobs(job(cron="0 * * * *", catch_up=policy)), {"a": ScheduleState(MIDNIGHT, MIDNIGHT, 5)}
    )

    assert minutes(found) == expected
    assert {firing.trigger for firing in found} <= {Trigger.CATCH_UP}
    assert one.state("a").fired == 5 + len(expected)
    assert one.next_due() == MIDNIGHT + 240 * MINUTE
    assert one.due() == []
    assert one.lapses() == ([] if expected else [Lapse("a", MIDNIGHT + 180 * MINUTE, "too late")])


def test_catch_up_of_all_is_bounded_and_keeps_the_newest(clock):
    one = Scheduler(clock, lambda: 0.0)
    clock.advance(86_400)

    found = one.apply(
        jobs(job(every_seconds=60, catch_up=CatchUp.ALL)), {"a": ScheduleState(MIDNIGHT, None, 0)}
    )

    assert len(found) == 100
    assert minutes(found)[-1] == 1440
    assert one.next_due() == MIDNIGHT + 1441 * MINUTE


def test_catch_up_counts_towards_occurrences(clock):
    one = Scheduler(clock, lambda: 0.0)
    clock.advance(3600)
    plan = job(every_seconds=60, catch_up=CatchUp.ALL, occurrences=7)

    found = one.apply(jobs(plan), {"a": ScheduleState(MIDNIGHT, MIDNIGHT, 4)})

    assert len(found) == 3
    assert one.next_due() is None


def test_job_seen_for_the_first_time_has_missed_nothing(clock):
    one = Scheduler(clock, lambda: 0.0)
    plan = job(every_seconds=86_400, start=MIDNIGHT - timedelta(days=100), catch_up=CatchUp.ALL)

    assert one.apply(jobs(plan), {}) == []
    assert one.next_due() == MIDNIGHT + timedelta(days=1)


def test_occurrences_survive_a_restart(clock):
    plan = job(every_seconds=60, occurrences=3)
    before = scheduler(clock, plan)
    clock.advance(60)
    before.due()

    after = scheduler(clock, plan, states={"a": before.state("a")})

    assert len(after.upcoming("a", 10)) == 2


def test_schedule_that_was_changed_while_nobody_ran_is_not_made_up_for(clock):
    old = scheduler(clock, job(cron="0 0 * * *")).state("a")
    clock.advance(86_400 * 3)
    one = Scheduler(clock, lambda: 0.0)

    found = one.apply(jobs(job(cron="* * * * *", catch_up=CatchUp.ALL)), {"a": replace(old, fired=9)})

    assert found == []
    assert one.state("a").fired == 9


def test_reload_keeps_the_place_of_an_unchanged_schedule(clock):
    plan = job(every_seconds=600, jitter_seconds=60)
    one = scheduler(clock, plan)
    clock.advance(500)
    due = one.next_due()

    one._random = lambda: 0.9
    caught = one.apply(jobs(plan, job("b", every_seconds=6000)), {"a": ScheduleState(MIDNIGHT, None, 77)})

    assert caught == []
    assert one.next_due() == due
    assert one.state("a").fired == 0


def test_reload_leaves_what_is_due_to_the_next_tick(clock):
    plan = job(every_seconds=60, catch_up=CatchUp.ALL)
    one = scheduler(clock, plan)
    clock.advance(61)

    assert one.apply(jobs(plan), {}) == []
    assert one.due() == [Firing("a", MIDNIGHT + MINUTE, Trigger.SCHEDULE)]


def test_reload_keeps_the_rhythm_when_only_the_limits_change(clock):
    one = scheduler(clock, job(every_seconds=600, occurrences=1))
    clock.advance(600)
    one.due()
    clock.advance(1500)

    one.apply(jobs(job(every_seconds=600, occurrences=3)), {})

    assert minutes(one.upcoming("a", 9)) == [40, 50]


def test_reload_begins_anew_when_the_schedule_changes(clock):
    one = scheduler(clock, job(every_seconds=600))
    clock.advance(650)
    one.due()

    caught = one.apply(jobs(job(every_seconds=300, catch_up=CatchUp.ALL)), {})

    assert caught == []
    assert one.next_due() == clock.now() + timedelta(seconds=300)
    assert one.state("a").fired == 1


def test_job_that_comes_back_by_a_reload_keeps_its_rhythm_and_makes_up_for_nothing(clock):
    plan = job(every_seconds=600, catch_up=CatchUp.ALL)
    one = scheduler(clock, plan)
    kept = one.state("a")
    one.apply({}, {})
    clock.advance(3700)

    assert one.apply(jobs(plan), {"a": kept}) == []
    assert minutes(one.upcoming("a", 1)) == [70]


def test_refused_reload_changes_nothing(clock):
    one = scheduler(clock, job(every_seconds=60))

    with pytest.raises(ScheduleError):
        one.apply(jobs(job("b", every_seconds=5), job("c", cron="61 * * * *")), {})

    assert one.upcoming(None, 1) == [Firing("a", MIDNIGHT + MINUTE, Trigger.SCHEDULE)]


def test_paused_job_lapses_and_goes_on_after_resume(clock):
    one = scheduler(clock, job(every_seconds=60, catch_up=CatchUp.ALL))
    one.pause("a")
    clock.advance(150)

    assert one.due() == []
    assert one.lapses() == [Lapse("a", MIDNIGHT + 2 * MINUTE, "paused")]
    assert one.upcoming(None, 3) == []

    one.resume("a")
    clock.advance(30)

    assert minutes(one.due()) == [3]
    assert one.state("a").fired == 1


def test_resume_before_the_next_tick_does_not_fire_what_lapsed(clock):
    one = scheduler(clock, job(every_seconds=60))
    one.pause("a")
    clock.advance(61)
    one.resume("a")

    assert one.due() == []
    assert one.lapses() == [Lapse("a", MIDNIGHT + MINUTE, "paused")]


def test_job_that_was_paused_before_the_start_makes_up_for_nothing(clock):
    one = Scheduler(clock, lambda: 0.0)
    clock.advance(3600)

    found = one.apply(jobs(job(every_seconds=60)), {"a": ScheduleState(MIDNIGHT, None, 0)}, paused=["a"])

    assert found == []
    assert one.upcoming("a", 1) == []


@pytest.mark.parametrize(
    ("policy", "expected"), [(CatchUp.NONE, []), (CatchUp.LATEST, [180]), (CatchUp.ALL, [60, 120, 180])]
)
def test_clock_step_forward_follows_catch_up(clock, policy, expected):
    one = scheduler(clock, job(cron="0 * * * *", catch_up=policy))

    clock.step(3 * 3600 + 300)

    found = one.due()
    assert minutes(found) == expected
    assert {firing.trigger for firing in found} <= {Trigger.CATCH_UP}
    assert one.next_due() == MIDNIGHT + 240 * MINUTE


def test_clock_step_back_fires_nothing_twice(clock):
    one = scheduler(clock, job(every_seconds=600))
    clock.advance(600)
    first = one.due()

    clock.step(-3600)
    again = one.due()
    clock.advance(3600)

    assert (minutes(first), again, one.due()) == ([10], [], [])
    clock.advance(600)
    assert minutes(one.due()) == [20]


def test_upcoming_of_all_jobs_is_merged_and_respects_occurrences(clock):
    one = scheduler(clock, job("a", every_seconds=60, occurrences=2), job("b", every_seconds=90))

    found = one.upcoming(None, 4)

    assert [(firing.job, (firing.due - MIDNIGHT).seconds) for firing in found] == [
        ("a", 60), ("b", 90), ("a", 120), ("b", 180)
    ]  # fmt: skip
    assert one.upcoming("nobody", 3) == []


def test_registry_is_the_schedule_package_with_its_tags(clock):
    one = scheduler(clock, job("a", every_seconds=60), job("b", every_seconds=90))

    assert [entry.name for entry in one._registry.get_jobs("b")] == ["b"]
    assert one._registry.get_next_run() == (MIDNIGHT + MINUTE).replace(tzinfo=None)


def test_schedule_package_still_has_the_private_method_that_we_replace():
    assert "_schedule_next_run" in inspect.getsource(schedule.Job.do)
    assert TimedJob._schedule_next_run is not schedule.Job._schedule_next_run


PLANS = st.one_of(
    st.builds(lambda seconds: {"every_seconds": seconds}, st.integers(20, 4000)),
    st.builds(
        lambda cron, zone: {"cron": cron, "timezone": zone},
        st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */3 * * *", "5,50 1-3 * * *"]),
        st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    ),
)
SPRING = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)


HISTORIES = st.lists(
    st.tuples(st.integers(1, 5000), st.sampled_from(["tick", "restart", "reload"])), max_size=40
)


def play(plan, steps):
    """Live through a history: the moments that fired, those that should have, and the count that is stored."""
    clock = StillClock(SPRING)
    definitions = jobs(job(catch_up=CatchUp.ALL, **plan))
    one = Scheduler(clock, lambda: 0.0)
    found = one.apply(definitions, {})
    for seconds, action in steps:
        clock.advance(seconds)
        match action:
            case "tick":
                found += one.due()
            case "restart":
                state = one.state("a")
                one = Scheduler(clock, lambda: 0.0)
                found += one.apply(definitions, {"a": state})
            case "reload":
                found += one.apply(definitions, {"a": one.state("a")})
    found += one.due()

    expected = []
    for moment in firings(definitions["a"].schedule, SPRING, SPRING):
        if moment > clock.now():
            break
        expected.append(moment)
    return [firing.due for firing in found], expected, one.state("a").fired


@given(PLANS, HISTORIES)
def test_restart_and_reload_at_any_moment_lose_and_double_nothing(plan, steps):
    found, expected, fired = play(plan, steps)

    assert len(set(found)) == len(found) == fired
    assert set(found) <= set(expected)
    assert len(expected) > 100 or found == expected


@pytest.mark.soak
@settings(max_examples=20_000)
@given(PLANS, HISTORIES)
def test_twenty_thousand_histories_lose_and_double_nothing(plan, steps):
    found, expected, fired = play(plan, steps)

    assert len(set(found)) == len(found) == fired
    assert set(found) <= set(expected)
    assert len(expected) > 100 or found == expected


@given(
    PLANS,
    st.sampled_from(CatchUp),
    st.lists(st.tuples(st.integers(0, 90), st.integers(-90_000, 90_000)), max_size=25),
)
def test_no_moment_fires_twice_whatever_happens_to_the_clock(plan, policy, steps):
    clock = StillClock(SPRING)
    one = Scheduler(clock, lambda: 0.0)
    found = one.apply(jobs(job(catch_up=policy, **plan)), {})
    for seconds, jump in steps:
        clock.advance(seconds)
        found += one.due()
        clock.step(jump)
        found += one.due()

    whole = [firing.due for firing in found]
    assert whole == sorted(set(whole))
    assert one.next_due() is None or one.next_due() > clock.now()


@given(PLANS, st.sampled_from(CatchUp), st.lists(st.floats(0.01, 60), min_size=1, max_size=60))
def test_ticks_in_time_fire_every_moment_whatever_the_policy(plan, policy, waits):
    clock = StillClock(SPRING)
    definitions = jobs(job(catch_up=policy, **plan))
    one = Scheduler(clock, lambda: 0.0)
    found = one.apply(definitions, {})
    for seconds in waits:
        clock.advance(seconds)
        found += one.due()

    expected = [SPRING]
    for moment in firings(definitions["a"].schedule, SPRING, SPRING):
        if moment > clock.now():
            break
        expected.append(moment)
    assert [firing.due for firing in found] == expected[1:]
    assert {firing.trigger for firing in found} <= {Trigger.SCHEDULE}
