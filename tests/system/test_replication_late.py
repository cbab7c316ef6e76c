"""Transactions that began before a reading and commit after it: the next run finds their rows."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from syncd.connectors.postgresql import horizon
from syncd.connectors.postgresql import source as source_module
from syncd.registry import connector
from tests.servers import FAST_AND_UNSAFE, GUARDED_PASSWORD, GUARDED_USER, PostgresServer
from tests.stores import Pair, PostgresStore

pytestmark = pytest.mark.postgresql

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, name text, updated {})"


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, make_store: Callable[[str], Any]) -> Pair:
    return Pair(make_store("postgresql"), make_store(request.param))


@pytest.fixture(autouse=True)
def _short_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "SETTLE_SECONDS", 0.05)


def other(pair: Pair) -> "psycopg.Connection[Any]":
    assert isinstance(pair.source, PostgresStore)
    return pair.source.another()


def ids(pair: Pair) -> list[int]:
    return [row[0] for row in pair.destination.rows("SELECT id FROM t ORDER BY id")]


@pytest.mark.parametrize("kind_of_time", ["timestamptz", "timestamp", "date"])
def test_late_commit_with_the_time_of_its_beginning_is_found(
    world: Pair, kind_of_time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "LAG", timedelta(0))
    world.source.execute(TABLE.format(kind_of_time))
    world.source.execute("INSERT INTO t VALUES (1, 'early', now() - interval '3 days')")
    with other(world) as late:
        late.execute("INSERT INTO t VALUES (2, 'late', now())")
        world.source.execute("INSERT INTO t VALUES (3, 'quick', clock_timestamp())")
        world.ok()
        late.commit()

    world.ok()

    assert ids(world) == [1, 2, 3]


def test_row_stamped_just_before_its_transaction_began_is_found(
    world: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "LAG", timedelta(milliseconds=200))
    world.source.execute(TABLE.format("timestamptz"))
    world.source.execute("INSERT INTO t VALUES (1, 'early', now() - interval '3 days')")
    with other(world) as late:
        late.execute("INSERT INTO t VALUES (2, 'late', now() - interval '150 ms')")
        (began,) = late.execute("SELECT now()").fetchone() or (None,)
        world.source.execute(f"INSERT INTO t VALUES (3, 'quick', timestamptz '{began}' - interval '50 ms')")
        # The transaction has been open for longer than writers' clocks are trusted.
        world.source.execute("SELECT pg_sleep(0.3)")
        world.ok()
        late.commit()

    world.ok()

    assert ids(world) == [1, 2, 3]


@pytest.mark.parametrize("first", [True, False], ids=["first load", "incremental"])
def test_late_commit_of_a_lower_number_is_found(world: Pair, first: bool) -> None:
    world.source.execute(TABLE.format("bigint"))
    world.source.execute("INSERT INTO t VALUES (1, 'early', 10)")
    if not first:
        world.ok()
    with other(world) as late:
        late.execute("INSERT INTO t VALUES (2, 'late', 11)")
        world.source.execute("INSERT INTO t VALUES (3, 'quick', 12)")
        during = world.ok()
        late.commit()

    world.ok()

    assert any("still open" in said for said in during.steps[0].warnings)
    assert ids(world) == [1, 2, 3]


def test_several_runs_wait_for_one_long_transaction_and_then_move_on(world: Pair) -> None:
    world.source.execute(TABLE.format("bigint"))
    world.source.execute("INSERT INTO t VALUES (1, 'early', 10)")
    world.ok()
    with other(world) as late:
        late.execute("INSERT INTO t VALUES (2, 'late', 11)")
        for number in (12, 13, 14):
            world.source.execute(f"INSERT INTO t VALUES ({number}, 'quick', {number})")
            world.ok()
        late.commit()
    world.source.execute("INSERT INTO t VALUES (15, 'after', 15)")

    found = world.ok()
    last = world.ok()

    assert ids(world) == [1, 2, 12, 13, 14, 15]
    assert found.steps[0].mark_to == "15"
    assert last.steps[0].nothing_to_do


def test_prepared_transaction_is_waited_for(make_store: Callable[[str], Any]) -> None:
    """Prepared transactions have to be allowed when a server starts, so this one has its own."""
    server = PostgresServer({**FAST_AND_UNSAFE, "max_prepared_transactions": "5"})
    source = PostgresStore(server)
    world = Pair(source, make_store("sqlite"))
    try:
        for kind_of_column, value in (("bigint", "{}"), ("timestamptz", "'2026-01-01 00:00:{}'")):
            for store in (source, world.destination):
                store.execute("DROP TABLE IF EXISTS t")
            source.execute(TABLE.format(kind_of_column))
            source.execute(f"INSERT INTO t VALUES (1, 'early', {value.format(10)})")
            with source.another() as late:
                late.execute(f"INSERT INTO t VALUES (2, 'late', {value.format(11)})")
                late.execute("PREPARE TRANSACTION 'late'")
            source.execute(f"INSERT INTO t VALUES (3, 'quick', {value.format(12)})")
            during = world.ok()
            source.execute("COMMIT PREPARED 'late'")

            world.ok()

            assert any("still open" in said for said in during.steps[0].warnings)
            assert ids(world) == [1, 2, 3]
    finally:
        source.connection.close()
        server.close()


def test_late_commit_is_found_through_a_standby(make_store: Callable[[str], Any]) -> None:
    """A standby does not show the primary's open transactions; this one has followed the quick one and not the late."""
    primary = PostgresServer()
    store = PostgresStore(primary)
    standby = PostgresServer(standby_of=primary)
    world = Pair(store, make_store("sqlite"))
    store.url = standby.url(store.name)
    try:
        for kind_of_column, value in (
            ("bigint", "{}"),
            ("timestamptz", "now() - interval '1 minute' + interval '{} s'"),
        ):
            for each in (store, world.destination):
                each.execute("DROP TABLE IF EXISTS t")
            store.execute(TABLE.format(kind_of_column))
            store.execute(f"INSERT INTO t VALUES (1, 'early', {value.format(10)})")
            with psycopg.connect(primary.url(store.name)) as late:
                late.execute(f"INSERT INTO t VALUES (2, 'late', {value.format(11)})")
                store.execute(f"INSERT INTO t VALUES (3, 'quick', {value.format(12)})")
                followed(store, standby)
                during = world.ok()
                late.commit()
            followed(store, standby)

            world.ok()

            assert any("still open" in said for said in during.steps[0].warnings)
            assert ids(world) == [1, 2, 3]
    finally:
        store.connection.close()
        standby.close()
        primary.close()


def followed(store: PostgresStore, standby: PostgresServer) -> None:
    """Return when the standby has followed all that the store's server has written."""
    place = store.rows("SELECT pg_current_wal_insert_lsn()::text")[0][0]
    deadline = time.monotonic() + 30
    with psycopg.connect(standby.url(), autocommit=True) as watcher:
        while time.monotonic() < deadline:
            row = watcher.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (place,)).fetchone()
            if row is not None and row[0]:
                return
    raise AssertionError("the standby does not follow")


def test_late_commit_is_found_by_a_role_that_may_not_see_its_start(
    make_store: Callable[[str], Any], postgres: PostgresServer
) -> None:
    source = make_store("postgresql")
    world = Pair(source, make_store("sqlite"))
    source.execute(TABLE.format("timestamptz"))
    source.execute("INSERT INTO t VALUES (1, 'early', now() - interval '3 days')")
    options = {"user": GUARDED_USER, "password": GUARDED_PASSWORD}
    world.source.options = lambda **extra: {"url": source.url, **options, **extra}  # type: ignore[method-assign]
    with source.another() as late:
        late.execute("INSERT INTO t VALUES (2, 'late', now() - interval '1 day')")
        source.execute("INSERT INTO t VALUES (3, 'quick', now() - interval '1 hour')")
        world.ok()
        late.commit()

    world.ok()

    assert ids(world) == [1, 2, 3]


def test_number_given_out_while_the_highest_is_read_is_found(world: Pair) -> None:
    """A transaction that begins after the first look, holds a lower number, and ends after the snapshot."""
    world.source.execute(TABLE.format("bigint"))
    world.source.execute("INSERT INTO t VALUES (1, 'early', 10)")
    late = other(world)
    with world.ports() as (source, destination):
        session = source.inner._session
        plain = session.value

        def racing(sql: str, parameters: Any = None) -> Any:
            if sql.startswith("SELECT max(") and late.info.transaction_status.name == "IDLE":
                late.execute("INSERT INTO t VALUES (2, 'late', 11)")
                world.source.execute("INSERT INTO t VALUES (3, 'quick', 12)")
            return plain(sql, parameters)

        session.value = racing
        world.run_on(source, destination)
    late.commit()
    late.close()

    world.ok()

    assert ids(world) == [1, 2, 3]


@pytest.mark.parametrize(
    ("native", "poison", "values"),
    [
        ("float8", "'NaN'", ("1.5", "2.5")),
        ("float8", "'Infinity'", ("1.5", "2.5")),
        ("numeric", "'NaN'", ("1.5", "2.5")),
        ("timestamptz", "'infinity'", ("'2026-01-01'", "'2026-01-02'")),
        ("timestamp", "'infinity'", ("'2026-01-01'", "'2026-01-02'")),
        ("date", "'infinity'", ("'2026-01-01'", "'2026-01-02'")),
        ("timestamptz", "'-infinity'", ("'2026-01-01'", "'2026-01-02'")),
        ("numeric(30,10)", "0", ("12345678901234567890.0000000001", "12345678901234567890.0000000002")),
    ],
)
def test_value_that_nothing_follows_does_not_become_the_mark(
    world: Pair, native: str, poison: str, values: tuple[str, str]
) -> None:
    world.source.execute(TABLE.format(native))
    world.source.execute(f"INSERT INTO t VALUES (1, 'first', {values[0]}), (2, 'poison', {poison})")
    world.ok()
    world.source.execute(f"INSERT INTO t VALUES (3, 'second', {values[1]})")

    outcome = world.ok()

    assert outcome.counters.inserted == 1
    assert ids(world) == [1, 2, 3]


@pytest.mark.parametrize("native", ["json", "boolean", "bytea", "interval", "uuid", "int[]", "time", "text"])
def test_column_that_cannot_grow_is_refused_as_check_column(pg_pair: Pair, native: str) -> None:
    pg_pair.source.execute(TABLE.format(native))

    outcome = pg_pair.run()

    assert outcome.failure.code == "check_column_unfit"
    assert "updated" in outcome.failure.message


def test_server_restart_between_runs_is_transient_for_a_kept_connection(
    make_store: Callable[[str], Any], postgres: PostgresServer
) -> None:
    world = Pair(make_store("postgresql"), make_store("sqlite"))
    world.source.execute(TABLE.format("timestamptz"))
    source = connector("postgresql").open_source(world.source.options())
    destination = connector("sqlite").open_destination(world.destination.options())
    world.run_on(source, destination)
    postgres.restart()

    from syncd.errors import TransientError

    with pytest.raises(TransientError):
        world.run_on(source, destination)
    source.close()
    destination.close()
    assert world.ok().steps[0].nothing_to_do
