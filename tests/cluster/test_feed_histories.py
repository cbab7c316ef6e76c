"""Random histories of a captured source: whatever happens, the next run that ends makes the destination equal to it."""

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.feeding import HARD, Feeding
from tests.cluster.test_feed import fill
from tests.pairs import MakeStore, marked
from tests.stores import Pair

KEYS = st.integers(1, 14)
EDITS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("delete"), KEYS, st.just(0)),
    st.tuples(st.just("rename"), KEYS, KEYS),
)
ACTS = st.one_of(
    EDITS,
    EDITS,
    EDITS,
    st.tuples(st.sampled_from(["run", "run", "seal", "compact", "expire", "enrol", "save", "restore"])),
    st.tuples(st.just("crash"), st.integers(1, 12)),
    st.tuples(st.just("late"), st.integers(20, 24)),
    st.tuples(st.just("commit")),
)


class Crash(BaseException):
    """The process dies here."""


class History:
    """A captured source and a job, with one other writer who takes his time, and one saved copy."""

    def __init__(self, source: Any, destination: Any) -> None:
        self.feeding = Feeding(Pair(source, destination, window_rows=4))
        fill(self.feeding.pair)
        self.feeding.enrol()
        self.late: Any = None
        self.late_rows = 0
        self.saved: Any = None

    def do(self, act: tuple[Any, ...]) -> None:
        word, *rest = act
        getattr(self, word)(*rest)

    def put(self, key: int, value: int) -> None:
        self.edit(
            f"DELETE FROM t WHERE id = {key} AND n = {value}", f"UPDATE t SET n = {value} WHERE id = {key}"
        )
        found = self.feeding.pair.source.rows(f"SELECT count(*) FROM t WHERE id = {key}")[0][0]
        if not found:
            self.edit(f"INSERT INTO t VALUES ({key}, 'put', {value})")

    def delete(self, key: int, _: int) -> None:
        self.edit(f"DELETE FROM t WHERE id = {key}")

    def rename(self, key: int, other: int) -> None:
        self.edit(
            f"DELETE FROM t WHERE id = {other} AND id <> {key}", f"UPDATE t SET id = {other} WHERE id = {key}"
        )

    def edit(self, *statements: str) -> None:
        self.feeding.edit(*statements)

    def run(self) -> None:
        self.feeding.run()

    def seal(self) -> None:
        self.feeding.seal()

    def compact(self) -> None:
        self.feeding.compact()

    def expire(self) -> None:
        self.feeding.compact(days_later=100)

    def enrol(self) -> None:
        self.feeding.enrol()

    def crash(self, after: int) -> None:
        left = after

        def stop() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Crash

        with contextlib.suppress(Crash):
            self.feeding.pair.run(**HARD, stop=stop)

    def save(self) -> None:
        if self.feeding.pair.source.type == "sqlite":
            self.saved = sqlite3.connect(":memory:")
            self.feeding.pair.source.connection.backup(self.saved)

    def restore(self) -> None:
        if self.saved is not None:
            self.saved.backup(self.feeding.pair.source.connection)

    def commit(self) -> None:
        late, self.late = self.late, None
        if late is not None:
            late.commit()
            late.close()

    def begin_late(self) -> Any:
        connection = self.feeding.pair.source.another()  # type: ignore[union-attr]  # servers only
        connection.autocommit = False
        if hasattr(connection, "begin"):
            connection.begin()
        return connection

    def settle(self) -> None:
        """What the other writer did, and what changed during a load that was interrupted, comes at the latest now."""
        self.commit()
        self.run()
        self.run()


def late(history: History, value: int) -> None:
    """Somebody writes a row that nobody else touches, and commits when he likes."""
    if history.feeding.pair.source.type == "sqlite":
        return
    if history.late is None:
        history.late = history.begin_late()
    history.late_rows += 1
    history.late.execute(f"INSERT INTO t VALUES ({100 + history.late_rows}, 'late', {value})")


def play(make: Callable[[], History], acts: list[tuple[Any, ...]]) -> None:
    history = make()
    try:
        for act in acts:
            if act[0] == "late":
                late(history, act[1])
            else:
                history.do(act)
    finally:
        history.settle()

    assert history.feeding.equal()
    again = history.feeding.run()
    counters = again.counters
    assert (counters.inserted, counters.updated, counters.deleted) == (0, 0, 0)
    assert history.feeding.equal()


@pytest.mark.parametrize("kind_of_history", [marked("sqlite"), marked("postgresql"), marked("mysql")])
def test_the_destination_equals_the_captured_source_after_every_history(
    kind_of_history: str, make_store: MakeStore
) -> None:
    def make() -> History:
        return History(make_store(kind_of_history), make_store("sqlite"))

    examples = 60 if kind_of_history == "sqlite" else 12

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(ACTS, min_size=4, max_size=24))
    def check(acts: list[tuple[Any, ...]]) -> None:
        play(make, acts)

    check()
