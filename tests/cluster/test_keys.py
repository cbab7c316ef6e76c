"""Rows that a GlobalID tells apart, while each database numbers its rows by itself."""

import pytest

from syncd.model.cluster import ClusterTable
from tests.cluster.world import SqliteNode, World

SCHEMA = "CREATE TABLE places (fid INTEGER PRIMARY KEY, GlobalID TEXT NOT NULL UNIQUE, name TEXT)"
LOOSE = "CREATE TABLE places (fid INTEGER PRIMARY KEY, GlobalID TEXT, name TEXT)"


@pytest.fixture
def worlds(tmp_path):
    made = []

    def make(parent, child):
        nodes = (SqliteNode(tmp_path / "p.db", parent), SqliteNode(tmp_path / "c.db", child))
        made.append(World(nodes[0], {"C": nodes[1]}, [ClusterTable("places", key=("GlobalID",))]))
        return made[-1]

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def names(node):
    return sorted(node.run("SELECT GlobalID, name FROM places"))


def test_rows_meet_by_their_globalid_and_keep_their_own_numbers(worlds):
    world = worlds(SCHEMA, SCHEMA)
    parent, child = world.parent, world.children["C"]
    parent.run("INSERT INTO places VALUES (1, 'g-parent', 'one')")
    child.run("INSERT INTO places VALUES (1, 'g-child', 'two')")
    world.sync()
    child.run("UPDATE places SET name = 'uno' WHERE GlobalID = 'g-parent'")
    parent.run("DELETE FROM places WHERE GlobalID = 'g-child'")

    world.sync()

    assert names(parent) == names(child) == [("g-parent", "uno")]
    assert parent.run("SELECT fid FROM places") == [(1,)]
    assert child.run("SELECT fid FROM places") == [(2,)]


@pytest.mark.parametrize("schemas", [(LOOSE, SCHEMA), (SCHEMA, LOOSE)], ids=["parent", "child"])
def test_a_key_that_may_be_empty_or_repeated_is_refused(worlds, schemas):
    world = worlds(*schemas)
    world.parent.run("INSERT INTO places VALUES (1, 'g', 'one')")

    world.sync(strict=False)

    assert names(world.children["C"]) == []
