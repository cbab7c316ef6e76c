"""The application's rules, with a real state folder and workers that end when the test says so."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from syncd.control.views import jobs_view
from syncd.control.why import why
from syncd.errors import BusyError, NotFoundError, RestartNeededError, TransientError
from syncd.model.cluster import Child, Cluster
from syncd.model.configuration import Configuration
from syncd.model.definitions import (
    CatchUp,
    Connection,
    Limits,
    Overlap,
    Replication,
    Retry,
    Schedule,
    State,
)
from syncd.model.event import ConfigApplied, RunEnded, RunSkipped
from syncd.model.run import Failure, Status, Trigger
from syncd.pool.dispatch import Surroundings
from syncd.scheduling.scheduler import Scheduler
from syncd.service import Clockwork, Service
from syncd.state.backlog import Backlog
from syncd.state.database import Database
from syncd.state.journal import Journal
from syncd.state.schedule import Schedules
from syncd.worker.wire import ClusterOrder, Order, Outcome

OK = Outcome(Status.OK)
PASSING = Outcome(Status.FAILED, (), Failure("unavailable", "the server restarts", transient=True))
WRONG = Outcome(Status.FAILED, (), Failure("failed", "no such column"))
HOURLY = Schedule(every_seconds=3600)


@dataclass
class Call:
    """A call that was asked for later."""

    at: float
    make: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """A service and everything around it, in the test's hand."""

    def __init__(self, folder, clock) -> None:
        self.clock = clock
        self.database = Database(folder)
        self.journal = Journal(self.database)
        self.orders: dict[str, tuple[Order, Callable[[Outcome], None]]] = {}
        self.cancelled: list[str] = []
        self.forgotten: list[str] = []
        self.calls: list[Call] = []
        self.events: list[object] = []
        self._numbers = iter(range(1, 100_000))

    def launch(self, order, emit, ended) -> None:
        self.orders[order.run] = (order, ended)

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)

    def forget(self, connections) -> None:
        self.forgotten += connections

    def later(self, seconds: float, make: Callable[[], None]) -> Call:
        self.calls.append(Call(self.clock.monotonic() + seconds, make))
        return self.calls[-1]

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for call in [call for call in self.calls if call.at <= self.clock.monotonic()]:
            self.calls.remove(call)
            if not call.cancelled:
                call.make()

    def end(self, run: str, outcome: Outcome = OK) -> None:
        self.orders.pop(run)[1](outcome)

    def only(self) -> str:
        (run,) = self.orders
        return run

    def publish(self, event) -> None:
        self.events.append(event)
        self.journal.record(event, self.clock.now())

    def service(self, configuration: Configuration) -> Service:
        """A daemon's life begins; whatever an earlier one began is gone."""
        self.orders.clear()
        self.calls.clear()
        around = Surroundings(self.journal, Backlog(), self, self.clock, self.later, self.publish, pid=1)
        random = lambda: next(self._numbers) / 100_000  # noqa: E731
        scheduler = Scheduler(self.clock, random)
        service = Service(configuration, around, Clockwork(scheduler, Schedules(self.database), random))
        service.open()
        return service


@pytest.fixture
def world(tmp_path, clock):
    made = World(tmp_path, clock)
    yield made
    made.database.close()


def job(name: str = "j", **more) -> Replication:
    return Replication(
        **{"name": name, "source": "a", "destination": "b", "queries": ("REPLICATE [t]",), **more}
    )


def configuration(*jobs: Replication, **more) -> Configuration:
    connections = {name: Connection(name, "sqlite", {"path": name}) for name in "ab"}
    values = {"state": State("here"), "connections": connections, "jobs": {one.name: one for one in jobs}}
    return Configuration(**{**values, **more})


def test_a_run_by_hand_goes_through_its_stations(world):
    service = world.service(configuration(job()))

    run = service.start("j", full=True)
    assert (run.status, run.trigger, run.generation) == (Status.RUNNING, Trigger.MANUAL, 1)
    assert world.journal.run(run.id).status is Status.RUNNING
    assert world.orders[run.id][0].full
    world.end(run.id)

    assert service.latest["j"].status is Status.OK
    assert world.journal.run(run.id).status is Status.OK
    assert [event.run for event in world.events if isinstance(event, RunEnded)] == [run.id]


def cluster(name: str = "c", **more) -> Cluster:
    children = (Child("A", "a"), Child("B", "b"), Child("Off", "c", "false"))
    return Cluster(
        **{"name": name, "parent": "P", "parent_connection": "p", "children": children, "tables": (), **more}
    )


def with_clusters(*jobs: Replication, clusters: tuple[Cluster, ...], **limits) -> Configuration:
    stores = {name: Connection(name, "sqlite", {"path": name}, limits.get(name)) for name in "pabc"}
    declared = {one.name: one for one in clusters}
    return configuration(*jobs, connections=stores, clusters=declared)


def test_a_cluster_is_due_runs_and_is_told_like_a_job(world):
    service = world.service(with_clusters(job("after", after=("c",)), clusters=(cluster(schedule=HOURLY),)))

    world.pass_time(3600)
    service.tick()
    order = world.orders[world.only()][0]
    world.end(order.run)

    assert isinstance(order, ClusterOrder)
    assert [place.name for place in order.places] == ["p", "a", "b"]
    assert service.latest["c"].trigger is Trigger.SCHEDULE
    assert world.journal.run(order.run).status is Status.OK
    assert world.orders[world.only()][0].work.name == "after"
    view = jobs_view(service, ["c"])[0]
    assert (view["status"], view["parent"]) == ("ok", "P")
    assert [child["connected"] for child in view["children"]] == [True, True, False]
    assert why(service, "c")["sentences"][0].startswith("c was due at")
    assert [view["job"] for view in jobs_view(service)] == ["after", "c"]


def test_a_cluster_that_fails_is_tried_again_and_may_be_cancelled_and_paused(world):
    service = world.service(with_clusters(clusters=(cluster(schedule=HOURLY, retry=Retry(attempts=3)),)))

    world.end(service.start("c").id, PASSING)
    world.pass_time(1)
    again = world.only()
    cancelled = service.cancel("c")
    world.end(again, Outcome(Status.CANCELLED))
    service.pause("c")
    world.pass_time(7200)
    service.tick()

    assert world.journal.run(again).attempt == 2
    assert (cancelled.id, cancelled.status) == (again, Status.CANCELLING)
    assert service.latest["c"].status is Status.CANCELLED
    assert world.orders == {}


def test_every_connection_of_a_cluster_counts_for_its_limit(world):
    declared = with_clusters(
        job(source="b", destination="c"), job("free", source="c", destination="c"), clusters=(cluster(),), b=1
    )
    service = world.service(declared)

    running = service.start("c")
    waiting = service.start("j")
    free = service.start("free")
    world.end(running.id)

    assert (running.status, waiting.status, free.status) == (Status.RUNNING, Status.QUEUED, Status.RUNNING)
    assert service.runs.live[waiting.id].status is Status.RUNNING


def test_a_cluster_that_was_taken_away_starts_no_more(world):
    service = world.service(with_clusters(job(source="b"), clusters=(cluster(),), b=1))
    service.start("j")
    waiting = service.start("c")

    changes = service.apply(with_clusters(job(source="b"), clusters=(), b=1))

    assert changes.removed == ("cluster c",)
    assert world.journal.run(waiting.id).status is Status.CANCELLED
    with pytest.raises(NotFoundError, match="there is no job 'c'"):
        service.start("c")


def test_a_job_runs_once_at_a_time(world):
    service = world.service(configuration(job()))
    service.start("j")

    with pytest.raises(BusyError):
        service.start("j")
    with pytest.raises(NotFoundError, match="there is no job 'i'"):
        service.start("i")


def test_the_limit_makes_runs_wait(world):
    service = world.service(configuration(job("x"), job("y"), limits=Limits(max_runs=1)))
    first, second = service.start("x"), service.start("y")
    assert (second.status, list(world.orders)) == (Status.QUEUED, [first.id])

    world.end(first.id)

    assert world.only() == second.id


def test_a_passing_failure_is_tried_again_after_a_while(world):
    service = world.service(configuration(job(retry=Retry(attempts=3, delay_seconds=10))))
    first = service.start("j", ("REPLICATE [t]",))
    world.end(first.id, PASSING)
    assert (world.orders, service.retries["j"][1].id) == ({}, first.id)

    world.pass_time(10)
    second = service.runs.live[world.only()]
    world.end(second.id, PASSING)
    world.pass_time(20)
    third = service.runs.live[world.only()]
    world.end(third.id, PASSING)
    world.pass_time(1000)

    assert (second.trigger, second.attempt, second.retry_of) == (Trigger.RETRY, 2, first.id)
    assert (third.attempt, third.retry_of, third.queries) == (3, first.id, ("REPLICATE [t]",))
    assert (world.orders, service.retries) == ({}, {})


def test_a_failure_for_good_is_not_tried_again(world):
    service = world.service(configuration(job()))
    world.end(service.start("j").id, WRONG)

    assert service.retries == {}


def test_a_retry_that_waits_can_be_cancelled(world):
    service = world.service(configuration(job()))
    world.end(service.start("j").id, PASSING)

    service.cancel("j")
    world.pass_time(1000)

    assert (world.orders, service.retries) == ({}, {})


def test_a_start_by_hand_takes_the_place_of_a_retry(world):
    service = world.service(configuration(job()))
    world.end(service.start("j").id, PASSING)

    run = service.start("j")
    world.pass_time(1000)

    assert world.only() == run.id


@pytest.mark.parametrize("outcome", [OK, PASSING, WRONG], ids=["ok", "passing", "wrong"])
def test_a_comparison_leaves_the_retry_of_the_load(world, outcome):
    service = world.service(configuration(job()))
    load = service.start("j", full=True)
    world.end(load.id, PASSING)
    world.end(service.start("j", verify="check").id, outcome)

    world.pass_time(1000)

    run = service.runs.live[world.only()]
    assert (run.retry_of, run.full, run.verify) == (load.id, True, "")


def test_a_retry_that_is_due_during_a_comparison_waits_for_its_end(world):
    service = world.service(configuration(job()))
    load = service.start("j")
    world.end(load.id, PASSING)
    comparison = service.start("j", verify="check")
    world.pass_time(1000)

    world.end(comparison.id)

    assert service.runs.live[world.only()].retry_of == load.id


def test_a_retry_that_was_owed_before_a_comparison_is_made_by_the_next_daemon(world):
    service = world.service(configuration(job()))
    load = service.start("j")
    world.end(load.id, PASSING)
    world.clock.advance(0.001)
    world.end(service.start("j", verify="check").id)

    again = world.service(configuration(job()))
    world.pass_time(1000)

    assert again.runs.live[world.only()].retry_of == load.id


def test_a_retry_that_the_last_daemon_owed_is_made_by_the_next(world):
    service = world.service(configuration(job()))
    world.end(service.start("j").id, PASSING)

    again = world.service(configuration(job()))
    world.pass_time(1000)

    assert again.runs.live[world.only()].attempt == 2


def test_an_interrupted_run_goes_on_at_once(world):
    service = world.service(configuration(job()))
    lost = service.start("j", ("REPLICATE [t]",), full=True)

    again = world.service(configuration(job()))

    run = again.runs.live[world.only()]
    assert (run.trigger, run.retry_of, run.full, run.queries) == (Trigger.RESUME, lost.id, True, lost.queries)
    assert world.journal.run(lost.id).status is Status.INTERRUPTED


@pytest.mark.parametrize("jobs", [(), (job(enabled=False),)], ids=["removed", "disabled"])
def test_an_interrupted_run_of_a_job_that_is_not_wanted_any_more_stays_so(world, jobs):
    world.service(configuration(job())).start("j")

    world.service(configuration(*jobs))

    assert world.orders == {}


def test_a_firing_becomes_a_run_and_is_counted_with_it(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    assert world.orders == {}
    world.clock.advance(3600)

    service.tick()
    service.tick()

    run = service.runs.live[world.only()]
    assert (run.trigger, run.due) == (Trigger.SCHEDULE, world.clock.now())
    assert Schedules(world.database).all()["j"].fired == 1


def test_a_firing_that_could_not_be_stored_is_not_counted_either(world, monkeypatch):
    service = world.service(configuration(job(schedule=HOURLY)))
    world.clock.advance(3600)

    def full(_run, _alongside) -> None:
        raise TransientError("the disk is full")

    monkeypatch.setattr(world.journal, "create_run", full)
    service.tick()

    assert Schedules(world.database).all()["j"].fired == 0
    assert (service.backlog.trouble, len(world.orders)) == ("the disk is full", 1)
    monkeypatch.undo()
    world.end(world.only())
    service.tick()
    assert Schedules(world.database).all()["j"].fired == 1
    assert [run.status for run in world.journal.runs("j")] == [Status.OK]


def test_a_firing_while_the_job_runs_is_skipped_and_told(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    service.start("j")
    world.clock.advance(3600)

    service.tick()

    (skipped,) = [event for event in world.events if isinstance(event, RunSkipped)]
    assert (skipped.job, skipped.due) == ("j", world.clock.now())
    assert len(world.orders) == 1
    assert Schedules(world.database).all()["j"].fired == 1


def test_a_firing_may_take_the_place_of_the_run_before_it(world):
    service = world.service(configuration(job(schedule=replace(HOURLY, overlap=Overlap.CANCEL))))
    first = service.start("j")
    world.clock.advance(3600)

    service.tick()
    assert world.cancelled == [first.id]
    world.end(first.id, Outcome(Status.CANCELLED))

    assert service.runs.live[world.only()].trigger is Trigger.SCHEDULE


def test_what_was_missed_is_made_up_for_once(world):
    jobs = configuration(job(schedule=replace(HOURLY, catch_up=CatchUp.LATEST)))
    world.service(jobs)
    world.clock.advance(3600 * 5.5)

    service = world.service(jobs)
    service.tick()

    run = service.runs.live[world.only()]
    assert (run.trigger, world.clock.now() - run.due) == (Trigger.CATCH_UP, timedelta(minutes=30))


def test_a_success_starts_what_comes_after(world):
    service = world.service(configuration(job("x"), job("y", after=("x",))))
    world.end(service.start("x").id, WRONG)
    assert world.orders == {}

    world.end(service.start("x").id)

    assert service.runs.live[world.only()].trigger is Trigger.DEPENDENCY


def test_a_comparison_that_ends_well_starts_nothing(world):
    service = world.service(configuration(job("x"), job("y", after=("x",))))

    world.end(service.start("x", verify="check").id)

    assert world.orders == {}


def test_a_run_whose_time_is_over_is_cancelled_and_failed(world):
    service = world.service(configuration(job(timeout_seconds=60)))
    run = service.start("j")

    world.pass_time(60)
    assert world.cancelled == [run.id]
    world.end(run.id, Outcome(Status.CANCELLED))

    ended = world.journal.run(run.id)
    assert (ended.status, ended.failure.code) == (Status.FAILED, "timeout")
    assert service.retries == {}


def test_a_run_that_ends_well_although_it_was_cancelled_is_ok(world):
    service = world.service(configuration(job()))
    run = service.start("j")

    assert service.cancel(run.id).status is Status.CANCELLING
    world.end(run.id)

    assert world.journal.run(run.id).status is Status.OK


def test_nothing_changes_when_the_files_mean_the_same(world):
    service = world.service(configuration(job()))

    assert not service.apply(configuration(job()))
    assert service.generation == 1


def test_another_state_folder_needs_a_restart(world):
    service = world.service(configuration(job()))

    with pytest.raises(RestartNeededError) as caught:
        service.apply(configuration(job(), job("k"), state=State("elsewhere")))

    assert caught.value.exit_code == 5
    assert (service.generation, list(service.configuration.jobs)) == (1, ["j"])


def test_a_reload_keeps_runs_ends_waiting_ones_of_removed_jobs_and_tells_workers(world):
    limits = Limits(max_runs=1)
    service = world.service(configuration(job("x"), job("y"), limits=limits))
    first, second = service.start("x"), service.start("y")
    connections = {
        "a": Connection("a", "sqlite", {"path": "new"}),
        "b": Connection("b", "sqlite", {"path": "b"}),
    }

    changes = service.apply(configuration(job("z"), limits=limits, connections=connections))

    assert (changes.added, changes.removed) == (("job z",), ("job x", "job y"))
    assert world.forgotten == ["a"]
    assert list(service.runs.live) == [first.id]
    assert world.journal.run(second.id).failure.code == "no_longer"
    assert [event.generation for event in world.events if isinstance(event, ConfigApplied)] == [2]
    world.end(first.id)
    assert world.journal.run(first.id).generation == 1


def test_a_reload_keeps_a_pause_and_the_place_in_the_schedule(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    service.pause("j")
    world.clock.advance(1800)

    service.apply(configuration(job(schedule=HOURLY), job("k")))
    world.clock.advance(1800)
    service.tick()
    assert world.orders == {}
    service.pause("j", False)
    world.clock.advance(3600)
    service.tick()

    assert len(world.orders) == 1


def test_a_stop_ends_what_waits_and_begins_nothing(world):
    service = world.service(configuration(job("x"), job("y", retry=Retry()), limits=Limits(max_runs=1)))
    first, second = service.start("x"), service.start("y")

    service.stop()
    with pytest.raises(BusyError):
        service.start("y")
    service.abort()
    world.end(first.id, Outcome(Status.CANCELLED))

    assert [world.journal.run(run.id).failure.code for run in (first, second)] == ["daemon_stopped"] * 2
    assert (world.orders, world.cancelled) == ({}, [first.id])


def test_many_firings_at_once_become_runs_bit_by_bit_and_none_is_stored_before(world):
    jobs = configuration(*(job(f"j{number}", schedule=HOURLY) for number in range(50)))
    service = world.service(jobs)
    world.clock.advance(3600)

    service.tick()
    assert service.behind
    service.apply(replace(jobs, jobs=dict(jobs.jobs) | {"new": job("new")}))
    stored = Schedules(world.database).all()
    assert sum(one.fired for one in stored.values()) == len(service.runs.live) < 50
    while service.behind:
        service.tick()

    assert len(service.runs.live) == 50
    assert sum(one.fired for one in Schedules(world.database).all().values()) == 50
