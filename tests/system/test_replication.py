"""First load, incremental, marks, resume and guards, on every pair of real stores."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from syncd.engine.compile import compile_job
from syncd.errors import RunCancelledError
from syncd.model.event import StateReset, StepStarted, WindowCommitted
from syncd.model.table import TableName
from syncd.registry import connector
from tests.rowset import OLD, content, create, create_target, put
from tests.running import execute
from tests.stores import Pair, SqliteStore, WallClock


def stop_after_windows(count: int) -> Callable[[Any], None]:
    """An emit that stops the run once so many windows were committed."""
    seen = []

    def emit(event: Any) -> None:
        if isinstance(event, WindowCommitted):
            seen.append(event)
            if len(seen) >= count:
                raise RunCancelledError("stopped by the test")

    return emit


def test_first_load_creates_the_table_with_key_and_not_null(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))

    outcome = pair.ok()

    assert (outcome.counters.read, outcome.counters.inserted) == (2, 2)
    assert content(pair.destination) == content(pair.source)
    with pair.ports() as (_, destination):
        table = destination.table(TableName("t"))
    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]


def test_second_run_reads_and_writes_nothing(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)), (3, "c", None))
    pair.ok()
    before = pair.destination.versions("t")

    outcome = pair.ok()

    assert outcome.steps[0].nothing_to_do
    assert outcome.counters.read == 0
    assert outcome.steps[0].rows_known == 3
    assert pair.destination.versions("t") == before


def test_heavy_rows_of_a_first_load_are_not_read_once_more_for_a_checksum(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = importlib.import_module(f"syncd.connectors.{pair.source.type}.source")
    monkeypatch.setattr(source, "SEEN_BYTES" if pair.source.type == "sqlite" else "SUMMED_BYTES", 10)
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok(check=None)

    again = pair.ok(check=None)

    assert (again.counters.read, again.counters.unchanged) == (2, 2)
    assert content(pair.destination) == content(pair.source)


def test_row_that_arrives_later_at_the_same_value_is_found(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok()
    put(pair.source, (3, "c", OLD.format(2, 7)))

    outcome = pair.ok()

    assert (outcome.counters.inserted, outcome.counters.unchanged) == (1, 1)
    assert content(pair.destination) == content(pair.source)


def test_microseconds_decide_what_is_read_again(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(1, 7)))
    pair.ok()
    put(pair.source, (3, "c", OLD.format(1, 8)))

    outcome = pair.ok()

    assert outcome.counters.read == 2, "the row at the mark and the new one, not the one a microsecond before"
    assert content(pair.destination) == content(pair.source)


def test_row_without_a_value_is_checked_by_every_run(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", None))
    first = pair.ok()
    put(pair.source, (2, "changed", None), (3, "new", None))

    outcome = pair.ok()

    assert any("has no updated" in said for said in first.steps[0].warnings)
    assert (outcome.counters.inserted, outcome.counters.updated) == (1, 1)
    assert content(pair.destination) == content(pair.source)


def test_row_dated_in_the_future_is_loaded_told_and_does_not_move_the_mark(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "poison", "2099-01-01 00:00:00"))
    first = pair.ok()
    put(pair.source, (3, "today", OLD.format(3, 6)))

    outcome = pair.ok()

    assert any("future" in said for said in first.steps[0].warnings)
    assert (first.steps[0].mark_to or "").startswith("2026-01-01")
    assert outcome.counters.inserted == 1
    assert content(pair.destination) == content(pair.source)


def test_changed_row_replaces_the_one_with_its_key(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok()
    put(pair.source, (1, "changed", OLD.format(3, 1)))

    outcome = pair.ok()

    assert (outcome.counters.updated, outcome.counters.unchanged) == (1, 1)
    assert content(pair.destination) == content(pair.source)


def test_lookback_finds_a_row_below_the_mark(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", "2026-01-01 10:00:00"), (2, "b", "2026-01-01 11:00:00"))
    pair.ok(lookback=7200)
    put(pair.source, (3, "late", "2026-01-01 10:30:00"))

    outcome = pair.ok(lookback=7200)

    assert (outcome.counters.inserted, outcome.counters.unchanged) == (1, 2)


def test_quiet_runs_stay_quiet_with_a_lookback(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", "2026-01-01 10:00:00"), (2, "b", "2026-01-01 11:00:00"))
    pair.ok(lookback=7200)

    assert pair.ok(lookback=7200).steps[0].nothing_to_do


def test_first_load_in_windows_goes_straight_in_and_counts_once(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, *((i, f"n{i}", f"2026-01-01 10:00:{i:02}") for i in range(1, 31)), (31, "null", None))
    pair.window_rows = 10

    outcome = pair.ok()

    assert len(outcome.told(WindowCommitted)) >= 3
    assert outcome.counters.inserted == 31
    assert outcome.steps[0].rows_known == 31
    assert content(pair.destination) == content(pair.source)


@pytest.mark.parametrize("check", ["updated", None], ids=["by check column", "by key"])
def test_interrupted_first_load_goes_on_after_its_last_window(pair: Pair, check: str | None) -> None:
    create(pair.source)
    put(pair.source, *((i, f"n{i}", f"2026-01-01 10:00:{i:02}") for i in range(1, 31)), (31, "null", None))
    pair.window_rows = 10
    stopped_at = interrupt(pair, windows=1, check=check)
    # A row of the finished window changes, and one of a later window.
    put(pair.source, (1, "moved", "2026-01-01 10:00:40"), (29, "new", "2026-01-01 10:00:41"))

    outcome = pair.ok(check=check)

    assert outcome.told(StepStarted)[0].mode == "resume"
    assert outcome.counters.read < 31, f"read all again though {stopped_at} rows were there"
    after = pair.ok(check=check)
    assert content(pair.destination) == content(pair.source)
    assert not after.told(StateReset), "the known rows were counted too high"


def interrupt(pair: Pair, windows: int, check: str | None = "updated") -> int:
    """Run until so many windows are committed, then be stopped; how many rows are there."""
    plan = compile_job(pair.job("REPLICATE [t]", check=check), connector(pair.source.type).dialect)
    with pair.ports() as (source, destination), pytest.raises(RunCancelledError):
        execute(
            plan,
            source,
            destination,
            run="r",
            full=False,
            emit=stop_after_windows(windows),
            check=lambda: None,
            clock=WallClock(),
        )
    return int(pair.destination.rows("SELECT count(*) FROM t")[0][0])


def test_full_run_over_a_filled_table_mends_it_without_needless_writes(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok()
    pair.destination.execute("UPDATE t SET name = 'spoilt' WHERE id = 1")

    outcome = pair.ok(full=True)

    assert (outcome.counters.updated, outcome.counters.unchanged) == (1, 1)
    assert content(pair.destination) == content(pair.source)


def test_table_without_key_is_replaced_whole(pair: Pair) -> None:
    pair.source.execute("CREATE TABLE t (name text)")
    pair.source.execute("INSERT INTO t VALUES ('a'), ('a'), ('b')")
    pair.ok(check=None)
    pair.source.execute("DELETE FROM t WHERE name = 'b'")

    outcome = pair.ok(check=None)

    assert outcome.counters.inserted == 2
    assert pair.destination.rows("SELECT name FROM t") == [("a",), ("a",)]
    before = pair.destination.versions("t")
    assert pair.ok(check=None).steps[0].nothing_to_do
    assert pair.destination.versions("t") == before


def test_view_is_copied_as_a_table(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.source.execute("CREATE VIEW v AS SELECT id, name FROM t WHERE id > 1")

    pair.ok("REPLICATE [v]", check=None)

    assert pair.destination.rows("SELECT id, name FROM v") == [(2, "b")]


def test_select_with_aliases_keeps_the_key_and_follows_the_column(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)), (3, "no", OLD.format(2, 7)))
    query = "REPLICATE [copy] SELECT id AS nr, name, updated AS at FROM t WHERE name <> 'no'"
    pair.ok(query, check="at")
    put(pair.source, (1, "changed", OLD.format(3, 1)))

    outcome = pair.ok(query, check="at")

    assert (outcome.counters.updated, outcome.counters.unchanged) == (1, 1)
    assert pair.destination.rows("SELECT nr, name FROM copy ORDER BY nr") == [(1, "changed"), (2, "b")]


@pytest.mark.postgresql
@pytest.mark.parametrize("goal", ["sqlite", "postgresql"])
@pytest.mark.parametrize("filled", [False, True], ids=["new table", "filled table"])
def test_query_that_repeats_a_key_is_refused_by_name(make_store: Any, goal: str, filled: bool) -> None:
    pair = Pair(make_store("postgresql"), make_store(goal))
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    if filled:
        pair.ok("REPLICATE [copy] SELECT id, name, updated FROM t")

    outcome = pair.run("REPLICATE [copy] SELECT id, unnest(ARRAY['x', 'y']) AS name, updated FROM t")

    assert outcome.failure.code == "duplicate_key"
    assert "copy" in outcome.failure.message
    if filled:
        assert content(pair.destination, "copy") == content(pair.source)


def test_names_with_quotes_and_reserved_words_arrive(pair: Pair) -> None:
    pair.source.execute(
        'CREATE TABLE "Or""der what?" ("select" integer PRIMARY KEY, "a ""b"" :c" text, "t" text)'
    )
    pair.source.execute("""INSERT INTO "Or""der what?" VALUES (1, 'x', 'old')""")
    pair.ok('REPLICATE [Or"der what?]', check="select")
    pair.source.execute("""UPDATE "Or""der what?" SET "a ""b"" :c" = 'new'""")

    pair.ok('REPLICATE [Or"der what?]', check="select")

    assert pair.destination.rows('SELECT * FROM "Or""der what?"') == [(1, "new", "old")]


def test_column_called_like_the_alias_hides_no_change(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (t text, id int PRIMARY KEY, v text, updated timestamptz)")
    pg_pair.source.execute("INSERT INTO t VALUES ('same', 1, 'a', '2026-01-01')")
    pg_pair.ok()
    pg_pair.source.execute("UPDATE t SET v = 'b'")

    pg_pair.ok()

    assert pg_pair.destination.rows("SELECT v FROM t") == [("b",)]


def test_wide_table_of_200_columns_arrives(pair: Pair) -> None:
    columns = ", ".join(f"c{i} {pair.source.text}" for i in range(199))
    pair.source.execute(f"CREATE TABLE t (id integer PRIMARY KEY, {columns})")
    for row in range(30):
        values = ", ".join(f"'{row}-{i}'" for i in range(199))
        pair.source.execute(f"INSERT INTO t VALUES ({row}, {values})")

    pair.ok(check=None)

    assert pair.destination.rows("SELECT * FROM t ORDER BY id") == pair.source.rows(
        "SELECT * FROM t ORDER BY id"
    )


def test_names_that_differ_in_case_find_each_other(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)))
    create_target(pair)

    pair.ok("REPLICATE [T]", check="UPDATED")

    assert content(pair.destination) == content(pair.source)


def test_every_type_of_store_is_its_own_target_of_several_steps(pair: Pair) -> None:
    for name in ("a", "b"):
        create(pair.source, name)
        put(pair.source, (1, name, OLD.format(1, 6)), name=name)

    outcome = pair.ok("REPLICATE [a]", "REPLICATE [b]")
    again = pair.ok("REPLICATE [a]", "REPLICATE [b]")

    assert [step.counters.inserted for step in outcome.steps] == [1, 1]
    assert all(step.nothing_to_do for step in again.steps)


def test_rows_of_a_store_may_go_to_another_table_of_the_same_store(kind: str, make_store: Any) -> None:
    store = make_store(kind)
    create(store)
    put(store, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair = Pair(store, store)

    pair.ok("REPLICATE [copy] FROM [t]")

    assert content(store, "copy") == content(store)
    assert pair.ok("REPLICATE [copy] FROM [t]").steps[0].nothing_to_do


def test_same_file_without_write_ahead_log_is_refused_at_once(make_store: Any) -> None:
    store = make_store("sqlite")
    assert isinstance(store, SqliteStore)
    create(store)
    put(store, (1, "a", OLD.format(1, 6)))
    store.execute("PRAGMA journal_mode=DELETE")

    outcome = Pair(store, store).run("REPLICATE [copy] FROM [t]")

    assert outcome.failure.code == "same_file"
