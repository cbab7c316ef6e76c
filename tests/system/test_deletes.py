"""Rows that are gone at the source go at the destination, when the job says so, and never too many."""

import pytest

from syncd.model.options import Deletes, Write
from syncd.model.run import Status
from tests.pairs import SOME, MakeStore, pair_of
from tests.stores import Pair


@pytest.fixture(params=SOME)
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Five of the nine pairs."""
    return pair_of(request, make_store)


HARD = {"deletes": Deletes.HARD, "max_delete_percent": 50.0}
KEYS = {
    "number": ("{integer}", "{n}"),
    "text": ("varchar(40)", "'key {n}'"),
}


def fill(pair: Pair, count: int = 10, key: str = "number") -> None:
    declared, value = KEYS[key]
    declared = declared.format(integer=pair.source.integer)
    pair.source.execute(
        f"CREATE TABLE t (id {declared} NOT NULL PRIMARY KEY, name {pair.source.text}, updated {pair.source.stamp})"
    )
    rows = ", ".join(
        f"({value.format(n=n)}, 'name {n}', '2024-01-01 00:00:{n % 60:02d}')" for n in range(1, count + 1)
    )
    pair.source.execute(f"INSERT INTO t VALUES {rows}")


def names(pair: Pair, where: str = "") -> list[str]:
    return [row[0] for row in pair.destination.rows(f"SELECT name FROM t {where} ORDER BY name")]


@pytest.mark.parametrize("key", KEYS)
def test_rows_that_are_gone_are_deleted_without_a_trigger_or_log(pair: Pair, key: str) -> None:
    fill(pair, key=key)
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t WHERE name IN ('name 2', 'name 10')")

    outcome = pair.ok(**HARD)

    assert (outcome.counters.deleted, outcome.steps[0].deletes) == (2, "hard")
    assert names(pair) == sorted(f"name {n}" for n in range(1, 10) if n != 2)


def test_nothing_gone_is_nothing_to_do_and_writes_nothing(pair: Pair) -> None:
    fill(pair)
    pair.ok(**HARD)
    before = pair.destination.versions("t")

    outcome = pair.ok(**HARD)

    assert outcome.steps[0].nothing_to_do
    assert pair.destination.versions("t") == before


def test_without_the_option_such_rows_stay_and_the_result_says_so(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.source.execute("DELETE FROM t WHERE name = 'name 2'")

    outcome = pair.ok()

    assert outcome.steps[0].deletes == "off"
    assert len(names(pair)) == 10


def test_a_table_without_check_column_loses_them_too(pair: Pair) -> None:
    fill(pair)
    pair.ok(check=None, **HARD)
    pair.source.execute("DELETE FROM t WHERE name = 'name 3'")

    assert pair.ok(check=None, **HARD).counters.deleted == 1
    assert "name 3" not in names(pair)


def test_new_and_deleted_rows_of_one_run_both_arrive(pair: Pair) -> None:
    fill(pair)
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t WHERE name = 'name 1'")
    pair.source.execute("INSERT INTO t VALUES (77, 'new', '2024-02-01 00:00:00')")

    counters = pair.ok(**HARD).counters

    assert (counters.inserted, counters.deleted) == (1, 1)
    assert names(pair, "WHERE name IN ('new', 'name 1')") == ["new"]


def test_a_deleted_row_does_not_make_the_next_run_read_everything(pair: Pair) -> None:
    fill(pair)
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t WHERE name = 'name 2'")
    pair.ok(**HARD)

    outcome = pair.ok(**HARD)

    assert outcome.steps[0].nothing_to_do
    assert outcome.steps[0].rows_known == 9


def test_more_than_allowed_stops_and_deletes_nothing(pair: Pair) -> None:
    fill(pair)
    pair.ok(deletes=Deletes.HARD)
    pair.source.execute("DELETE FROM t WHERE name <> 'name 1'")

    outcome = pair.run(deletes=Deletes.HARD)

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "too_many_deletes")
    assert "9 of 10 rows" in outcome.failure.message
    assert len(names(pair)) == 10


def test_an_empty_source_deletes_nothing_unless_that_is_allowed(pair: Pair) -> None:
    fill(pair)
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t")

    refused = pair.run(**HARD)
    allowed = pair.ok(allow_empty=True, **HARD)

    assert (refused.failure.code, refused.counters.deleted) == ("source_empty", 0)
    assert allowed.counters.deleted == 10
    assert names(pair) == []


def test_a_soft_deleted_row_is_marked_once_and_revived_when_it_returns(pair: Pair) -> None:
    soft = {"deletes": Deletes.SOFT, "max_delete_percent": 50.0}
    fill(pair)
    pair.ok(**soft)
    pair.source.execute("DELETE FROM t WHERE name = 'name 2'")

    first, again = pair.ok(**soft), pair.ok(**soft)
    marked = names(pair, "WHERE _syncd_deleted_at IS NOT NULL")
    pair.source.execute("INSERT INTO t VALUES (2, 'name 2', '2024-01-01 00:00:02')")
    pair.ok(**soft)

    assert (first.counters.deleted, again.counters.deleted) == (1, 0)
    assert marked == ["name 2"]
    assert names(pair, "WHERE _syncd_deleted_at IS NULL") == sorted(f"name {n}" for n in range(1, 11))


def test_a_row_that_is_gone_ends_its_version_in_a_history(pair: Pair) -> None:
    history = {"write": Write.HISTORY, **HARD}
    fill(pair)
    pair.ok(**history)
    pair.source.execute("DELETE FROM t WHERE name = 'name 2'")

    outcome = pair.ok(**history)

    assert outcome.counters.deleted == 1
    assert names(pair, "WHERE _syncd_end IS NOT NULL") == ["name 2"]
    assert len(names(pair)) == 10


def test_a_row_below_the_mark_that_never_arrived_is_copied_on_the_occasion(pair: Pair) -> None:
    fill(pair)
    pair.ok(**HARD)
    pair.source.execute("INSERT INTO t VALUES (55, 'late', '2023-01-01 00:00:00')")

    assert pair.ok(**HARD).counters.inserted == 1
    assert "late" in names(pair)


def test_many_scattered_deletes_are_found_exactly(pair: Pair) -> None:
    fill(pair, 20_000)
    pair.ok(**HARD)
    pair.source.execute("DELETE FROM t WHERE id % 997 = 3 OR id BETWEEN 5000 AND 5300")

    outcome = pair.ok(**HARD)

    assert outcome.counters.deleted == 20_000 - len(pair.source.rows("SELECT id FROM t"))
    ids = "SELECT id FROM t ORDER BY id"
    assert pair.destination.rows(ids) == pair.source.rows(ids)


def test_rows_without_a_key_cannot_be_told_apart(pair: Pair) -> None:
    pair.source.execute(f"CREATE TABLE t (name {pair.source.text}, updated {pair.source.stamp})")

    outcome = pair.run(check=None, deletes=Deletes.HARD)

    assert outcome.failure.code == "key_missing"


def test_a_source_that_was_emptied_is_told_of_where_deletes_are_off(pair: Pair) -> None:
    fill(pair)
    pair.ok(check=None)
    pair.source.execute("DELETE FROM t")

    outcome = pair.ok(check=None)

    assert outcome.steps[0].warnings == (
        "0 rows: the source had none this time, and 10 rows of the destination stay",
    )
    assert len(names(pair)) == 10
