"""How rows meet those that a PostgreSQL table holds: merge, append, recreate, history, revive, delete."""

from typing import Any

import psycopg
import pytest

from syncd.errors import FatalError, RowRejectedError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.reading import Tuning
from syncd.model.run import Counters
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import ACTIVE, DELETED_AT, SINCE, UNTIL, Mode
from tests.contract.postgres_ends import INCOMING, KEY, NUMBER, Ends, nothing

pytestmark = pytest.mark.postgresql

PLAIN = "CREATE TABLE t (id bigint PRIMARY KEY, name text)"
HISTORY = f"""CREATE TABLE t (id bigint, name varchar(5), {SINCE} timestamptz, {UNTIL} timestamptz, {ACTIVE} boolean,
  PRIMARY KEY (id, {SINCE}))"""


def test_rows_are_matched_by_the_columns_that_the_target_names(ends: Ends) -> None:
    ends.store.execute(
        "CREATE TABLE t (number serial PRIMARY KEY, id bigint UNIQUE NOT NULL, name text, more int)"
    )
    ends.store.execute("INSERT INTO t (id, name, more) VALUES (7, 'old', 1)")

    counters = ends.write([(7, "new"), (8, "x")], match=("id",))

    assert counters == Counters(read=2, inserted=1, updated=1)
    assert ends.rows("SELECT id, name, more FROM t ORDER BY id") == [(7, "new", 1), (8, "x", None)]


def test_rows_are_matched_where_no_unique_index_helps(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint, name text); INSERT INTO t VALUES (7, 'old'), (9, 'same')")

    counters = ends.write([(7, "new"), (8, "x"), (9, "same")], match=("id",))

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert ends.rows() == [(7, "new"), (8, "x"), (9, "same")]
    with pytest.raises(FatalError) as caught:
        ends.write([(5, "a"), (5, "b")], match=("id",))
    assert caught.value.code == "duplicate_key"
    with pytest.raises(RowRejectedError, match="no value"):
        ends.write([(None, "a")], match=("id",))


def test_insert_without_key_appends(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint, name text); INSERT INTO t VALUES (7, 'a')")

    counters = ends.write([(7, "a")], Mode.INSERT)

    assert counters == Counters(read=1, inserted=1)
    assert ends.rows() == [(7, "a"), (7, "a")]


@pytest.mark.parametrize("mode", [Mode.INSERT, Mode.MERGE, Mode.REPLACE])
@pytest.mark.parametrize("text", ["abcd", "abc   ", "      "])
def test_text_is_never_cut_not_even_blanks(ends: Ends, mode: Mode, text: str) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name varchar(3))")

    with pytest.raises(RowRejectedError) as caught:
        ends.write([(1, text)], mode)
    ends.write([(1, "ab ")], mode)

    assert "name" in caught.value.message
    assert "3" in caught.value.message
    assert ends.rows() == [(1, "ab ")]


def test_negative_zero_arrives_as_it_is(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name float8)")
    incoming = Table(
        TableName("t"), (INCOMING.columns[0], Column("name", Type(Kind.FLOAT, bits=64))), ("id",)
    )

    ends.write([(1, -0.0)], incoming=incoming)

    assert ends.rows("SELECT name::text FROM t") == [("-0",)]


def test_row_comes_back_to_life_when_it_arrives(ends: Ends) -> None:
    ends.store.execute(f"{PLAIN[:-1]}, {DELETED_AT} timestamptz)")
    ends.store.execute("INSERT INTO t VALUES (1, 'a', now()), (2, 'b', NULL), (3, 'c', now())")

    counters = ends.write([(1, "a"), (2, "b"), (4, "d")], revive=DELETED_AT)

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert ends.rows(f"SELECT id FROM t WHERE {DELETED_AT} IS NULL ORDER BY id") == [(1,), (2,), (4,)]


def begin(ends: Ends, mode: Mode = Mode.MERGE, **more: Any) -> Any:
    writing = ends.destination.begin(ends.target(mode, **more), nothing)
    if not more.get("careful"):
        writing.write(Batch(Format.ROWS, [], 0))
        writing.finish()
    return writing


def test_keys_are_deleted_exactly_and_counted(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint, name varchar(3), PRIMARY KEY (id, name))")
    ends.store.execute("INSERT INTO t SELECT n, 'abc' FROM generate_series(1, 30000) n")
    writing = begin(ends, match=("id", "name"))

    gone = writing.delete([(n, "abc") for n in range(5001, 15001)])
    none = writing.delete([(1, "abc   "), (2, "ABC"), (99999, "abc")])
    writing.commit("c", "m", 20000)

    assert (gone, none) == (10000, 0)
    assert ends.rows("SELECT count(*) FROM t") == [(20000,)]
    assert ends.destination.survey([KEY])[0].reset == ""


def test_deleted_rows_may_be_marked_once(ends: Ends) -> None:
    ends.store.execute(f"{PLAIN[:-1]}, {DELETED_AT} timestamptz)")
    ends.store.execute("INSERT INTO t VALUES (1, 'a', '2020-01-01'), (2, 'b', NULL), (3, 'c', NULL)")
    writing = begin(ends)

    marked = writing.delete([(1,), (2,), (4,)], DELETED_AT)
    writing.commit("c", "m", 3)

    assert marked == 1
    assert ends.rows(f"SELECT id, {DELETED_AT} > now() - interval '1 hour' FROM t ORDER BY id") == [
        (1, False),
        (2, True),
        (3, None),
    ]


def versions(ends: Ends) -> list[tuple[Any, ...]]:
    return ends.rows(f"SELECT id, name, {UNTIL} IS NULL, {ACTIVE} FROM t ORDER BY id, {SINCE}")


def test_history_keeps_every_version(ends: Ends) -> None:
    ends.store.execute(HISTORY)

    first = ends.write([(1, "a"), (2, "b")], Mode.HISTORY, match=("id",))
    second = ends.write([(1, "a"), (2, "B"), (3, "c")], Mode.HISTORY, match=("id",), revision=1)
    writing = begin(ends, Mode.HISTORY, match=("id",), revision=2)
    ended = writing.delete([(1,), (9,)])
    writing.commit("c", "m", 3)
    third = ends.write([(1, "a")], Mode.HISTORY, match=("id",), revision=3)

    assert (first, second) == (Counters(2, inserted=2), Counters(3, 1, 1, 1))
    assert (ended, third) == (1, Counters(1, inserted=1))
    assert versions(ends) == [
        (1, "a", False, False),
        (1, "a", True, True),
        (2, "b", False, False),
        (2, "B", True, True),
        (3, "c", True, True),
    ]
    joined = f"SELECT count(*) FROM t a JOIN t b ON a.id = b.id AND a.{UNTIL} = b.{SINCE} AND a.id = 2"
    assert ends.rows(joined) == [(1,)]


def test_versions_never_begin_before_those_that_they_end(ends: Ends) -> None:
    ends.store.execute(HISTORY)
    ends.store.execute(
        "INSERT INTO t VALUES (1, 'a', '2999-01-01', NULL, true), (2, 'b', '2000-01-01', '3000-01-01', false)"
    )

    ends.write([(1, "A"), (2, "B")], Mode.HISTORY, match=("id",))

    assert ends.rows(f"SELECT DISTINCT {SINCE} > '2999-12-31' FROM t WHERE {ACTIVE}") == [(True,)]
    assert ends.rows(f"SELECT count(*) FROM t WHERE {UNTIL} <= {SINCE}") == [(0,)]


def test_table_without_version_columns_keeps_no_history(ends: Ends) -> None:
    ends.store.execute(PLAIN)

    with pytest.raises(FatalError, match=SINCE):
        ends.write([(1, "a")], Mode.HISTORY)


def test_recreated_table_shows_its_old_rows_until_the_end_and_keeps_rights_and_names(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id int PRIMARY KEY, other text); INSERT INTO t VALUES (1, 'old')")
    ends.store.execute(
        "GRANT SELECT ON t TO PUBLIC; GRANT INSERT, UPDATE (id) ON t TO guarded WITH GRANT OPTION"
    )
    target = ends.target(Mode.RECREATE, table=ends.destination.design(INCOMING, TableName("t")))
    before = ends.rows("SELECT relacl::text FROM pg_class WHERE relname = 't'")
    writing = ends.destination.begin(target, nothing)
    writing.write(Batch(Format.ROWS, [(7, "x"), (8, "y")], 2))
    counters = writing.finish()

    meanwhile = ends.rows()
    writing.commit("c", "m", 2)

    assert (counters, meanwhile) == (Counters(2, inserted=2), [(1, "old")])
    assert ends.rows() == [(7, "x"), (8, "y")]
    assert ends.rows("SELECT relacl::text FROM pg_class WHERE relname = 't'") == before
    assert ends.rows(
        "SELECT attacl::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'"
    ) == [("{guarded=w*/postgres}",)]
    assert ends.rows(
        "SELECT conname, indexrelid::regclass::text FROM pg_index JOIN pg_constraint ON conindid = indexrelid WHERE indrelid = 't'::regclass"
    ) == [("t_pkey", "t_pkey")]
    assert ends.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'syncd_new_%'") == [(0,)]
    assert ends.destination.survey([KEY])[0].reset == ""


def test_table_is_recreated_where_there_was_none_and_by_one_that_failed_before(ends: Ends) -> None:
    table = ends.destination.design(INCOMING, TableName("t"))
    writing = ends.destination.begin(ends.target(Mode.RECREATE, table=table), nothing)
    writing.write(Batch(Format.ROWS, [(1, "a")], 1))
    writing.abandon()

    counters = ends.write([(2, "b")], Mode.RECREATE)

    assert (counters, ends.rows()) == (Counters(1, inserted=1), [(2, "b")])
    assert ends.destination.table(TableName("t")).key == ("id",)


@pytest.mark.parametrize(
    "user",
    [
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TABLE child (t_id bigint REFERENCES t (id))",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ],
)
def test_table_on_which_something_stands_is_not_recreated(ends: Ends, user: str) -> None:
    ends.store.execute(f"{PLAIN}; INSERT INTO t VALUES (1, 'old'); {user}")

    with pytest.raises(FatalError) as caught:
        ends.write([(2, "b")], Mode.RECREATE)

    assert caught.value.code == "table_in_use"
    assert ends.rows() == [(1, "old")]


def test_view_that_appears_while_the_new_table_is_filled_refuses_too(ends: Ends) -> None:
    ends.store.execute(f"{PLAIN}; INSERT INTO t VALUES (1, 'old')")
    writing = ends.destination.begin(ends.target(Mode.RECREATE), nothing)
    writing.write(Batch(Format.ROWS, [(2, "b")], 1))
    writing.finish()
    ends.store.execute("CREATE VIEW v AS SELECT * FROM t")

    with pytest.raises(FatalError) as caught:
        writing.commit("c", "m", 1)
    writing.abandon()

    assert (caught.value.code, ends.rows()) == ("table_in_use", [(1, "old")])


def test_writing_that_waits_too_long_ends_as_timeout(ends: Ends) -> None:
    ends.store.execute(PLAIN)
    ends.write([(1, "a")])
    ends.destination.tune(Tuning(command_timeout_seconds=0.4))
    with psycopg.connect(ends.store.url) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TransientError) as caught:
            ends.write([(2, "b")], Mode.INSERT, table=INCOMING_TABLE, create=False, revision=1)
    ends.destination.tune(Tuning())

    assert caught.value.code == "timeout"
    assert ends.write([(2, "b")], revision=1) == Counters(1, inserted=1)


INCOMING_TABLE = Table(TableName("t", "public"), (Column("id", NUMBER, False), INCOMING.columns[1]), ("id",))


def test_repeated_key_in_a_recreated_table_is_told_by_its_own_name(ends: Ends) -> None:
    ends.store.execute(f"{PLAIN}; INSERT INTO t VALUES (1, 'old')")

    with pytest.raises(FatalError) as caught:
        ends.write([(1, "a"), (1, "b")], Mode.RECREATE)

    assert caught.value.code == "duplicate_key"
    assert "syncd_new" not in f"{caught.value.message} {caught.value.where}"
    assert ends.rows() == [(1, "old")]


def test_history_makes_its_table_with_the_first_rows(ends: Ends) -> None:
    moment = Type(Kind.TIMESTAMPTZ, precision=6)
    columns = (Column(SINCE, moment, False), Column(UNTIL, moment), Column(ACTIVE, Type(Kind.BOOLEAN), False))
    wanted = Table(TableName("t"), (*INCOMING.columns, *columns), ("id", SINCE))
    table = ends.destination.design(wanted, TableName("t"))

    counters = ends.write([(1, "a"), (2, None)], Mode.HISTORY, table=table, match=("id",))

    assert counters == Counters(2, inserted=2)
    assert ends.destination.table(TableName("t")).key == ("id", SINCE)
    assert versions(ends) == [(1, "a", True, True), (2, None, True, True)]


@pytest.mark.parametrize(("length", "staged"), [(3, False), (4, True), (0, True)])
def test_only_texts_that_may_be_too_long_are_staged(ends: Ends, length: int, staged: bool) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name varchar(3))")
    incoming = Table(
        TableName("t"), (INCOMING.columns[0], Column("name", Type(Kind.TEXT, length=length))), ("id",)
    )
    heard: list[str] = []
    ends.destination.tune(Tuning(trace=heard.append))

    ends.write([(1, "abc")], Mode.INSERT, incoming=incoming)

    assert any("CREATE TEMP TABLE" in said for said in heard) is staged
    assert ends.rows() == [(1, "abc")]


def test_abandoned_copy_leaves_the_connection_usable(ends: Ends) -> None:
    ends.store.execute(PLAIN)
    ends.write([(1, "a")])
    (pid,) = ends.destination.execute("SELECT pg_backend_pid()", nothing)[0]
    writing = ends.destination.begin(ends.target(Mode.INSERT, revision=1), nothing)
    writing.write(Batch(Format.ROWS, [(2, "b")], 1))
    writing.abandon()

    assert ends.destination.execute("SELECT pg_backend_pid()", nothing) == [(pid,)]
