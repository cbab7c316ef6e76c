"""Columns that are summed: whoever adds to them, whenever, every addition counts once."""

import shutil
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.engine.exchange import Exchange
from syncd.model.cluster import Combine, ConflictPolicy, Winner
from syncd.repository import arrival, departure
from tests.cluster.play import Crash
from tests.cluster.playground import MEMORY
from tests.cluster.world import SqliteNode, World

SCHEMA = (
    "CREATE TABLE stock (id INTEGER PRIMARY KEY, qty INTEGER CHECK (qty < 60), price DECIMAL(9,2), note TEXT)"
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
    st.sampled_from(NODES), st.sampled_from(WAYS), st.integers(1, 3), st.sampled_from([1, 2, 5, -3, 20])
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
            patch.setattr(
                Exchange,
                "_each",
                lambda run, members, act: [run._guard(m, lambda m=m: act(m)) for m in members],
            )
            try:
                self.world.sync(names, passing, strict=False)
            except Crash:
                self.world.close_ports()

    def settle(self):
        """Make room under the highest value, try what waits again, and compare."""
        for key in list(self.total):
            self.edit("P", "add", key, -1000)
        for _ in range(4):
            self.world.clock += FAR_LATER_SECONDS
            self.world.sync()
        assert self.world.held() == []
        rows = self.world.parent.rows("stock")
        assert {row[0]: row[1] for row in rows} == dict(self.total)
        for node in self.nodes.values():
            assert node.rows("stock") == rows

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
        counting.settle()
    finally:
        counting.close()
        shutil.rmtree(folder)
