"""What travels between a worker and its parent."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from syncd.errors import NotFoundError
from syncd.model.cluster import (
    Child,
    Cluster,
    ClusterTable,
    Combine,
    ConflictPolicy,
    Direction,
    Winner,
)
from syncd.model.configuration import Configuration
from syncd.model.definitions import (
    Connection,
    Email,
    Events,
    Hook,
    Origin,
    Replication,
    Retry,
    Schedule,
    State,
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
from syncd.model.run import Counters, Failure, Run, Status, StepResult, Trigger
from syncd.model.secret import Secret
from syncd.worker.mask import secrets_of
from syncd.worker.wire import (
    RUN_EVENTS,
    Cancel,
    ClusterOrder,
    Forget,
    Order,
    Outcome,
    Ready,
    answer_of,
    event_of,
    line,
    order_of,
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
CLUSTER = Cluster(
    "c",
    "P",
    "crm",
    (Child("A", "a", "True"), Child("B", "b", where={"t": "x = :child"})),
    (ClusterTable("t", Direction.DOWN, conflict=ConflictPolicy(Winner.NEWEST, "u", {"q": Combine.MAX})),),
    signing_key=Secret("k3y"),
    schedule=Schedule(every_seconds=60, start=datetime(2026, 1, 1, tzinfo=UTC)),
    events=Events(post=Hook(url="https://h/x", headers={"A": Secret("h3ader")})),
)


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
        ClusterOrder(
            "r", CLUSTER, place(connection(password=Secret("s"))), (None, place(connection())), True
        ),
        ClusterOrder("r", Cluster("c", "P", "crm", (), ()), place(connection()), ()),
        Cancel(),
        Forget(("a", "b")),
    ],
    ids=["order", "cluster", "unsigned cluster", "cancel", "forget"],
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


def test_order_of_a_cluster_names_the_children_that_take_part():
    stores = {name: Connection(name, "sqlite", {"path": name}) for name in "pab"}
    cluster = replace(
        CLUSTER,
        parent_connection="p",
        children=(Child("A", "a"), Child("B", "b", "True"), Child("C", connected="false")),
        events=Events(pre=Hook(sql="x", connection="b")),
    )
    declared = Configuration(State("s"), stores, {}, {"c": cluster})
    run = Run("r", "c", Status.QUEUED, Trigger.MANUAL, datetime(2026, 1, 1, tzinfo=UTC), verify="check")

    order = order_of(run, declared, None, "log")

    assert order == ClusterOrder(
        "r",
        cluster,
        place(stores["p"]),
        (place(stores["a"]), None, None),
        verify="check",
        others=(place(stores["b"]),),
        previous="never run",
        log="log",
    )
    assert [one.name for one in order.places] == ["p", "a"]
    assert order.home == order.parent
    with pytest.raises(NotFoundError, match="has no queries"):
        order_of(replace(run, queries=("q",)), declared, None)


def test_key_that_signs_files_is_masked_and_never_shown():
    declared = Configuration(State("s"), {}, {}, {"c": CLUSTER})

    assert secrets_of(declared) == {"k3y", "h3ader"}
    assert "k3y" not in repr(ClusterOrder("r", CLUSTER, place(connection()), ()))
