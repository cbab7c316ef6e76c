"""Each option of a job has the effect that it names, on every pair of stores."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.engine.pace import Pace
from syncd.errors import FatalError, QueryError, RunCancelledError
from syncd.model.event import StepProgressed, WindowCommitted
from syncd.model.options import Interval, Write
from syncd.model.run import Status
from tests.pairs import SOME, MakeStore, marked, pair_of
from tests.rowset import target_stamp
from tests.stores import Pair
from tests.system.test_deletes import fill


@pytest.fixture(params=SOME)
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Five of the nine pairs."""
    return pair_of(request, make_store)


def ids(pair: Pair, table: str = "t", where: str = "") -> list[int]:
    return [row[0] for row in pair.destination.rows(f"SELECT id FROM {table} {where} ORDER BY id")]


def stop_in(phase: str) -> Callable[[], None]:
    """A check that stops the run once rows are being written."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise RunCancelledError(f"stopped while {phase}")

    return check


@pytest.mark.parametrize("option", ["truncate", "drop"])
def test_all_rows_are_replaced_at_each_run(pair: Pair, option: str) -> None:
    fill(pair)
    pair.ok(**{option: True})
    pair.source.execute("DELETE FROM t WHERE id > 4")

    outcome = pair.ok(**{option: True})

    assert outcome.counters.inserted == 4
    assert ids(pair) == [1, 2, 3, 4]


@pytest.mark.parametrize("option", ["truncate", "drop"])
def test_a_replacement_that_fails_leaves_the_old_rows(pair: Pair, option: str) -> None:
    fill(pair, 3000)
    pair.ok(**{option: True})
    pair.source.execute("UPDATE t SET name = 'new'")

    with pytest.raises(RunCancelledError):
        pair.run(stop=stop_in("writing"), batch_rows=100, **{option: True})

    assert pair.destination.rows("SELECT count(*) FROM t WHERE name = 'new'") == [(0,)]
    assert len(ids(pair)) == 3000
    assert pair.ok(**{option: True}).counters.inserted == 3000


def test_drop_takes_over_the_sources_present_columns(pair: Pair) -> None:
    fill(pair)
    pair.ok(drop=True)
    pair.source.execute(f"ALTER TABLE t ADD COLUMN extra {pair.source.text}")
    pair.source.execute("UPDATE t SET extra = 'x'")

    pair.ok(drop=True)

    assert pair.destination.rows("SELECT DISTINCT extra FROM t") == [("x",)]


def test_truncate_keeps_the_table_with_columns_of_its_own(pair: Pair) -> None:
    fill(pair)
    pair.ok(truncate=True)
    pair.destination.execute(f"ALTER TABLE t ADD COLUMN note {pair.destination.text}")

    pair.ok(truncate=True)

    assert pair.destination.rows("SELECT DISTINCT note FROM t") == [(None,)]


@pytest.mark.postgresql
def test_tables_of_a_schema_go_into_a_file(make_store: MakeStore) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    pair.source.execute("CREATE SCHEMA sales")
    pair.source.execute("CREATE TABLE sales.a (id int PRIMARY KEY)")
    pair.source.execute("INSERT INTO sales.a VALUES (1)")

    with pytest.raises(FatalError, match="has no schema 'sales'") as caught:
        pair.run("REPLICATE [sales.*]", check=None)
    pair.ok("REPLICATE [sales.*]", check=None, destination_schema="main")

    assert "destination_schema: main" in caught.value.hint
    assert pair.destination.rows("SELECT id FROM a") == [(1,)]


def test_drop_says_what_the_new_table_lacks(pair: Pair) -> None:
    fill(pair)
    pair.ok(drop=True)
    pair.destination.execute("CREATE INDEX by_updated ON t (updated)")

    lost, again = pair.ok(drop=True), pair.ok(drop=True)

    assert ["index by_updated" in warning for warning in lost.steps[0].warnings] == [True]
    assert not again.steps[0].warnings


def test_append_keeps_each_version_once(pair: Pair) -> None:
    fill(pair)
    pair.ok(write=Write.APPEND)
    pair.source.execute("UPDATE t SET name = 'again', updated = '2024-02-01 00:00:00' WHERE id = 3")
    pair.ok(write=Write.APPEND)

    quiet = pair.ok(write=Write.APPEND)

    assert pair.destination.rows("SELECT count(*) FROM t WHERE id = 3") == [(2,)]
    assert len(ids(pair)) == 11
    assert quiet.counters.inserted == 0


def test_append_without_check_column_is_refused(pair: Pair) -> None:
    fill(pair)

    with pytest.raises(QueryError, match="write: append needs a check_column"):
        pair.run(check=None, write=Write.APPEND)


def test_history_keeps_each_version_with_its_time(pair: Pair) -> None:
    fill(pair)
    pair.ok(write=Write.HISTORY)
    pair.source.execute("UPDATE t SET name = 'again', updated = '2024-02-01 00:00:00' WHERE id = 3")

    outcome = pair.ok(write=Write.HISTORY)

    assert (outcome.counters.inserted, outcome.counters.updated) == (0, 1)
    old, new = pair.destination.rows(
        "SELECT name, _syncd_start, _syncd_end FROM t WHERE id = 3 ORDER BY _syncd_start"
    )
    assert (old[0], new[0], new[2]) == ("name 3", "again", None)
    assert old[2] == new[1] > old[1]
    assert len(ids(pair, where="WHERE _syncd_end IS NULL")) == 10


def test_history_needs_a_table_of_its_own(pair: Pair) -> None:
    fill(pair)
    pair.ok()

    assert pair.run(write=Write.HISTORY).failure.code == "no_history"


def test_texts_that_are_too_long_are_cut_and_counted(pair: Pair) -> None:
    fill(pair)
    pair.destination.execute(
        f"CREATE TABLE t (id {pair.destination.integer} NOT NULL PRIMARY KEY, name varchar(6), updated {target_stamp(pair)})"
    )
    pair.source.execute("UPDATE t SET name = 'åßç𝄞éfgh' WHERE id = 2")

    outcome = pair.ok(truncate_strings=True)

    if pair.destination.type == "sqlite":
        # Lengths mean nothing there: no text is too long.
        assert outcome.steps[0].truncated == ()
        return
    assert outcome.steps[0].truncated == (("name", 2),)
    assert pair.destination.rows("SELECT name FROM t WHERE id IN (2, 10) ORDER BY id") == [
        ("åßç𝄞éf",),
        ("name 1",),
    ]
    assert any("2 texts of column name" in text for text in outcome.steps[0].warnings)


def test_a_failed_query_ends_the_run_unless_it_may_go_on(pair: Pair) -> None:
    fill(pair)
    queries = ("REPLICATE [nothing]", "REPLICATE [t]")

    stopped = pair.run(*queries)
    went_on = pair.run(*queries, go_on=True)

    assert [step.status for step in stopped.steps] == [Status.FAILED]
    assert [step.status for step in went_on.steps] == [Status.FAILED, Status.OK]
    assert len(ids(pair)) == 10


def test_a_new_column_is_refused_by_name_or_added(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    pair.source.execute(f"ALTER TABLE t ADD COLUMN extra {pair.source.text}")
    pair.source.execute("UPDATE t SET extra = 'x' WHERE id < 3")

    refused = pair.run()
    pair.ok(alter_schema=True)

    assert refused.failure.code == "column_missing"
    assert "extra" in refused.failure.message
    assert ids(pair, where="WHERE extra = 'x'") == [1, 2]


def test_a_column_that_went_away_gives_no_value_and_a_warning(pair: Pair) -> None:
    fill(pair)
    pair.ok()
    query = "REPLICATE [t] SELECT id, updated FROM t"
    pair.source.execute("INSERT INTO t VALUES (11, 'eleven', '2024-02-01 00:00:00')")

    outcome = pair.ok(query, alter_schema=True)

    assert pair.destination.rows("SELECT name FROM t WHERE id IN (10, 11) ORDER BY id") == [
        ("name 10",),
        (None,),
    ]
    assert any("name of" in text and "not in the source" in text for text in outcome.steps[0].warnings)


def test_interval_cuts_the_first_load_into_windows_of_time(pair: Pair) -> None:
    fill(pair, 59)

    outcome = pair.ok(interval=Interval(seconds=10))

    windows = outcome.told(WindowCommitted)
    assert len(windows) == 6
    assert [window.counters.inserted for window in windows] == [10, 10, 10, 10, 10, 9]
    assert len(ids(pair)) == 59


def test_interval_of_months_follows_the_calendar(pair: Pair) -> None:
    fill(pair, 1)
    for month in range(2, 6):
        pair.source.execute(f"INSERT INTO t VALUES ({month}, 'm', '2024-0{month}-15 00:00:00')")

    outcome = pair.ok(interval=Interval(months=1))

    assert [window.counters.inserted for window in outcome.told(WindowCommitted)] == [1, 1, 1, 1, 1]


def test_start_never_reads_what_lies_before(pair: Pair) -> None:
    fill(pair)
    pair.source.execute("INSERT INTO t VALUES (11, 'no stamp', NULL)")

    first = pair.ok(start="2024-01-01 00:00:05")
    again = pair.ok(start="2024-01-01 00:00:05")

    assert ids(pair) == [5, 6, 7, 8, 9, 10, 11]
    assert first.counters.inserted == 7
    assert again.counters.inserted == 0


def test_another_start_reads_again(pair: Pair) -> None:
    fill(pair)
    pair.ok(start="2024-01-01 00:00:05")

    pair.ok(start="2024-01-01 00:00:02")

    assert ids(pair) == list(range(2, 11))


def test_a_start_that_does_not_fit_the_column_is_refused(pair: Pair) -> None:
    fill(pair)

    assert pair.run(start="soon").failure.code == "bad_start"


def test_batches_are_as_small_as_was_asked_for(pair: Pair) -> None:
    fill(pair, 200)
    sizes: list[int] = []

    with pair.ports() as (source, destination):
        begin = destination.begin

        def watched(*arguments: Any) -> Any:
            writing = begin(*arguments)
            write = writing.write

            def counted(batch: Any) -> None:
                sizes.append(batch.rows)
                write(batch)

            writing.write = counted
            return writing

        destination.begin = watched
        outcome = pair.run_on(source, destination, batch_rows=30)

    assert outcome.status is Status.OK
    assert max(sizes) <= 31
    assert sum(sizes) == 200


def watched_pace(**limits: float) -> tuple[Pace, list[float]]:
    """A pace whose clock moves by its own sleep alone, and how long it slept."""
    slept: list[float] = []
    moment = 100.0

    class Watch:
        def monotonic(self) -> float:
            return moment

        def now(self) -> Any:
            raise AssertionError("not needed")

    def sleep(seconds: float) -> None:
        nonlocal moment
        moment += seconds
        slept.append(seconds)

    return Pace(Watch(), sleep=sleep, **limits), slept


def test_a_rate_slows_the_run_down(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(pair, 500)
    pace, slept = watched_pace(rows_per_second=100)
    with pair.ports() as (source, destination):
        pair.run_on(source, destination, batch_rows=50, pace=pace)

    assert sum(slept) == pytest.approx(4.0, abs=0.6)
    assert len(ids(pair)) == 500


def test_a_rate_of_bytes_holds_for_rows_that_travel_as_tuples(lite_pair: Pair) -> None:
    pair = lite_pair
    fill(pair, 500)
    pair.source.execute("UPDATE t SET name = printf('%.100c', 'x')")
    pace, slept = watched_pace(bytes_per_second=10_000)
    with pair.ports() as (source, destination):
        outcome = pair.run_on(source, destination, batch_rows=50, pace=pace)

    # 500 rows of 100 characters, a number and a time of 19 characters.
    assert sum(slept) == pytest.approx(500 * 127 / 10_000 - 1.0, abs=0.6)
    assert outcome.status is Status.OK


def test_progress_tells_the_bytes_of_rows_that_travel_as_tuples(lite_pair: Pair) -> None:
    fill(lite_pair, 500)

    outcome = lite_pair.ok()

    told = outcome.told(StepProgressed)
    assert told
    assert told[0].bytes > 0


def test_prefix_names_the_table(pair: Pair) -> None:
    fill(pair)

    pair.ok(table_prefix="crm_")

    assert len(ids(pair, "crm_t")) == 10


@pytest.mark.parametrize("kind", [marked("sqlite"), marked("postgresql")])
def test_destination_schema_is_made_and_holds_the_table(kind: str, make_store: MakeStore) -> None:
    pair = Pair(make_store(kind), make_store("postgresql"))
    fill(pair)

    pair.ok(destination_schema="Staging area")
    pair.source.execute("UPDATE t SET name = 'new', updated = '2024-02-01 00:00:00' WHERE id = 3")
    again = pair.ok(destination_schema="Staging area")

    assert again.counters.updated == 1
    assert ids(pair, '"Staging area".t') == list(range(1, 11))
    assert pair.destination.rows("SELECT to_regclass('public.t')") == [(None,)]


def test_column_definitions_and_key_of_the_query_make_the_table(pair: Pair) -> None:
    pair.source.execute(
        f"CREATE TABLE t (id {pair.source.integer}, name {pair.source.text}, updated {pair.source.stamp})"
    )
    pair.source.execute("INSERT INTO t VALUES (1, 'a', '2024-01-01 00:00:00')")
    query = "REPLICATE [t] (name varchar(33), PRIMARY KEY (id))"

    pair.ok(query)

    with pair.ports() as (_, destination):
        from syncd.model.table import TableName

        table = destination.table(TableName("t"))
    assert table.key == ("id",)
    assert "33" in str(table.column("name").type)


def prepared(pair: Pair) -> None:
    """A source with three rows, and a table at the destination that takes names of twenty characters."""
    fill(pair, 3)
    pair.destination.execute(
        f"CREATE TABLE t (id {pair.destination.integer} NOT NULL PRIMARY KEY, name varchar(20), updated {target_stamp(pair)})"
    )


def test_a_definition_of_no_column_is_refused_for_an_existing_table_too(pair: Pair) -> None:
    prepared(pair)

    refused = pair.run("REPLICATE [t] (name varchar(20), nope int)")

    assert refused.failure.code == "column_missing"
    assert "nope" in refused.failure.message
    assert ids(pair) == []


def test_a_definition_that_the_existing_column_cannot_hold_is_refused(pair: Pair) -> None:
    prepared(pair)

    refused = pair.run("REPLICATE [t] (name varchar(500))")

    if pair.destination.type == "sqlite":
        # Lengths mean nothing there: the column holds longer texts already.
        assert refused.status is Status.OK
        return
    assert refused.failure.code == "definition_differs"
    assert "name" in refused.failure.message
    assert ids(pair) == []


def test_a_definition_widens_the_existing_column_where_the_schema_may_be_altered(pair: Pair) -> None:
    prepared(pair)

    pair.ok("REPLICATE [t] (name varchar(500))", alter_schema=True)
    refused = pair.run("REPLICATE [t] (name int)", alter_schema=True)

    with pair.ports() as (_, destination):
        from syncd.model.table import TableName

        table = destination.table(TableName("t"))
    if pair.destination.type != "sqlite":
        assert table.column("name").type.length == 500
    assert refused.failure is not None
    assert ids(pair) == [1, 2, 3]


DEFINITIONS = {
    "sqlite": ("TEXT", "varchar(40)", "TEXT_DECIMAL(12,2)", "DECIMAL(12,2)"),
    "postgresql": ("text", "varchar(40)", "char(9)", "citext", "numeric(12)", "bigint", "json", "jsonb", "timestamptz(3)"),
    "mysql": ("text", "varchar(40)", "decimal(12)", "bigint", "int", "boolean", "json", "mediumtext", "double", "datetime(6)"),
}  # fmt: skip


def test_a_table_that_was_made_by_definitions_fits_them_ever_after(kind: str, make_store: MakeStore) -> None:
    pair = Pair(make_store("sqlite"), make_store(kind))
    names = [f"c{number}" for number in range(len(DEFINITIONS[kind]))]
    pair.source.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(names)})")
    if kind == "postgresql":
        pair.destination.execute("CREATE EXTENSION IF NOT EXISTS citext")
    definitions = ", ".join(f"{name} {type_}" for name, type_ in zip(names, DEFINITIONS[kind], strict=True))
    pair.ok(f"REPLICATE [t] ({definitions})", check=None)

    assert pair.run(f"REPLICATE [t] ({definitions})", check=None).status is Status.OK


def test_include_and_exclude_choose_columns(pair: Pair) -> None:
    fill(pair)
    queries = ("REPLICATE [a] INCLUDE (id, updated) FROM [t]", "REPLICATE [b] EXCLUDE (name) FROM [t]")

    pair.ok(*queries)

    for table in ("a", "b"):
        assert len(pair.destination.rows(f"SELECT id, updated FROM {table}")) == 10
        with pair.ports() as (_, destination):
            from syncd.model.table import TableName

            assert destination.table(TableName(table)).column_names == ("id", "updated")


def test_a_wildcard_takes_every_table_but_the_excluded(pair: Pair) -> None:
    for name in ("inv_a", "inv_b", "inv_tmp", "other"):
        pair.source.execute(f"CREATE TABLE {name} (id {pair.source.integer} NOT NULL PRIMARY KEY)")
        pair.source.execute(f"INSERT INTO {name} VALUES (1)")

    outcome = pair.ok("REPLICATE [inv_*]", check=None, exclude=("inv_t*",))

    assert [step.step for step in outcome.steps] == ["inv_a", "inv_b"]
    assert ids(pair, "inv_b") == [1]


@pytest.mark.parametrize("product", [marked("postgresql"), marked("mysql")])
def test_a_wildcard_without_schema_finds_what_plain_names_mean(make_store: MakeStore, product: str) -> None:
    pair = Pair(make_store(product), make_store("sqlite"))
    other = make_store("mysql").name if product == "mysql" else "other"
    if product == "postgresql":
        pair.source.execute("CREATE SCHEMA other")
    for name in ("inv_a", "inv_b", f"{other}.inv_a", f"{other}.inv_c"):
        pair.source.execute(f"CREATE TABLE {name} (id bigint NOT NULL PRIMARY KEY)")
        pair.source.execute(f"INSERT INTO {name} VALUES ({2 if '.' in name else 1})")

    outcome = pair.ok("REPLICATE [inv_*]", check=None)

    assert [step.step for step in outcome.steps] == ["inv_a", "inv_b"]
    assert ids(pair, "inv_a") == [1]
    with pytest.raises(QueryError, match=r"the wildcard inv_c\* finds no table") as caught:
        pair.run("REPLICATE [inv_c*]", check=None)
    assert caught.value.hint == f"tables of another schema are found with its name: [{other}.inv_c*]"


def test_a_wildcard_follows_the_search_path(make_store: MakeStore) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    store = pair.source
    store.execute("CREATE SCHEMA first; CREATE SCHEMA second; CREATE SCHEMA third")
    for name in ("first.inv_a", "second.inv_a", "second.inv_b", "third.inv_c"):
        store.execute(f"CREATE TABLE {name} (id bigint NOT NULL PRIMARY KEY)")
    store.execute("INSERT INTO first.inv_a VALUES (7)")
    store.execute(f"ALTER DATABASE {store.name} SET search_path = first, second")

    try:
        outcome = pair.ok("REPLICATE [inv_*]", check=None)
    finally:
        store.execute(f"ALTER DATABASE {store.name} RESET search_path")

    assert [step.step for step in outcome.steps] == ["inv_a", "inv_b"]
    assert ids(pair, "inv_a") == [7]


def test_a_select_may_say_itself_what_is_new(pair: Pair) -> None:
    fill(pair)
    query = (
        "REPLICATE [t] SELECT id, name, updated FROM t"
        " WHERE updated >= REPLICATE_LASTMODTIME() AND updated <= REPLICATE_NEXTINTERVAL()"
    )
    pair.ok(query)
    pair.source.execute("INSERT INTO t VALUES (11, 'new', '2024-02-01 00:00:00')")
    pair.source.execute("INSERT INTO t VALUES (12, 'old', '2023-02-01 00:00:00')")

    outcome = pair.ok(query)

    assert outcome.counters.inserted == 1
    assert ids(pair) == list(range(1, 12))


def test_functions_of_other_products_work_at_each_source(pair: Pair) -> None:
    fill(pair, 3)
    pair.source.execute("UPDATE t SET name = NULL WHERE id = 2")
    query = (
        "REPLICATE [t] SELECT id, ISNULL(name, 'none') AS a, NVL(name, 'none') AS b, IFNULL(name, 'none') AS c FROM t"
        " WHERE updated < GETDATE()"
    )

    pair.ok(query, check=None)

    assert pair.destination.rows("SELECT a, b, c FROM t ORDER BY id") == [
        (text, text, text) for text in ("name 1", "none", "name 3")
    ]


@pytest.mark.parametrize("utc", [True, False])
def test_times_without_zone_are_written_in_the_zone_that_was_asked_for(
    pair: Pair, utc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        naive, aware = naive_stamp(pair), aware_stamp(pair)
        pair.source.execute(f"CREATE TABLE t (id {pair.source.integer} NOT NULL PRIMARY KEY, at {aware})")
        pair.source.execute(
            f"INSERT INTO t VALUES (1, '2024-01-01 00:00:00{'' if pair.source.type == 'mysql' else '+00'}')"
        )
        pair.destination.execute(
            f"CREATE TABLE t (id {pair.destination.integer} NOT NULL PRIMARY KEY, at {naive})"
        )

        refused = pair.run(check=None)
        pair.ok(check=None, utc_times=utc)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert refused.failure.code == "type_loss"
    assert str(pair.destination.rows("SELECT at FROM t")[0][0]).startswith(
        "2024-01-01 00:00:00" if utc else "2024-01-01 09:00:00"
    )


def naive_stamp(pair: Pair) -> str:
    return {"sqlite": "DATETIME", "postgresql": "timestamp", "mysql": "datetime(6)"}[pair.destination.type]


def aware_stamp(pair: Pair) -> str:
    return {"sqlite": "TIMESTAMPTZ", "postgresql": "timestamptz", "mysql": "timestamp(6)"}[pair.source.type]
