"""What travels between a worker and its parent."""

from datetime import UTC, datetime

import pytest

from syncd.model.definitions import (
    Connection,
    Email,
    Events,
    Hook,
    Origin,
    Replication,
    Retry,
    Schedule,
)
from syncd.model.event import (
    HookEnded,
    StatementSent,
    StateReset,
    StepEnded,
    StepProgressed,
    StepStarted,
    WindowCommitted,
)
from syncd.model.options import Interval, Options, Write
from syncd.model.run import Counters, Failure, Status, StepResult
from syncd.model.secret import Secret
from syncd.worker.wire import (
    RUN_EVENTS,
    Cancel,
    Forget,
    Order,
    Outcome,
    Ready,
    answer_of,
    event_of,
    line,
    place,
    request_of,
    told,
)

JOB = Replication(
    name="j",
    source="a",
    destination="b",
    queries=("REPLICATE [t]",),
    options=Options(
        check_columns=("updated",), interval=Interval(months=1), start=5, write=Write.HISTORY, key=("a",)
    ),
    events=Events(post=Hook(url="https://h/x", headers={"Authorization": Secret("s")})),
    email=Email(("a@b",)),
    schedule=Schedule(cron="* * * * *", start=datetime(2026, 1, 1, tzinfo=UTC)),
    timeout_seconds=1.5,
    retry=Retry(attempts=2),
    origin=Origin("f.yaml", 1, 2),
)
RESULT = StepResult(
    "t", Status.OK, Counters(5, 4, 1), mark_to="9", warnings=("w",), failure=Failure("c", "m", transient=True)
)
EVENTS = [
    StepStarted("r", "j", "t", "incremental", 10, "5"),
    StepProgressed("r", "j", "t", 7, 70),
    WindowCommitted("r", "j", "t", 1, Counters(5, 5), 0.5),
    StatementSent("r", "j", "source", "SELECT 1"),
    HookEnded("r", "j", "pre", 0.5, failure=Failure("c", "m")),
    StateReset("r", "j", "t", "the destination was emptied"),
    StepEnded("r", "j", RESULT),
]


def connection(**options) -> Connection:
    return Connection("crm", "postgresql", options)


@pytest.mark.parametrize(
    "request_",
    [
        Order(
            "r",
            JOB,
            place(connection(host="h", port=5, password=Secret("s"))),
            place(connection()),
            ("q",),
            True,
        ),
        Cancel(),
        Forget(("a", "b")),
    ],
    ids=["order", "cancel", "forget"],
)
def test_requests_arrive_as_they_left(request_):
    assert request_of(line(request_)) == request_


@pytest.mark.parametrize("answer", [Ready(), Outcome(Status.FAILED, (RESULT,), RESULT.failure)])
def test_answers_arrive_as_they_left(answer):
    assert answer_of(line(answer)) == answer


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_arrive_as_they_left(event):
    assert event_of(answer_of(line(told(event)))) == event


def test_every_event_of_a_run_can_travel():
    assert {type(event) for event in EVENTS} == set(RUN_EVENTS.values())


def test_one_message_is_one_line():
    order = Order("r", JOB, place(connection(password=Secret("a\nb"))), place(connection()))

    assert line(order).count(b"\n") == 1


def test_a_secret_is_wrapped_again_on_the_other_side():
    found = place(connection(password=Secret("s3cret"), host="h")).wrapped()

    assert found == {"password": Secret("s3cret"), "host": "h"}
    assert "s3cret" not in repr(found)


def test_places_are_the_same_when_they_mean_the_same():
    one = place(connection(host="h", password=Secret("x")))

    assert one.key == place(connection(password=Secret("x"), host="h")).key
    assert one.key != place(connection(host="h", password=Secret("y"))).key
