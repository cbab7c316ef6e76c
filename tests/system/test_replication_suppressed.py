"""A destination whose own rules take rows away: the run fails and keeps nothing, and never says ok."""

import pytest

from syncd.engine.compile import compile_job
from syncd.errors import RunCancelledError
from syncd.model.event import StepEnded, WindowCommitted
from syncd.model.run import Status
from tests.running import execute
from tests.stores import Pair, WallClock

SOURCE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, updated TEXT);
INSERT INTO t VALUES (1, 'a', '2024-01-01'), (2, 'a', '2024-01-02'), (3, 'b', '2024-01-03');
"""
LITE_RULES = {
    "unique ignored": "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT IGNORE, updated TEXT)",
    "unique replaced": "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT REPLACE, updated TEXT)",
    "trigger": """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, updated TEXT);
CREATE TRIGGER x BEFORE INSERT ON t WHEN new.id = 2 BEGIN SELECT raise(ignore); END""",
}


@pytest.mark.parametrize("rule", LITE_RULES)
def test_first_load_into_a_table_that_drops_rows_fails(lite_pair: Pair, rule: str) -> None:
    lite_pair.source.execute(SOURCE)
    lite_pair.destination.execute(LITE_RULES[rule])

    outcome = lite_pair.run()

    assert outcome.status is Status.FAILED
    assert outcome.failure.code in {"counters_do_not_balance", "key_exists"}
    assert lite_pair.destination.rows("SELECT * FROM t") == []


@pytest.mark.parametrize("rule", LITE_RULES)
def test_merge_into_a_table_that_drops_rows_fails(lite_pair: Pair, rule: str) -> None:
    lite_pair.source.execute(SOURCE)
    lite_pair.destination.execute(LITE_RULES[rule])
    lite_pair.destination.execute("INSERT INTO t VALUES (7, 'own', NULL)")

    outcome = lite_pair.run()

    assert outcome.failure.code in {"counters_do_not_balance", "key_exists"}
    assert lite_pair.destination.rows("SELECT id FROM t") == [(7,)]


def test_update_that_a_sqlite_trigger_drops_is_no_unchanged_row(lite_pair: Pair) -> None:
    lite_pair.source.execute(SOURCE)
    lite_pair.ok()
    lite_pair.destination.execute("CREATE TRIGGER x BEFORE UPDATE ON t BEGIN SELECT raise(ignore); END")
    lite_pair.source.execute("UPDATE t SET name = 'new', updated = '2024-02-01' WHERE id = 2")

    outcome = lite_pair.run()

    assert outcome.failure.code == "counters_do_not_balance"
    lite_pair.destination.execute("DROP TRIGGER x")
    assert lite_pair.ok().counters.updated == 1


@pytest.mark.postgresql
def test_update_that_a_postgresql_trigger_drops_is_no_unchanged_row(pg_pair: Pair) -> None:
    pg_pair.source.execute(SOURCE.replace("updated TEXT", "updated DATE"))
    pg_pair.ok()
    pg_pair.destination.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION no()"
    )
    pg_pair.source.execute("UPDATE t SET name = 'new', updated = '2024-02-01' WHERE id = 2")

    outcome = pg_pair.run()

    assert outcome.failure.code == "counters_do_not_balance"
    pg_pair.destination.execute("DROP TRIGGER x ON t")
    assert pg_pair.ok().counters.updated == 1


def test_table_of_many_columns_is_merged(lite_pair: Pair) -> None:
    columns = ", ".join(f"c{number} INTEGER" for number in range(1500))
    lite_pair.source.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, updated TEXT, {columns})")
    lite_pair.source.execute("INSERT INTO t (id, updated) VALUES (1, '2024-01-01')")
    lite_pair.ok()
    lite_pair.source.execute("UPDATE t SET c1499 = 5, updated = '2024-01-02'")

    outcome = lite_pair.ok()

    assert outcome.counters.updated == 1
    assert lite_pair.destination.rows("SELECT c1499 FROM t") == [(5,)]


def test_failed_step_counts_what_its_windows_committed(lite_pair: Pair) -> None:
    lite_pair.window_rows = 1
    lite_pair.source.execute(SOURCE)
    lite_pair.destination.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (id < 3), name TEXT, updated TEXT)"
    )

    outcome = lite_pair.run()

    assert outcome.status is Status.FAILED
    assert (outcome.counters.read, outcome.counters.inserted) == (2, 2)
    assert lite_pair.destination.rows("SELECT id FROM t") == [(1,), (2,)]


def test_stopped_step_counts_what_its_windows_committed(lite_pair: Pair) -> None:
    lite_pair.window_rows = 1
    lite_pair.source.execute(SOURCE)
    events: list[object] = []

    def stop() -> None:
        if any(isinstance(event, WindowCommitted) for event in events):
            raise RunCancelledError("enough")

    with lite_pair.ports() as (source, destination), pytest.raises(RunCancelledError):
        execute(
            compile_job(lite_pair.job("REPLICATE [t]"), "sqlite"),
            source,
            destination,
            run="r",
            full=False,
            emit=events.append,
            check=stop,
            clock=WallClock(),
        )

    last = events[-1]
    assert isinstance(last, StepEnded)
    assert (last.result.status, last.result.counters.inserted) == (Status.CANCELLED, 1)


def test_keys_that_the_destination_takes_for_one_are_refused(lite_pair: Pair) -> None:
    lite_pair.source.execute(
        "CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT, updated TEXT);"
        "INSERT INTO t VALUES ('a', 'x', '2024-01-01'), ('A', 'y', '2024-01-02'), ('b', 'z', '2024-01-03')"
    )
    lite_pair.destination.execute(
        "CREATE TABLE t (id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT, updated TEXT)"
    )

    outcome = lite_pair.run()

    assert outcome.failure.code == "duplicate_key"
    assert lite_pair.destination.rows("SELECT * FROM t") == []
