"""Repairs and deletions beside the runs that fill the same table: neither spoils the other's cursor."""

from contextlib import suppress

import pytest

from syncd.engine import compare
from syncd.errors import QueryError, RunCancelledError
from syncd.model.options import Verify
from syncd.model.run import Status
from tests.pairs import SOME, MakeStore, pair_of
from tests.stores import Pair
from tests.system.test_deletes import HARD, fill
from tests.system.test_quarantine import ASIDE, rejects, strict


@pytest.fixture(params=SOME)
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Five of the nine pairs."""
    return pair_of(request, make_store)


BOTH = ("REPLICATE [t]", "CHECKCACHE [t] WITH REPAIR")


def names(pair: Pair) -> list[tuple[object, ...]]:
    return pair.destination.rows("SELECT id, name FROM t ORDER BY id")


def source_names(pair: Pair) -> list[tuple[object, ...]]:
    return pair.source.rows("SELECT id, name FROM t ORDER BY id")


def test_a_repair_follows_the_query_that_fills_its_table_in_one_job(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 3")
    pair.source.execute("INSERT INTO t VALUES (50, 'new', '2025-01-01 00:00:00')")

    first = pair.ok(*BOTH)
    pair.destination.execute("DELETE FROM t WHERE id = 4")
    pair.destination.execute("INSERT INTO t VALUES (60, 'foreign', NULL)")
    second = pair.ok("CHECKCACHE [t] WITH REPAIR SKIP DELETED", *BOTH)

    assert first.steps[1].counters.updated == 1
    assert [step.counters.inserted for step in second.steps] == [1, 0, 0]
    assert names(pair) == source_names(pair)
    assert pair.ok(*BOTH).steps[0].nothing_to_do


def test_a_repair_before_the_first_run_does_not_keep_the_run_from_reading_everything(pair: Pair) -> None:
    fill(pair)
    pair.ok(name="other")
    pair.destination.execute("DELETE FROM t WHERE id IN (3, 9)")
    part = "CHECKCACHE [t] WITH REPAIR START '2024-01-01 00:00:02' END '2024-01-01 00:00:04'"

    pair.ok(part, "REPLICATE [t]")
    pair.ok(part, "REPLICATE [t]")

    assert names(pair) == source_names(pair)


def test_a_repair_of_a_part_does_not_hide_that_the_table_was_emptied(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("DELETE FROM t")
    part = "CHECKCACHE [t] WITH REPAIR START '2024-01-01 00:00:02' END '2024-01-01 00:00:04'"

    pair.ok(part, "REPLICATE [t] WITH CommandTimeout=60")
    pair.ok()

    assert names(pair) == source_names(pair)


def test_a_missing_row_that_is_refused_makes_the_run_partial(pair: Pair) -> None:
    fill(pair)
    strict(pair)
    pair.ok(**HARD, **ASIDE)
    pair.source.execute("INSERT INTO t VALUES (55, 'poison', '2023-01-01 00:00:00')")

    outcome = pair.run(**HARD, **ASIDE)

    assert rejects(pair) == [("[55]", 1)]
    assert outcome.status is Status.PARTIAL
    assert "set aside" in outcome.steps[0].warnings[-1]


def test_a_repair_that_sets_rows_aside_is_partial(pair: Pair) -> None:
    fill(pair)
    strict(pair)
    pair.ok(**ASIDE)
    pair.source.execute("INSERT INTO t VALUES (55, 'poison', '2023-01-01 00:00:00')")
    pair.destination.execute("DELETE FROM t WHERE id = 2")

    outcome = pair.run("CHECKCACHE [t] WITH REPAIR", **ASIDE)

    verdict = outcome.steps[0].verdict
    assert (outcome.status, verdict.repaired, verdict.same) == (Status.PARTIAL, 1, False)
    assert outcome.counters.rejected == 1


def test_a_row_that_left_the_range_is_not_deleted_by_a_repair_of_the_range(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.source.execute("UPDATE t SET updated = '2023-12-31 00:00:00' WHERE id = 3")
    pair.source.execute("UPDATE t SET updated = NULL WHERE id = 4")

    part = "CHECKCACHE [t] WITH REPAIR START '2024-01-01 00:00:02' END '2024-01-01 00:00:09'"
    outcome = pair.ok(part, max_delete_percent=100.0)

    assert (outcome.counters.deleted, outcome.counters.updated) == (0, 2)
    assert names(pair) == source_names(pair)


def test_a_comparison_treats_rows_as_the_query_does_that_fills_the_table(pair: Pair) -> None:
    fill(pair)
    soft = "REPLICATE [t] WITH DeleteMode='soft', MaxDeletePercent=50"
    pair.ok(soft)
    pair.source.execute("DELETE FROM t WHERE id = 3")
    pair.ok(soft)

    pair.ok(soft, "CHECKCACHE [T] WITH REPAIR")

    assert len(names(pair)) == 10
    assert pair.destination.rows("SELECT id FROM t WHERE _syncd_deleted_at IS NOT NULL") == [(3,)]


def test_deletes_with_a_start_copy_nothing_that_lies_before_it(pair: Pair) -> None:
    fill(pair)
    pair.ok(start="2024-01-01 00:00:05", **HARD)
    pair.source.execute("DELETE FROM t WHERE id = 7")

    outcome = pair.ok(start="2024-01-01 00:00:05", **HARD)

    assert outcome.counters.deleted == 1
    assert [row[0] for row in names(pair)] == [5, 6, 8, 9, 10]


def test_a_row_that_moved_before_the_start_is_updated_and_not_deleted(pair: Pair) -> None:
    fill(pair)
    pair.ok(start="2024-01-01 00:00:05", **HARD)
    pair.source.execute("UPDATE t SET updated = '2023-01-01 00:00:00', name = 'moved' WHERE id = 7")

    pair.ok(start="2024-01-01 00:00:05", **HARD)

    assert (7, "moved") in names(pair)


def test_quarantine_switched_off_reads_the_refused_row_again_and_says_so(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("UPDATE t SET name = 'poison' WHERE id = 3")
    strict(pair)
    pair.run(**ASIDE)

    outcome = pair.run()

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "row_rejected")


def test_a_failed_run_after_the_query_changed_does_not_keep_the_old_mark(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("UPDATE t SET name = 'poison' WHERE id = 9")
    strict(pair)
    pair.run("REPLICATE [t] SELECT * FROM t WHERE id > 5", **ASIDE)
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise RunCancelledError("stopped")

    with suppress(RunCancelledError):
        pair.run("REPLICATE [t]", stop=stop, **ASIDE)
    pair.run("REPLICATE [t]", **ASIDE)

    assert [row[0] for row in names(pair)] == [1, 2, 3, 4, 5, 6, 7, 8, 10]


def test_another_value_of_a_variable_means_other_rows(pair: Pair) -> None:
    fill(pair)
    query = "REPLICATE [t] SELECT * FROM t WHERE name = {env:who}"
    pair.ok(query, variables={"who": "name 9"})

    pair.ok(query, variables={"who": "name 2"})

    assert [row[0] for row in names(pair)] == [2, 9]


def test_a_text_key_is_never_cut(pair: Pair) -> None:
    pair.source.execute("CREATE TABLE t (id varchar(20) NOT NULL PRIMARY KEY, name varchar(20))")
    pair.source.execute("INSERT INTO t VALUES ('abcde1', 'one'), ('abcde2', 'two')")
    pair.destination.execute("CREATE TABLE t (id varchar(5) NOT NULL PRIMARY KEY, name varchar(20))")

    outcome = pair.run(check=None, truncate_strings=True)

    if pair.destination.type == "sqlite":
        assert len(names(pair)) == 2
        return
    assert outcome.status is Status.FAILED
    assert names(pair) == []


def test_a_query_with_marks_of_its_own_is_not_compared(pair: Pair) -> None:
    fill(pair)
    query = "REPLICATE [t] SELECT * FROM t WHERE updated > REPLICATE_LASTMODTIME()"

    with pytest.raises(QueryError, match="cannot be compared"):
        pair.run(query, **HARD)


def test_a_repair_of_some_columns_brings_missing_rows_whole_or_not_at_all(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("DELETE FROM t WHERE id = 3")
    part = "CHECKCACHE [t] AGAINST (SELECT id, name FROM t) WITH REPAIR"

    alone = pair.run(part)
    together = pair.ok("REPLICATE [t]", part)

    assert alone.failure.code == "column_missing"
    assert together.steps[-1].verdict.same
    assert pair.destination.rows("SELECT count(*) FROM t WHERE updated IS NULL") == [(0,)]


def test_a_repair_that_a_trigger_undoes_is_not_called_repaired(lite_pair: Pair) -> None:
    fill(lite_pair)
    lite_pair.ok()
    lite_pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 3")
    lite_pair.destination.execute(
        "CREATE TRIGGER again AFTER UPDATE ON t WHEN new.name <> 'other' BEGIN"
        " UPDATE t SET name = 'other' WHERE id = new.id; END"
    )

    outcome = lite_pair.run("CHECKCACHE [t] WITH REPAIR")

    assert outcome.status is not Status.OK


def test_equal_rows_without_a_key_are_each_counted_when_refused(pair: Pair) -> None:
    pair.source.execute(f"CREATE TABLE t (name {pair.source.text})")
    pair.source.execute("INSERT INTO t VALUES ('bad'), ('bad'), ('good')")
    pair.destination.execute("CREATE TABLE t (name varchar(50) CHECK (name <> 'bad'))")

    outcome = pair.run(check=None, **ASIDE)

    assert (outcome.status, outcome.counters.rejected, outcome.counters.inserted) == (Status.PARTIAL, 2, 1)


def test_a_missing_row_is_copied_though_the_check_column_is_left_out(pair: Pair) -> None:
    fill(pair)
    query = "REPLICATE [t] EXCLUDE (updated)"
    pair.ok(query, **HARD)
    pair.destination.execute("DELETE FROM t WHERE id = 3")
    pair.destination.execute("INSERT INTO t (id, name) VALUES (99, 'foreign')")

    pair.ok(query, **HARD)

    assert names(pair) == source_names(pair)


def test_one_key_far_away_does_not_bring_the_whole_table_into_memory(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "ROWS_AT_ONCE", 50)
    fill(pair, 3000)
    pair.source.execute(f"INSERT INTO t VALUES ({2**62}, 'far', '2024-01-01 00:00:00')")
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t WHERE id IN (5, 2900)")
    looked: list[int] = []
    look = compare._look_into

    def counted(chunks, *more):
        looked.append(len(chunks.only))
        look(chunks, *more)

    monkeypatch.setattr(compare, "_look_into", counted)

    assert pair.ok(**HARD).counters.deleted == 2
    assert looked
    assert names(pair) == source_names(pair)


def test_a_select_with_marks_takes_the_lowest_row_the_first_time(pair: Pair) -> None:
    fill(pair)
    query = "REPLICATE [t] SELECT * FROM t WHERE updated > REPLICATE_LASTMODTIME()"

    pair.ok(query)

    assert names(pair) == source_names(pair)


def test_a_comparison_counts_the_rows_that_are_set_aside(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("UPDATE t SET name = 'poison' WHERE id = 3")
    strict(pair)
    pair.run(**ASIDE)

    outcome = pair.run("CHECKCACHE [t]", **ASIDE)

    assert (outcome.status, outcome.steps[0].verdict.missing) == (Status.PARTIAL, 1)


def test_rows_without_a_key_are_refused_before_they_are_to_be_compared(pair: Pair) -> None:
    pair.source.execute(f"CREATE TABLE t (name {pair.source.text})")
    pair.source.execute("INSERT INTO t VALUES ('one')")

    outcome = pair.run(check=None, verify=Verify.CHECKSUM)

    assert (outcome.failure.code, outcome.counters.read) == ("key_missing", 0)
