"""Windows of a first load side by side: one snapshot, commits in order, nothing lost when one of them fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from syncd.engine import execute as engine
from syncd.engine.compile import compile_job
from syncd.engine.pace import Pace
from syncd.engine.surroundings import Surroundings
from syncd.errors import RunCancelledError
from syncd.model.event import WindowCommitted
from syncd.model.run import Status
from syncd.registry import connector
from tests.stores import Pair, WallClock
from tests.system.test_deletes import fill

ROWS = 900


class Load:
    """A first load of many windows, carried by so many lanes."""

    def __init__(self, pair: Pair, lanes: int = 3, **options: Any) -> None:
        self.pair = pair
        self.pair.window_rows = 60
        self.lanes = lanes
        self.options = options
        self.events: list[Any] = []
        self.threads: set[str] = set()

    def run(self, check: Callable[[], None] = lambda: None) -> tuple[Any, ...]:
        """Run it once."""
        plan = compile_job(
            self.pair.job("REPLICATE [t]", **self.options), connector(self.pair.source.type).dialect
        )
        with self.pair.ports() as (source, destination):
            around = Surroundings(
                run="r",
                job=plan.job,
                source=source,
                destination=destination,
                full=False,
                emit=self.hear,
                check=check,
                clock=WallClock(),
                pace=Pace(WallClock()),
                lane=self.lane,
                lanes=self.lanes,
            )
            return engine.execute(plan, around)

    def hear(self, event: Any) -> None:
        """Remember what was told, and by which thread."""
        if isinstance(event, WindowCommitted):
            self.threads.add(threading.current_thread().name)
        self.events.append(event)

    @contextmanager
    def lane(self) -> Iterator[tuple[Any, Any]]:
        """Both ends once more."""
        with ExitStack() as stack:
            yield stack.enter_context(self.pair.ports())

    @property
    def windows(self) -> list[int]:
        """The numbers of the windows in the order of their commits."""
        return [event.window for event in self.events if isinstance(event, WindowCommitted)]


def content(pair: Pair) -> tuple[Any, Any]:
    query = "SELECT id, name FROM t ORDER BY id"
    return pair.source.rows(query), pair.destination.rows(query)


@pytest.mark.postgresql
def test_windows_commit_in_their_order_whoever_carries_them(pg_pair: Pair) -> None:
    fill(pg_pair, ROWS)
    load = Load(pg_pair)

    (step,) = load.run()

    assert (step.status, step.counters.inserted, step.rows_known) == (Status.OK, ROWS, ROWS)
    assert load.windows == sorted(load.windows)
    assert len(load.windows) > 5
    assert len(load.threads) > 1
    assert len(set(content(pg_pair)[0])) == ROWS
    assert content(pg_pair)[0] == content(pg_pair)[1]


@pytest.mark.postgresql
def test_rows_that_come_while_lanes_read_are_in_no_window_and_in_the_next_run(pg_pair: Pair) -> None:
    fill(pg_pair, ROWS)
    load = Load(pg_pair)
    seen = 0

    def check() -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            pg_pair.source.execute("INSERT INTO t VALUES (5000, 'new', '2024-02-01')")

    (step,) = load.run(check)
    second = pg_pair.ok()

    assert step.counters.inserted == ROWS
    assert second.counters.inserted == 1
    assert content(pg_pair)[0] == content(pg_pair)[1]


@pytest.mark.postgresql
def test_a_window_that_fails_keeps_those_before_it_and_none_after(pg_pair: Pair) -> None:
    fill(pg_pair, ROWS)
    pg_pair.destination.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, name text CHECK (name <> 'name 500'), updated timestamptz)"
    )
    load = Load(pg_pair)

    (step,) = load.run()
    arrived = [row[0] for row in pg_pair.destination.rows("SELECT id FROM t")]
    pg_pair.destination.execute("ALTER TABLE t DROP CONSTRAINT t_name_check")
    again = pg_pair.ok()

    assert (step.status, step.failure.code) == (Status.FAILED, "row_rejected")
    assert load.windows == list(range(1, len(load.windows) + 1))
    assert 500 not in arrived
    assert len(arrived) == step.counters.inserted
    assert again.counters.read < ROWS
    assert content(pg_pair)[0] == content(pg_pair)[1]


@pytest.mark.postgresql
def test_refused_rows_of_every_lane_are_set_aside(pg_pair: Pair) -> None:
    fill(pg_pair, ROWS)
    pg_pair.destination.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, name text CHECK (name NOT LIKE '%77'), updated timestamptz)"
    )

    (step,) = Load(pg_pair, quarantine=True).run()

    assert step.status is Status.PARTIAL
    assert (step.counters.inserted, step.counters.rejected) == (ROWS - 9, 9)


@pytest.mark.postgresql
def test_a_stop_ends_all_lanes(pg_pair: Pair) -> None:
    fill(pg_pair, ROWS)
    load = Load(pg_pair)

    def check() -> None:
        if len(load.windows) >= 3:
            raise RunCancelledError("stopped")

    with pytest.raises(RunCancelledError):
        load.run(check)

    assert threading.active_count() == 1
    assert load.windows == list(range(1, len(load.windows) + 1))
    assert pg_pair.ok().counters.read > 0
    assert content(pg_pair)[0] == content(pg_pair)[1]


def test_a_file_is_read_one_window_after_another(lite_pair: Pair) -> None:
    fill(lite_pair, ROWS)
    load = Load(lite_pair)

    (step,) = load.run()

    assert step.counters.inserted == ROWS
    assert len(load.threads) == 1


@pytest.mark.postgresql
def test_a_destination_that_takes_one_writer_is_not_asked_for_more(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    fill(pair, ROWS)
    load = Load(pair)

    (step,) = load.run()

    assert (step.status, step.counters.inserted, len(load.threads)) == (Status.OK, ROWS, 1)
