"""A stop from another thread ends whatever a port waits for within a second, and harms nothing."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from syncd.errors import RunCancelledError
from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Mode, StepKey, Target
from syncd.registry import connector

WITHIN_SECONDS = 1.0


@contextmanager
def cancelled(port: Any, ready: Callable[[], bool]) -> Iterator[None]:
    """Cancel the port from another thread as soon as it is seen waiting; the block must then end in time."""
    at: list[float] = []

    def wait_and_cancel() -> None:
        deadline = time.monotonic() + 20
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.01)  # polling what another process shows
        at.append(time.monotonic())
        port.cancel()

    thread = threading.Thread(target=wait_and_cancel)
    thread.start()
    try:
        with pytest.raises(RunCancelledError):
            yield
        ended = time.monotonic()
    finally:
        thread.join()
    assert ended - at[0] < WITHIN_SECONDS


def nothing() -> None:
    """A check that never stops, so that only `cancel` can."""


def waits(store: Any, condition: str) -> Callable[[], bool]:
    def ready() -> bool:
        sql = f"SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'syncd' AND {condition}"
        return bool(store.rows(sql))

    return ready


INTEGER = Type(Kind.INTEGER, bits=64)


def target(port: Any, mode: Mode, create: bool) -> Target:
    table = Table(TableName("t"), (Column("id", INTEGER, False), Column("v", INTEGER)), ("id",))
    place = port.design(table, TableName("t")) if create else port.table(TableName("t"))
    return Target(
        StepKey("j", "t", TableName("t")), place, table, ("id", "v"), mode, Format.ROWS, create, 0, "d"
    )


@pytest.fixture
def store(make_store: Callable[[str], Any]) -> Any:
    return make_store("postgresql")


@pytest.fixture
def lite(make_store: Callable[[str], Any]) -> Any:
    return make_store("sqlite")


@pytest.fixture
def goal(store: Any) -> Iterator[Any]:
    port = connector("postgresql").open_destination(store.options())
    yield port
    port.close()


@pytest.mark.postgresql
def test_copy_out_of_a_slow_query_ends(store: Any) -> None:
    port = connector("postgresql").open_source(store.options())
    # Looking at the query is quick; reading its rows is not.
    store.execute(
        "CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN PERFORM pg_sleep(30); RETURN 1; END $$"
    )
    store.execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 200000)")
    store.execute("ANALYZE t")

    with cancelled(port, waits(store, "wait_event = 'PgSleep'")):
        reading = port.open(Extract(Relation(select="SELECT slow() AS v")), (Format.PGCOPY,), nothing)
        for window in reading.windows():
            for _ in reading.read(window, Format.PGCOPY, nothing):
                pass
    assert port.inner._session.cancelled
    port.close()


@pytest.mark.postgresql
def test_merge_that_waits_for_a_row_ends(store: Any, goal: Any) -> None:
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint); INSERT INTO t VALUES (1, 1)")
    with store.another() as blocker:
        blocker.execute("UPDATE t SET v = 5 WHERE id = 1")
        writing = goal.begin(target(goal, Mode.MERGE, create=False), nothing)
        writing.write(Batch(Format.ROWS, [(1, 2)], 1))

        with cancelled(goal, waits(store, "wait_event_type = 'Lock'")):
            writing.finish()
        writing.abandon()
        blocker.rollback()

    assert store.rows("SELECT * FROM t") == [(1, 1)]


@pytest.mark.postgresql
def test_copy_in_that_waits_for_the_table_ends(store: Any, goal: Any) -> None:
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint)")
    goal_target = target(goal, Mode.INSERT, create=False)
    with store.another() as blocker:
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")

        with cancelled(goal, waits(store, "wait_event_type = 'Lock'")):
            goal.begin(goal_target, nothing)
        blocker.rollback()

    assert store.rows("SELECT * FROM t") == []


@pytest.mark.postgresql
def test_copy_in_whose_server_takes_nothing_more_ends(store: Any, goal: Any) -> None:
    """A trigger sleeps, so the server stops reading and the sender's buffers fill up."""
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint)")
    store.execute(
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$;"
        "CREATE TRIGGER nap BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nap()"
    )
    plain = target(goal, Mode.INSERT, create=False)
    lines = Target(
        plain.key, plain.table, plain.source, plain.columns, plain.mode, Format.COPYTEXT, False, 0, "d"
    )
    writing = goal.begin(lines, nothing)
    data = b"".join(b"%d\t1\n" % number for number in range(20_000))

    with cancelled(goal, waits(store, "wait_event = 'PgSleep'")):
        for _ in range(200):
            writing.write(Batch(Format.COPYTEXT, data, 20_000))
        writing.finish()
    writing.abandon()

    assert store.rows("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.postgresql
def test_key_that_waits_for_the_table_ends(store: Any, goal: Any) -> None:
    """DDL of a new table waits for whoever is making one of the same name."""
    with store.another() as blocker:
        blocker.execute("CREATE TABLE t (id int)")

        with cancelled(goal, waits(store, "wait_event_type = 'Lock'")):
            goal.begin(target(goal, Mode.INSERT, create=True), nothing)
        blocker.rollback()

    assert store.rows("SELECT to_regclass('t')") == [(None,)]


def test_wait_for_a_busy_file_ends(lite: Any) -> None:
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    port = connector("sqlite").open_destination(lite.options())
    blocker = sqlite3.connect(lite.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began: list[bool] = []

    with cancelled(port, lambda: bool(began)):
        place = target(port, Mode.MERGE, create=False)
        began.append(True)
        port.begin(place, nothing)
    blocker.execute("COMMIT")
    blocker.close()
    port.close()

    assert lite.rows("SELECT * FROM t") == []


ENDLESS = "SELECT count(*) AS n FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)"


def test_long_read_of_a_file_ends(lite: Any) -> None:
    port = connector("sqlite").open_source(lite.options())
    began: list[bool] = []

    with cancelled(port, lambda: bool(began)):
        began.append(True)
        port.open(Extract(Relation(select=ENDLESS)), (Format.SQLITE,), nothing)
    assert port.inner._session.cancelled
    port.close()


def test_stop_between_two_statements_of_a_file_is_not_lost(lite: Any) -> None:
    port = connector("sqlite").open_source(lite.options())
    port.cancel()

    with pytest.raises(RunCancelledError):
        port.open(Extract(Relation(select=ENDLESS)), (Format.SQLITE,), nothing)
    assert port.inner._session.cancelled
    port.close()


def test_stop_that_the_driver_loses_ends_a_long_read_all_the_same(lite: Any) -> None:
    """An interruption that comes just before a statement begins is lost; the mark that it leaves is not."""
    port = connector("sqlite").open_source(lite.options())
    port.inner._session.interrupt = lambda: setattr(port.inner._session, "cancelled", True)
    began: list[bool] = []

    with cancelled(port, lambda: bool(began)):
        began.append(True)
        port.open(Extract(Relation(select=ENDLESS)), (Format.SQLITE,), nothing)
    assert port.inner._session.cancelled
    port.close()


def test_long_merge_into_a_file_ends(lite: Any) -> None:
    """A trigger that counts for ever stands for a merge of many rows."""
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE n (x)")
    endless = ENDLESS.replace("SELECT count(*) AS n", "SELECT count(*)")
    lite.execute(f"CREATE TRIGGER slow AFTER INSERT ON t BEGIN INSERT INTO n {endless}; END")
    port = connector("sqlite").open_destination(lite.options())
    writing = port.begin(target(port, Mode.MERGE, create=False), nothing)
    writing.write(Batch(Format.ROWS, [(1, 1)], 1))
    began: list[bool] = []

    with cancelled(port, lambda: bool(began)):
        began.append(True)
        writing.finish()
    writing.abandon()
    port.close()

    assert lite.rows("SELECT * FROM t") == []
