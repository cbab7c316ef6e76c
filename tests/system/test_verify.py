"""Differences between the two tables are found, counted, named and mended, whatever the stores are."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from syncd.model.event import WindowCommitted
from syncd.model.options import Deletes, Verify
from syncd.model.run import Status
from tests.pairs import SOME, MakeStore, pair_of
from tests.stores import Pair
from tests.system.test_deletes import KEYS, fill
from tests.system.test_options import aware_stamp, naive_stamp


@pytest.fixture(params=SOME)
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Five of the nine pairs."""
    return pair_of(request, make_store)


CHECK = {"verify": Verify.CHECKSUM}


def rows(pair: Pair) -> list[tuple[object, ...]]:
    return pair.destination.rows("SELECT id, name FROM t ORDER BY id")


@pytest.mark.parametrize("key", KEYS)
def test_equal_tables_are_said_to_be_equal(pair: Pair, key: str) -> None:
    fill(pair, 500, key)
    pair.ok()

    verdict = pair.ok(**CHECK).steps[0].verdict

    assert (verdict.same, verdict.rows, verdict.method) == (True, 500, "checksum")
    assert verdict.at is not None


def test_each_kind_of_difference_is_counted_and_its_key_named(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("DELETE FROM t WHERE id = 1")
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")
    pair.destination.execute("INSERT INTO t VALUES (99, 'extra', NULL)")

    outcome = pair.run("CHECKCACHE [t]")

    verdict = outcome.steps[0].verdict
    assert (verdict.missing, verdict.different, verdict.surplus, verdict.repaired) == (1, 1, 1, 0)
    assert [json.loads(key)[0] for key in verdict.examples] == [1, 2, 99]
    assert outcome.status is Status.PARTIAL
    assert "1 missing, 1 different, 1 too many" in outcome.steps[0].warnings[0]


def test_repair_makes_both_equal_and_touches_the_destination_only(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    before = pair.source.rows("SELECT id, name FROM t ORDER BY id")
    pair.destination.execute("DELETE FROM t WHERE id = 1")
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")
    pair.destination.execute("INSERT INTO t VALUES (99, 'extra', NULL)")

    outcome = pair.ok("CHECKCACHE [t] WITH REPAIR")

    counters = outcome.counters
    assert (counters.inserted, counters.updated, counters.deleted) == (1, 1, 1)
    assert rows(pair) == before == pair.source.rows("SELECT id, name FROM t ORDER BY id")
    assert pair.ok("CHECKCACHE [t]").steps[0].verdict.same


def test_skip_modified_looks_at_keys_alone(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")

    assert pair.ok("CHECKCACHE [t] SKIP MODIFIED").steps[0].verdict.same


def test_skip_deleted_lets_surplus_rows_stay(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("INSERT INTO t VALUES (99, 'extra', NULL)")

    pair.ok("CHECKCACHE [t] WITH REPAIR SKIP DELETED")

    assert (99, "extra") in rows(pair)


def test_start_and_end_limit_both_sides(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id IN (2, 8)")
    query = "CHECKCACHE [t] WITH REPAIR START '2024-01-01 00:00:05' END '2024-01-01 00:00:09'"

    outcome = pair.ok(query)

    assert outcome.counters.updated == 1
    assert [name for _, name in rows(pair) if name == "other"] == ["other"]


def test_against_a_select_compares_its_columns_alone(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET updated = NULL WHERE id = 2")

    same = pair.ok("CHECKCACHE [t] AGAINST (SELECT id, name FROM t)")

    assert same.steps[0].verdict.same


def test_a_repair_does_not_delete_more_than_allowed(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.source.execute("DELETE FROM t WHERE id > 2")

    outcome = pair.run("CHECKCACHE [t] WITH REPAIR")

    assert outcome.failure.code == "too_many_deletes"
    assert len(rows(pair)) == 10


def test_counting_alone_finds_a_missing_row(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")
    unseen = pair.ok(verify=Verify.COUNT).steps[0].verdict
    pair.source.execute("INSERT INTO t VALUES (50, 'below the mark', '2023-01-01 00:00:00')")

    seen = pair.run(verify=Verify.COUNT).steps[0].verdict

    assert (unseen.same, unseen.method) == (True, "count")
    assert (seen.same, seen.missing) == (False, 1)


def test_counting_needs_no_key(pair: Pair) -> None:
    pair.source.execute(f"CREATE TABLE t (name {pair.source.text})")
    pair.source.execute("INSERT INTO t VALUES ('a'), ('a'), (NULL), (NULL)")
    count = {"check": None, "verify": Verify.COUNT}

    verdict = pair.ok(**count).steps[0].verdict
    refused = pair.run(check=None, **CHECK)

    assert (verdict.same, verdict.rows, verdict.method) == (True, 4, "count")
    assert refused.failure.code == "key_missing"


def test_a_run_that_finds_differences_is_partial(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")

    outcome = pair.run(**CHECK)

    assert outcome.status is Status.PARTIAL


def test_rows_marked_as_deleted_are_not_too_many(pair: Pair) -> None:
    soft = {"deletes": Deletes.SOFT, "max_delete_percent": 50.0}
    fill(pair)
    pair.ok(**soft)
    pair.source.execute("DELETE FROM t WHERE id = 2")
    pair.ok(**soft)

    assert pair.ok(**soft, **CHECK).steps[0].verdict.same


def test_random_damage_is_found_to_the_row(pair: Pair) -> None:
    fill(pair, 5_000)
    pair.ok()
    chance = random.Random(7)
    hurt = sorted(chance.sample(range(1, 5001), 40))
    gone, changed = hurt[:20], hurt[20:]
    pair.destination.execute(f"DELETE FROM t WHERE id IN ({', '.join(map(str, gone))})")
    pair.destination.execute(f"UPDATE t SET name = 'hurt' WHERE id IN ({', '.join(map(str, changed))})")

    verdict = pair.run("CHECKCACHE [t]").steps[0].verdict

    found = sorted(json.loads(key)[0] for key in verdict.examples)
    assert (verdict.missing, verdict.different, found) == (20, 20, hurt)


def test_a_table_that_was_never_filled_is_named(pair: Pair) -> None:
    fill(pair)

    outcome = pair.run("CHECKCACHE [t]")

    assert (outcome.status, outcome.failure.code) == (Status.FAILED, "not_found")


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine stands in Tokyo."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def convert(pair: Pair, key: str = "") -> dict[str, Any]:
    """Tables between which each time changes its zone and each name is cut, and the options that allow it."""
    own, other = pair.source, pair.destination
    aware = aware_stamp(pair)
    zone = "" if own.type == "mysql" else "+00"
    own.execute(
        f"CREATE TABLE t (id {own.integer} NOT NULL, name varchar(20), at {aware} NOT NULL, PRIMARY KEY ({key or 'id'}))"
    )
    own.execute(
        f"INSERT INTO t VALUES (1, 'abcdefgh', '2024-01-01 00:00:00{zone}'), (2, 'ab', '2024-01-01 20:00:00{zone}')"
    )
    other.execute(
        f"CREATE TABLE t (id {other.integer} NOT NULL, name varchar(6), at {naive_stamp(pair)} NOT NULL,"
        f" PRIMARY KEY ({key or 'id'}))"
    )
    return {"check": None, "utc_times": False, "truncate_strings": True}


@pytest.mark.usefixtures("tokyo")
def test_values_that_change_on_their_way_are_compared_as_they_arrive(pair: Pair) -> None:
    options = convert(pair)

    verdict = pair.ok(**options, **CHECK).steps[0].verdict

    assert verdict.same
    assert verdict.rows == 2


@pytest.mark.usefixtures("tokyo")
def test_a_repair_settles_where_values_change_on_their_way(pair: Pair) -> None:
    options = convert(pair)
    pair.ok(**options)
    before = pair.destination.rows("SELECT id, name, at FROM t ORDER BY id")
    pair.destination.execute("UPDATE t SET name = 'other' WHERE id = 2")

    found = pair.run("CHECKCACHE [t]", **options).steps[0].verdict
    pair.ok("CHECKCACHE [t] WITH REPAIR", **options)

    assert (found.different, found.missing, found.surplus) == (1, 0, 0)
    assert pair.destination.rows("SELECT id, name, at FROM t ORDER BY id") == before


@pytest.mark.usefixtures("tokyo")
def test_a_key_that_changes_its_zone_is_the_same_row(pair: Pair) -> None:
    options = convert(pair, "at")
    hard = {**options, "deletes": Deletes.HARD, "max_delete_percent": 50.0}
    pair.ok(**hard, **CHECK)
    pair.source.execute("DELETE FROM t WHERE id = 2")

    outcome = pair.ok(**hard, **CHECK)

    assert outcome.counters.deleted == 1
    assert pair.destination.rows("SELECT id FROM t") == [(1,)]


@pytest.mark.parametrize(
    "stamp", ["2024-02-01 00:00:00", "2024-01-01 00:00:10"], ids=["later", "at the mark"]
)
def test_what_the_source_changes_after_the_load_is_no_difference(pair: Pair, stamp: str) -> None:
    fill(pair)
    damaged = False

    def write_meanwhile(event: object) -> None:
        nonlocal damaged
        if isinstance(event, WindowCommitted) and not damaged:
            damaged = True
            pair.source.execute(f"INSERT INTO t VALUES (11, 'new', '{stamp}')")
            pair.source.execute(f"UPDATE t SET name = 'changed', updated = '{stamp}' WHERE id = 3")

    with pair.ports() as (source, destination):
        busy = pair.run_on(source, destination, tell=write_meanwhile, **CHECK)
    after = pair.ok(**CHECK)

    assert damaged
    assert (busy.status, busy.steps[0].verdict.same) == (Status.OK, True)
    assert (3, "changed") in rows(pair)
    assert (11, "new") in rows(pair)
    assert after.steps[0].verdict.same


def test_damage_is_found_although_the_source_changes_meanwhile(pair: Pair) -> None:
    fill(pair)

    def write_meanwhile(event: object) -> None:
        if isinstance(event, WindowCommitted) and pair.source.rows("SELECT count(*) FROM t") == [(10,)]:
            pair.source.execute("INSERT INTO t VALUES (11, 'new', '2024-02-01 00:00:00')")
            pair.destination.execute("UPDATE t SET name = 'hurt' WHERE id = 10")
            pair.destination.execute("DELETE FROM t WHERE id = 2")

    with pair.ports() as (source, destination):
        verdict = pair.run_on(source, destination, tell=write_meanwhile, **CHECK).steps[0].verdict

    assert (verdict.missing, verdict.different, verdict.surplus) == (1, 1, 0)


def test_the_newest_row_that_got_lost_is_missing_where_the_source_stands_still(pair: Pair) -> None:
    fill(pair)

    def lose(event: object) -> None:
        if isinstance(event, WindowCommitted):
            pair.destination.execute("DELETE FROM t WHERE id = 10")

    with pair.ports() as (source, destination):
        verdict = pair.run_on(source, destination, tell=lose, **CHECK).steps[0].verdict

    assert (verdict.missing, verdict.different, verdict.surplus) == (1, 0, 0)
