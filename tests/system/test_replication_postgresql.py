"""What is special between PostgreSQL databases: binary blocks, odd destinations, schemas."""

from typing import Any

import pytest

from syncd.model.batch import Format
from syncd.model.writing import Target
from syncd.registry import connector
from tests.stores import Pair

pytestmark = pytest.mark.postgresql


def formats_of(pair: Pair) -> list[Format]:
    """The formats that a run's windows travel in."""
    seen: list[Format] = []
    with pair.ports() as (source, destination):
        begin = destination.begin

        def spy(target: Target, check: Any) -> Any:
            seen.append(target.format)
            return begin(target, check)

        destination.begin = spy
        outcome = pair.run_on(source, destination, check=None)
        assert outcome.failure is None, outcome.failure
    return seen


def test_rows_between_equal_tables_travel_as_binary_blocks(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v numeric(5,2), w text[])")
    pg_pair.source.execute("INSERT INTO t VALUES (1, 1.50, '{a}')")

    assert formats_of(pg_pair) == [Format.PGCOPY]


def test_rows_between_tables_of_other_types_travel_as_text(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 7)")
    pg_pair.destination.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")

    assert formats_of(pg_pair) == [Format.COPYTEXT]
    assert pg_pair.destination.rows("SELECT * FROM t") == [(1, "7")]


def test_arrays_of_own_types_travel_as_text(pg_pair: Pair) -> None:
    """Their binary form holds the number that the type has in its own database."""
    for store in (pg_pair.source, pg_pair.destination):
        store.execute("CREATE TYPE mood AS ENUM ('sad')")
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v mood[]); INSERT INTO t VALUES (1, '{sad}')")

    assert formats_of(pg_pair) == [Format.COPYTEXT]
    assert pg_pair.destination.rows("SELECT v::text, pg_typeof(v)::text FROM t") == [("{sad}", "mood[]")]


def test_rows_to_a_file_travel_as_text(make_store: Any) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")

    assert formats_of(pair) == [Format.COPYTEXT]


@pytest.mark.parametrize(
    "create",
    [
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)",
        "CREATE TABLE t (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (50) TO (100)",
        "CREATE TABLE t (extra int DEFAULT 7 NOT NULL, v text, id bigint PRIMARY KEY)",
        "CREATE TABLE t (id bigint PRIMARY KEY, v text, g text GENERATED ALWAYS AS (v || '!') STORED)",
    ],
    ids=["identity", "partitions", "other order", "generated"],
)
def test_destination_of_another_make_takes_rows_and_changes(pg_pair: Pair, create: str) -> None:
    pg_pair.source.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    pg_pair.source.execute("INSERT INTO t VALUES (1, 'a'), (60, 'b')")
    pg_pair.destination.execute(create)
    pg_pair.ok(check=None)
    pg_pair.source.execute("UPDATE t SET v = 'c' WHERE id = 60; INSERT INTO t VALUES (2, 'd')")

    outcome = pg_pair.ok(check=None)

    assert (outcome.counters.inserted, outcome.counters.updated, outcome.counters.unchanged) == (1, 1, 1)
    assert pg_pair.destination.rows("SELECT id, v FROM t ORDER BY id") == [(1, "a"), (2, "d"), (60, "c")]


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_view_is_replaced_whole(pg_pair: Pair, kind: str) -> None:
    pg_pair.source.execute("CREATE TABLE a (x int); INSERT INTO a VALUES (1), (1)")
    pg_pair.source.execute(f"CREATE {kind} t AS SELECT x FROM a")

    pg_pair.ok(check=None)

    assert pg_pair.destination.rows("SELECT x FROM t") == [(1,), (1,)]


def test_tables_in_other_schemas_keep_theirs(pg_pair: Pair) -> None:
    pg_pair.source.execute(
        'CREATE SCHEMA "Sales"; CREATE TABLE "Sales".t (id int PRIMARY KEY); INSERT INTO "Sales".t VALUES (4)'
    )

    pg_pair.ok("REPLICATE [Sales].[t]", check=None)
    pg_pair.ok("REPLICATE [plain] FROM [sales].[t]", check=None)

    assert pg_pair.destination.rows('SELECT id FROM "Sales".t UNION ALL SELECT id FROM plain') == [(4,), (4,)]


def test_schema_of_the_connection_is_made_and_used(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (4)")
    source = connector("postgresql").open_source(pg_pair.source.options())
    destination = connector("postgresql").open_destination(pg_pair.destination.options(schema="new one"))

    outcome = pg_pair.run_on(source, destination, check=None)
    source.close()
    destination.close()

    assert outcome.failure is None, outcome.failure
    assert pg_pair.destination.rows('SELECT id FROM "new one".t') == [(4,)]
    assert pg_pair.destination.rows('SELECT job FROM "new one".syncd_cursors') == [("job",)]


def test_trigger_that_takes_rows_away_refuses_the_window(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    pg_pair.destination.execute(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (9);"
        "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER away BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION away()"
    )

    failure = pg_pair.run(check=None).failure

    assert failure.code == "counters_do_not_balance"
    assert pg_pair.destination.rows("SELECT id FROM t") == [(9,)]


def test_error_inside_copy_leaves_the_connection_usable(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'long')")
    pg_pair.destination.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(2))")
    with pg_pair.ports() as (source, destination):
        first = pg_pair.run_on(source, destination, check=None)
        pg_pair.source.execute("UPDATE t SET v = 'ok'")

        second = pg_pair.run_on(source, destination, check=None)

    assert first.failure.code == "row_rejected"
    assert second.counters.inserted == 1


def test_rows_that_were_written_meanwhile_are_merged_by_key(make_store: Any) -> None:
    """The first rows clash in the middle of a block, while the source still has more to give."""
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.source.execute("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 3000) i")
    pair.destination.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    with pair.ports() as (source, destination):
        survey = destination.survey

        def and_then(keys: Any) -> Any:
            found = survey(keys)
            pair.destination.execute("INSERT INTO t VALUES (2, 'theirs')")
            return found

        destination.survey = and_then
        outcome = pair.run_on(source, destination, check=None)

    assert (outcome.counters.inserted, outcome.counters.updated) == (2999, 1)


def test_dropped_cursors_on_a_kept_connection_mean_a_first_load(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    with pg_pair.ports() as (source, destination):
        pg_pair.run_on(source, destination, check=None)
        pg_pair.destination.execute("DROP TABLE syncd_cursors")

        outcome = pg_pair.run_on(source, destination, check=None)

    assert outcome.counters.unchanged == 1


def test_own_tables_begin_with_our_name(pg_pair: Pair) -> None:
    pg_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    pg_pair.ok(check=None)

    tables = {
        row[0]
        for row in pg_pair.destination.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    }

    assert tables == {"t", "syncd_cursors"}
