"""What random histories found, each with its own small history."""

import pytest

from syncd.model.cluster import ClusterTable, ConflictPolicy, Direction, Winner
from tests.cluster.play import PLAIN, Play
from tests.cluster.playground import PATCHES, SqliteCopy, template
from tests.cluster.world import SqliteNode, World


@pytest.fixture
def play(tmp_path):
    """Makes a cluster of SQLite files; its end is checked as that of every random history."""
    made = []

    def start(children=2, policy=PLAIN):
        made.append(
            Play(
                tmp_path,
                lambda name: SqliteCopy(tmp_path / f"{name}.db", template()),
                children,
                policy,
                PATCHES,
            )
        )
        return made[0]

    yield start
    made[0].finish()
    made[0].close()


def test_a_copy_of_a_child_is_refused_under_another_name_too(play):
    cluster = play(1)
    cluster.edit("c0", ("insert", "thing", 0, 0, 0))
    cluster.sync()

    cluster.clone("c0")

    assert [peer.name for peer in cluster.world.port("P").peers()] == ["c0"]


def test_replacing_a_row_that_the_child_has_is_no_conflict(play):
    cluster = play(1)
    cluster.edit("P", ("insert", "thing", 0, 0, 0))
    cluster.sync()
    cluster.edit("c0", ("replace", "thing", 0, 0, 3))

    cluster.sync()

    assert cluster.world.conflicts() == []
    assert cluster.world.parent.contents() == cluster.world.children["c0"].contents()


def test_children_that_only_send_do_not_overwrite_each_other_unseen(tmp_path):
    schema = "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT)"
    nodes = {name: SqliteNode(tmp_path / name, schema) for name in ("P", "c0", "c1")}
    world = World(
        nodes.pop("P"),
        nodes,
        [ClusterTable("note", direction=Direction.UP)],
        ConflictPolicy(Winner.PARENT),
    )
    world.sync()
    nodes["c0"].run("INSERT INTO note VALUES (1, 'first')")
    world.sync()

    nodes["c1"].run("INSERT INTO note VALUES (1, 'second')")
    world.sync()

    assert world.parent.rows("note") == [(1, "first")]
    assert len(world.conflicts()) == 1
    world.close_ports()
