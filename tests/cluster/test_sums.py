"""Columns that are summed: whoever adds to them, whenever, every addition counts once."""

import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.engine import ahead, member
from syncd.engine.pairing import shared_tables
from syncd.errors import FatalError
from syncd.model.cluster import Combine, ConflictPolicy, DeleteRule, Winner
from syncd.model.exchange import Role
from syncd.repository import arrival, departure
from syncd.repository.reapply import take
from tests.cluster.play import Crash, OneByOne
from tests.cluster.playground import MEMORY
from tests.cluster.test_delta_files import Sites
from tests.cluster.world import SqliteNode, World

SCHEMA = (
    "CREATE TABLE stock (id INTEGER PRIMARY KEY, qty INTEGER CHECK (qty < 40), price DECIMAL(9,2), note TEXT)"
)
SUMMED = ConflictPolicy(Winner.MERGE_FIELDS, columns={"qty": Combine.SUM, "price": Combine.SUM})
ADD = (
    "INSERT INTO stock (id, qty, price) VALUES (?1, ?2, ?2) ON CONFLICT (id) DO UPDATE"
    " SET qty = coalesce(qty, 0) + ?2, price = round(coalesce(price, 0) + ?2, 2)"
)
REPLACE = (
    "INSERT OR REPLACE INTO stock (id, qty, price, note) SELECT id, qty + ?2, round(price + ?2, 2), 'new'"
    " FROM stock WHERE id = ?1"
)
WAYS = ("add", "add", "add", "add", "replace", "anew", "note", "null", "twice")
NODES = ("P", "c0", "c1")
EDITS = st.tuples(
    st.sampled_from(NODES), st.sampled_from(WAYS), st.integers(1, 3), st.sampled_from([1, 2, 5, -3, 20, 25])
)
RUNS = st.tuples(
    st.sampled_from([None, ["c0"], ["c1"]]),
    st.lists(st.tuples(st.integers(1, 60), EDITS), max_size=3),
    st.none() | st.integers(1, 60),
)
STEPS = st.lists(st.one_of(EDITS, EDITS, RUNS), min_size=3, max_size=14)
FAR_LATER_SECONDS = 7200


def change(node, way, key, amount):
    """Edit a row in one transaction; how much that added to `qty`, 0 when a rule or a lock stands against it."""
    run = node.connection.execute
    try:
        run("BEGIN IMMEDIATE")
        before = held(node, key)
        match way:
            case "add":
                run(ADD, (key, amount))
            case "twice":
                run(ADD, (key, amount))
                run(ADD, (key, 1))
            case "replace":
                run(REPLACE, (key, amount))
            case "anew":
                run("DELETE FROM stock WHERE id = ?", (key,))
                run("INSERT INTO stock (id, qty, price) VALUES (?1, ?2, ?2)", (key, before + amount))
            case "note":
                run("UPDATE stock SET note = coalesce(note, '') || ? WHERE id = ?", (str(amount), key))
            case "null":
                run("UPDATE stock SET qty = NULL WHERE id = ?", (key,))
        added = held(node, key) - before
        run("COMMIT")
        return added
    except (sqlite3.OperationalError, sqlite3.IntegrityError):
        if node.connection.in_transaction:
            run("ROLLBACK")
        return 0


def held(node, key):
    return node.run("SELECT coalesce(sum(qty), 0) FROM stock WHERE id = ?", (key,))[0][0]


class Counting:
    """A parent and two children with counters, and what all committed additions come to."""

    def __init__(self, folder):
        nodes = {name: SqliteNode(folder / f"{name}.db", SCHEMA) for name in NODES}
        for node in nodes.values():
            node.connection.execute("PRAGMA busy_timeout=0")
        self.nodes = dict(nodes)
        self.world = World(nodes.pop("P"), nodes, ["stock"], SUMMED)
        self.total = Counter()
        self.edit("P", "add", 1, 10)
        self.world.sync()

    def edit(self, name, way, key, amount):
        # Two who write NULL over one value take it away once: only one of the nodes does so.
        way = "add" if way == "null" and name != "P" else way
        self.total[key] += change(self.nodes[name], way, key, amount)

    def sync(self, names, midway, crash):
        left, moment = sorted(midway, key=repr), 0

        def passing(_name=""):
            nonlocal moment
            moment += 1
            if moment == crash:
                raise Crash
            while left and left[0][0] <= moment:
                self.edit(*left.pop(0)[1])

        with pytest.MonkeyPatch.context() as patch:
            for module in (arrival, departure):
                patch.setattr(module, "crash_point", passing)
            for module in (ahead, member):
                patch.setattr(module, "ThreadPoolExecutor", OneByOne)
            try:
                self.world.sync(names, passing, strict=False)
            except Crash:
                self.world.close_ports()

    def settle(self):
        """Make room under the highest value and try what waits again; what is wrong then."""
        for key in list(self.total):
            self.edit("P", "add", key, -1000)
        for _ in range(4):
            self.world.clock += FAR_LATER_SECONDS
            self.world.sync()
        rows = self.world.parent.rows("stock")
        wrong = [
            *self.world.held(),
            *(name for name, node in self.nodes.items() if node.rows("stock") != rows),
        ]
        counted = {row[0]: row[1] for row in rows}
        return wrong if counted == dict(self.total) else [*wrong, (counted, dict(self.total))]

    def close(self):
        self.world.close_ports()
        for node in self.nodes.values():
            node.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_every_counter_ends_with_all_that_was_committed_anywhere(steps):
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.exists() else None))
    counting = Counting(folder)
    try:
        for step in steps:
            counting.edit(*step) if isinstance(step[0], str) else counting.sync(*step)
        assert counting.settle() == []
    finally:
        counting.close()
        shutil.rmtree(folder)


@pytest.fixture
def counting(tmp_path):
    made = Counting(tmp_path)
    yield made
    made.close()


def test_what_both_sides_added_alike_counts_twice(counting):
    for name in NODES:
        counting.edit(name, "add", 1, 5)

    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty, price FROM stock") == [(25, 25)]
    assert [record["winner"] for record in counting.world.conflicts()] == ["merged", "merged"]
    assert counting.settle() == []


def test_a_second_addition_made_while_the_first_is_on_its_way_counts_from_there(counting):
    counting.edit("P", "add", 1, 1)
    counting.edit("c0", "add", 1, 5)

    counting.sync(None, [(moment, ("c0", "add", 1, 1)) for moment in range(10, 40)], None)

    assert counting.total[1] > 20
    assert counting.settle() == []


def test_a_deleted_row_comes_back_with_what_was_added_to_it(counting):
    counting.nodes["P"].run("DELETE FROM stock")
    counting.edit("c0", "add", 1, 5)
    counting.edit("c1", "add", 1, 2)

    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(17,)]
    assert counting.settle() == []


def test_an_addition_to_a_row_that_a_delete_takes_is_on_record(counting):
    counting.world.policy = ConflictPolicy(
        Winner.MERGE_FIELDS, columns={"qty": Combine.SUM}, delete=DeleteRule.WINS
    )
    counting.nodes["P"].run("DELETE FROM stock")
    counting.edit("c0", "add", 1, 5)

    counting.sync(None, (), None)

    assert counting.world.children["c0"].rows("stock") == []
    (record,) = counting.world.conflicts()
    assert '"qty": 15' in record["child_row"]


def test_null_on_both_sides_stays_null(counting):
    for name in ("P", "c0"):
        counting.nodes[name].run("UPDATE stock SET qty = NULL, note = ?", (name,))

    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty, price FROM stock") == [(None, 10)]


def test_a_restored_child_adds_nothing_again(counting, tmp_path):
    child = counting.nodes["c0"]
    counting.edit("c0", "add", 1, 5)
    child.connection.execute(f"VACUUM INTO '{tmp_path}/saved'")
    counting.edit("P", "add", 1, 1)
    counting.sync(None, (), None)
    counting.world.close_ports()
    child.close()
    for ending in ("-wal", "-shm"):
        (tmp_path / f"c0.db{ending}").unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "saved", tmp_path / "c0.db")
    child.connection = sqlite3.connect(tmp_path / "c0.db", isolation_level=None)

    counting.sync(None, (), None)

    assert counting.settle() == []


def test_a_child_that_joins_again_adds_nothing_again(counting):
    world = counting.world
    counting.edit("P", "add", 1, 1)
    counting.edit("c0", "add", 1, 5)
    # The parent has the addition, and the child has not heard so.
    counting.sync(["c0"], (), 12)
    for moment in range(12, 30):
        if world.parent.run("SELECT qty FROM stock") == [(16,)]:
            break
        counting.sync(["c0"], (), moment)
    world.port("P").dismiss("c0", lambda: None)

    counting.sync(None, (), None)

    assert counting.settle() == []


def test_offering_all_rows_again_adds_nothing_again(counting):
    counting.edit("P", "add", 1, 1)
    counting.edit("c0", "add", 1, 5)
    counting.sync(["c0"], (), None)
    counting.edit("c0", "add", 1, 2)
    counting.world.port("c0").offer_all(lambda: None, keep_bases=True)

    counting.sync(None, (), None)

    assert counting.settle() == []


def test_a_column_that_is_no_number_is_not_summed(counting):
    shared = [
        shared_tables(
            replace(counting.world.cluster(), conflict=replace(SUMMED, columns={name: Combine.SUM})),
            counting.world.port("P"),
            {},
        )
        for name in ("note", "id")
    ]

    assert [(tables, problems[0]) for tables, problems in shared] == [
        ([], "stock at the parent: column note is TEXT, and sum adds numbers only"),
        ([], "stock at the parent: column id is in the key, and cannot be summed"),
    ]


def test_a_table_without_sums_has_the_triggers_that_it_always_had(counting):
    names = "SELECT name FROM sqlite_master WHERE name LIKE 'syncd_world_1_%' ORDER BY name"
    columns = "SELECT name FROM pragma_table_info('syncd_world_1_log')"

    kept = [name for (name,) in counting.nodes["P"].run(names) if not name.endswith(("_gen", "_key"))]

    assert kept == [
        f"syncd_world_1_{kind}" for kind in ("delete", "insert", "log", "past", "rekey", "row", "update")
    ]
    assert counting.nodes["P"].run(columns) == [("id",), ("op",), ("mask",), ("at",)]


def test_nothing_of_sums_stays_when_a_cluster_is_taken_out(counting):
    counting.world.port("c0").retire(lambda: None)

    assert counting.nodes["c0"].run("SELECT name FROM sqlite_master WHERE name LIKE 'syncd%'") == []
    assert counting.nodes["c0"].run("INSERT INTO stock (id) VALUES (9) RETURNING id") == [(9,)]


def test_edits_made_while_summing_was_off_follow_the_rest_of_the_policy(counting):
    counting.world.policy = ConflictPolicy(Winner.MERGE_FIELDS)
    counting.sync(None, (), None)
    counting.edit("c0", "add", 1, 5)
    counting.edit("P", "add", 1, 1)
    counting.world.policy = SUMMED

    counting.sync(None, (), None)
    counting.edit("c0", "add", 1, 3)
    counting.edit("P", "add", 1, 7)
    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(21,)]
    assert counting.world.children["c0"].rows("stock") == counting.world.parent.rows("stock")


def test_a_sum_that_a_rule_refuses_counts_when_there_is_room(counting):
    counting.edit("P", "add", 1, 20)
    counting.edit("c0", "add", 1, 15)
    counting.sync(None, (), None)
    assert len(counting.world.held()) == 1

    counting.edit("P", "add", 1, -25)
    counting.world.clock += FAR_LATER_SECONDS
    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(20,)]
    assert counting.settle() == []


def test_what_is_added_to_a_row_that_waits_counts_with_what_waits(counting):
    counting.edit("P", "add", 1, 20)
    counting.edit("c0", "add", 1, 15)
    counting.sync(None, (), None)
    for _ in range(2):
        counting.edit("c0", "add", 1, 1)
        counting.sync(None, (), None)
    assert len(counting.world.held()) == 1

    counting.edit("P", "add", 1, -25)
    counting.edit("c0", "add", 1, 1)
    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(23,)]
    assert counting.settle() == []


def test_edits_that_were_counted_before_columns_were_summed_have_no_known_start(counting):
    counting.world.policy = ConflictPolicy(Winner.MERGE_FIELDS)
    counting.sync(None, (), None)
    counting.edit("c0", "add", 1, 5)
    (peer,) = [peer for peer in counting.world.port("P").peers() if peer.name == "c0"]
    with closing(
        counting.world.port("c0").depart(Role.CHILD, peer.received.gen, {}, lambda: None)
    ) as departure:
        departure.seal(lambda: None)
    counting.world.policy = SUMMED
    counting.sync(["c1"], (), None)
    counting.world.port("c0").enrol(Role.CHILD, "c0", summed_tables(counting), "", lambda: None)
    counting.edit("c0", "add", 1, 3)
    counting.edit("P", "add", 1, 1)

    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(11,)]
    assert '"qty": 18' in counting.world.conflicts()[0]["child_row"]


def summed_tables(counting):
    return [
        replace(table, sums=("qty", "price"), by_column=True) for table in counting.world.port("c0").tracked
    ]


def test_rows_that_are_offered_again_have_no_known_start(counting):
    counting.world.port("c0").offer_all(lambda: None, keep_bases=True)
    counting.edit("c0", "add", 1, 3)
    counting.edit("P", "add", 1, 1)

    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(11,)]
    assert '"qty": 13' in counting.world.conflicts()[0]["child_row"]


def test_a_sum_may_be_taken_back_by_hand(counting):
    counting.edit("P", "add", 1, 1)
    counting.edit("c0", "add", 1, 5)
    counting.sync(None, (), None)
    (record,) = counting.world.conflicts()
    port = counting.world.port("P")

    take(
        port.node,
        port.tracked,
        record["id"],
        "child",
        by="me",
        at="2026-01-01T00:00:00+00:00",
        check=lambda: None,
    )
    counting.edit("c1", "add", 1, 2)
    counting.sync(None, (), None)

    assert counting.world.parent.run("SELECT qty FROM stock") == [(17,)]


FILES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["P", "truck"]),
            st.sampled_from(WAYS),
            st.integers(1, 2),
            st.sampled_from([1, 3, -2, 25]),
        ),
        st.tuples(st.sampled_from(["up", "up new", "down", "down new"])),
        st.tuples(st.just("take"), st.integers(0, 5)),
    ),
    min_size=4,
    max_size=16,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=FILES)
def test_every_addition_counts_once_whatever_becomes_of_the_files(steps):
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.exists() else None))
    sites = Sites(folder, SCHEMA, tables=("stock",), conflict=SUMMED)
    total, files = Counter(), []
    try:
        total[1] += change(sites.nodes["P"], "add", 1, 10)
        sites.take("truck", sites.down())
        for step in steps:
            match step:
                case (name, way, key, amount):
                    way = "add" if way == "null" and name != "P" else way
                    total[key] += change(sites.nodes[name], way, key, amount)
                case ("take", number):
                    carried(sites, files, number)
                case (kind,):
                    files.append(written(sites, kind))
        for key in list(total):
            total[key] += change(sites.nodes["P"], "add", key, -1000)
        for hours in range(1, 5):
            sites.now = 1_700_000_000.0 + hours * FAR_LATER_SECONDS
            sites.round()
        assert {row[0]: row[1] for row in sites.rows("P", "stock")} == dict(total)
        assert sites.rows("truck", "stock") == sites.rows("P", "stock")
    finally:
        sites.close()
        shutil.rmtree(folder)


def written(sites, kind):
    """A new file, and whom it is for."""
    way, _, new = kind.partition(" ")
    path = sites.up(only_new=bool(new)) if way == "up" else sites.down(only_new=bool(new))
    return ("P" if way == "up" else "truck"), path


def carried(sites, files, number):
    """One of the latest files arrives, perhaps again, or after a later one."""
    if files:
        name, path = files[-1 - number % len(files)]
        # One that comes too late, or too early, is refused.
        with suppress(FatalError):
            sites.take(name, path)
