"""A MariaDB node of a cluster takes rows that arrive: every value, and only where nobody is overwritten."""

import threading
import time
from typing import Any

import pytest

from syncd.errors import FatalError, RowRejectedError, SyncdError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import TableName
from syncd.repository.store import Purpose
from tests.contract.mysql_node import NAMES, MysqlNode, go_on, node, rows
from tests.type_matrix import MYSQL, Case

__all__ = ["node"]

pytestmark = pytest.mark.mysql


@pytest.mark.parametrize("form", [Format.ROWS, Format.COPYTEXT])
@pytest.mark.parametrize("case", MYSQL, ids=lambda case: case.native)
def test_every_value_arrives_bit_by_bit(node: MysqlNode, case: Case, form: Format) -> None:
    for name in ("a", "b"):
        node.database.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, v {case.native})")
    values = [*case.values.values(), "NULL"]
    node.database.execute("SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'")
    for number, value in enumerate(values):
        node.database.execute(f"INSERT INTO a VALUES ({number}, {value})")
    theirs = node.track("a")
    node.track("b")
    stage = node.stage(theirs, "b")

    for batch in node.batches(form, "a"):
        node.store.fill(stage, batch, go_on)
    filled = node.store.filled(stage)
    node.begin()
    inserted = node.store.insert(stage, "s.s_gone = 0")
    node.commit()

    whole = "SELECT id, HEX(v), v, CAST(v AS CHAR) FROM {} ORDER BY id"
    assert filled == inserted == len(values)
    assert rows(node, whole.format("b")) == rows(node, whole.format("a"))


@pytest.mark.parametrize("form", [Format.ROWS, Format.COPYTEXT])
def test_places_keys_and_awkward_names_arrive(node: MysqlNode, form: Format) -> None:
    node.database.execute(f'CREATE DATABASE "{node.database.name} b"')
    other = f"{node.database.name} b"
    awkward = 'CREATE TABLE {} ("a ""b`" timestamp(3) NOT NULL, "select" uuid, "c1" point, "?" bit(1), PRIMARY KEY ("a ""b`", "select"))'
    node.database.execute(awkward.format("a"))
    node.database.execute(awkward.format(f'"{other}"."t%s"'))
    node.database.execute(
        "INSERT INTO a VALUES ('2026-03-29 01:30:00.123', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', POINT(1, 2.5), 1)"
    )
    theirs = node.track("a")
    table = node.store.table(TableName("t%s", other))
    node.tracked["b"] = ours = Tracked(2, table.name, table.columns, table.key)
    node.store.create_log(NAMES, ours, parent=True)
    node.store.capture(NAMES, ours)
    stage = node.stage(theirs, "b")

    for batch in node.batches(form, "a"):
        node.store.fill(stage, batch, go_on)
    node.begin()
    node.store.lock(stage)
    inserted = node.store.insert(stage, "s.s_gone = 0")
    node.store.upsert_rows(NAMES, stage, "s.s_gone = 0", 7, "1", "s.s_n + 1")
    updated = node.store.update(stage, "s.s_gone = 0")
    node.commit()
    silent = node.log("b")
    node.database.execute(f'UPDATE "{other}"."t%s" SET "?" = 0')

    assert (inserted, updated, silent, node.store.captures(NAMES, ours)) == (1, 0, [], True)
    assert rows(node, "SELECT * FROM a") != rows(node, f'SELECT * FROM "{other}"."t%s"')
    assert rows(node, 'SELECT "a ""b`", "select", gen, nid, ngen FROM syncd_c_2_row') == [
        ("2026-03-29 01:30:00.123", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 7, 1, 2)
    ]
    assert len(node.log("b")) == 1
    node.store.release_capture(NAMES, ours)
    node.database.execute(f'DROP DATABASE "{other}"')


def test_only_rows_that_differ_are_updated_and_texts_differ_by_their_bytes(node: MysqlNode) -> None:
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL), (4, 'd', 4)")
    node.track()
    stage = node.staged([(0, 1, "A", 1), (0, 2, "b ", 2), (0, 3, "c", None), (0, 4, None, 5), (0, 5, "e", 6)])

    node.begin()
    node.store.lock(stage)
    condition = node.store.differs(node.tracked["t"], ["name"], "t", "s")
    told = node.store.run(
        f"SELECT t.id FROM t JOIN {node.store.quote(stage.name)} s ON s.c0 = t.id WHERE {condition} ORDER BY 1"
    ).rows
    updated = node.store.update(stage, "s.s_gone = 0")
    node.commit()

    assert (list(told), updated) == ([(1,), (2,), (4,)], 3)
    assert rows(node) == [(1, "A", 1), (2, "b ", 2), (3, "c", None), (4, None, 5)]


def test_a_key_that_its_collation_takes_for_another_is_respelt(node: MysqlNode) -> None:
    node.database.execute("CREATE TABLE k (id varchar(9) PRIMARY KEY, n int)")
    node.database.execute("INSERT INTO k VALUES ('a', 1)")
    node.track("k")
    stage = node.staged([(0, "A", 1)], "k")

    node.begin()
    counts = (node.store.insert(stage, "s.s_gone = 0"), node.store.update(stage, "s.s_gone = 0"))
    node.commit()

    assert counts == (0, 1)
    assert rows(node, "SELECT * FROM k") == [("A", 1)]


def test_rows_are_deleted_by_key_and_what_did_not_arrive_is_staged_as_deleted(node: MysqlNode) -> None:
    node.database.execute("INSERT INTO t SELECT seq, 'a', NULL FROM seq_1_to_6")
    node.track(parent=False)
    stage = node.staged([(1, 1, None, None), (0, 2, "a", None), (1, 9, None, None)])

    node.begin()
    deleted = node.store.delete(stage, "s.s_gone = 1")
    others = node.store.stage_missing(NAMES, stage)
    gone = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert (deleted, others, gone) == (1, 4, 4)
    assert [row[0] for row in rows(node)] == [2]


def test_staged_rows_with_an_unsent_edit_leave_and_acknowledged_ones_end(node: MysqlNode) -> None:
    table = node.track(parent=False)
    node.database.execute("INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', NULL)")
    stage = node.staged([(0, 1, "x", None), (0, 3, "y", None)])
    node.begin()
    assert node.store.seal_child(NAMES, table, 1, 0) == 2
    assert node.store.unstage_owned(NAMES, stage) == 1
    assert node.store.insert(stage, "s.s_gone = 0") == 1
    node.commit()
    assert node.store.filled(stage) == 1
    second = node.staged([(0, 2, "x", None), (0, 3, "y", None)])
    node.begin()
    assert node.store.delete_own(NAMES, second, "s.s_gone = 0") == 1
    node.commit()

    assert rows(node, "SELECT id FROM syncd_c_1_own") == [(1,)]
    node.store.empty(second)
    with pytest.raises(SyncdError):
        node.store.filled(second)


def test_a_key_that_somebody_inserts_meanwhile_is_left_alone(node: MysqlNode) -> None:
    node.track()
    user = node.database.another()
    user.execute("INSERT INTO t VALUES (2, 'theirs', NULL)")
    stage = node.staged([(0, 1, "ours", None), (0, 2, "ours", None), (0, 3, "ours", None)])
    timer = threading.Timer(0.5, user.commit)

    node.begin()
    node.store.savepoint()
    timer.start()
    inserted = node.store.insert(stage, "s.s_gone = 0")
    node.store.release()
    node.commit()
    timer.join()
    user.close()

    assert inserted == 2
    assert [row[1] for row in rows(node)] == ["ours", "theirs", "ours"]


def insert_as_user(node: MysqlNode, after: float, sql: str) -> None:
    """Somebody's transaction: committed at once, or after so many seconds while the test goes on."""
    user = node.database.another()
    user.execute(sql)

    def end() -> None:
        user.commit()
        user.close()

    if after:
        threading.Timer(after, end).start()
    else:
        end()


@pytest.mark.parametrize("after", [0, 0.5], ids=["committed", "still open"])
def test_a_row_that_somebody_inserts_after_the_seal_is_not_overwritten(node: MysqlNode, after: float) -> None:
    table = node.track(parent=False)
    node.database.execute("INSERT INTO t VALUES (1, 'old', 1)")
    stage = node.staged([(0, 1, "new", 1), (0, 2, "ours", 2)])
    node.begin()
    node.store.lock(stage)
    node.store.seal_child(NAMES, table, 1, 0)
    insert_as_user(node, after, "INSERT INTO t VALUES (2, 'theirs', NULL)")

    updated = node.store.update(stage, "s.s_gone = 0")
    inserted = node.store.insert(stage, "s.s_gone = 0")
    node.commit()

    assert (updated, inserted) == (1, 0)
    assert rows(node) == [(1, "new", 1), (2, "theirs", None)]
    assert node.log() == [(2, 1, -1)]


@pytest.mark.parametrize("after", [0, 0.5], ids=["committed", "still open"])
def test_a_row_that_somebody_edits_once_it_was_found_missing_is_not_deleted(
    node: MysqlNode, after: float
) -> None:
    node.database.execute("INSERT INTO t VALUES (1, 'old', 1), (2, 'old', 2)")
    node.track(parent=False)
    stage = node.stage()
    node.begin()
    missing = node.store.stage_missing(NAMES, stage)
    insert_as_user(node, after, "UPDATE t SET name = 'theirs' WHERE id = 2")

    deleted = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert (missing, deleted) == (2, 1)
    assert rows(node) == [(2, "theirs", 2)]
    assert [key for key, _, _ in node.log()] == [2]


def test_a_part_with_a_refused_row_is_undone_and_the_rest_stays(node: MysqlNode) -> None:
    node.database.execute("ALTER TABLE t ADD CHECK (n < 100)")
    node.track()
    stage = node.staged([(0, 1, "a", 1), (0, 2, "b", 500)])
    node.begin()
    node.store.savepoint()
    with pytest.raises(RowRejectedError):
        node.store.insert(stage, "s.s_gone = 0")
    node.store.undo()
    node.store.savepoint()
    inserted = node.store.insert(stage, "s.s_n = 1")
    node.store.release()
    node.commit()

    assert inserted == 1
    assert rows(node) == [(1, "a", 1)]


def test_a_unique_rule_beside_the_key_is_told_and_a_swap_is_done_in_two_steps(node: MysqlNode) -> None:
    node.database.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    node.track()
    stage = node.staged([(0, 1, "a", 2), (0, 2, "b", 1)])
    node.begin()
    node.store.savepoint()
    with pytest.raises(FatalError) as caught:
        node.store.update(stage, "s.s_gone = 0")
    node.store.undo()
    node.store.savepoint()
    node.store.delete(stage, "s.s_gone = 0")
    node.store.insert(stage, "s.s_gone = 0")
    node.store.release()
    node.commit()

    assert caught.value.code == "key_exists"
    assert rows(node) == [(1, "a", 2), (2, "b", 1)]
    assert node.log() == []
    third = node.staged([(0, 3, "c", 1)])
    node.begin()
    with pytest.raises(FatalError) as again:
        node.store.insert(third, "s.s_gone = 0")
    node.store.rollback()
    assert again.value.code == "key_exists"


def test_a_row_that_somebody_holds_is_waited_for_only_a_moment(node: MysqlNode) -> None:
    node.track()
    node.database.execute("INSERT INTO t VALUES (1, 'a', NULL)")
    user = node.database.another()
    user.execute("UPDATE t SET name = 'b'")
    stage = node.staged([(0, 1, "x", None)])
    node.begin()

    began = time.monotonic()
    with pytest.raises(TransientError):
        node.store.lock(stage)
    took = time.monotonic() - began
    node.store.rollback()
    user.commit()
    user.close()

    assert 3 < took < 10
    assert node.log() == [(1, 1, -1), (1, 2, -1)]


def test_a_seal_after_the_lock_sees_what_the_holder_committed(node: MysqlNode) -> None:
    table = node.track(parent=False)
    node.database.execute("INSERT INTO t VALUES (1, 'a', NULL)")
    node.begin()
    node.store.seal_child(NAMES, table, 1, 0)
    node.commit()
    node.database.execute("DELETE FROM syncd_c_1_own")
    user = node.database.another()
    user.execute("UPDATE t SET name = 'mine'")
    stage = node.staged([(0, 1, "x", None)])
    timer = threading.Timer(0.5, user.commit)
    node.begin()
    timer.start()
    node.store.lock(stage)
    sealed = node.store.seal_child(NAMES, table, 2, 1)
    left = node.store.unstage_owned(NAMES, stage)
    updated = node.store.update(stage, "s.s_gone = 0")
    node.commit()
    timer.join()
    user.close()

    assert (sealed, left, updated) == (1, 1, 0)
    assert rows(node) == [(1, "mine", None)]


@pytest.mark.parametrize("form", [Format.ROWS, Format.COPYTEXT])
def test_a_batch_with_a_value_that_has_no_form_here_is_refused_whole(node: MysqlNode, form: Format) -> None:
    node.track()
    stage = node.stage()
    bad: Any = [(0, 1, "a", 1), (0, 2, "b" * 41, 2)]
    good: Any = [(0, 3, "c", 3)]
    if form is Format.COPYTEXT:
        bad, good = b"0\t1\ta\t1\n0\t2\t" + b"b" * 41 + b"\t2\n", b"0\t3\tc\t3\n"

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(form, bad, 2), go_on)
    node.store.fill(stage, Batch(form, good, 1), go_on)

    assert "name" in caught.value.where
    assert "bbb" not in caught.value.message
    assert node.store.filled(stage) == 1


def test_a_key_without_a_value_is_refused(node: MysqlNode) -> None:
    node.track()
    stage = node.stage()

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(Format.ROWS, [(0, None, "a", 1)], 1), go_on)

    assert caught.value.where.endswith(".id")
    assert node.store.filled(stage) == 0


def test_a_stream_in_the_middle_ends_with_the_transaction(node: MysqlNode) -> None:
    table = node.track()
    node.database.execute("INSERT INTO t SELECT seq, REPEAT('x', 40), NULL FROM seq_1_to_20000")
    node.begin(Purpose.SNAPSHOT)
    stream = node.store.extract("SELECT id FROM t", table.columns[:1], Format.ROWS, go_on)
    first = next(stream)
    node.store.rollback()
    node.store.rollback()

    assert first.rows > 0
    assert node.store.run("SELECT COUNT(*) FROM t").rows == [(20000,)]


def test_a_stop_from_another_thread_ends_a_wait(node: MysqlNode) -> None:
    node.track()
    timer = threading.Timer(0.3, node.store.cancel)
    timer.start()

    with pytest.raises(SyncdError) as caught:
        node.store.wait(NAMES, 30)
    timer.join()

    assert caught.value.code == "cancelled"
