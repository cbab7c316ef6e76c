"""The parent of a cluster feeds one-way jobs: what changed and what is gone, without a check column."""

from typing import Any

import pytest

from syncd.cli.plan import step_lines
from syncd.engine.compile import compile_job
from syncd.engine.preview import preview
from syncd.model.event import StateReset, StepStarted
from syncd.model.exchange import Role
from syncd.model.options import Deletes
from syncd.model.run import Status
from syncd.registry import connector
from tests.cluster.feeding import HARD, Feeding
from tests.pairs import SOME, MakeStore, pair_of
from tests.stores import Outcome, Pair


@pytest.fixture(params=SOME)
def feeding(request: pytest.FixtureRequest, make_store: MakeStore) -> Feeding:
    """Each product as a source, and as a destination, with a table of ten rows under capture."""
    made = Feeding(pair_of(request, make_store))
    fill(made.pair)
    made.enrol()
    return made


def fill(pair: Pair, table: str = "t") -> None:
    text, integer = pair.source.text, pair.source.integer
    pair.source.execute(f"CREATE TABLE {table} (id {integer} NOT NULL PRIMARY KEY, name {text}, n {integer})")
    rows = ", ".join(f"({n}, 'name {n}', {n})" for n in range(1, 11))
    pair.source.execute(f"INSERT INTO {table} VALUES {rows}")


def mode(outcome: Outcome) -> Any:
    return outcome.told(StepStarted)[0].mode


def resets(outcome: Outcome) -> list[str]:
    return [event.reason for event in outcome.told(StateReset)]


def test_only_what_changed_is_read_and_what_is_gone_goes(feeding: Feeding) -> None:
    first = feeding.run()
    feeding.edit(
        "INSERT INTO t VALUES (11, 'new', 0)",
        "UPDATE t SET name = 'other' WHERE id IN (2, 3)",
        "DELETE FROM t WHERE id IN (4, 5, 6)",
    )

    second = feeding.run()

    assert (mode(first), mode(second)) == ("first load", "captured")
    counters = second.counters
    assert (counters.read, counters.inserted, counters.updated, counters.deleted) == (3, 1, 2, 3)
    assert feeding.equal()


def test_a_changed_key_is_a_row_that_goes_and_one_that_comes(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("UPDATE t SET id = 100 WHERE id = 7")

    outcome = feeding.run()

    assert (outcome.counters.inserted, outcome.counters.deleted) == (1, 1)
    assert feeding.equal()


def test_a_row_that_goes_and_comes_back_between_two_runs_stays(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit(
        "DELETE FROM t WHERE id = 3",
        "INSERT INTO t VALUES (3, 'again', 3)",
        "INSERT INTO t VALUES (50, 'short', 0)",
        "DELETE FROM t WHERE id = 50",
    )

    outcome = feeding.run()

    assert (outcome.counters.updated, outcome.counters.deleted) == (1, 0)
    assert feeding.equal()


def test_nothing_changed_is_nothing_to_do_and_compares_nothing(feeding: Feeding) -> None:
    feeding.run()
    feeding.run()
    before = feeding.pair.destination.versions("t")

    outcome = feeding.run()

    assert outcome.steps[0].nothing_to_do
    assert not outcome.told(StepStarted)
    assert feeding.pair.destination.versions("t") == before


def test_deletes_are_not_carried_out_unless_the_job_says_so(feeding: Feeding) -> None:
    feeding.run(deletes=Deletes.OFF)
    feeding.edit("DELETE FROM t WHERE id = 1", "UPDATE t SET n = 0 WHERE id = 2")

    outcome = feeding.run(deletes=Deletes.OFF)

    assert (mode(outcome), outcome.counters.updated, outcome.counters.deleted) == ("captured", 1, 0)
    assert feeding.pair.destination.rows("SELECT count(*) FROM t")[0][0] == 10


def test_a_job_that_begins_to_carry_out_deletes_finds_the_older_ones_too(feeding: Feeding) -> None:
    feeding.run(deletes=Deletes.OFF)
    feeding.edit("DELETE FROM t WHERE id = 1")
    feeding.run(deletes=Deletes.OFF)

    outcome = feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")
    later = feeding.run()

    assert (outcome.counters.deleted, later.counters.deleted) == (1, 1)
    assert feeding.equal()


def test_rows_that_are_gone_may_be_marked(feeding: Feeding) -> None:
    feeding.run(deletes=Deletes.SOFT)
    feeding.edit("DELETE FROM t WHERE id = 1")

    outcome = feeding.run(deletes=Deletes.SOFT)

    marked = feeding.pair.destination.rows("SELECT id FROM t WHERE _syncd_deleted_at IS NOT NULL")
    assert outcome.counters.deleted == 1
    assert [row[0] for row in marked] == [1]


def test_more_deletes_than_allowed_change_nothing_until_they_are_allowed(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id > 4", "UPDATE t SET n = 0 WHERE id = 1")

    refused = feeding.pair.run(**{**HARD, "max_delete_percent": 20.0})
    kept = feeding.pair.destination.rows("SELECT count(*), max(n) FROM t")[0]
    allowed = feeding.run()

    assert (refused.status, refused.failure.code) == (Status.FAILED, "too_many_deletes")
    assert tuple(kept) == (10, 10)
    assert allowed.counters.deleted == 6
    assert feeding.equal()


def test_what_a_run_of_the_cluster_has_counted_reaches_the_job(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("UPDATE t SET n = 0 WHERE id = 1")
    feeding.seal()
    feeding.edit("DELETE FROM t WHERE id = 2")
    feeding.seal()

    outcome = feeding.run()

    assert (outcome.counters.updated, outcome.counters.deleted) == (1, 1)
    assert feeding.equal()


def test_compacting_keeps_what_the_job_has_not_read(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")
    feeding.seal()

    feeding.compact()
    outcome = feeding.run()

    assert (mode(outcome), outcome.counters.deleted, resets(outcome)) == ("captured", 1, [])
    assert feeding.equal()


def test_compacting_forgets_what_the_job_has_read(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")
    feeding.run()
    # That a commit arrived is known when the next run begins.
    feeding.run()

    gone = feeding.compact()
    feeding.edit("DELETE FROM t WHERE id = 3")
    outcome = feeding.run()

    assert (gone, feeding.kept()) == (1, 1)
    assert (mode(outcome), outcome.counters.deleted, resets(outcome)) == ("captured", 1, [])
    assert feeding.equal()


def test_a_job_whose_lease_is_over_holds_nothing_and_starts_anew(feeding: Feeding) -> None:
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")
    feeding.seal()

    gone = feeding.compact(days_later=91)
    outcome = feeding.run()
    later = feeding.run()

    assert gone == 1
    assert (mode(outcome), outcome.counters.deleted) == ("first load", 1)
    assert "forgotten" in resets(outcome)[0]
    assert later.steps[0].nothing_to_do
    assert feeding.equal()


def test_changes_that_were_not_captured_are_found_by_starting_anew(feeding: Feeding) -> None:
    feeding.run()
    replica = feeding.replica()
    replica.store.release_capture(replica.names, replica.remembered()[0])
    replica.close()
    feeding.edit("DELETE FROM t WHERE id = 2", "UPDATE t SET n = 0 WHERE id = 1")

    feeding.enrol()
    outcome = feeding.run()

    assert "not captured for a while" in resets(outcome)[0]
    assert feeding.equal()


def test_a_table_whose_triggers_are_missing_is_read_whole(feeding: Feeding) -> None:
    feeding.run()
    replica = feeding.replica()
    replica.store.release_capture(replica.names, replica.remembered()[0])
    replica.close()
    feeding.edit("DELETE FROM t WHERE id = 2")

    outcome = feeding.run()

    assert "triggers of its cluster are missing" in resets(outcome)[0]
    assert feeding.equal()


def test_a_child_feeds_no_jobs(request: pytest.FixtureRequest, make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol(Role.CHILD)
    feeding.run()
    feeding.edit("UPDATE t SET n = 0 WHERE id = 1", "DELETE FROM t WHERE id = 2")

    outcome = feeding.run()

    assert (mode(outcome), feeding.kept("log")) == ("full", 2)
    assert feeding.equal()


def test_a_job_with_a_check_column_follows_it(feeding: Feeding) -> None:
    feeding.run(check="n")
    feeding.edit("UPDATE t SET n = 20 WHERE id = 1")

    outcome = feeding.run(check="n")

    assert mode(outcome) == "incremental"
    assert feeding.equal()


def test_a_job_that_ran_before_the_capture_begins_anew_once(
    request: pytest.FixtureRequest, make_store: MakeStore, kind: str
) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    fill(feeding.pair)
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 1")

    feeding.enrol()
    first = feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")
    second = feeding.run()

    assert (resets(first), mode(second)) == (["the source is captured now"], "captured")
    assert second.counters.deleted == 1
    assert feeding.equal()


def test_a_job_that_tells_rows_as_the_cluster_does_is_fed_also_by_another_key(
    make_store: MakeStore, kind: str
) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    feeding.edit(
        f"CREATE TABLE t (id {feeding.pair.source.integer} NOT NULL PRIMARY KEY, guid varchar(40) NOT NULL UNIQUE)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    feeding.enrol(key=("guid",))
    feeding.run(key=("guid",))
    feeding.edit("DELETE FROM t WHERE id = 2", "UPDATE t SET guid = 'd' WHERE id = 3")

    outcome = feeding.run(key=("guid",))

    assert (mode(outcome), outcome.counters.deleted, outcome.counters.inserted) == ("captured", 2, 1)
    assert feeding.equal()


def test_a_job_that_tells_rows_otherwise_than_the_cluster_reads_all(make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    feeding.edit(
        f"CREATE TABLE t (id {feeding.pair.source.integer} NOT NULL PRIMARY KEY, guid varchar(40) NOT NULL UNIQUE)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    feeding.enrol(key=("guid",))
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 2")

    outcome = feeding.run()

    assert mode(outcome) == "full"
    assert feeding.equal()


def planned(feeding: Feeding, **options: Any) -> str:
    """What `syncd plan` prints of the job."""
    job = feeding.pair.job("REPLICATE [t]", **{**HARD, **options})
    with feeding.pair.ports() as (source, destination):
        steps = preview(compile_job(job, connector(feeding.pair.source.type).dialect), source, destination)
    return "\n".join(line for step in steps for line in step_lines(step))


def test_plan_says_that_the_source_is_captured_and_writes_nothing(feeding: Feeding) -> None:
    first = planned(feeding)
    feeding.run()
    feeding.edit("DELETE FROM t WHERE id = 1", "UPDATE t SET n = 0 WHERE id = 2")
    later = planned(feeding)
    known = planned(feeding, deletes=Deletes.OFF)

    assert "captured:     by cluster shop" in first
    assert "read:         captured, about 1 rows" in later
    assert "as they were captured" in later
    assert "known and not carried out" in known
    assert feeding.kept("log") == 2
    assert feeding.run().counters.deleted == 1


def test_plan_says_why_a_child_feeds_no_job(make_store: MakeStore, kind: str) -> None:
    feeding = Feeding(Pair(make_store(kind), make_store("sqlite")))
    fill(feeding.pair)
    feeding.enrol(Role.CHILD)

    said = planned(feeding)

    assert "not captured: 'P' is a child in its cluster" in said
    assert "found by comparing keys" in said


def test_a_row_takes_over_a_unique_value_of_one_that_is_gone(feeding: Feeding) -> None:
    feeding.pair.destination.execute(
        f"CREATE TABLE t (id {feeding.pair.destination.integer} NOT NULL PRIMARY KEY, name varchar(40) UNIQUE,"
        f" n {feeding.pair.destination.integer})"
    )
    feeding.run(alter_schema=True)
    feeding.edit(
        "DELETE FROM t WHERE id IN (1, 2)",
        "INSERT INTO t VALUES (21, 'name 1', 1)",
        "UPDATE t SET name = 'name 2' WHERE id = 3",
    )

    outcome = feeding.run(alter_schema=True)

    assert (outcome.counters.inserted, outcome.counters.updated, outcome.counters.deleted) == (1, 1, 2)
    assert feeding.equal()
