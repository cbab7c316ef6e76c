"""The triggers of a MariaDB node: what they write down, when they are silent, and that a missing one is noticed."""

import time
from typing import Any

import pytest

from syncd.connectors.mysql.plugin import PLUGIN
from syncd.errors import FatalError, TransientError
from syncd.repository.naming import Names
from tests.contract.mysql_node import NAMES, MysqlNode, node, rows

__all__ = ["node"]

pytestmark = pytest.mark.mysql


def test_each_edit_is_written_down_with_what_happened(node: MysqlNode) -> None:
    node.track(by_column=True)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', NULL)")
    node.database.execute("UPDATE t SET name = 'A ' WHERE id = 1")
    node.database.execute("UPDATE t SET n = 5, name = NULL WHERE id = 2")
    node.database.execute("UPDATE t SET n = 5 WHERE id = 2")
    node.database.execute("DELETE FROM t WHERE id = 2")

    assert node.log() == [(1, 1, -1), (2, 1, -1), (1, 2, 0b010), (2, 2, 0b110), (2, 2, 0), (2, 4, -1)]


def test_a_changed_key_is_a_row_that_went_and_one_that_came(node: MysqlNode) -> None:
    node.track(by_column=True)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1)")
    node.database.execute("UPDATE t SET id = 9, name = 'b'")

    assert node.log() == [(1, 1, -1), (1, 4, -1), (9, 1, -1)]


def test_without_columns_a_change_says_nothing_about_them(node: MysqlNode) -> None:
    node.track()
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1)")
    node.database.execute("UPDATE t SET n = 2")
    node.database.execute("REPLACE INTO t VALUES (2, 'b', 2)")

    assert node.log() == [(1, 1, -1), (1, 2, -1), (1, 4, -1), (2, 1, -1)]


def test_more_columns_than_a_mask_has_bits_are_all_columns(node: MysqlNode) -> None:
    many = ", ".join(f"c{number} int" for number in range(62))
    node.database.execute(f"CREATE TABLE w (id int PRIMARY KEY, {many})")
    few = many.removesuffix(", c61 int")
    node.database.execute(f"CREATE TABLE f (id int PRIMARY KEY, {few})")
    for name in ("w", "f"):
        node.track(name, by_column=True)
        node.database.execute(f"INSERT INTO {name} (id) VALUES (1)")
        node.database.execute(f"UPDATE {name} SET c60 = 1")

    assert node.log("w")[-1] == (1, 2, -1)
    assert node.log("f")[-1] == (1, 2, 1 << 61)


def test_an_unsent_edit_that_is_rolled_back_leaves_nothing(node: MysqlNode) -> None:
    node.track()
    user = node.database.another()
    user.execute("INSERT INTO t VALUES (1, 'a', 1)")
    user.rollback()
    user.close()

    assert node.log() == []


def test_applied_rows_are_silent_for_their_cluster_and_loud_for_another(node: MysqlNode) -> None:
    table = node.track()
    others = Names.of("another")
    node.store.create_log(others, table, parent=False)
    node.store.capture(others, table)
    stage = node.staged([(0, 1, "a", 1)])
    node.begin()
    node.store.insert(stage, "s.s_gone = 0")
    node.commit()

    assert node.log() == []
    assert rows(node, "SELECT id, op FROM syncd_another_1_log") == [(1, 1)]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_same_connection_is_heard_again_afterwards(node: MysqlNode, end: str) -> None:
    node.track()
    node.begin()
    node.commit() if end == "commit" else node.store.rollback()
    node.store.run("INSERT INTO t VALUES (1, 'a', 1)")

    assert node.log() == [(1, 1, -1)]


@pytest.mark.parametrize(
    "harm",
    [
        "DROP TRIGGER syncd_c_1_update",
        "CREATE OR REPLACE TRIGGER syncd_c_1_delete AFTER DELETE ON t FOR EACH ROW SET @x = 1",
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, name varchar(40), n int UNIQUE)",
    ],
)
def test_a_missing_or_changed_trigger_is_noticed_and_made_again(node: MysqlNode, harm: str) -> None:
    table = node.track()
    assert node.store.captures(NAMES, table)
    node.database.execute(harm)

    noticed = not node.store.captures(NAMES, table)
    node.store.capture(NAMES, table)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1)")

    assert noticed
    assert node.store.captures(NAMES, table)
    assert node.log()[-1] == (1, 1, -1)


def test_another_definition_of_the_table_asks_for_other_triggers(node: MysqlNode) -> None:
    table = node.track(by_column=True)
    node.database.execute("ALTER TABLE t ADD COLUMN more int")
    now = node.store.table(table.name)
    changed = type(table)(1, now.name, now.columns, now.key, by_column=True)

    assert node.store.captures(NAMES, table)
    assert not node.store.captures(NAMES, changed)


def test_a_released_table_is_written_down_no_more(node: MysqlNode) -> None:
    table = node.track()
    node.store.release_capture(NAMES, table)
    node.store.release_capture(NAMES, table)
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1)")

    assert not node.store.captures(NAMES, table)
    assert node.log() == []


def test_a_node_in_another_database_of_the_server_keeps_its_triggers(
    node: MysqlNode, make_store: Any
) -> None:
    table = node.track()
    database = make_store("mysql")
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), n int UNIQUE)")
    other = MysqlNode(database)
    mine = other.track()
    other.store.release_capture(NAMES, mine)
    other.close()

    assert node.store.captures(NAMES, table)


def test_users_need_no_right_to_the_log(node: MysqlNode) -> None:
    node.track()
    node.database.execute(f"CREATE USER clerk{node.database.own[0]}@'127.0.0.1'")
    node.database.execute(
        f"GRANT INSERT ON {node.database.name}.t TO clerk{node.database.own[0]}@'127.0.0.1'"
    )
    url = node.database.url.replace("tester", f"clerk{node.database.own[0]}")
    clerk = PLUGIN.open_store({"url": url})
    clerk.run("INSERT INTO t VALUES (1, 'a', 1)")
    clerk.close()
    node.database.execute(f"DROP USER clerk{node.database.own[0]}@'127.0.0.1'")

    assert node.log() == [(1, 1, -1)]


def test_a_table_that_a_user_holds_gets_its_triggers_later(node: MysqlNode) -> None:
    user = node.database.another()
    user.execute("INSERT INTO t VALUES (1, 'a', 1)")
    began = time.monotonic()
    with pytest.raises(TransientError):
        node.track()
    took = time.monotonic() - began
    user.commit()
    user.close()
    node.track()

    assert took < 15
    assert node.store.captures(NAMES, node.tracked["t"])


def family(node: MysqlNode, on: str) -> None:
    node.database.execute(
        "CREATE TABLE p (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES p (id) ON DELETE CASCADE)"
    )
    node.database.execute(
        f"CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) {on})"
    )
    node.database.execute(
        "CREATE TABLE d (id int PRIMARY KEY, c int, FOREIGN KEY (c) REFERENCES c (id) ON DELETE SET NULL)"
    )
    node.database.execute("INSERT INTO p VALUES (1, NULL), (2, 1), (3, 2), (9, NULL)")
    node.database.execute("INSERT INTO c VALUES (10, 1), (30, 3), (90, 9)")
    node.database.execute("INSERT INTO d VALUES (100, 10), (300, 30), (900, 90)")


def test_rows_that_a_cascade_changes_are_written_down(node: MysqlNode) -> None:
    family(node, "ON DELETE CASCADE")
    for name in ("p", "c", "d"):
        node.track(name)
    node.database.execute("DELETE FROM p WHERE id = 1")

    assert sorted(set(node.log("p"))) == [(1, 4, -1), (2, 4, -1), (3, 4, -1)]
    assert sorted(node.log("c")) == [(10, 4, -1), (30, 4, -1)]
    assert sorted(node.log("d")) == [(100, 2, -1), (300, 2, -1)]
    assert rows(node, "SELECT * FROM d ORDER BY id") == [(100, None), (300, None), (900, 90)]
    assert all(node.store.captures(NAMES, table) for table in node.tracked.values())


def test_a_cascade_from_a_table_that_is_not_tracked_is_seen_too(node: MysqlNode) -> None:
    family(node, "ON DELETE SET NULL")
    table = node.track("c")
    node.database.execute("DELETE FROM p WHERE id = 2")
    node.store.release_capture(NAMES, table)
    node.database.execute("DELETE FROM p WHERE id = 9")

    assert node.log("c") == [(30, 2, -1)]


def test_rows_that_follow_a_changed_key_are_written_down(node: MysqlNode) -> None:
    node.database.execute("CREATE TABLE p (id int PRIMARY KEY)")
    node.database.execute(
        "CREATE TABLE c (p int, n int, o int, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES p (id) ON UPDATE CASCADE,"
        " FOREIGN KEY (o) REFERENCES p (id) ON UPDATE CASCADE)"
    )
    node.database.execute("INSERT INTO p VALUES (1), (2)")
    node.database.execute("INSERT INTO c VALUES (1, 1, NULL), (2, 1, 1), (2, 2, NULL)")
    node.track("c")
    node.database.execute("UPDATE p SET id = 7 WHERE id = 1")

    assert sorted(node.log("c")) == [(1, 1, 4, -1), (2, 1, 2, -1), (7, 1, 1, -1)]
    assert rows(node, "SELECT * FROM c ORDER BY 1, 2") == [(2, 1, 7), (2, 2, None), (7, 1, None)]


def test_a_tree_that_loses_its_root_is_written_down(node: MysqlNode) -> None:
    node.database.execute(
        "CREATE TABLE tree (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE SET NULL)"
    )
    node.database.execute("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)")
    node.track("tree")
    node.database.execute("DELETE FROM tree WHERE id = 1")

    assert sorted(node.log("tree")) == [(1, 4, -1), (2, 2, -1)]


def test_a_circle_of_cascades_is_refused_with_a_hint(node: MysqlNode) -> None:
    node.database.execute("CREATE TABLE a (id int PRIMARY KEY, b int)")
    node.database.execute(
        "CREATE TABLE b (id int PRIMARY KEY, a int, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE)"
    )
    node.database.execute("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE")

    with pytest.raises(FatalError) as caught:
        node.track("a")

    assert caught.value.code == "cascade_cycle"
    assert "RESTRICT" in caught.value.hint
