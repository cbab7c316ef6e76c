"""PostgreSQL as a node: what applying does, and the traps between its transaction and those of users."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from syncd.errors import FatalError, RowRejectedError, RunCancelledError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import TableName
from syncd.repository.naming import Names
from syncd.repository.store import Purpose, Stage
from tests.contract.postgres_nodes import ALL, NAMES, STAYS, Node, move, nothing
from tests.type_matrix import POSTGRESQL

pytestmark = pytest.mark.postgresql


def own(node: Node) -> list[tuple[Any, ...]]:
    return node.rows(f"SELECT id, gen, base, op, mask FROM {NAMES.own(1)} ORDER BY id")


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


def test_only_what_differs_is_updated_and_values_differ_by_their_bytes(node: Node) -> None:
    node.db.execute("CREATE TABLE n (id numeric PRIMARY KEY, v numeric, f float8, j json)")
    node.db.execute(
        """INSERT INTO n VALUES (1.0, 1.0, 0.0, '{"a":1}'), (2, 1.0, 0.0, NULL), (3, 1, 1, NULL)"""
    )
    tracked = node.track("n")
    rows = [(0, "1.0", "1.00", 0.0, '{"a":1}'), (0, "2", "1.0", -0.0, None), (0, "3.0", "1", 1.0, None)]
    stage = node.stage(tracked, rows)
    node.begin()
    changed = node.store.update(stage, ALL)
    again = node.store.update(stage, ALL)
    node.commit()

    assert (changed, again) == (3, 0)
    found = node.rows("SELECT id::text, v::text, f::text, j::text FROM n ORDER BY id")
    assert found == [("1.0", "1.00", "0", '{"a":1}'), ("2", "1.0", "-0", None), ("3.0", "1", "1", None)]


def test_generated_columns_are_left_out_and_identities_are_given(node: Node) -> None:
    node.db.execute(
        "CREATE TABLE g (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer,"
        " other integer GENERATED ALWAYS AS IDENTITY, twice integer GENERATED ALWAYS AS (a * 2) STORED)"
    )
    node.db.execute("INSERT INTO g (a) VALUES (1)")
    tracked = node.track("g")
    stage = node.stage(tracked, [(0, 1, 5, 99), (0, 50, 6, 77)])
    node.begin()
    counts = node.store.update(stage, STAYS), node.store.insert(stage, STAYS)
    again = node.store.update(stage, STAYS)
    node.commit()

    assert [column.name for column in tracked.columns] == ["id", "a", "other"]
    assert (counts, again) == ((1, 1), 0)
    assert node.rows("SELECT * FROM g ORDER BY 1") == [(1, 5, 1, 10), (50, 6, 77, 12)]


def test_deleted_rows_need_nothing_but_their_keys(node: Node) -> None:
    node.db.execute("ALTER TABLE t ALTER name SET NOT NULL")
    stage = node.stage(node.track(), [(1, 1, None, None), (1, 99, None, None)])
    node.begin()
    gone = node.store.delete(stage, "s.s_gone = 1")
    node.commit()

    assert gone == 1
    assert [row[0] for row in node.rows()] == [2, 3]
    assert node.log() == []


def test_what_is_not_staged_goes_only_where_the_condition_says(node: Node) -> None:
    stage = node.stage(node.track(), [(0, 1, "row 1", 1)])
    node.begin()
    some = node.store.unstaged(stage, "t.qty > 2")
    rest = node.store.unstaged(stage, "")
    node.commit()

    assert (some, rest) == (1, 1)
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


def matrix(node: Node, name: str) -> None:
    columns = [f"v{number} {case.native}" for number, case in enumerate(POSTGRESQL)]
    extra = ["e mood", "d kept", "ne text COLLATE lax", "b bpchar", "ip inet", "m money"]
    node.db.execute("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN kept AS varchar(9) NOT NULL")
    node.db.execute(
        "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    node.db.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, {', '.join(columns + extra)})")


@pytest.mark.parametrize("form", [Format.PGCOPY, Format.ROWS])
def test_every_value_arrives_as_it_was(make_node: Callable[[], Node], form: Format) -> None:
    source, target = make_node(), make_node()
    for made in (source, target):
        matrix(made, "t")
    number = 0
    for place, case in enumerate(POSTGRESQL):
        for value in case.values.values():
            number += 1
            source.db.execute(
                f"INSERT INTO t (id, v{place}, e, d, ne, b, ip, m) VALUES"
                f" ({number}, {value}, 'sad', 'x  ', 'aA', 'b ', '::1/64', 1.5)"
            )
    of, to = source.track(), target.track()
    stage = move(source, target, of, to, form)
    target.begin()
    added = target.store.insert(stage, STAYS)
    same = target.store.update(stage, STAYS)
    target.commit()
    dump = "SELECT encode(convert_to(t::text, 'UTF8'), 'hex') FROM t ORDER BY id"

    assert (added, same) == (number, 0)
    assert target.rows(dump) == source.rows(dump)


def test_rows_that_differ_in_any_type_are_updated_bit_by_bit(make_node: Callable[[], Node]) -> None:
    source, target = make_node(), make_node()
    for made in (source, target):
        matrix(made, "t")
        made.db.execute("INSERT INTO t (id, d) VALUES (1, 'x'), (2, 'y')")
    sets = [f"v{place} = {list(case.values.values())[-1]}" for place, case in enumerate(POSTGRESQL)]
    source.db.execute(f"UPDATE t SET {', '.join(sets)}, d = 'z', ne = 'Ab', m = 2 WHERE id = 1")
    of, to = source.track(), target.track()
    stage = move(source, target, of, to, Format.ROWS)
    target.begin()
    changed = target.store.update(stage, STAYS)
    target.commit()

    assert changed == 1
    dump = "SELECT t::text FROM t ORDER BY id"
    assert target.rows(dump) == source.rows(dump)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((0, None, "x", 1), id="no key"),
        pytest.param((0, 7, "x", "no number"), id="no number"),
        pytest.param((0, 7, "a\x00b", 1), id="a NUL"),
        pytest.param((0, 2**40, "x", 1), id="too large"),
        pytest.param((0, 7, "\ud800", 1), id="no Unicode"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_value_without_a_form_is_refused_and_earlier_batches_stay(
    node: Node, row: tuple[Any, ...], inside: bool
) -> None:
    stage = Stage(NAMES.stage(1), tracked := node.track(), tracked, False)
    node.store.make_stage(stage)
    if inside:
        node.begin()
    node.store.fill(stage, Batch(Format.ROWS, [(0, 5, "good", 1)], 1), nothing)

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(Format.ROWS, [(0, 6, "good", 1), row], 2), nothing)

    assert "no number" not in str(caught.value)
    assert node.store.filled(stage) == 1


def test_a_text_is_refused_rather_than_cut(node: Node) -> None:
    node.db.execute("CREATE TABLE short (id integer PRIMARY KEY, v varchar(3))")
    node.db.execute("CREATE TABLE long (id integer PRIMARY KEY, v text)")
    short, long = node.track("short"), node.track("long", number=2)
    stage = Stage(NAMES.stage(1), short, long, False)
    node.store.make_stage(stage)

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(Format.ROWS, [(0, 1, "abc  ")], 1), nothing)

    assert "column v of public.short" in caught.value.message
    assert caught.value.where == "short.v"


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


def test_rolling_back_nothing_does_nothing(node: Node) -> None:
    node.store.rollback()
    node.store.rollback()

    assert node.store.run("SELECT 1").rows == [(1,)]


def test_a_table_is_found_whatever_its_case_and_in_its_schema(node: Node) -> None:
    node.db.execute(
        'CREATE SCHEMA "Other"; CREATE TABLE "Other"."Odd ""name" ("A b" text COLLATE "C" PRIMARY KEY, "c""%s" int)'
    )
    tracked = node.track('other.odd "name')
    node.db.execute("""INSERT INTO "Other"."Odd ""name" VALUES ('k', 1), ('l', 2)""")
    node.db.execute("""UPDATE "Other"."Odd ""name" SET "A b" = 'm' WHERE "A b" = 'k'""")
    node.begin()
    sealed = node.store.seal_child(NAMES, tracked, 1, 0)
    node.commit()
    stage = node.stage(tracked, [(0, "l", 3), (0, "z", 4)])
    node.begin()
    node.store.lock(stage)
    counts = (
        node.store.update(stage, ALL),
        node.store.insert(stage, ALL),
        node.store.unstage_owned(NAMES, stage),
    )
    node.commit()

    assert tracked.name == TableName('Odd "name', "Other")
    assert (sealed, counts) == (3, (1, 1, 1))
    assert node.rows("""SELECT * FROM "Other"."Odd ""name" ORDER BY 1""") == [("l", 3), ("m", 1), ("z", 4)]


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
