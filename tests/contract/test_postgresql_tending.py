"""What people and the engine ask of a PostgreSQL destination: wider tables, types, cursors, statements."""

import pytest

from syncd.errors import BusyError, FatalError, RunCancelledError, SyncdError
from syncd.model.plan import Relation
from syncd.model.reading import Extract, Tuning
from syncd.model.table import Column, Kind, TableName, Type
from syncd.model.writing import Mode
from tests.contract.postgres_ends import KEY, NUMBER, Ends, nothing

pytestmark = pytest.mark.postgresql


def test_table_gets_columns_and_wider_types_and_keeps_everything_else(ends: Ends) -> None:
    ends.store.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name varchar(3) CHECK (name <> 'x'), day date);"
        " CREATE INDEX by_name ON t (name); GRANT SELECT ON t TO guarded; INSERT INTO t VALUES (1, 'abc', '2024-01-01')"
    )
    ends.write([(1, "abc")])
    table = ends.destination.table(TableName("t"))
    add = [Column("extra", Type(Kind.DECIMAL, precision=12, scale=2))]
    widen = [Column("id", NUMBER), Column("name", Type(Kind.TEXT, length=9)), Column("day", Type(Kind.TEXT))]

    said = ends.destination.alteration(table, add, widen)
    ends.destination.alter(table, add, widen, nothing)

    now = ends.destination.table(TableName("t"))
    assert [str(column.type) for column in now.columns] == [
        "bigint",
        "character varying(9)",
        "text",
        "numeric(12,2)",
    ]
    assert said[0].startswith('ALTER TABLE "public"."t" ADD COLUMN "extra" numeric(12,2)')
    assert ends.destination.survey([KEY])[0].reset == ""
    assert ends.rows("SELECT id, name, day, extra, has_table_privilege('guarded', 't', 'SELECT') FROM t") == [
        (1, "abc", "2024-01-01", None, True)
    ]
    with pytest.raises(SyncdError):
        ends.write([(2, "x")], revision=1)


def test_table_stays_as_it_was_when_a_change_is_refused_or_stopped(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE VIEW v AS SELECT id FROM t")
    table = ends.destination.table(TableName("t"))

    def stop() -> None:
        raise RunCancelledError("stop")

    with pytest.raises(FatalError):
        ends.destination.alter(table, [Column("extra", NUMBER)], [Column("id", NUMBER)], nothing)
    with pytest.raises(RunCancelledError):
        ends.destination.alter(table, [Column("extra", NUMBER)], [], stop)

    assert ends.destination.table(TableName("t")) == table
    assert ends.destination.alteration(table, [], []) == []


@pytest.mark.parametrize(
    ("declaration", "native"),
    [
        ("varchar(40)", "character varying(40)"),
        ("NUMERIC (12, 2)", "numeric(12,2)"),
        ("timestamp(3) with time zone", "timestamp(3) with time zone"),
        ("double precision", "double precision"),
        ("int[]", "integer[]"),
        ('"mine"', "mine"),
        ("public.mine", "mine"),
        ("whole", "integer"),
    ],
)
def test_declared_type_is_the_one_of_the_server(ends: Ends, declaration: str, native: str) -> None:
    ends.store.execute("CREATE TYPE mine AS ENUM ('a'); CREATE DOMAIN whole AS int")

    assert ends.destination.type_of(declaration).native == native


@pytest.mark.parametrize(
    "declaration", ["nonsense", "int) FROM pg_class --", "int; DROP TABLE t", "varchar(", ""]
)
def test_declaration_that_is_no_type_is_refused(ends: Ends, declaration: str) -> None:
    with pytest.raises(FatalError) as caught:
        ends.destination.type_of(declaration)

    assert caught.value.code == "bad_type"


def test_cursors_are_listed_moved_and_forgotten(ends: Ends) -> None:
    assert ends.destination.cursors("job") == []
    ends.write([(1, "a")])
    (stored,) = ends.destination.cursors("job")

    ends.destination.put_cursor(stored, "there", "later")
    with pytest.raises(BusyError):
        ends.destination.put_cursor(stored, "elsewhere", None)
    (moved,) = ends.destination.cursors("job")
    ends.destination.put_cursor(moved, None, None)

    assert (stored.key, stored.revision, stored.cursor, stored.mark, stored.digest, stored.rows) == (
        KEY, 1, "c", "m", "d", 1,
    )  # fmt: skip
    assert (moved.revision, moved.cursor, moved.mark) == (2, "there", "later")
    assert stored.updated.endswith("+00:00")
    assert ends.destination.cursors("job") == []
    assert ends.destination.survey([KEY])[0].revision == 0


def test_statement_runs_in_a_transaction_and_gives_its_first_rows(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    run = ends.destination.execute

    inserted = run(
        "INSERT INTO t SELECT n, '50%' FROM generate_series(1, 3000) n RETURNING id, name, id = 2", nothing
    )
    plain = run("UPDATE t SET name = 'x' WHERE id <= 2", nothing)

    assert (len(inserted), inserted[1], list(plain)) == (1000, (2, "50%", 1), [])
    assert run("SELECT count(*), NULL, 1.50, 'infinity'::date FROM t", nothing) == [
        (3000, None, "1.50", "infinity")
    ]
    assert ends.rows("SELECT count(*) FROM t WHERE name = 'x'") == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM t; SELECT 1",
        "COPY t FROM STDIN",
        "COPY t TO STDOUT",
        "SELECT 1/0",
        "DELETE FROM t WHERE 1/0 > 0",
    ],
)
def test_statement_that_fails_leaves_nothing_and_the_port_usable(ends: Ends, statement: str) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')")

    with pytest.raises(FatalError):
        ends.destination.execute(statement, nothing)

    assert ends.destination.execute("SELECT name FROM t", nothing) == [("a",)]


def test_statement_ends_when_the_run_shall_stop(ends: Ends) -> None:
    def stop() -> None:
        raise RunCancelledError("stop")

    with pytest.raises(RunCancelledError):
        ends.destination.execute("SELECT pg_sleep(30)", stop)

    assert ends.destination.execute("SELECT 1", nothing) == [(1,)]


def test_trace_of_writing_hears_no_value(ends: Ends) -> None:
    heard: list[str] = []
    ends.destination.tune(Tuning(trace=heard.append))
    ends.write([(1, "hidden words")])
    ends.destination.tune(Tuning())
    silent = len(heard)
    ends.write([(1, "hidden words")], revision=1)

    assert any(said.startswith("INSERT INTO") for said in heard)
    assert not any("hidden" in said for said in heard)
    assert len(heard) == silent


def test_merged_rows_of_both_ports_are_the_same(ends: Ends) -> None:
    ends.write([(1, "a"), (2, "b")], Mode.INSERT)

    windows, _, _ = ends.read()

    assert windows == [[(1, "a"), (2, "b")]]
    assert ends.source.unchanged([Extract(Relation(table=TableName("t")))]) == [False]
