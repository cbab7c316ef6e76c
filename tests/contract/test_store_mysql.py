"""A MariaDB database in a cluster: what it keeps, how the log is sealed, and how rows arrive."""

import threading
import time

import pytest

from syncd.errors import FatalError, TransientError
from syncd.model.batch import Format
from syncd.model.table import TableName
from syncd.repository.naming import Names
from syncd.repository.store import BORN, Purpose, Store
from tests.contract.mysql_node import NAMES, MysqlNode, go_on, node, rows

__all__ = ["node"]

pytestmark = pytest.mark.mysql


# What is there, and what is kept


def test_the_store_keeps_the_protocol(node: MysqlNode) -> None:
    store: Store = node.store

    assert [name for name in dir(Store) if not name.startswith("_") and not hasattr(store, name)] == []
    assert Format.ROWS in store.formats


def test_tables_of_the_database_are_listed_without_views_and_ours(node: MysqlNode) -> None:
    node.database.execute("CREATE VIEW v AS SELECT * FROM t")
    node.track()

    assert node.store.tables() == [TableName("t", node.database.name)]


def test_a_table_is_told_with_its_writable_columns_and_its_key(node: MysqlNode) -> None:
    node.database.execute('CREATE TABLE g (b int, a int, double_ int AS (a * 2), PRIMARY KEY (b, "a"))')

    table = node.store.table(TableName("G"))

    assert table is not None
    assert (table.name.name, table.column_names, table.key) == ("g", ("b", "a"), ("b", "a"))
    assert node.store.table(TableName("none")) is None


def test_a_unique_key_without_null_stands_in_for_a_primary_key(node: MysqlNode) -> None:
    node.database.execute(
        "CREATE TABLE u (a int NOT NULL, b int NOT NULL, c int, d varchar(9) NOT NULL,"
        " UNIQUE (c), UNIQUE (a, b), UNIQUE (d(3)))"
    )

    table = node.store.table(TableName("u"))

    assert table is not None
    assert table.key == ("a", "b")


@pytest.mark.parametrize(
    ("create", "code"),
    [
        ("CREATE VIEW x AS SELECT * FROM t", "no_table"),
        ("CREATE TABLE x (id int PRIMARY KEY) ENGINE=MyISAM", "no_transactions"),
        ("CREATE TABLE x (id int PRIMARY KEY) ENGINE=Aria", "no_transactions"),
        ("CREATE TABLE x (id int)", "no_key"),
        ("CREATE TABLE x (id int UNIQUE)", "no_key"),
        ("CREATE TABLE x (id text NOT NULL, PRIMARY KEY (id(10)))", "no_key"),
    ],
)
def test_what_cannot_take_part_is_refused_with_a_hint(node: MysqlNode, create: str, code: str) -> None:
    node.database.execute(create)

    with pytest.raises(FatalError) as caught:
        node.store.table(TableName("x"))

    assert caught.value.code == code
    assert caught.value.hint


def test_foreign_keys_say_whether_deleting_acts(node: MysqlNode) -> None:
    node.database.execute(
        "CREATE TABLE a (x int, y int, t int, PRIMARY KEY (x, y), FOREIGN KEY (t) REFERENCES t (id))"
    )
    node.database.execute(
        "CREATE TABLE b (id int PRIMARY KEY, p int, q int,"
        " FOREIGN KEY (p, q) REFERENCES a (x, y) ON DELETE CASCADE)"
    )

    keys = {
        key.table.name: key for key in node.store.foreign_keys() if key.table.schema == node.database.name
    }

    assert (keys["a"].parent.name, keys["a"].acts) == ("t", False)
    assert (keys["b"].columns, keys["b"].parent_columns, keys["b"].acts) == (("p", "q"), ("x", "y"), True)


def test_a_table_of_ours_is_created_once_and_told_apart_byte_by_byte(node: MysqlNode) -> None:
    columns = {"id": "int", "name": "text", "body": "bytes", "note": "text"}
    for _ in range(2):
        node.store.create("syncd_c_x", columns, ["id", "name"])
    insert = "INSERT INTO syncd_c_x VALUES (?, ?, ?, 'a?')"

    node.store.run(insert, (1, "it's\\", b"\x00'\xff"))
    node.store.run(insert, (1, "IT'S\\ ", None))

    assert node.store.run("SELECT * FROM syncd_c_x WHERE name = ?", ("it's\\",)).rows == [
        (1, "it's\\", b"\x00'\xff", "a?")
    ]
    assert node.store.run("UPDATE syncd_c_x SET note = ''").changed == 2
    assert node.store.relation_exists("syncd_c_x")
    node.store.drop("syncd_c_x")
    assert not node.store.relation_exists("syncd_c_x")


def test_ddl_inside_a_transaction_leaves_one_open(node: MysqlNode) -> None:
    node.begin()
    node.store.create("syncd_c_x", {"id": "int"}, ["id"])
    node.store.run("INSERT INTO syncd_c_x VALUES (1)")
    node.store.rollback()

    assert rows(node, "SELECT * FROM syncd_c_x") == []


def test_only_one_connection_holds_a_cluster_and_others_do_after_it(node: MysqlNode) -> None:
    other = node.another()

    assert node.store.hold(NAMES)
    assert not other.hold(NAMES)
    assert other.hold(Names.of("another"))
    node.store.let_go(NAMES)
    assert other.hold(NAMES)
    other.close()
    deadline = time.monotonic() + 10
    while not node.store.hold(NAMES):
        assert time.monotonic() < deadline


# Sealing


@pytest.mark.parametrize("purpose", Purpose)
def test_a_late_commit_is_left_for_the_next_seal_and_nobody_waits(node: MysqlNode, purpose: Purpose) -> None:
    node.track()
    late = node.database.another()
    late.execute("INSERT INTO t VALUES (1, 'A', NULL)")
    node.database.execute("INSERT INTO t VALUES (2, 'B', NULL)")

    began = time.monotonic()
    first = node.seal_parent(1, purpose)
    took = time.monotonic() - began
    late.commit()
    second = node.seal_parent(2, purpose)

    assert (first, second) == (1, 1)
    assert took < 2
    assert rows(node, "SELECT id, gen, nid, ngen FROM syncd_c_1_row ORDER BY id") == [
        (1, 2, 0, 2),
        (2, 1, 0, 1),
    ]
    assert node.log() == []
    late.close()


def test_a_snapshot_seals_what_it_sees_and_leaves_what_came_later(node: MysqlNode) -> None:
    node.track()
    node.database.execute("INSERT INTO t VALUES (1, 'old', NULL)")
    node.begin(Purpose.SNAPSHOT)
    node.database.execute("UPDATE t SET name = 'new'")

    sealed = node.store.seal_parent(NAMES, node.tracked["t"], 1)
    seen = node.store.run("SELECT name FROM t").rows
    node.commit()

    assert (sealed, list(seen)) == (1, [("old",)])
    assert node.log() == [(1, 2, -1)]


def test_writers_go_on_while_a_seal_is_open(node: MysqlNode) -> None:
    node.track()
    node.database.execute("INSERT INTO t VALUES (1, 'a', NULL)")
    node.database.execute("SET SESSION innodb_lock_wait_timeout = 1")
    node.begin()
    node.store.seal_parent(NAMES, node.tracked["t"], 1)

    node.database.execute("UPDATE t SET name = 'b'")
    node.database.execute("INSERT INTO t VALUES (2, 'c', NULL)")
    node.commit()

    assert node.log() == [(1, 2, -1), (2, 1, -1)]


def test_a_seal_that_is_rolled_back_leaves_the_log_as_it_was(node: MysqlNode) -> None:
    node.track()
    node.database.execute("INSERT INTO t VALUES (1, 'a', NULL)")
    node.begin()
    assert node.store.seal_parent(NAMES, node.tracked["t"], 1) == 1
    node.store.rollback()

    assert node.log() == [(1, 1, -1)]
    assert rows(node, "SELECT * FROM syncd_c_1_row") == []


def test_a_childs_row_keeps_the_base_of_its_first_edit_and_gathers_what_happened(node: MysqlNode) -> None:
    table = node.track(parent=False, by_column=True, timed=True)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    node.begin(Purpose.SNAPSHOT)
    assert node.store.seal_child(NAMES, table, 5, 3) == 2
    node.commit()
    node.database.execute("DELETE FROM syncd_c_1_own WHERE id = 2")
    node.database.execute("UPDATE t SET name = 'x'")
    node.database.execute("UPDATE t SET n = n + 10")
    node.begin(Purpose.SNAPSHOT)
    sealed = node.store.seal_child(NAMES, table, 6, 4)
    node.commit()

    assert sealed == 2
    assert rows(node, "SELECT id, gen, base, op, mask FROM syncd_c_1_own ORDER BY id") == [
        (1, 6, 3, 3 | BORN, -1),
        (2, 6, 4, 2, 0b110),
    ]
    ((at,),) = rows(node, "SELECT DISTINCT ABS(at - UNIX_TIMESTAMP() * 1000) < 60000 FROM syncd_c_1_own")
    assert at == 1


def test_a_parent_remembers_which_columns_changed_in_which_generation(node: MysqlNode) -> None:
    node.track(by_column=True)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1)")
    node.seal_parent(1)
    node.database.execute("UPDATE t SET name = 'b'")
    node.seal_parent(2, Purpose.APPLY)

    assert rows(node, "SELECT id, gen, mask FROM syncd_c_1_past ORDER BY gen") == [(1, 1, -1), (1, 2, 2)]


def test_two_stores_that_seal_at_once_take_each_row_once(node: MysqlNode) -> None:
    table = node.track()
    node.database.execute("INSERT INTO t SELECT seq, 'a', NULL FROM seq_1_to_3000")
    counts: list[int] = []

    def seal(gen: int) -> None:
        store = node.another()
        store.begin(Purpose.SNAPSHOT, NAMES, go_on)
        counts.append(store.seal_parent(NAMES, table, gen))
        store.commit(go_on)
        store.close()

    threads = [threading.Thread(target=seal, args=(gen,)) for gen in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(counts) == [0, 3000]
    assert node.log() == []


def test_a_transaction_waits_for_its_turn_and_heeds_a_stop(node: MysqlNode) -> None:
    other = node.another()
    other.begin(Purpose.SNAPSHOT, NAMES, go_on)

    def stop() -> None:
        raise TransientError("stopped")

    with pytest.raises(TransientError, match="stopped"):
        node.store.begin(Purpose.SNAPSHOT, NAMES, stop)
    other.rollback()
    node.begin()
    node.commit()
    other.close()

    assert not node.store.relation_exists("syncd_c_node")


def test_waiting_ends_when_a_log_has_a_row_and_when_the_time_is_over(node: MysqlNode) -> None:
    node.track()

    assert not node.store.wait(NAMES, 0.1)
    timer = threading.Timer(0.2, node.database.execute, ("INSERT INTO t VALUES (1, 'a', NULL)",))
    timer.start()
    assert node.store.wait(NAMES, 10)
    timer.join()
