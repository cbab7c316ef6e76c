"""Random histories of a source, with stops and crashes at random points, between real stores.

Whatever happened: after the next run that may end, the destination holds what incremental replication promises, the
counters balance, and a further run writes nothing.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.connectors.mysql import source as mysql_source
from syncd.connectors.postgresql import source as source_module
from syncd.engine.compile import compile_job
from syncd.errors import SyncdError
from syncd.registry import connector
from tests.pairs import marked
from tests.running import execute
from tests.stores import PAIRS, MysqlStore, Pair, PostgresStore, Store, WallClock

EXAMPLES = 6
SOAK_EXAMPLES = 20 * int(os.environ.get("SOAK_SCALE", "1"))


class Crash(BaseException):
    """The process dies here."""


@dataclass(frozen=True)
class Put:
    """A row is inserted or changed; its value grows, ties with the last, is NULL or lies in the future."""

    identity: int
    stamp: str


@dataclass(frozen=True)
class Late:
    """A transaction writes a row now and commits after the next run."""

    identity: int


@dataclass(frozen=True)
class Run:
    """A run; with `crash_at`, it dies there: after so many looks whether to stop."""

    crash_at: int | None
    kind: str


@dataclass(frozen=True)
class Harm:
    """The destination loses rows."""

    what: str


PUTS = st.builds(Put, st.integers(1, 12), st.sampled_from(["grow", "grow", "grow", "tie", "null", "future"]))
RUNS = st.builds(Run, st.one_of(st.none(), st.integers(0, 14)), st.sampled_from(["check", "commit", "cut"]))
ACTIONS = st.one_of(
    PUTS,
    PUTS,
    PUTS,
    RUNS,
    st.builds(Late, st.integers(20, 25)),
    st.builds(Harm, st.sampled_from(["some", "all", "table"])),
)
HISTORIES = st.lists(ACTIONS, min_size=3, max_size=18)


class World:
    """A pair of stores, and what happened in them."""

    def __init__(self, pair: Pair, check: str) -> None:
        self.pair, self.check = pair, check
        self.pair.window_rows = 4
        self.tick = 0
        self.writes = 0
        self.late: list[tuple[Any, int]] = []
        for store in (pair.source, pair.destination):
            for name in ("t", "syncd_cursors"):
                store.execute(f"DROP TABLE IF EXISTS {name}")
        kind = pair.source.stamp if check == "time" else pair.source.integer
        pair.source.execute(
            f"CREATE TABLE t (id {pair.source.integer} PRIMARY KEY, v {pair.source.text}, updated {kind})"
        )

    def act(self, action: Any) -> None:
        """Let it happen."""
        match action:
            case Put(identity, stamp):
                self.put(identity, self.value(stamp))
            case Late(identity):
                self.begin_late(identity)
            case Run():
                self.run(action)
                self.end_late()
            case Harm(what):
                self.harm(what)

    def value(self, stamp: str) -> str:
        if stamp == "null":
            return "NULL"
        if stamp == "grow":
            self.tick += 1
        if stamp == "future" and self.check == "time":
            return "'2099-01-01 00:00:00'"
        if self.check == "number":
            return str(self.tick)
        return f"'2026-01-01 00:00:{self.tick % 60:02}.{self.tick:06}'"

    def put(self, identity: int, value: str, connection: Any = None) -> None:
        self.writes += 1
        sets = "ON CONFLICT (id) DO UPDATE SET v = excluded.v, updated = excluded.updated"
        if isinstance(self.pair.source, MysqlStore):
            sets = "ON DUPLICATE KEY UPDATE v = VALUES(v), updated = VALUES(updated)"
        sql = f"INSERT INTO t VALUES ({identity}, 'v{self.writes}', {value}) {sets}"
        (connection or self.pair.source).execute(sql)

    def begin_late(self, identity: int) -> None:
        """Only numbers and times of the present are late below the mark; both are tried."""
        if not isinstance(self.pair.source, PostgresStore | MysqlStore) or self.late:
            return
        connection = self.pair.source.another()
        present = "clock_timestamp()" if isinstance(self.pair.source, PostgresStore) else "UTC_TIMESTAMP(6)"
        value = self.value("grow") if self.check == "number" else present
        self.put(identity, value, connection)
        self.late.append((connection, identity))

    def end_late(self) -> None:
        for connection, _ in self.late:
            connection.commit()
            connection.close()
        self.late.clear()

    def harm(self, what: str) -> None:
        sql = {
            "some": "DELETE FROM t WHERE id % 2 = 0",
            "all": "DELETE FROM t",
            "table": "DROP TABLE IF EXISTS t",
        }[what]
        with suppress(Exception):
            self.pair.destination.execute(sql)

    def run(self, action: Run) -> None:
        """One run that may die; it is thrown away with its connections, as a killed process would be."""
        looks = 0

        def look(*_: Any) -> None:
            nonlocal looks
            looks += 1
            if action.crash_at is not None and looks > action.crash_at:
                raise Crash

        with self.pair.ports() as (source, destination), suppress(Crash):
            plan = compile_job(self.pair.job("REPLICATE [t]"), connector(self.pair.source.type).dialect)
            emit: Callable[..., None] = look if action.kind == "commit" else lambda _: None
            check = look if action.kind == "check" else (lambda: None)
            if action.kind == "cut" and action.crash_at is not None:
                check = self.cutting(action.crash_at)
            with suppress(SyncdError):
                execute(
                    plan, source, destination, run="r", full=False, emit=emit, check=check, clock=WallClock()
                )

    def cutting(self, at: int) -> Callable[[], None]:
        """After so many looks, the servers throw our connections out."""
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1
            if looks == at + 1:
                for store in (self.pair.source, self.pair.destination):
                    throw_out(store)

        return look

    def settle(self) -> None:
        """The next run that may end brings everything over; the one after it writes nothing."""
        self.end_late()
        outcome = self.pair.ok()
        assert contents(self.pair.destination) == contents(self.pair.source), outcome.steps
        # The mark may still have waited for a transaction that ended during the run; then one cursor follows.
        self.pair.ok()
        before = self.pair.destination.versions("t")
        last = self.pair.ok()
        assert last.steps[0].nothing_to_do
        assert (last.counters.inserted, last.counters.updated) == (0, 0)
        assert self.pair.destination.versions("t") == before


def throw_out(store: Store) -> None:
    if isinstance(store, PostgresStore):
        with suppress(psycopg.Error):
            store.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'syncd'"
            )
    if isinstance(store, MysqlStore):
        numbers = store.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE()")
        for (number,) in numbers:
            with suppress(pymysql.Error):
                if number not in store.own:
                    store.execute(f"KILL {number}")


def contents(store: Store) -> list[tuple[Any, ...]]:
    return store.rows("SELECT id, v FROM t ORDER BY id")


@pytest.fixture(params=[marked(pair) for pair in PAIRS])
def stores(
    request: pytest.FixtureRequest, make_store: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Pair:
    monkeypatch.setattr(source_module, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(mysql_source, "SETTLE_SECONDS", 0.02)
    source, destination = request.param.split(">")
    return Pair(make_store(source), make_store(destination))


@pytest.mark.parametrize("check", ["time", "number"])
def test_any_history_converges_and_then_nothing_is_written(stores: Pair, check: str) -> None:
    check_histories(stores, check, EXAMPLES)


@pytest.mark.soak
@pytest.mark.parametrize("check", ["time", "number"])
def test_many_more_histories_converge(stores: Pair, check: str) -> None:
    check_histories(stores, check, SOAK_EXAMPLES)


def check_histories(stores: Pair, check: str, examples: int) -> None:
    """Play so many random histories between the two stores; each must converge."""

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(HISTORIES)
    def converges(history: list[Any]) -> None:
        world = World(stores, check)
        try:
            for action in history:
                world.act(action)
            world.settle()
            assert contents(stores.destination) == contents(stores.source)
        finally:
            world.end_late()

    converges()
