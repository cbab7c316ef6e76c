"""Repairs and deletions beside the runs that fill the same table: neither spoils the other's cursor."""

from syncd.model.run import Status
from tests.stores import Pair
from tests.system.test_deletes import HARD, fill
from tests.system.test_quarantine import ASIDE, rejects, strict

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
