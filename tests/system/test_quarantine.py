"""Rows that the destination refuses are set aside with a reason, tried again, and never lost without a word."""

import json

import pytest

from syncd.model.options import Deletes
from syncd.model.run import Status
from syncd.model.table import TableName
from syncd.model.writing import StepKey
from tests.pairs import SOME, MakeStore, pair_of
from tests.rowset import target_stamp
from tests.stores import Pair
from tests.system.test_deletes import fill


@pytest.fixture(params=SOME)
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Five of the nine pairs."""
    return pair_of(request, make_store)


ASIDE = {"quarantine": True}


def strict(pair: Pair) -> None:
    """A destination that refuses some names."""
    to = pair.destination
    pair.destination.execute(
        f"CREATE TABLE t (id {to.integer} NOT NULL PRIMARY KEY, name varchar(200) NOT NULL,"
        f" updated {target_stamp(pair)}, CHECK (name NOT LIKE 'poison%'))"
    )


def rejects(pair: Pair) -> list[tuple[str, int]]:
    with pair.ports() as (_, destination):
        found = destination.rejects(StepKey("job", "t", TableName("t")))
    return [(reject.key, reject.attempts) for reject in found]


def ids(pair: Pair) -> list[int]:
    return [row[0] for row in pair.destination.rows("SELECT id FROM t ORDER BY id")]


def poison(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("UPDATE t SET name = 'poison pill' WHERE id = 3")
    pair.source.execute("UPDATE t SET name = NULL WHERE id = 7")
    strict(pair)


def test_without_quarantine_one_bad_row_fails_the_query_and_keeps_nothing(pair: Pair) -> None:
    poison(pair)

    outcome = pair.run()

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "row_rejected")
    assert ids(pair) == []


def test_bad_rows_are_set_aside_and_all_others_arrive(pair: Pair) -> None:
    poison(pair)

    outcome = pair.run(**ASIDE)

    counters = outcome.counters
    assert outcome.status is Status.PARTIAL
    assert (counters.read, counters.inserted, counters.rejected) == (10, 8, 2)
    assert counters.balanced
    assert ids(pair) == [1, 2, 4, 5, 6, 8, 9, 10]
    assert rejects(pair) == [("[3]", 1), ("[7]", 1)]


def test_the_reason_names_the_rule_and_no_value(pair: Pair) -> None:
    poison(pair)
    pair.run(**ASIDE)

    with pair.ports() as (_, destination):
        found = destination.rejects(StepKey("job", "t", TableName("t")))

    assert all(reject.reason and "pill" not in reject.reason for reject in found)
    assert [json.loads(reject.values)[1] for reject in found] == ["poison pill", None]
    assert found[0].names == ("id", "name", "updated")


def test_special_numbers_beside_a_refused_row_arrive_as_without_it(make_store: MakeStore) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    pair.source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text, real float8 NOT NULL, free float8, word float8)"
    )
    pair.source.execute(
        "INSERT INTO t VALUES (1, 'a', 'NaN', 'NaN', 'NaN'), (2, 'poison', 1, 1, 1),"
        " (3, 'c', '-Infinity', 'Infinity', 'Infinity'), (4, 'd', 0.5, 0.5, 0.5)"
    )
    pair.destination.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, name text CHECK (name <> 'poison'), real double, free, word text)"
    )

    outcome = pair.run(check=None, **ASIDE)

    assert outcome.counters.rejected == 1
    assert pair.destination.rows("SELECT real, free, word FROM t ORDER BY id") == [
        ("NaN", "NaN", "NaN"),
        ("-Infinity", "Infinity", "Infinity"),
        (0.5, 0.5, "0.5"),
    ]


def test_a_row_that_a_unique_rule_refuses_in_a_merge_is_set_aside(pair: Pair) -> None:
    fill(pair)
    pair.ok(**ASIDE)
    pair.destination.execute("CREATE UNIQUE INDEX names ON t (name)")
    pair.source.execute("UPDATE t SET name = 'once', updated = '2024-02-01 00:00:00' WHERE id IN (4, 5)")
    pair.source.execute("UPDATE t SET name = 'other', updated = '2024-02-01 00:00:00' WHERE id = 6")

    outcome = pair.run(**ASIDE)

    assert (outcome.status, outcome.counters.updated, outcome.counters.rejected) == (Status.PARTIAL, 2, 1)
    assert len(rejects(pair)) == 1
    assert pair.destination.rows("SELECT name FROM t WHERE id = 6") == [("other",)]


def test_a_row_that_was_mended_at_the_source_arrives_with_the_next_run(pair: Pair) -> None:
    poison(pair)
    pair.run(**ASIDE)
    pair.source.execute("UPDATE t SET name = 'mended' WHERE id = 3")

    outcome = pair.run(**ASIDE)

    assert (3, "mended") in pair.destination.rows("SELECT id, name FROM t")
    assert rejects(pair) == [("[7]", 2)]
    assert outcome.status is Status.PARTIAL
    assert outcome.counters.balanced


def test_a_table_that_was_mended_takes_the_rows_with_the_next_run(pair: Pair) -> None:
    poison(pair)
    pair.run(**ASIDE)
    pair.source.execute("UPDATE t SET name = 'four' WHERE id IN (3, 7)")

    outcome = pair.ok(**ASIDE)

    assert ids(pair) == list(range(1, 11))
    assert (rejects(pair), outcome.counters.rejected) == ([], 0)
    assert pair.ok(**ASIDE).steps[0].nothing_to_do


def test_a_row_that_is_gone_at_the_source_is_forgotten(pair: Pair) -> None:
    poison(pair)
    pair.run(**ASIDE)
    pair.source.execute("DELETE FROM t WHERE id IN (3, 7)")

    pair.ok(**ASIDE)

    assert rejects(pair) == []


def test_a_good_row_that_turns_bad_keeps_its_old_self_and_is_set_aside(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("UPDATE t SET name = 'fine' WHERE id = 3")
    strict(pair)
    pair.ok(**ASIDE)
    pair.source.execute("UPDATE t SET name = 'poison', updated = '2024-03-01 00:00:00' WHERE id = 3")

    outcome = pair.run(**ASIDE)

    assert outcome.status is Status.PARTIAL
    assert (3, "fine") in pair.destination.rows("SELECT id, name FROM t")
    assert rejects(pair) == [("[3]", 1)]


def test_deletes_do_not_take_a_row_that_is_set_aside_for_missing(pair: Pair) -> None:
    poison(pair)
    options = {**ASIDE, "deletes": Deletes.HARD, "max_delete_percent": 50.0}
    pair.run(**options)
    pair.source.execute("DELETE FROM t WHERE id = 1")

    outcome = pair.run(**options)

    assert outcome.counters.deleted == 1
    assert [key for key, _ in rejects(pair)] == ["[3]", "[7]"]


def test_a_table_without_key_has_each_runs_bad_rows_and_no_older_ones(pair: Pair) -> None:
    text = pair.source.text
    pair.source.execute(f"CREATE TABLE t (name {text}); INSERT INTO t VALUES ('good'), ('bad')")
    pair.destination.execute("CREATE TABLE t (name varchar(50) CHECK (name <> 'bad'))")

    first = pair.run(check=None, **ASIDE)
    pair.source.execute("UPDATE t SET name = 'better' WHERE name = 'bad'")
    second = pair.ok(check=None, **ASIDE)

    assert (first.status, first.counters.rejected) == (Status.PARTIAL, 1)
    assert second.counters.inserted == 2
    assert rejects(pair) == []


@pytest.mark.parametrize("windows", [3, 100])
def test_bad_rows_in_several_windows_are_all_set_aside(pair: Pair, windows: int) -> None:
    fill(pair, 30)
    pair.source.execute("UPDATE t SET name = NULL WHERE id % 10 = 7")
    pair.source.execute("UPDATE t SET name = 'poison' WHERE id = 3")
    strict(pair)
    pair.window_rows = windows

    outcome = pair.run(**ASIDE)

    assert (outcome.counters.inserted, outcome.counters.rejected) == (26, 4)
    assert len(ids(pair)) == 26
