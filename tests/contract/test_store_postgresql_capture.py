"""PostgreSQL as a node: what its triggers write, when they are silent, and what may take part at all."""

import threading
import time
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from syncd.errors import FatalError, RunCancelledError
from syncd.model.table import Table, TableName
from syncd.registry import connector
from syncd.repository.naming import Names
from syncd.repository.store import ForeignKey, Purpose, StoreOpener
from tests.contract.postgres_nodes import ALL, NAMES, Node
from tests.stores import PostgresStore

pytestmark = pytest.mark.postgresql


def test_each_edit_is_logged_with_what_happened(node: Node) -> None:
    node.track()
    node.db.execute("INSERT INTO t VALUES (4, 'x', 1)")
    node.db.execute("UPDATE t SET qty = 5 WHERE id = 1")
    node.db.execute("DELETE FROM t WHERE id = 2")
    node.db.execute("UPDATE t SET id = 9 WHERE id = 3")

    assert node.log() == [(1, 2, -1, 0), (2, 4, -1, 0), (3, 4, -1, 0), (4, 1, -1, 0), (9, 1, -1, 0)]


def test_copy_and_upsert_are_logged_too(node: Node) -> None:
    node.track()
    with node.db.connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
        copy.write_row((4, "x", 1))
    node.db.execute("INSERT INTO t VALUES (4, 'y', 1), (5, 'y', 1) ON CONFLICT (id) DO UPDATE SET name = 'z'")
    node.db.execute("INSERT INTO t VALUES (5, 'y', 1) ON CONFLICT DO NOTHING")

    assert node.log() == [(4, 1, -1, 0), (4, 2, -1, 0), (5, 1, -1, 0)]


def test_the_mask_tells_the_changed_columns_by_their_bytes(node: Node) -> None:
    node.db.execute("CREATE TABLE m (id numeric PRIMARY KEY, a text, b numeric, c float8, d json, e int)")
    node.db.execute("INSERT INTO m VALUES (1.0, 'a', 1.0, 0, '1', NULL)")
    node.track("m", by_column=True)
    for sets in (
        "a = 'A'",
        "b = 1.00",
        "c = '-0'",
        "d = ' 1'",
        "e = 5",
        "e = NULL",
        "e = NULL",
        "a = 'B', e = 1",
        "id = 2",
    ):
        node.db.execute(f"UPDATE m SET {sets}")

    found = node.rows(f"SELECT op, mask FROM {NAMES.log(1)}")
    assert found == [(2, 2), (2, 4), (2, 8), (2, 16), (2, 32), (2, 32), (2, 0), (2, 34), (4, -1), (1, -1)]


@pytest.mark.parametrize(("columns", "mask"), [(62, 1 << 61), (63, -1)])
def test_columns_are_told_apart_up_to_sixty_two(node: Node, columns: int, mask: int) -> None:
    names = [f"c{number}" for number in range(1, columns)]
    node.db.execute(f"CREATE TABLE w (id int PRIMARY KEY, {', '.join(f'{name} int' for name in names)})")
    node.db.execute("INSERT INTO w (id) VALUES (1)")
    node.track("w", by_column=True)
    node.db.execute(f"UPDATE w SET {names[-1]} = 1")

    assert node.log() == [(1, 2, mask, 0)]


def test_the_moment_of_an_edit_is_kept_where_it_is_wanted(node: Node) -> None:
    node.track(timed=True)
    before = time.time() * 1000
    node.db.execute("UPDATE t SET qty = 5 WHERE id = 1")

    ((_, _, _, at),) = node.log()
    assert before - 2000 < at < before + 2000


def test_our_own_applying_is_not_logged_and_other_clusters_hear_of_it(node: Node) -> None:
    tracked = node.track()
    other = Names.of("other")
    node.store.create_log(other, tracked, parent=False)
    node.store.capture(other, tracked)
    stage = node.stage(tracked, [(0, 1, "from afar", 1), (0, 7, "new", 1), (1, 2, None, None)])
    node.begin()
    counts = [node.store.update(stage, "s.s_gone = 0"), node.store.insert(stage, "s.s_gone = 0")]
    counts.append(node.store.delete(stage, "s.s_gone = 1"))
    node.commit()
    node.store.run("UPDATE t SET qty = 0 WHERE id = 3")

    assert counts == [1, 1, 1]
    assert node.log() == [(3, 2, -1, 0)]
    heard = node.rows(f"SELECT id, op FROM {other.log(1)} ORDER BY 1")
    assert heard == [(1, 2), (2, 4), (3, 2), (7, 1)]


def test_what_a_snapshot_transaction_writes_is_logged(node: Node) -> None:
    node.track()
    node.begin(Purpose.SNAPSHOT)
    node.store.run("UPDATE t SET qty = ? WHERE id = ?", (4, 1))
    node.commit()

    assert node.log() == [(1, 2, -1, 0)]


def test_appliers_of_logical_replication_are_captured_too(node: Node) -> None:
    node.track()
    node.db.execute("SET session_replication_role = replica")
    node.db.execute("UPDATE t SET qty = 5 WHERE id = 1")
    node.db.execute("SET session_replication_role = origin")

    assert node.log() == [(1, 2, -1, 0)]


def test_truncate_is_refused_with_advice(node: Node) -> None:
    node.track()

    with pytest.raises(psycopg.errors.RaiseException) as caught:
        node.db.execute("TRUNCATE t")

    assert "public.t takes part in a cluster" in str(caught.value)
    assert caught.value.diag.message_hint == "use DELETE"
    assert len(node.rows()) == 3


def test_partitions_are_captured_whichever_way_they_are_written(node: Node) -> None:
    node.db.execute("CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)")
    node.db.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
    node.db.execute("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)")
    tracked = node.track("p")
    node.db.execute("SET session_replication_role = replica")
    node.db.execute("INSERT INTO p VALUES (1, 1)")
    node.db.execute("INSERT INTO p1 VALUES (2, 1)")
    node.db.execute("UPDATE p SET id = 11 WHERE id = 1")
    node.db.execute("SET session_replication_role = origin")
    with pytest.raises(psycopg.errors.RaiseException):
        node.db.execute("TRUNCATE p2")
    stage = node.stage(tracked, [(0, 2, 7), (0, 12, 8)])
    node.begin()
    node.store.lock(stage)
    counts = (
        node.store.seal_child(NAMES, tracked, 1, 0),
        node.store.update(stage, ALL),
        node.store.insert(stage, ALL),
    )
    node.commit()
    node.db.execute("CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30)")
    whole = node.store.captures(NAMES, tracked)
    node.store.capture(NAMES, tracked)

    assert counts == (3, 1, 1)
    assert [whole, node.store.captures(NAMES, tracked)] == [False, True]


def test_a_user_without_a_right_on_the_log_writes_as_before(node: Node) -> None:
    node.track()
    node.db.execute("REVOKE ALL ON SCHEMA public FROM public; GRANT USAGE ON SCHEMA public TO guarded")
    node.db.execute("GRANT SELECT, UPDATE ON t TO guarded")
    node.db.execute("REVOKE pg_write_all_data FROM guarded")
    try:
        node.db.execute("SET ROLE guarded")
        node.db.execute("SET search_path = ''")
        node.db.execute("UPDATE public.t SET qty = 5 WHERE id = 1")
    finally:
        node.db.execute("RESET ROLE")
        node.db.execute("RESET search_path")
        node.db.execute("GRANT pg_write_all_data TO guarded")

    assert node.log() == [(1, 2, -1, 0)]


SPOILED = {
    "dropped": "DROP TRIGGER syncd_cluster_1_update ON t",
    "disabled": "ALTER TABLE t DISABLE TRIGGER syncd_cluster_1_update",
    "no longer always": "ALTER TABLE t ENABLE TRIGGER syncd_cluster_1_update",
    "all disabled": "ALTER TABLE t DISABLE TRIGGER USER",
    "replaced": "CREATE OR REPLACE TRIGGER syncd_cluster_1_update AFTER UPDATE ON t FOR EACH ROW WHEN (false)"
    " EXECUTE FUNCTION syncd_cluster_1_update()",
    "another function": "CREATE OR REPLACE FUNCTION syncd_cluster_1_insert() RETURNS trigger LANGUAGE plpgsql"
    " SECURITY DEFINER AS 'BEGIN RETURN NULL; END'",
    "other rights": "ALTER FUNCTION syncd_cluster_1_insert() SECURITY INVOKER",
    "another log": "DROP TABLE syncd_cluster_1_log",
    "another table": "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, name text, qty integer)",
}


@pytest.mark.parametrize("statement", SPOILED.values(), ids=SPOILED.keys())
def test_spoiled_triggers_are_noticed_and_made_again(node: Node, statement: str) -> None:
    tracked = node.track()
    before = node.store.captures(NAMES, tracked)
    node.db.execute(statement)
    noticed = not node.store.captures(NAMES, tracked)
    node.store.create_log(NAMES, tracked, parent=False)
    node.store.capture(NAMES, tracked)
    node.db.execute("INSERT INTO t VALUES (8, 'x', 1)")
    node.db.execute("UPDATE t SET qty = 5 WHERE id = 8")

    assert [before, noticed, node.store.captures(NAMES, tracked)] == [True, True, True]
    assert node.log() == [(8, 1, -1, 0), (8, 2, -1, 0)]


@pytest.mark.parametrize("facts", [{"by_column": True}, {"timed": True}])
def test_triggers_for_other_wishes_are_not_the_same(node: Node, facts: Any) -> None:
    tracked = node.track()

    assert not node.store.captures(NAMES, replace(tracked, **facts))


def test_released_triggers_leave_nothing_behind(node: Node) -> None:
    tracked = node.track()
    node.store.release_capture(NAMES, tracked)
    node.store.release_capture(NAMES, tracked)
    node.store.release_capture(NAMES, replace(tracked, name=TableName("gone")))
    node.db.execute("UPDATE t SET qty = 5")
    for name in (NAMES.log(1), NAMES.own(1)):
        node.store.drop(name)
        node.store.drop(name)
    node.db.execute("TRUNCATE t")

    assert node.rows("SELECT count(*) FROM pg_proc WHERE proname LIKE 'syncd%'") == [(0,)]
    assert node.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'syncd%'") == [(0,)]


def test_triggers_are_made_in_an_open_transaction_too(node: Node) -> None:
    node.begin()
    tracked = node.track()
    node.store.rollback()

    assert not node.store.relation_exists(NAMES.log(1))
    assert not node.store.captures(NAMES, tracked)


def test_a_wait_ends_with_the_first_edit(node: Node) -> None:
    node.track()
    silent = node.store.wait(NAMES, 0.05)
    timer = threading.Timer(0.2, node.db.execute, ["UPDATE t SET qty = 5"])
    timer.start()
    began = time.monotonic()
    woken = node.store.wait(NAMES, 20)
    waited = time.monotonic() - began
    timer.join()

    assert [silent, woken, node.store.wait(NAMES, 0.05)] == [False, True, False]
    assert 0.1 < waited < 5


def test_an_edit_before_the_wait_or_during_other_work_is_not_missed(node: Node) -> None:
    tracked = node.track()
    node.db.execute("UPDATE t SET qty = 5")
    first = node.store.wait(NAMES, 5)
    node.db.execute("UPDATE t SET qty = 6")
    node.store.table(tracked.name)
    node.store.run("SELECT 1")

    assert [first, node.store.wait(NAMES, 5), node.store.wait(NAMES, 0)] == [True, True, False]


def test_applying_wakes_nobody_of_the_same_cluster(node: Node) -> None:
    stage = node.stage(node.track(), [(0, 1, "from afar", 1)])
    other = node.another_store()
    other.wait(NAMES, 0)
    node.begin()
    changed = node.store.update(stage, ALL)
    node.commit()

    assert changed == 1
    assert not other.wait(NAMES, 0.3)


def test_a_stop_from_another_thread_ends_a_wait(node: Node) -> None:
    timer = threading.Timer(0.2, node.store.cancel)
    timer.start()
    with pytest.raises(RunCancelledError):
        node.store.wait(NAMES, 20)
    timer.join()


REFUSED = {
    "CREATE VIEW x AS SELECT * FROM t": "it is a view",
    "CREATE MATERIALIZED VIEW x AS SELECT * FROM t": "it is a materialized view",
    "CREATE UNLOGGED TABLE x (id int PRIMARY KEY)": "a crash empties it",
    "CREATE TABLE x (id int UNIQUE)": "no key tells its rows apart",
    "CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y () INHERITS (x)": "other tables inherit from it",
    "CREATE TABLE x (a int, id int GENERATED ALWAYS AS (a) STORED PRIMARY KEY)": "the server computes id of its key",
    "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;"
    " CREATE FOREIGN TABLE x (id int) SERVER f OPTIONS (filename '/dev/null')": "it is a foreign table",
}


@pytest.mark.parametrize(("statement", "why"), REFUSED.items(), ids=REFUSED.values())
def test_what_cannot_take_part_is_refused_with_advice(node: Node, statement: str, why: str) -> None:
    node.db.execute(statement)

    with pytest.raises(FatalError, match=why) as caught:
        node.store.table(TableName("x"))

    assert caught.value.code == "cannot_take_part"
    assert caught.value.hint


def test_a_unique_key_without_nulls_stands_in_for_a_primary_one(node: Node) -> None:
    node.db.execute("CREATE TABLE x (v int UNIQUE, b int NOT NULL, a int NOT NULL, UNIQUE (b, a))")
    found: Table = node.store.table(TableName("X"))

    assert (found.key, found.name) == (("b", "a"), TableName("x", "public"))
    assert node.store.table(TableName("nowhere")) is None


def test_tables_are_listed_without_views_partitions_and_our_own(node: Node) -> None:
    node.db.execute("CREATE VIEW v AS SELECT * FROM t; CREATE SCHEMA s; CREATE TABLE s.t (id int)")
    node.db.execute("CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p DEFAULT")
    node.track()

    assert node.store.tables() == [TableName("p", "public"), TableName("t", "public"), TableName("t", "s")]


def test_foreign_keys_say_whether_deleting_reaches_further(node: Node) -> None:
    node.db.execute("CREATE TABLE a (x int, y int, PRIMARY KEY (x, y))")
    node.db.execute(
        "CREATE TABLE b (q int REFERENCES t, m int, n int, FOREIGN KEY (n, m) REFERENCES a (x, y) ON DELETE SET NULL)"
    )
    public = {name: TableName(name, "public") for name in ("a", "b", "t")}

    assert node.store.foreign_keys() == [
        ForeignKey(public["b"], ("n", "m"), public["a"], ("x", "y"), acts=True),
        ForeignKey(public["b"], ("q",), public["t"], ("id",), acts=False),
    ]


def test_a_clusters_tables_stand_in_the_schema_of_the_connection(node: Node) -> None:
    store = node.another_store(schema="apart")
    store.create("syncd_x_node", {"id": "text", "gen": "int", "raw": "bytes"}, ["id"])
    store.create("syncd_x_node", {"id": "text", "gen": "int", "raw": "bytes"}, ["id"])
    changed = store.run(
        "INSERT INTO syncd_x_node VALUES (?, ?, ?), ('b', NULL, ?)", ("a?", 2**62, b"\x00", None)
    )

    assert changed.changed == 2
    assert store.run("SELECT * FROM syncd_x_node ORDER BY id").rows == [
        ("a?", 2**62, b"\x00"),
        ("b", None, None),
    ]
    assert [store.relation_exists("syncd_x_node"), node.store.relation_exists("syncd_x_node")] == [
        True,
        False,
    ]


def test_the_connector_opens_stores_for_clusters(database: str) -> None:
    opener = connector("postgresql")
    assert isinstance(opener, StoreOpener)
    store = opener.open_store({"url": database})
    try:
        assert (store.product, "repository" in opener.roles) == ("postgresql", True)
        assert database.rpartition("/")[2] in store.place
    finally:
        store.close()


def test_a_commit_is_durable_where_the_server_is_careless(node: Node) -> None:
    careless: PostgresStore = node.db

    assert careless.rows("SHOW synchronous_commit") == [("off",)]
    assert node.store.run("SHOW synchronous_commit").rows == [("on",)]


def test_conditions_on_no_columns_and_on_some(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 1, "row 1", 9), (0, 2, None, 2)])
    never = node.store.differs(tracked, (), "t", "s")
    found = []
    for names in (("name",), ("qty",)):
        differs = node.store.differs(tracked, names, "t", "s")
        found.append(
            node.store.run(f"SELECT id FROM t JOIN {stage.name} s ON s.c0 = t.id WHERE {differs}").rows
        )
    node.store.empty(stage)
    node.store.empty(stage)

    assert (never, found) == ("false", [[(2,)], [(1,)]])
