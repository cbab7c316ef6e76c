"""The body of a run with ports that the test plays."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from syncd.errors import FatalError, RunCancelledError, TransientError
from syncd.model.cluster import Child, Cluster, ClusterTable
from syncd.model.definitions import Connection, Events, Hook, Replication
from syncd.model.event import StatementSent, StepEnded, StepStarted, WindowCommitted
from syncd.model.options import Options
from syncd.model.run import Counters, Failure, Status, StepResult
from syncd.model.secret import Secret
from syncd.worker.body import RunBody, Stop
from syncd.worker.hook import Reply
from syncd.worker.kept import KeptPorts
from syncd.worker.wire import ClusterOrder, Order, place

SECRET = "hunter2-hunter2"
OK = StepResult("t", Status.OK, Counters(2, 2))
WRONG = StepResult("t", Status.FAILED, failure=Failure("failed", "no such column"))
GONE = StepResult("t", Status.FAILED, failure=Failure("unavailable", "lost", transient=True))


class Port:
    """An open end."""

    def __init__(self) -> None:
        self.closed = self.cancelled = 0

    def tune(self, tuning) -> None:
        self.tuning = tuning

    def execute(self, statement, check):
        if self.tuning.trace:
            self.tuning.trace(statement)
        return []

    def cancel(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        self.closed += 1


class Store:
    """A connector whose runs do what the test prepared."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self.opened: list[Port] = []
        self.script: list[object] = []

    def open_source(self, options) -> Port:
        self.options = options
        self.opened.append(Port())
        return self.opened[-1]

    open_destination = open_source

    def execute(self, plan, around, *, go_on):
        self.around = around
        act = self.script.pop(0)
        return act(around.emit, around.check)


@pytest.fixture
def store(monkeypatch):
    made = Store()
    for place_ in ("syncd.registry.connector", "syncd.worker.kept.connector"):
        monkeypatch.setattr(place_, lambda _type: made)
    monkeypatch.setattr("syncd.engine.execute.execute", made.execute)
    return made


@pytest.fixture
def body(clock):
    return RunBody(KeptPorts(clock.monotonic))


def order(run: str = "r", others: tuple = (), **more) -> Order:
    job = Replication("j", "a", "b", ("REPLICATE [t]",), **more)
    source = place(Connection("a", "x", {"host": "h", "password": Secret(SECRET)}))
    return Order(run, job, source, place(Connection("b", "x", {"host": "h"})), others=others)


def ends(result: StepResult, *before):
    def act(emit, check):
        for event in before:
            emit(event)
        emit(StepEnded("r", "j", result))
        return (result,)

    return act


def raises(error: Exception):
    def act(emit, check):
        raise error

    return act


def asks(stop: Stop, then):
    def act(emit, check):
        stop.ask()
        return then(emit, check)

    return act


def test_ports_stay_open_for_the_next_run(store, body):
    store.script = [ends(OK), ends(OK)]

    outcomes = [body.carry_out(order(), lambda _: None, Stop()) for _ in range(2)]

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert len(store.opened) == 2
    assert store.options == {"host": "h"}


@pytest.mark.parametrize("loss", [ends(GONE), raises(TransientError("lost"))], ids=["step", "survey"])
def test_a_kept_port_that_is_dead_is_replaced_silently(store, body, loss):
    store.script = [ends(OK), loss, ends(OK)]
    body.carry_out(order(), lambda _: None, Stop())
    heard = []

    outcome = body.carry_out(order(), heard.append, Stop())

    assert outcome.status is Status.OK
    assert [event.result.status for event in heard] == [Status.OK]
    assert (len(store.opened), [port.closed for port in store.opened]) == (4, [1, 1, 0, 0])


def test_a_new_port_that_is_dead_is_a_failure(store, body):
    store.script = [raises(TransientError("lost")), ends(OK)]

    outcome = body.carry_out(order(), lambda _: None, Stop())

    assert (outcome.status, outcome.failure.transient) == (Status.FAILED, True)
    assert [port.closed for port in store.opened] == [1, 1]


def test_nothing_is_repeated_once_rows_were_committed(store, body):
    committed = WindowCommitted("r", "j", "t", 1, Counters(), 0.1)
    store.script = [ends(OK), ends(GONE, StepStarted("r", "j", "t", "incremental"), committed)]
    body.carry_out(order(), lambda _: None, Stop())
    heard = []

    outcome = body.carry_out(order(), heard.append, Stop())

    assert outcome.status is Status.FAILED
    assert [type(event) for event in heard] == [StepStarted, WindowCommitted, StepEnded]


def test_rows_that_are_not_accounted_for_are_a_failure(store, body):
    store.script = [ends(StepResult("t", Status.OK, Counters(read=3, inserted=2)))]

    outcome = body.carry_out(order(), lambda _: None, Stop())

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "unbalanced")


@pytest.mark.parametrize(("second", "transient"), [(GONE, True), (WRONG, False)], ids=["passing", "for good"])
def test_a_run_that_goes_on_after_a_failure_may_be_tried_again_if_any_may_pass(
    store, body, second, transient
):
    store.script = [lambda emit, check: (WRONG, OK, second)]

    outcome = body.carry_out(order(continue_on_error=True), lambda _: None, Stop())

    assert outcome.status is Status.PARTIAL
    assert (outcome.failure.message, outcome.failure.transient) == ("no such column", transient)


@pytest.mark.parametrize("when", ["pre", "post"])
def test_a_pre_event_that_fails_for_a_passing_reason_may_be_tried_again(store, body, when):
    """A post-event that fails is no reason to move rows once more."""
    store.script = [ends(OK)]
    events = Events(**{when: Hook(url="http://127.0.0.1:9/")})

    outcome = body.carry_out(order(events=events), lambda _: None, Stop())

    assert (outcome.failure.code, outcome.failure.transient) == ("event_failed", when == "pre")


def test_a_fault_of_ours_ends_the_run_with_its_place(store, body):
    store.script = [raises(ZeroDivisionError("by zero"))]

    outcome = body.carry_out(order(), lambda _: None, Stop())

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "internal")
    assert "ZeroDivisionError: by zero" in outcome.failure.message
    assert outcome.failure.where


@pytest.mark.parametrize(
    "way",
    [raises(RunCancelledError("stop")), raises(FatalError("interrupted")), ends(GONE)],
    ids=["check", "driver", "step"],
)
def test_whatever_a_stop_makes_of_a_run_it_is_cancelled(store, body, way):
    stop = Stop()
    store.script = [asks(stop, way)]

    outcome = body.carry_out(order(), lambda _: None, stop)

    assert (outcome.status, outcome.failure.code) == (Status.CANCELLED, "cancelled")
    assert [port.closed for port in store.opened] == [1, 1]


def test_a_stop_that_comes_too_late_leaves_the_run_ok_but_drops_the_ports(store, body):
    stop = Stop()
    store.script = [asks(stop, ends(OK))]

    outcome = body.carry_out(order(), lambda _: None, stop)

    assert outcome.status is Status.OK
    assert [port.closed for port in store.opened] == [1, 1]


def test_a_stop_before_anything_was_opened_opens_nothing(store, body):
    stop = Stop()
    stop.ask()

    outcome = body.carry_out(order(), lambda _: None, stop)

    assert (outcome.status, store.opened) == (Status.CANCELLED, [])


def test_secrets_in_errors_and_warnings_of_drivers_are_masked(store, body):
    warned = StepResult(
        "t", Status.FAILED, warnings=(f"saw {SECRET}",), failure=Failure("x", f"dsn={SECRET}", SECRET, SECRET)
    )
    store.script = [ends(warned), raises(ValueError(f"bad {SECRET}"))]
    heard = []

    outcomes = [body.carry_out(order(), heard.append, Stop()) for _ in range(2)]

    assert SECRET not in repr(heard) + repr(outcomes)
    assert "dsn=***" in repr(outcomes)


def test_idle_and_forgotten_ports_are_closed(store, clock):
    ports = KeptPorts(clock.monotonic)
    body = RunBody(ports)
    store.script = [ends(OK), ends(OK)]
    body.carry_out(order(), lambda _: None, Stop())

    ports.forget({"a"})
    assert [port.closed for port in store.opened] == [1, 0]
    clock.advance(299)
    ports.evict()
    assert [port.closed for port in store.opened] == [1, 0]
    clock.advance(1)
    ports.evict()

    assert [port.closed for port in store.opened] == [1, 1]


def test_cancel_reaches_both_ports_of_the_run_and_none_that_is_over(store, clock):
    ports = KeptPorts(clock.monotonic)
    ports.source(order().source)
    ports.destination(order().destination)

    ports.cancel()
    ports.settle()
    ports.cancel()

    assert [port.cancelled for port in store.opened] == [1, 1]


def test_cancel_between_runs_reaches_no_kept_port(store, clock):
    ports = KeptPorts(clock.monotonic)
    store.script = [ends(OK)]
    RunBody(ports).carry_out(order(), lambda _: None, Stop())

    ports.cancel()

    assert [port.cancelled for port in store.opened] == [0, 0]


@pytest.mark.parametrize("when", ["pre", "post"])
def test_an_event_that_goes_wrong_in_an_unforeseen_way_ends_the_run_with_an_outcome(
    store, body, monkeypatch, when
):
    def hook(*_):
        raise ZeroDivisionError(f"by {SECRET}")

    monkeypatch.setattr("syncd.worker.hooked.run_hook", hook)
    store.script = [ends(OK)]

    outcome = body.carry_out(order(events=Events(**{when: Hook(command=("x",))})), lambda _: None, Stop())

    assert outcome.status is (Status.FAILED if when == "pre" else Status.PARTIAL)
    assert f"the {when}-event failed: ZeroDivisionError: by ***" in outcome.failure.message


def test_a_stopped_run_leaves_no_port_of_its_events_behind(store, body):
    stop = Stop()
    other = place(Connection("c", "x", {"host": "h"}))
    hook = Hook(sql="SELECT 1", connection="c")
    store.script = [asks(stop, raises(RunCancelledError("stop")))]

    body.carry_out(order(others=(other,), events=Events(pre=hook)), lambda _: None, stop)

    assert [port.closed for port in store.opened] == [1, 1, 1]


def test_what_a_post_event_is_told_holds_no_secret(store, body, monkeypatch):
    told = []
    monkeypatch.setattr(
        "syncd.worker.hooked.run_hook", lambda _hook, facts, *_: told.append(facts) or Reply()
    )
    failed = StepResult("t", Status.FAILED, failure=Failure("x", f"dsn={SECRET}"))
    store.script = [ends(failed), raises(FatalError(f"dsn={SECRET}"))]

    for _ in range(2):
        body.carry_out(order(events=Events(post=Hook(command=("x",)))), lambda _: None, Stop())

    assert [facts["Detail"] for facts in told] == ["dsn=***", "dsn=***"]
    assert SECRET not in repr(told)


def test_ports_of_lanes_the_mirror_and_events_are_tuned_as_the_others(store, body):
    def act(emit, check):
        around = store.around
        with around.lane() as (source, destination):
            ports = [around.source, around.destination, around.mirror(), source, destination]
            seen.extend(port.tuning.command_timeout_seconds for port in ports)
            for port in ports:
                port.tuning.trace("SELECT 1")
        return (OK,)

    seen, heard = [], []
    store.script = [act]
    other = place(Connection("c", "x", {"host": "h"}))
    job = {"options": Options(command_timeout_seconds=7.0), "verbosity": 3}
    job |= {"events": Events(post=Hook(sql="SELECT 2", connection="c"))}

    body.carry_out(order(others=(other,), **job), heard.append, Stop())

    assert seen == [0.0, 7.0, 7.0, 0.0, 7.0]
    told = [event.end for event in heard if isinstance(event, StatementSent)]
    assert told == ["source", "destination", "destination", "source", "destination", "destination"]


@pytest.mark.parametrize(("query", "asked"), [("REPLICATE [t]", 0), ("REPLICATE [t] SELECT {env:x}", 1)])
def test_a_comparison_asks_the_pre_event_for_variables_only(store, body, monkeypatch, query, asked):
    told = []

    def hook(hook, *_):
        told.append(hook)
        return Reply({"x": "1"}, veto=True)

    monkeypatch.setattr("syncd.worker.hooked.run_hook", hook)
    monkeypatch.setattr(body._plans, "of", lambda _order, _source, variables: given.append(variables))
    given = []
    store.script = [ends(OK)]
    events = Events(pre=Hook(command=("pre",)), post=Hook(command=("post",)))
    one = order(events=events)

    outcome = body.carry_out(
        msgspec.structs.replace(one, job=replace(one.job, queries=(query,)), verify="check"),
        lambda _: None,
        Stop(),
    )

    assert outcome.status is Status.OK
    assert [hook.command for hook in told] == [("pre",)] * asked
    assert given == [{"x": "1"} if asked else {}]


def cluster_order(*children: Child, **more) -> ClusterOrder:
    stores = {
        child.repository: place(Connection(child.connection, "x", {"password": Secret(SECRET)}))
        for child in children
        if child.takes_part
    }
    return ClusterOrder(
        "r",
        Cluster("c", "P", "p", children, (ClusterTable("t"),), signing_key=Secret("s1gning-key"), **more),
        place(Connection("p", "x", {"host": "h"})),
        tuple(stores.get(child.repository) for child in children),
    )


@pytest.fixture
def engine(monkeypatch):
    """Plays the part that exchanges rows: it answers with the steps that stand in it."""
    steps: list[StepResult] = []

    def carry_out(order, ports, emit, check):
        check()
        return tuple(steps)

    monkeypatch.setitem(sys.modules, "syncd.worker.cluster", SimpleNamespace(carry_out=carry_out))
    return steps


A, B = Child("A", "a"), Child("B", "b")


def test_cluster_with_one_child_that_failed_is_partial_and_keeps_all_steps(body, engine):
    lost = Failure("unavailable", "no route", transient=True)
    engine += [
        replace(OK, step="A up"),
        StepResult("B up", Status.FAILED, failure=lost),
        replace(OK, step="A down"),
    ]

    outcome = body.carry_out(cluster_order(A, B), lambda _: None, Stop())

    assert (outcome.status, outcome.failure) == (Status.PARTIAL, lost)
    assert [step.step for step in outcome.steps] == ["A up", "B up", "A down"]


def test_cluster_is_ok_when_every_step_is_and_cancelled_when_it_was_stopped(body, engine):
    engine.append(replace(OK, step="A up"))
    stop = Stop()
    stop.ask()

    well = body.carry_out(cluster_order(A), lambda _: None, Stop())
    stopped = body.carry_out(cluster_order(A), lambda _: None, stop)

    assert (well.status, stopped.status) == (Status.OK, Status.CANCELLED)


def test_secrets_of_children_and_the_signing_key_are_masked(body, engine):
    said = f"{SECRET} and s1gning-key"
    engine.append(StepResult("A up", Status.FAILED, warnings=(said,), failure=Failure("failed", said)))

    outcome = body.carry_out(cluster_order(A), lambda _: None, Stop())

    assert outcome.steps[0].warnings == ("*** and ***",)
    assert outcome.failure.message == "*** and ***"


def test_event_of_a_cluster_is_told_the_repositories_and_runs_its_sql_at_the_parent(
    store, body, engine, monkeypatch
):
    told = []

    def hear(hook, facts, destination, check):
        told.append((facts["Source"], facts["Destination"]))
        destination("").execute("x", check)
        return Reply()

    monkeypatch.setattr("syncd.worker.hooked.run_hook", hear)
    events = Events(pre=Hook(sql="x"))
    heard = []

    order = cluster_order(A, B, Child("C", connected="false"), events=events, verbosity=3)
    outcome = body.carry_out(order, heard.append, Stop())

    assert outcome.status is Status.OK
    assert told == [("P", "A, B")]
    assert store.options == {"host": "h"}
    assert [event.statement for event in heard if isinstance(event, StatementSent)] == ["x"]
