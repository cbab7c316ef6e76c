"""The body of a run with ports that the test plays."""

import pytest

from syncd.errors import FatalError, RunCancelledError, TransientError
from syncd.model.definitions import Connection, Replication
from syncd.model.event import StepEnded, StepStarted, WindowCommitted
from syncd.model.run import Counters, Failure, Status, StepResult
from syncd.model.secret import Secret
from syncd.worker.body import RunBody, Stop
from syncd.worker.kept import KeptPorts
from syncd.worker.wire import Order, place

SECRET = "hunter2-hunter2"
OK = StepResult("t", Status.OK, Counters(2, 2))
GONE = StepResult("t", Status.FAILED, failure=Failure("unavailable", "lost", transient=True))


class Port:
    """An open end."""

    def __init__(self) -> None:
        self.closed = self.cancelled = 0

    def tune(self, tuning) -> None:
        self.tuning = tuning

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


def order(run: str = "r") -> Order:
    job = Replication("j", "a", "b", ("REPLICATE [t]",))
    source = place(Connection("a", "x", {"host": "h", "password": Secret(SECRET)}))
    return Order(run, job, source, place(Connection("b", "x", {"host": "h"})))


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
