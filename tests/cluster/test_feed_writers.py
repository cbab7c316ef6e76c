"""A captured source while others write to it, and after it was restored: nothing is lost, and nothing is told twice."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.model.event import StateReset, StepStarted, WindowCommitted
from tests.cluster.feeding import CLUSTER, Feeding
from tests.cluster.test_feed import fill, mode, resets
from tests.pairs import MakeStore, marked, pair_of
from tests.stores import Pair

SERVERS = [marked(pair) for pair in ("postgresql>sqlite", "mysql>sqlite")]
KEYS = {
    "uuid": {
        "sqlite": ("uuid", "'6f2c1d8e-0000-4000-8000-00000000000{n}'"),
        "postgresql": ("uuid", "'6f2c1d8e-0000-4000-8000-00000000000{n}'"),
        "mysql": ("char(36)", "'6f2c1d8e-0000-4000-8000-00000000000{n}'"),
    },
    "text": dict.fromkeys(("sqlite", "postgresql", "mysql"), ("varchar(40)", "'Ä key {n}'")),
    "time": {
        "sqlite": ("timestamp", "'2024-01-0{n} 10:00:00'"),
        "postgresql": ("timestamp", "'2024-01-0{n} 10:00:00'"),
        "mysql": ("datetime(6)", "'2024-01-0{n} 10:00:00'"),
    },
    "decimal": dict.fromkeys(("sqlite", "postgresql", "mysql"), ("decimal(10,2)", "{n}.25")),
}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, make_store: MakeStore) -> Feeding:
    """A product in which several transactions write at the same time."""
    made = Feeding(pair_of(request, make_store))
    fill(made.pair)
    made.enrol()
    return made


def another(pair: Pair) -> Any:
    """A second writer, in a transaction."""
    connection = pair.source.another()  # type: ignore[union-attr]  # no SQLite here
    connection.autocommit = False
    if hasattr(connection, "begin"):
        connection.begin()
    return connection


def test_a_transaction_that_commits_late_is_never_lost(server: Feeding) -> None:
    server.run()
    late = another(server.pair)
    late.execute("UPDATE t SET name = 'late' WHERE id = 1")
    late.execute("DELETE FROM t WHERE id = 2")
    late.execute("INSERT INTO t VALUES (20, 'late', 0)")
    server.edit("UPDATE t SET name = 'early' WHERE id = 3")

    before = server.run()
    late.commit()
    late.close()
    after = server.run()

    assert (before.counters.updated, before.counters.inserted, before.counters.deleted) == (1, 0, 0)
    assert (after.counters.updated, after.counters.inserted, after.counters.deleted) == (1, 1, 1)
    assert server.equal()


def test_a_first_load_misses_nothing_that_is_written_meanwhile(server: Feeding) -> None:
    late = another(server.pair)
    late.execute("UPDATE t SET name = 'late' WHERE id = 9")
    late.execute("DELETE FROM t WHERE id = 10")
    server.pair.window_rows = 3

    def write(event: Any) -> None:
        if isinstance(event, StepStarted):
            server.edit("UPDATE t SET n = -1 WHERE id = 1", "DELETE FROM t WHERE id = 2")
        if isinstance(event, WindowCommitted) and event.window == 1:
            late.commit()

    server.run(tell=write)
    late.close()
    outcome = server.run()

    assert mode(outcome) == "captured"
    assert server.equal()


@pytest.mark.parametrize("name", [marked("sqlite>sqlite"), *SERVERS])
def test_an_interrupted_load_goes_on_and_learns_what_changed_meanwhile(
    name: str, request: pytest.FixtureRequest, make_store: MakeStore
) -> None:
    source, destination = name.split(">")
    feeding = Feeding(Pair(make_store(source), make_store(destination), window_rows=3))
    fill(feeding.pair)
    feeding.enrol()

    def stop(event: Any) -> None:
        if isinstance(event, WindowCommitted) and event.window == 2:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        feeding.run(tell=stop)
    feeding.edit(
        "UPDATE t SET n = -1 WHERE id = 1", "DELETE FROM t WHERE id = 2", "DELETE FROM t WHERE id = 10"
    )
    resumed = feeding.run()
    outcome = feeding.run()

    assert (mode(resumed), mode(outcome)) == ("resume", "captured")
    assert feeding.equal()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "name",
    [
        marked(f"{one}>{other}")
        for one in ("sqlite", "postgresql", "mysql")
        for other in ("sqlite", "postgresql", "mysql")
    ],
)
def test_rows_with_any_key_are_deleted_between_all_products(
    name: str, key: str, make_store: MakeStore
) -> None:
    source, destination = name.split(">")
    feeding = Feeding(Pair(make_store(source), make_store(destination)))
    declared, value = KEYS[key][source]
    feeding.edit(f"CREATE TABLE t (id {declared} NOT NULL PRIMARY KEY, n {feeding.pair.source.integer})")
    rows = ", ".join(f"({value.format(n=n)}, {n})" for n in range(1, 7))
    feeding.edit(f"INSERT INTO t VALUES {rows}")
    feeding.enrol()
    feeding.run()
    gone, changed = value.format(n=2), value.format(n=3)
    feeding.edit(f"DELETE FROM t WHERE id = {gone}", f"UPDATE t SET n = 30 WHERE id = {changed}")

    outcome = feeding.run()

    assert (mode(outcome), outcome.counters.deleted, outcome.counters.updated) == ("captured", 1, 1)
    assert sorted(row[0] for row in feeding.pair.destination.rows("SELECT n FROM t")) == [1, 4, 5, 6, 30]


def test_a_restored_source_is_read_anew(make_store: MakeStore, tmp_path: Path) -> None:
    feeding = Feeding(Pair(make_store("sqlite"), make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol()
    feeding.run()
    copy = sqlite3.connect(tmp_path / "copy.db")
    feeding.pair.source.connection.backup(copy)  # type: ignore[union-attr]  # SQLite
    feeding.edit(
        "DELETE FROM t WHERE id = 1",
        "INSERT INTO t VALUES (30, 'lost', 0)",
        "UPDATE t SET n = 0 WHERE id = 2",
    )
    feeding.run()
    copy.backup(feeding.pair.source.connection)  # type: ignore[union-attr]  # SQLite
    copy.close()
    feeding.edit("UPDATE t SET n = -5 WHERE id = 5")

    outcome = feeding.run()

    assert "restored" in resets(outcome)[0]
    assert outcome.counters.deleted == 1
    assert feeding.equal()


def test_a_source_restored_to_a_state_after_the_last_run_goes_on(
    make_store: MakeStore, tmp_path: Path
) -> None:
    feeding = Feeding(Pair(make_store("sqlite"), make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol()
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 1")
    copy = sqlite3.connect(tmp_path / "copy.db")
    feeding.pair.source.connection.backup(copy)  # type: ignore[union-attr]  # SQLite
    feeding.edit("DELETE FROM t WHERE id = 2")
    copy.backup(feeding.pair.source.connection)  # type: ignore[union-attr]  # SQLite
    copy.close()

    outcome = feeding.run()

    assert (mode(outcome), outcome.counters.deleted, outcome.told(StateReset)) == ("captured", 1, [])
    assert feeding.equal()


def test_two_jobs_keep_their_places_apart(make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    other = Feeding(Pair(feeding.pair.source, make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol()
    feeding.run()
    other.run(name="other")
    feeding.edit("DELETE FROM t WHERE id = 1")
    feeding.run()
    feeding.run()

    feeding.compact()
    outcome = other.run(name="other")

    assert (mode(outcome), outcome.counters.deleted) == ("captured", 1)
    assert other.equal()


def test_a_quiet_table_does_not_keep_the_changes_of_others(make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")), "t", "u")
    fill(feeding.pair)
    fill(feeding.pair, "u")
    feeding.enrol()
    feeding.run()
    feeding.run()
    feeding.edit("UPDATE u SET n = 0")
    feeding.seal()

    quiet = feeding.run()
    gone = feeding.compact()
    feeding.edit("DELETE FROM t WHERE id = 4")
    outcome = feeding.run()

    assert (quiet.steps[0].nothing_to_do, gone) == (True, 10)
    assert (mode(outcome), outcome.counters.deleted, resets(outcome)) == ("captured", 1, [])
    assert feeding.equal()


def test_what_was_counted_for_a_job_still_wakes_the_cluster(make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol()
    feeding.run()
    feeding.edit("UPDATE t SET n = 0")
    feeding.run()
    replica = feeding.replica()
    try:
        hello = replica.hello()
        assert hello is not None
        child = replica.node.peer("C")
        replica.admit([replace(child, number=1)], lambda: None)
        behind = replica.stirred()
        replica.admit([replace(child, number=1, sent=hello.mark)], lambda: None)
        reached = replica.stirred()
    finally:
        replica.close()

    assert (behind, reached) == (hello.mark.gen, None)
    assert feeding.pair.source.rows(f"SELECT count(*) FROM syncd_{CLUSTER}_1_log")[0][0] == 0
