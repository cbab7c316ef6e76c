"""PostgreSQL as a node: what applying does, and the traps between its transaction and those of users."""

import threading
import time
from typing import Any

import pytest

from syncd.errors import FatalError, RowRejectedError, RunCancelledError, TransientError
from syncd.model.batch import Format
from syncd.model.exchange import Tracked
from syncd.repository.naming import Names
from syncd.repository.store import Purpose
from tests.contract.postgres_nodes import ALL, NAMES, STAYS, Node, nothing

pytestmark = pytest.mark.postgresql


def own(node: Node) -> list[tuple[Any, ...]]:
    return node.rows(f"SELECT id, gen, base, op, mask FROM {NAMES.own(1)} ORDER BY id")


def test_a_row_that_is_edited_again_keeps_its_base_and_all_that_happened(node: Node) -> None:
    tracked = node.track(by_column=True, timed=True)
    for gen, sets in ((1, "qty = 9"), (2, "name = 'new'")):
        node.db.execute(f"UPDATE t SET {sets} WHERE id = 1")
        node.begin(Purpose.SNAPSHOT)
        node.store.seal_child(NAMES, tracked, gen, gen * 10)
        node.commit()
    node.db.execute("DELETE FROM t WHERE id = 1")
    node.begin(Purpose.SNAPSHOT)
    node.store.seal_child(NAMES, tracked, 3, 30)
    node.commit()

    assert own(node) == [(1, 3, 10, 2 | 4, -1)]
    assert node.rows(f"SELECT at > 1e12 FROM {NAMES.own(1)}") == [(True,)]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_seal_takes_what_is_committed_and_leaves_a_late_commit_to_the_next_one(
    node: Node, purpose: Purpose
) -> None:
    tracked = node.track()
    with node.db.another() as late:
        late.execute("UPDATE t SET qty = 10 WHERE id = 1")
        node.db.execute("UPDATE t SET qty = 20 WHERE id = 2")
        began = time.monotonic()
        node.begin(purpose)
        first = node.store.seal_child(NAMES, tracked, 1, 0)
        node.commit()
        waited = time.monotonic() - began
        late.commit()
        node.begin(purpose)
        second = node.store.seal_child(NAMES, tracked, 2, 1)
        node.commit()

    assert (first, second) == (1, 1)
    assert own(node) == [(1, 2, 1, 2, -1), (2, 1, 0, 2, -1)]
    assert waited < 2


def test_a_commit_after_the_snapshot_began_is_not_seen_and_not_lost(node: Node) -> None:
    tracked = node.track()
    node.begin(Purpose.SNAPSHOT)
    node.store.run("SELECT 1")
    node.db.execute("DELETE FROM t WHERE id = 1")
    sealed = node.store.seal_child(NAMES, tracked, 1, 0)
    seen = node.store.run("SELECT count(*) FROM t").rows
    node.commit()

    assert (sealed, seen, len(node.log())) == (0, [(3,)], 1)


def test_applying_waits_for_a_writer_and_then_seals_what_it_wrote(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 1, "from afar", 9)])
    with node.db.another() as writer:
        writer.execute("UPDATE t SET qty = 10 WHERE id = 1")
        timer = threading.Timer(0.5, writer.commit)
        timer.start()
        node.begin()
        node.store.lock(stage)
        sealed = node.store.seal_child(NAMES, tracked, 1, 0)
        skipped = node.store.unstage_owned(NAMES, stage)
        changed = node.store.update(stage, ALL)
        node.commit()
        timer.join()

    assert (sealed, skipped, changed) == (1, 1, 0)
    assert node.rows()[0] == (1, "row 1", 10)


def test_a_row_that_is_inserted_and_logged_after_the_seal_is_not_overwritten(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 7, "from afar", 9), (1, 8, None, None)])
    node.begin()
    node.store.lock(stage)
    node.store.seal_child(NAMES, tracked, 1, 0)
    node.db.execute("INSERT INTO t VALUES (7, 'mine', 1), (8, 'mine', 1)")
    changed = node.store.update(stage, STAYS)
    added = node.store.insert(stage, STAYS)
    gone = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert (changed, added, gone) == (0, 0, 0)
    assert node.rows()[3:] == [(7, "mine", 1), (8, "mine", 1)]
    assert len(node.log()) == 2


def test_a_key_that_somebody_inserts_meanwhile_is_left_alone(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 7, "from afar", 9), (0, 8, "from afar", 9)])
    with node.db.another() as writer:
        writer.execute("INSERT INTO t VALUES (7, 'mine', 1)")
        timer = threading.Timer(0.5, writer.commit)
        timer.start()
        node.begin()
        added = node.store.insert(stage, STAYS)
        node.commit()
        timer.join()

    assert added == 1
    assert node.rows()[3:] == [(7, "mine", 1), (8, "from afar", 9)]


def test_applying_gives_up_when_a_user_holds_a_row_for_long(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 1, "from afar", 9)])
    with node.db.another() as writer:
        writer.execute("UPDATE t SET qty = 10 WHERE id = 1")
        node.store.run("SET lock_timeout = '300ms'")
        node.begin()
        with pytest.raises(TransientError):
            node.store.lock(stage)
        node.store.rollback()
        writer.rollback()

    assert node.rows()[0] == (1, "row 1", 1)


def test_two_stores_seal_one_after_the_other_and_nothing_is_taken_twice(node: Node) -> None:
    tracked = node.track()
    other = node.another_store()
    counts: list[int] = []

    def seal(store: Any) -> None:
        for gen in range(1, 21):
            store.begin(Purpose.SNAPSHOT, NAMES, nothing)
            counts.append(store.seal_child(NAMES, tracked, gen, 0))
            store.commit(nothing)

    threads = [threading.Thread(target=seal, args=(store,)) for store in (node.store, other)]
    for thread in threads:
        thread.start()
    for number in range(100, 300):
        node.db.execute(f"INSERT INTO t VALUES ({number}, 'x', 1)")
    for thread in threads:
        thread.join()
    seal(node.store)

    assert sum(counts) == 200
    assert len(counts) == 60
    assert len(own(node)) == 200


def test_rows_exchange_their_unique_values_in_one_update(node: Node) -> None:
    node.db.execute("ALTER TABLE t ADD UNIQUE (name), ADD COLUMN here_only text DEFAULT 'kept'")
    node.db.execute("CREATE TABLE pointing (t integer REFERENCES t)")
    node.db.execute("INSERT INTO pointing VALUES (1)")
    node.db.execute("UPDATE t SET here_only = 'own ' || id")
    tracked = node.track()
    tracked = Tracked(1, tracked.name, tracked.columns[:3], tracked.key)
    stage = node.stage(tracked, [(0, 1, "row 2", 1), (0, 2, "row 1", 2), (0, 3, "row 3", 3)])
    node.begin()
    node.store.savepoint()
    changed = node.store.update(stage, ALL)
    node.store.release()
    node.commit()

    assert changed == 2
    assert node.rows() == [(1, "row 2", 1, "own 1"), (2, "row 1", 2, "own 2"), (3, "row 3", 3, "own 3")]
    assert node.log() == []
    assert node.rows("SELECT * FROM pointing") == [(1,)]


def test_a_table_whose_deletions_cascade_is_never_exchanged(node: Node) -> None:
    node.db.execute("ALTER TABLE t ADD UNIQUE (name)")
    node.db.execute("CREATE TABLE pointing (t integer REFERENCES t ON DELETE CASCADE)")
    node.db.execute("INSERT INTO pointing VALUES (1)")
    stage = node.stage(node.track(), [(0, 1, "row 2", 1), (0, 2, "row 1", 2)])
    node.begin()
    node.store.savepoint()

    with pytest.raises(FatalError) as caught:
        node.store.update(stage, ALL)
    node.store.undo()
    node.commit()

    assert caught.value.code == "key_exists"
    assert node.rows("SELECT * FROM pointing") == [(1,)]


def test_a_refused_row_is_undone_alone_and_the_transaction_goes_on(node: Node) -> None:
    node.db.execute("ALTER TABLE t ADD CHECK (qty < 100)")
    stage = node.stage(node.track(), [(0, 7, "good", 7), (0, 8, "bad", 800)])
    node.begin()
    node.store.savepoint()
    with pytest.raises(RowRejectedError):
        node.store.insert(stage, STAYS)
    node.store.undo()
    node.store.savepoint()
    added = node.store.insert(stage, "s.c0 = 7")
    node.store.release()
    node.commit()

    assert added == 1
    assert node.rows()[3:] == [(7, "good", 7)]


def test_a_deferred_rule_is_asked_with_the_row_and_not_at_the_commit(node: Node) -> None:
    node.db.execute("CREATE TABLE p (id integer PRIMARY KEY)")
    node.db.execute(
        "ALTER TABLE t ADD FOREIGN KEY (qty) REFERENCES p DEFERRABLE INITIALLY DEFERRED NOT VALID"
    )
    stage = node.stage(node.track(), [(0, 7, "orphan", 7)])
    node.begin()

    with pytest.raises(RowRejectedError):
        node.store.insert(stage, STAYS)


def test_deleted_rows_need_nothing_but_their_keys(node: Node) -> None:
    node.db.execute("ALTER TABLE t ALTER name SET NOT NULL")
    stage = node.stage(node.track(), [(1, 1, None, None), (1, 99, None, None)])
    node.begin()
    gone = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert gone == 1
    assert [row[0] for row in node.rows()] == [2, 3]
    assert node.log() == []


def test_what_did_not_arrive_is_staged_as_deleted(node: Node) -> None:
    stage = node.stage(node.track(), [(0, 1, "row 1", 1)])
    node.begin()
    missing = node.store.stage_missing(NAMES, stage)
    gone = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert (missing, gone) == (2, 2)
    assert [row[0] for row in node.rows()] == [1]


def test_the_parent_keeps_one_version_of_each_row_and_who_made_it(node: Node) -> None:
    tracked = node.track(parent=True, by_column=True)
    node.db.execute("UPDATE t SET qty = 10 WHERE id = 1")
    node.db.execute("UPDATE t SET name = 'new', qty = 11 WHERE id = 1")
    node.begin(Purpose.SNAPSHOT)
    sealed = node.store.seal_parent(NAMES, tracked, 4)
    node.commit()
    stage = node.stage(
        tracked, [(0, 3, 0, 2, -1, 77, 2, "x", 1), (0, 3, 0, 2, -1, 78, 1, "x", 1)], edits=True
    )
    node.begin()
    node.store.upsert_rows(NAMES, stage, "s.c0 = 2", 5, "8", "s.s_gen")
    node.commit()

    assert sealed == 1
    kept = f"SELECT id, gen, nid, ngen, at FROM {NAMES.row(1)} ORDER BY id"
    assert node.rows(kept) == [(1, 4, 0, 4, 0), (2, 5, 8, 3, 77)]
    assert node.rows(f"SELECT id, gen, mask FROM {NAMES.past(1)}") == [(1, 4, 0b110)]


def test_rows_are_taken_out_of_own_and_out_of_the_stage_by_their_keys(node: Node) -> None:
    tracked = node.track()
    node.db.execute("UPDATE t SET qty = 10 WHERE id < 3")
    node.begin()
    node.store.seal_child(NAMES, tracked, 1, 0)
    node.commit()
    stage = node.stage(tracked, [(0, 1, "a", 1), (0, 2, "a", 1), (0, 3, "a", 1)])
    node.begin()
    forgotten = node.store.delete_own(NAMES, stage, "s.c0 = 2")
    unstaged = node.store.unstage_owned(NAMES, stage)
    left = node.store.run(f"SELECT c0 FROM {stage.name} ORDER BY 1").rows
    node.commit()

    assert (forgotten, unstaged, left) == (1, 1, [(2,), (3,)])
    assert [row[0] for row in own(node)] == [1]


def test_a_stop_ends_a_wait_for_a_lock(node: Node) -> None:
    tracked = node.track()
    stage = node.stage(tracked, [(0, 1, "from afar", 9)])
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise RunCancelledError("stopped")

    with node.db.another() as writer:
        writer.execute("UPDATE t SET qty = 10 WHERE id = 1")
        node.store.begin(Purpose.APPLY, NAMES, check)
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(RunCancelledError):
            node.store.lock(stage)
        node.store.rollback()
        waited = time.monotonic() - began
        timer.join()
        writer.rollback()

    assert waited < 3
    assert node.store.run("SELECT count(*) FROM t").rows == [(3,)]


def test_a_stream_in_the_middle_ends_with_the_transaction(node: Node) -> None:
    node.db.execute("INSERT INTO t SELECT i, repeat('x', 500), 1 FROM generate_series(10, 5000) i")
    tracked = node.track()
    node.begin(Purpose.SNAPSHOT)
    blocks = node.store.extract("SELECT id, name, qty FROM t", tracked.columns, Format.ROWS, nothing)
    first = next(blocks)
    node.store.rollback()
    blocks.close()

    assert 0 < first.rows < 4994
    assert node.store.run("SELECT ?::int + 1, ?::text, ?::bytea, '?'", (2**31 - 2, "a", b"\x00")).rows == [
        (2**31 - 1, "a", b"\x00", "?")
    ]


def test_one_store_holds_a_cluster_until_its_connection_is_gone(node: Node) -> None:
    other = node.another_store()
    names = Names.of("another")

    held = [node.store.hold(NAMES), node.store.hold(NAMES), other.hold(NAMES), other.hold(names)]
    node.store.close()
    deadline = time.monotonic() + 5
    while not (taken := other.hold(NAMES)) and time.monotonic() < deadline:
        time.sleep(0.02)
    other.let_go(NAMES)

    assert held == [True, True, False, True]
    assert taken
    assert node.another_store().hold(NAMES)


def test_a_stop_while_waiting_for_another_transaction_leaves_no_lock_behind(node: Node) -> None:
    node.track()
    other = node.another_store()
    node.begin()
    deadline = time.monotonic() + 0.3

    def check() -> None:
        if time.monotonic() > deadline:
            raise RunCancelledError("stopped")

    with pytest.raises(RunCancelledError):
        other.begin(Purpose.APPLY, NAMES, check)
    node.commit()
    node.begin()
    node.commit()
    other.begin(Purpose.APPLY, NAMES, nothing)
    other.commit(nothing)

    assert node.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_rolling_back_nothing_does_nothing(node: Node) -> None:
    node.store.rollback()
    node.store.rollback()

    assert node.store.run("SELECT 1").rows == [(1,)]


def test_a_lost_connection_may_pass(node: Node) -> None:
    node.begin()
    node.db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'syncd' AND datname = current_database()"
    )

    with pytest.raises(TransientError):
        node.store.run("SELECT 1")
    node.store.rollback()
    node.store.close()

    assert len(node.rows()) == 3
