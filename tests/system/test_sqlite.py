"""What only a SQLite file has: tables that are made anew, rules that undo transactions, locks, forms of values."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import FatalError, RowRejectedError, RunCancelledError, SyncdError, TransientError
from syncd.model.options import Interval
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.reading import Tuning
from syncd.model.run import Counters
from syncd.model.table import Column, Table, TableName
from syncd.model.writing import Mode
from syncd.registry import connector
from tests.contract.acts import KEY, batch, extract, load, nothing, target, write
from tests.stores import SqliteStore

T = TableName("t")
NAMES = "id, name, grade"


@pytest.fixture
def lite(make_store: Callable[[str], Any]) -> SqliteStore:
    store: SqliteStore = make_store("sqlite")
    return store


@pytest.fixture
def goal(lite: SqliteStore) -> Iterator[Any]:
    port = connector("sqlite").open_destination(lite.options())
    yield port
    port.close()


@pytest.fixture
def origin(lite: SqliteStore) -> Iterator[Any]:
    port = connector("sqlite").open_source(lite.options())
    yield port
    port.close()


RICH = """
CREATE TABLE parent (id INTEGER PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE [t] ( -- a comment, with a comma
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  "na,me" VARCHAR(10) /* here, too */ COLLATE NOCASE NOT NULL DEFAULT 'a,b' UNIQUE,
  amount REAL CHECK (amount > 0 AND amount IN (0.1, 0.30000000000000004, 7)),
  up INTEGER REFERENCES parent(id) ON DELETE CASCADE,
  me INTEGER REFERENCES t(id),
  twice AS (amount * 2) STORED,
  CONSTRAINT odd CHECK (id <> 13)
);
INSERT INTO t (id, "na,me", amount, up) VALUES (1, 'x', 0.1, 1), (9, 'y', 0.1 + 0.2, 2);
DELETE FROM t WHERE id = 99;
UPDATE sqlite_sequence SET seq = 50;
CREATE TABLE log (id INTEGER);
CREATE INDEX by_amount ON t (amount DESC) WHERE amount > 1;
CREATE TRIGGER told AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id); END;
CREATE TRIGGER elsewhere AFTER DELETE ON parent BEGIN UPDATE t SET up = NULL WHERE up = old.id; END;
CREATE VIEW seen AS SELECT id, amount FROM t;
CREATE TABLE child (t INTEGER REFERENCES t(id));
"""


def parts(lite: SqliteStore) -> list[tuple[Any, ...]]:
    """Everything in the file but the table t itself."""
    return lite.rows(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT IN ('t', 'syncd_altered') ORDER BY name"
    )


def test_table_that_is_made_anew_keeps_everything_that_belongs_to_it(lite: SqliteStore, goal: Any) -> None:
    lite.execute(RICH)
    before = parts(lite)

    goal.alter(
        goal.table(T),
        [Column("note", goal.type_of("DATE"))],
        [Column("na,me", goal.type_of("TEXT"))],
        nothing,
    )

    assert parts(lite) == before
    (sql,) = lite.rows("SELECT sql FROM sqlite_master WHERE name = 't'")[0]
    assert '"na,me" TEXT /* here, too */ COLLATE NOCASE NOT NULL DEFAULT' in sql
    assert lite.rows('SELECT id, "na,me", amount, up, twice, note FROM t') == [
        (1, "x", 0.1, 1, 0.2, None),
        (9, "y", 0.1 + 0.2, 2, 2 * (0.1 + 0.2), None),
    ]
    assert lite.rows("SELECT * FROM log") == []
    assert lite.rows("PRAGMA integrity_check") == [("ok",)]
    assert lite.rows("PRAGMA foreign_key_list(child)")[0][2] == "t"
    lite.execute("INSERT INTO t (\"na,me\", amount) VALUES ('z', 7)")
    assert lite.rows("SELECT * FROM log") == [(51,)]
    for bad in ("('X', 7)", "('q', 8)"):
        with pytest.raises(sqlite3.IntegrityError):
            lite.execute(f'INSERT INTO t ("na,me", amount) VALUES {bad}')


def test_fraction_that_becomes_a_text_keeps_all_digits(lite: SqliteStore, goal: Any) -> None:
    lite.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL); INSERT INTO t VALUES (1, 0.1 + 0.2), (2, 1), (3, NULL)"
    )

    goal.alter(goal.table(T), [], [Column("v", goal.type_of("TEXT"))], nothing)

    assert lite.rows("SELECT v FROM t") == [("0.30000000000000004",), ("1.0",), (None,)]


@pytest.mark.parametrize("rule", ["WITHOUT ROWID", "STRICT", "STRICT, WITHOUT ROWID", ""])
def test_kind_of_table_stays(lite: SqliteStore, goal: Any, rule: str) -> None:
    lite.execute(
        f"CREATE TABLE t (a TEXT, b INT NOT NULL, PRIMARY KEY (b, a)) {rule}; INSERT INTO t VALUES ('x', 1)"
    )
    kind = lite.rows("SELECT type, wr, strict FROM pragma_table_list('t')")

    goal.alter(
        goal.table(T), [Column("c", goal.type_of("TIMESTAMP"))], [Column("b", goal.type_of("TEXT"))], nothing
    )

    assert lite.rows("SELECT type, wr, strict FROM pragma_table_list('t')") == kind
    assert lite.rows("SELECT * FROM t") == [("x", "1", None)]
    assert goal.table(T).key == ("b", "a")


def test_row_numbers_stay_when_a_table_is_made_anew(lite: SqliteStore, goal: Any) -> None:
    lite.execute("CREATE TABLE t (v INTEGER); INSERT INTO t VALUES (1), (2), (3); DELETE FROM t WHERE v = 2")

    goal.alter(goal.table(T), [], [Column("v", goal.type_of("TEXT"))], nothing)

    assert lite.rows("SELECT rowid, v FROM t") == [(1, "1"), (3, "3")]


def test_alteration_that_is_stopped_leaves_the_table(lite: SqliteStore, goal: Any) -> None:
    lite.execute(RICH)
    before = lite.rows("SELECT * FROM sqlite_master")
    looks: list[int] = []

    def stop() -> None:
        looks.append(1)
        if len(looks) > 4:
            raise FatalError("enough")

    with pytest.raises(FatalError):
        goal.alter(goal.table(T), [], [Column("na,me", goal.type_of("TEXT"))], stop)

    assert lite.rows("SELECT * FROM sqlite_master") == before
    assert lite.rows("SELECT count(*) FROM t") == [(2,)]


def test_virtual_table_is_not_altered(lite: SqliteStore, goal: Any) -> None:
    lite.execute("CREATE VIEW v AS SELECT 1 AS id")

    with pytest.raises(FatalError) as caught:
        goal.alter(goal.table(TableName("v")), [], [Column("id", goal.type_of("TEXT"))], nothing)

    assert "no table" in caught.value.message


def test_table_that_a_foreign_key_points_at_is_not_replaced(lite: SqliteStore, goal: Any) -> None:
    lite.execute(f"CREATE TABLE t ({NAMES}, PRIMARY KEY (id)); CREATE TABLE child (t REFERENCES T(id))")

    with pytest.raises(FatalError) as caught:
        write(goal, [], Mode.RECREATE)

    assert caught.value.code == "table_in_use"
    assert "child" in caught.value.message


def test_trigger_of_another_table_does_not_hinder_a_replacement(lite: SqliteStore, goal: Any) -> None:
    lite.execute(
        f"CREATE TABLE t ({NAMES}); CREATE TABLE other (x);"
        "CREATE TRIGGER told AFTER INSERT ON other BEGIN INSERT INTO t (id, name) VALUES (new.x, 'told'); END"
    )

    write(goal, [(1, "a", 1)], Mode.RECREATE)
    lite.execute("INSERT INTO other VALUES (2)")

    assert lite.rows(f"SELECT {NAMES} FROM t") == [(1, "a", 1), (2, "told", None)]


def test_replaced_table_looks_as_if_it_was_just_created(lite: SqliteStore, goal: Any) -> None:
    other = replace(KEY, step="plain", target=TableName("plain"))
    shape = target(goal, Mode.INSERT, create=True).source
    keyed = replace(shape, columns=shape.columns, key=("name", "id"))
    write(goal, [], Mode.INSERT, create=True, shape=replace(keyed, name=TableName("plain")), key=other)
    lite.execute("CREATE TABLE t (x)")

    write(goal, [], Mode.RECREATE, shape=keyed)

    sql, plain = (
        lite.rows(f"SELECT sql FROM sqlite_master WHERE name = '{name}'")[0][0] for name in ("t", "plain")
    )
    assert sql == plain.replace("plain", "t")
    assert lite.rows("SELECT name FROM pragma_index_list('t')") == [("sqlite_autoindex_t_1",)]
    assert lite.rows("SELECT name FROM sqlite_master WHERE name LIKE 'syncd_new%'") == []


def test_keys_that_the_table_takes_for_one_match(lite: SqliteStore, goal: Any) -> None:
    lite.execute(
        "CREATE TABLE t (id INTEGER, name TEXT COLLATE NOCASE, grade INTEGER); INSERT INTO t VALUES (1, 'A', 1)"
    )

    counters, _ = write(goal, [(1, "a", 2)], Mode.MERGE, match=("name",))

    assert counters == Counters(read=1, updated=1)


def test_columns_that_do_not_tell_rows_apart_are_refused(lite: SqliteStore, goal: Any) -> None:
    lite.execute(
        "CREATE TABLE t (id INTEGER, name TEXT, grade INTEGER); INSERT INTO t VALUES (1, 'a', 1), (2, 'a', 1)"
    )

    with pytest.raises(FatalError) as caught:
        write(goal, [(1, "a", 2)], Mode.MERGE, match=("name",))

    assert caught.value.code == "duplicate_key"
    assert lite.rows("SELECT grade FROM t") == [(1,), (1,)]


@pytest.mark.parametrize(
    ("action", "error"), [("ABORT", RowRejectedError), ("FAIL", RowRejectedError), ("ROLLBACK", FatalError)]
)
def test_trigger_that_raises_refuses_a_row(
    lite: SqliteStore, goal: Any, action: str, error: type[SyncdError]
) -> None:
    lite.execute(
        f"CREATE TABLE t ({NAMES}, PRIMARY KEY (id)); CREATE TRIGGER no BEFORE INSERT ON t WHEN new.grade < 0"
        f" BEGIN SELECT RAISE({action}, 'planted text'); END"
    )
    writing = goal.begin(target(goal, Mode.MERGE, careful=True), nothing)
    writing.apply(batch([(1, "a", 1)]))

    with pytest.raises(error) as caught:
        writing.apply(batch([(2, "b", 2), (3, "c", -1)]))
    writing.abandon()

    assert isinstance(caught.value, RowRejectedError) == (error is RowRejectedError)
    assert "planted" not in caught.value.message
    assert lite.rows("SELECT * FROM t") == []


@pytest.mark.parametrize("row", [(1, "a", 1 << 70), (1, "\ud800", 1)], ids=["number", "half-a-character"])
def test_value_that_no_file_takes_is_a_refused_row(goal: Any, row: tuple[Any, ...]) -> None:
    write(goal, [], Mode.INSERT, create=True)
    writing = goal.begin(target(goal, Mode.MERGE, revision=1, careful=True), nothing)

    with pytest.raises(RowRejectedError):
        writing.apply(batch([row]))
    counters = writing.apply(batch([(1, "a", 1)]))
    writing.abandon()

    assert counters.inserted == 1


def test_wait_for_a_lock_ends_with_the_command_timeout(lite: SqliteStore, goal: Any) -> None:
    write(goal, [], Mode.INSERT, create=True)
    goal.tune(Tuning(command_timeout_seconds=0.3))
    lite.connection.execute("BEGIN IMMEDIATE")
    began = time.monotonic()

    with pytest.raises(TransientError) as caught:
        write(goal, [(1, "a", 1)], Mode.MERGE, revision=1)
    lite.connection.execute("ROLLBACK")

    assert caught.value.code == "timeout"
    assert time.monotonic() - began < 5
    assert write(goal, [(1, "a", 1)], Mode.MERGE, revision=1)[1] == 2


def test_long_statement_of_a_destination_times_out(lite: SqliteStore, goal: Any) -> None:
    lite.execute("CREATE TABLE t (id INTEGER)")
    goal.tune(Tuning(command_timeout_seconds=0.3))
    endless = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"

    with pytest.raises(TransientError) as caught:
        goal.execute(endless, nothing)

    assert caught.value.code == "timeout"
    assert lite.rows("SELECT count(*) FROM t") == [(0,)]


FORMS = {
    "blank": ("TIMESTAMP", "2026-01-{:02} 00:00:00", "2026-01-10"),
    "t-and-zone": ("DATETIME", "2026-01-{:02}T00:00:00+00:00", "2026-01-10T00:00:00Z"),
    "days": ("DATE", "2026-01-{:02}", "2026-01-10 00:00:00"),
    "text": ("TEXT", "2026-01-{:02} 00:00:00.123", "2026-01-09 12:00"),
}


@pytest.mark.parametrize("name", FORMS)
def test_start_and_interval_fit_each_form_of_time(lite: SqliteStore, origin: Any, name: str) -> None:
    declared, form, start = FORMS[name]
    lite.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared})")
    for day in range(1, 31):
        lite.execute("INSERT INTO t VALUES (?, ?)", (day, form.format(day)))

    asked = extract("at", start=start, interval=Interval(seconds=7 * 86_400))
    reading = origin.open(asked, origin.formats, nothing)
    windows = [
        [row[0] for b in reading.read(window, origin.formats[0], nothing) for row in b.data]
        for window in reading.windows()
    ]
    reading.close()

    assert [number for rows in windows for number in rows] == list(range(10, 31))
    assert [len(rows) for rows in windows] == [7, 7, 7]


@pytest.mark.parametrize("form", [1, 1000, 1_000_000])
def test_start_and_interval_fit_numbers_that_are_times(lite: SqliteStore, origin: Any, form: int) -> None:
    first = 1_767_225_600  # 2026-01-01, UTC
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)")
    for day in range(30):
        lite.execute("INSERT INTO t VALUES (?, ?)", (day + 1, (first + day * 86_400) * form))

    asked = extract("at", start="2026-01-10", interval=Interval(seconds=7 * 86_400))
    reading = origin.open(asked, origin.formats, nothing)
    sizes = [
        sum(b.rows for b in reading.read(window, origin.formats[0], nothing)) for window in reading.windows()
    ]
    reading.close()

    assert sizes == [7, 7, 7]


def test_interval_that_gives_nothing_does_not_stop_a_query_with_marks(lite: SqliteStore, origin: Any) -> None:
    """The end of an empty interval becomes the mark, else the query would stay before the gap for ever."""
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)")
    lite.execute("INSERT INTO t VALUES (1, '2026-01-01 00:00:00'), (2, '2026-03-15 00:00:00')")
    select = f"SELECT id, at FROM t WHERE at >= {LAST_MARK} AND at < {NEXT_MARK}"
    relation = Relation(T, select=select, outputs=(("id", "id"), ("at", "at")))
    cursor, found = None, []

    for _ in range(6):
        asked = extract("at", cursor, relation=relation, interval=Interval(months=1))
        rows, cursor, _ = load(origin, asked)
        found += [row[0] for row in rows]

    assert 2 in found


def test_untyped_column_keeps_the_sign_of_zero(lite: SqliteStore, goal: Any) -> None:
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name, grade); INSERT INTO t VALUES (1, 'a', 0.0)")

    counters, _ = write(goal, [(1, "a", -0.0)], Mode.MERGE)

    assert counters.updated == 1
    assert str(lite.rows("SELECT grade FROM t")[0][0]) == "-0.0"


def test_query_with_marks_may_follow_numbers(lite: SqliteStore, origin: Any) -> None:
    lite.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (-5, 'a'), (1, 'b'), (2, 'c')"
    )
    select = f"SELECT id, v FROM t WHERE id >= {LAST_MARK} AND id < {NEXT_MARK}"
    relation = Relation(T, select=select, outputs=(("id", "id"), ("v", "v")))

    first, cursor, _ = load(origin, extract("id", relation=relation))
    lite.execute("INSERT INTO t VALUES (3, 'd')")
    second, _, reading = load(origin, extract("id", cursor, relation=relation))

    assert [row[0] for row in first] == [-5, 1, 2]
    assert [row[0] for row in second] == [2, 3]
    assert reading.mark_to == "3"


def test_query_with_marks_may_join_tables(lite: SqliteStore, origin: Any) -> None:
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP); CREATE TABLE u (id INTEGER, v TEXT)")
    lite.execute("INSERT INTO t VALUES (1, '2026-01-01 00:00:00'), (2, '2026-02-01 00:00:00')")
    lite.execute("INSERT INTO u VALUES (1, 'a'), (2, 'b')")
    select = f"SELECT t.id, t.at, u.v FROM t JOIN u ON u.id = t.id WHERE t.at >= {LAST_MARK} AND t.at < {NEXT_MARK}"

    first, cursor, _ = load(origin, extract("at", relation=Relation(select=select)))
    second, _, _ = load(origin, extract("at", cursor, relation=Relation(select=select)))

    assert [row[0] for row in first] == [1, 2]
    assert [row[0] for row in second] == [2]


def test_mark_of_a_query_with_marks_stays_when_nothing_came(lite: SqliteStore, origin: Any) -> None:
    lite.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP); INSERT INTO t VALUES (1, '2026-01-01 00:00:00')"
    )
    select = f"SELECT id, at FROM t WHERE at > {LAST_MARK}"
    relation = Relation(T, select=select, outputs=(("id", "id"), ("at", "at")))
    _, cursor, _ = load(origin, extract("at", relation=relation, start="2025-01-01"))

    rows, again, reading = load(origin, extract("at", cursor, relation=relation))

    assert (rows, again, reading.mark_to) == ([], cursor, "2026-01-01 00:00:00")


def test_alteration_that_is_cancelled_ends_soon(lite: SqliteStore, goal: Any) -> None:
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    goal.cancel()

    with pytest.raises(RunCancelledError):
        goal.alter(Table(T, (), ()), [], [Column("v", goal.type_of("TEXT"))], nothing)

    assert lite.rows("SELECT type FROM pragma_table_info('t')") == [("INTEGER",), ("INTEGER",)]
