"""A table, or a child, comes later, and brings rows along."""

import shutil

import pytest

from syncd.errors import FatalError
from syncd.model.cluster import ClusterTable
from tests.cluster.world import SqliteNode, World

SCHEMA = "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT)"


def test_rows_of_a_table_that_is_shared_later_are_kept_and_sent(tmp_path):
    world = World(SqliteNode(tmp_path / "p.db", SCHEMA), {"C": SqliteNode(tmp_path / "c.db", SCHEMA)}, ["a"])
    world.children["C"].run("INSERT INTO a VALUES (1, 'x')")
    world.children["C"].run("INSERT INTO b VALUES (1, 'mine')")
    world.sync()
    world.sync()

    world.tables = (ClusterTable("a"), ClusterTable("b"))
    world.sync()

    assert world.parent.rows("b") == world.children["C"].rows("b") == [(1, "mine")]
    world.close_ports()


def test_copy_of_a_child_under_another_name_is_refused(tmp_path):
    world = World(SqliteNode(tmp_path / "p.db", SCHEMA), {"C": SqliteNode(tmp_path / "c.db", SCHEMA)}, ["a"])
    world.sync()
    world.children["C"].run("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(tmp_path / "c.db", tmp_path / "d.db")
    world.children["D"] = SqliteNode(tmp_path / "d.db", "")

    with pytest.raises(FatalError, match="identity used twice") as caught:
        world.sync()

    assert caught.value.code == "identity"
    world.close_ports()
