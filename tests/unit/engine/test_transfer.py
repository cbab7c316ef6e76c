"""Steps and runs, on stores in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.engine.compile import compile_job
from syncd.errors import FatalError, RunCancelledError
from syncd.model.definitions import Replication
from syncd.model.event import StateReset, StepEnded, WindowCommitted
from syncd.model.options import Options
from syncd.model.run import Counters, Status, StepResult
from syncd.model.table import Column, Kind, Table, TableName, Type
from tests.conftest import StillClock
from tests.memory import MemoryDestination, MemorySource, MemoryStore, MemoryTable, MemoryWriting
from tests.running import execute

ANY = Type(Kind.ANY)


def table(store: MemoryStore, name: str = "t", rows: int = 5) -> MemoryTable:
    columns = (Column("id", ANY, False), Column("v", ANY), Column("updated", ANY))
    made = store.create(Table(TableName(name), columns, ("id",)))
    made.rows = [(number, f"v{number}", number) for number in range(rows)]
    return made


class World:
    """A source and a destination in memory."""

    def __init__(self) -> None:
        self.source, self.destination = MemoryStore(), MemoryStore()
        self.events: list[Any] = []

    def run(
        self, *queries: str, full: bool = False, check: Callable[[], None] = lambda: None, to: Any = None
    ) -> tuple[StepResult, ...]:
        job = Replication("j", "a", "b", queries or ("REPLICATE t",), Options(check_columns=("updated",)))
        return execute(
            compile_job(job, "sqlite"), MemorySource(self.source), to or MemoryDestination(self.destination),
            run="r", full=full, emit=self.events.append, check=check, clock=StillClock(),
        )  # fmt: skip


@pytest.fixture
def world() -> World:
    made = World()
    table(made.source)
    return made


def test_rows_arrive_and_a_second_run_is_quiet(world: World) -> None:
    first, second = world.run()[0], world.run()[0]

    assert first.counters == Counters(read=5, inserted=5)
    assert world.destination.tables["t"].rows == world.source.tables["t"].rows
    assert second.nothing_to_do
    assert (second.rows_known, second.mark_to) == (5, "4")


class Lying(MemoryWriting):
    """Says something else than what it did."""

    def finish(self) -> Counters:
        """One row too many was updated, it says."""
        counters = super().finish()
        return Counters(counters.read, counters.inserted, counters.updated + 1, counters.unchanged)


class Losing(MemoryWriting):
    """Loses a row without a word."""

    def finish(self) -> Counters:
        """It balances, but it is not what was read."""
        self._rows.pop()
        return super().finish()


@pytest.mark.parametrize("kind", [Lying, Losing])
def test_counters_that_do_not_balance_refuse_to_commit(world: World, kind: type[MemoryWriting]) -> None:
    port = MemoryDestination(world.destination)
    port.begin = lambda target, check: kind(port, target, check)  # type: ignore[method-assign]

    result = world.run(to=port)[0]

    assert result.status is Status.FAILED
    assert result.failure is not None
    assert result.failure.code == "counters_do_not_balance"
    assert world.destination.tables == {}
    assert world.destination.cursors == {}


def test_rows_that_somebody_wrote_meanwhile_are_merged(world: World) -> None:
    made = table(world.destination, rows=0)
    port = MemoryDestination(world.destination)
    begin = port.begin

    def late(target: Any, check: Any) -> Any:
        if not made.rows:
            made.rows = [(2, "theirs", 0)]
        return begin(target, check)

    port.begin = late  # type: ignore[method-assign]

    result = world.run(to=port)[0]

    assert result.counters == Counters(read=5, inserted=4, updated=1)
    assert sorted(made.rows) == sorted(world.source.tables["t"].rows)
    assert len([e for e in world.events if isinstance(e, WindowCommitted)]) == 1


def test_steps_after_a_failure_do_not_run(world: World) -> None:
    table(world.source, "u")

    results = world.run("REPLICATE t", "REPLICATE nope", "REPLICATE u")

    assert [result.status for result in results] == [Status.OK, Status.FAILED]
    assert set(world.destination.tables) == {"t"}
    assert [e.result.step for e in world.events if isinstance(e, StepEnded)] == ["t", "nope"]


def test_stop_ends_the_run_and_keeps_finished_windows(world: World) -> None:
    world.source.window_rows = 2
    calls = []

    def check() -> None:
        calls.append(1)
        if any(isinstance(e, WindowCommitted) for e in world.events):
            raise RunCancelledError("stop")

    with pytest.raises(RunCancelledError):
        world.run(check=check)

    assert len(world.destination.tables["t"].rows) == 2
    result = world.run()[0]
    assert result.counters == Counters(read=3, inserted=3)
    assert sorted(world.destination.tables["t"].rows) == sorted(world.source.tables["t"].rows)


def test_error_that_comes_of_a_stop_counts_as_the_stop(world: World) -> None:
    port = MemoryDestination(world.destination)
    asked = []

    def broken(target: Any, check: Any) -> Any:
        asked.append(1)
        raise FatalError("the driver was interrupted")

    def check() -> None:
        if asked:
            raise RunCancelledError("stop")

    port.begin = broken  # type: ignore[method-assign]

    with pytest.raises(RunCancelledError):
        world.run(to=port, check=check)


def test_changed_query_is_told_and_reads_again(world: World) -> None:
    world.run()
    next(iter(world.destination.cursors.values())).digest = "of another query"

    result = world.run()[0]

    assert [e.reason for e in world.events if isinstance(e, StateReset)] == [
        "the query or its options changed"
    ]
    assert result.counters == Counters(read=5, unchanged=5)


def test_full_run_reads_everything_whatever_the_cursor_says(world: World) -> None:
    world.run()

    assert world.run(full=True)[0].counters == Counters(read=5, unchanged=5)


def test_run_with_only_a_mark_to_move_commits_once_and_then_never(world: World) -> None:
    world.run()
    world.source.tables["t"].rows.append((9, "new", 4))
    world.run()
    revision = next(iter(world.destination.cursors.values())).revision

    world.run()
    world.run()

    assert next(iter(world.destination.cursors.values())).revision == revision
