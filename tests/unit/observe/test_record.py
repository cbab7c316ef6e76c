"""Records: every event becomes flat facts that shippers and people can read."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import get_args

import pytest

from syncd.model import event as events
from syncd.model.run import Counters, Status, StepResult
from syncd.observe.record import record, stamp
from tests.unit.observe.samples import COUNTERS, EVENTS, RESULT

NAMES = [type(event).__name__ for event in EVENTS]


def test_samples_cover_every_event():
    assert set(map(type, EVENTS)) == set(get_args(events.Event))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_record_of_every_event_has_level_message_and_action_as_flat_plain_values(event):
    found = record(event)

    assert found["log.level"] in {"debug", "info", "warning", "error"}
    assert found["message"] == found["event.action"].replace("-", " ")
    for key, value in found.items():
        assert isinstance(value, str | int | float | bool) or all(isinstance(item, str) for item in value)
        assert not any(other.startswith(f"{key}.") for other in found)


def test_no_key_of_any_record_is_the_prefix_of_a_key_of_another():
    keys = {key for event in EVENTS for key in record(event)} | {
        "@timestamp",
        "service.name",
        "log.truncated",
    }

    assert [one for one in keys for other in keys if other.startswith(f"{one}.")] == []


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_run_job_step_and_generation_are_told_where_the_event_has_them(event):
    found = record(event)

    for name in ("run", "job", "step", "generation"):
        if hasattr(event, name):
            assert found[name] == getattr(event, name)


def test_durations_are_whole_nanoseconds():
    found = record(events.WindowCommitted("r1", "a", "T", 1, COUNTERS, 0.25))

    assert found["event.duration"] == 250_000_000
    assert type(found["event.duration"]) is int


def test_failed_run_is_an_error_with_code_and_message():
    found = record(EVENTS[NAMES.index("RunEnded")])

    assert {key: found[key] for key in ("log.level", "event.outcome", "error.code", "error.message")} == {
        "log.level": "error",
        "event.outcome": "failure",
        "error.code": "unavailable",
        "error.message": "cannot reach db:5432",
    }


@pytest.mark.parametrize(
    ("status", "level", "outcome"),
    [
        (Status.OK, "info", "success"),
        (Status.FAILED, "error", "failure"),
        (Status.CANCELLED, "warning", "unknown"),
        (Status.INTERRUPTED, "warning", "unknown"),
        (Status.SKIPPED, "info", "unknown"),
    ],
)
def test_level_and_outcome_of_an_end_follow_its_status(status, level, outcome):
    ended = record(events.RunEnded("r1", "a", status, Counters()))
    step = record(events.StepEnded("r1", "a", StepResult("T", status)))

    assert (ended["log.level"], ended["event.outcome"]) == (level, outcome)
    assert (step["log.level"], step["event.outcome"], step["step"]) == (level, outcome, "T")


def test_step_with_warnings_is_a_warning():
    found = record(events.StepEnded("r1", "a", replace(RESULT, warnings=("3 rows have no check value",))))

    assert (found["log.level"], found["warnings"]) == ("warning", ["3 rows have no check value"])


@pytest.mark.parametrize("name", ["WindowCommitted", "StepEnded", "RunEnded"])
def test_deleted_rows_are_counted(name):
    assert record(EVENTS[NAMES.index(name)])["rows.deleted"] == 3


def test_the_end_of_a_step_tells_what_was_cut_and_what_differs_without_values_of_rows():
    found = record(events.StepEnded("r1", "a", RESULT))

    assert found["truncated"] == ["name=2"]
    assert {key: value for key, value in found.items() if key.startswith("verdict.")} == {
        "verdict.method": "checksum",
        "verdict.rows": 100,
        "verdict.missing": 1,
        "verdict.different": 2,
        "verdict.surplus": 4,
        "verdict.repaired": 5,
    }


@pytest.mark.parametrize(
    ("reason", "level"),
    [("paused", "info"), ("disabled", "info"), ("too late", "warning"), ("overlap: x", "warning")],
)
def test_skipped_firing_is_a_warning_unless_somebody_wanted_it(reason, level):
    assert record(events.RunSkipped("a", EVENTS[0].due, reason))["log.level"] == level


def test_absent_facts_have_no_key():
    found = record(events.RunEnded("r1", "a", Status.OK, Counters()))

    assert not {"event.duration", "error.code"} & set(found)
    assert found["rows.read"] == 0


def test_resumed_job_has_an_action_of_its_own():
    assert record(events.JobPaused("a", False))["event.action"] == "job-resumed"


def test_stamp_is_utc_with_six_digits():
    moment = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))

    assert stamp(moment) == "2026-02-28T23:00:00.000000Z"
