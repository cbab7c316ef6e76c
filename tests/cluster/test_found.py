"""What random histories found, each with its own small history."""

import json

import pytest

from syncd.errors import FatalError
from syncd.model.cluster import ClusterTable, ConflictPolicy, Direction, Winner
from syncd.repository.reapply import take
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


def test_who_builds_on_the_row_that_won_a_conflict_has_no_conflict(play):
    cluster = play(3)
    cluster.edit("P", ("insert", "thing", 0, 0, 0))
    cluster.sync()
    cluster.edit("c0", ("update", "thing", 0, 1, 1))
    cluster.edit("c1", ("update", "thing", 0, 1, 2))
    cluster.sync(["c0"])
    cluster.edit("c0", ("update", "thing", 0, 2, 3))
    cluster.sync(["c1"])

    cluster.sync()

    (record,) = cluster.world.conflicts()
    assert (record["child"], record["winner"]) == ("c1", "parent")


def test_who_builds_on_his_own_row_that_won_a_conflict_has_no_conflict(play):
    cluster = play(2, ConflictPolicy(Winner.CHILD))
    cluster.edit("P", ("insert", "thing", 0, 0, 0))
    cluster.sync()
    cluster.edit("c0", ("update", "thing", 0, 1, 1))
    cluster.edit("c1", ("update", "thing", 0, 1, 2))

    cluster.sync(None, [(moment, "c1", ("update", "thing", 0, 2, moment)) for moment in range(30, 80)])
    cluster.sync()

    assert [record["winner"] for record in cluster.world.conflicts()] == ["child"]


def test_filling_a_restored_parent_goes_on_after_a_crash_as_it_was_accepted(play):
    cluster = play(1)
    cluster.edit("P", ("insert", "thing", 0, 0, 0))
    cluster.sync()
    cluster.save("P")
    cluster.edit("c0", ("update", "thing", 0, 1, 1))
    cluster.sync()
    newer = cluster.world.children["c0"].contents()
    cluster.restore("P")

    for moment in range(1, 40):
        cluster.sync(None, (), moment)

    assert cluster.world.parent.contents() == newer


def test_a_child_that_is_busy_does_not_stop_the_filling_of_a_restored_parent(play):
    cluster = play(2)
    cluster.edit("P", ("insert", "thing", 0, 0, 0))
    cluster.sync()
    cluster.save("P")
    cluster.edit("c0", ("update", "thing", 0, 1, 1))
    cluster.sync()
    cluster.restore("P")
    cluster.begin("c0")

    members = cluster.sync()

    assert [member.failure is None for member in members] == [False, True]


def test_a_merge_takes_no_column_for_unchanged_whose_changes_were_not_recorded_then(play):
    cluster = play(2)
    cluster.write(
        "P", [[("INSERT INTO thing (id, mark, n, d) VALUES ('k', ?, 1, 'old')", (cluster.ledger.mark(),))]]
    )
    cluster.sync()
    cluster.write("P", [[("UPDATE thing SET n = 2, mark = ?", (cluster.ledger.mark(),))]])
    cluster.sync(["c1"])
    cluster.world.policy = ConflictPolicy(Winner.MERGE_FIELDS)
    cluster.sync(["c1"])
    cluster.write("c0", [[("UPDATE thing SET d = 'new', mark = ?", (cluster.ledger.mark(),))]])
    cluster.write("P", [[("UPDATE thing SET x = 0.5, mark = ?", (cluster.ledger.mark(),))]])

    cluster.sync()

    assert cluster.world.parent.run("SELECT n, x FROM thing") == [(2, 0.5)]


def code(cluster, name, key, value):
    """Somebody gives a thing a code, in a row of its own."""
    mark = cluster.ledger.mark()
    put = "INSERT INTO thing (id, mark, code) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET mark = ?, code = ?"
    cluster.write(name, [[(put, (key, mark, value, mark, value))]])


def test_a_row_that_a_child_could_not_take_does_not_come_over_what_was_settled_since(play):
    cluster = play(1, ConflictPolicy(Winner.CHILD))
    code(cluster, "P", "one", "A")
    cluster.sync()
    code(cluster, "c0", "two", "B")
    code(cluster, "P", "one", "B")
    cluster.sync()
    assert [(row["tbl"], row["code"]) for row in cluster.world.held("c0")] != []

    code(cluster, "c0", "one", "C")
    cluster.sync()
    code(cluster, "c0", "two", "D")
    cluster.world.clock += 7200
    cluster.sync()

    assert cluster.world.children["c0"].run("SELECT code FROM thing ORDER BY id") == [("C",), ("D",)]
    assert cluster.world.parent.run("SELECT code FROM thing ORDER BY id") == [("C",), ("D",)]


def test_a_merged_row_that_the_table_refuses_is_recorded_once_it_is_decided(play):
    cluster = play(1, ConflictPolicy(Winner.MERGE_FIELDS, then=Winner.PARENT))
    code(cluster, "P", "one", "A")
    code(cluster, "P", "two", "C")
    cluster.sync()
    code(cluster, "P", "two", "B")
    code(cluster, "c0", "one", "B")
    cluster.write("P", [[("UPDATE thing SET n = 5, mark = ? WHERE id = 'one'", (cluster.ledger.mark(),))]])
    for _ in range(3):
        cluster.sync()
        cluster.world.clock += 7200

    assert [record["kind"] for record in cluster.world.conflicts()] == ["unique"]
    code(cluster, "P", "two", "D")
    cluster.sync()

    assert [record["winner"] for record in cluster.world.conflicts()] == ["merged", "parent"]
    assert cluster.world.parent.run("SELECT n, code FROM thing ORDER BY id") == [(5, "B"), (None, "D")]


def test_taking_the_parents_side_of_a_refused_row_leaves_its_row_and_gives_it_to_the_child(play):
    cluster = play(1)
    code(cluster, "P", "one", "A")
    code(cluster, "P", "two", "B")
    cluster.sync()
    code(cluster, "P", "one", "C")
    code(cluster, "c0", "two", "C")
    cluster.sync()
    record = cluster.world.conflicts()[0]

    port = cluster.world.port("P")
    take(port.node, port.tracked, record["id"], "parent", by="me", at="2026-01-01T00:00:00+00:00", check=list)
    cluster.world.clock += 7200
    cluster.sync()

    assert (record["kind"], json.loads(record["parent_row"])["code"]) == ("unique", "B")
    rows = [("one", "C"), ("two", "B")]
    for node in cluster.world.everyone().values():
        assert node.run("SELECT id, code FROM thing ORDER BY id") == rows


def test_what_one_child_set_aside_is_not_settled_by_another_one(play):
    cluster = play(2)
    code(cluster, "P", "one", "A")
    code(cluster, "c0", "two", "A")
    code(cluster, "c1", "two", "A")
    cluster.sync()

    assert sorted(record["child"] for record in cluster.world.conflicts()) == ["c0", "c1"]
    code(cluster, "c1", "two", "B")
    cluster.sync(["c1"])

    open_ones = [record["child"] for record in cluster.world.conflicts() if record["state"] == "open"]
    assert open_ones == ["c0"]


def test_a_parent_is_known_as_restored_by_a_child_that_it_had_confirmed_but_not_answered(play):
    cluster = play(1)
    cluster.edit("P", ("insert", "pair", 0, 0, 0))
    cluster.sync()
    cluster.save("P")
    cluster.edit("c0", ("update", "pair", 0, 1, 1))
    cluster.sync(crash="before versions are applied")
    cluster.edit("c0", ("insert", "tree", 0, 0, 0))
    cluster.sync(crash="versions are placed")
    cluster.restore("P")

    with pytest.raises(FatalError, match="was restored from a copy"):
        cluster.world.sync()


def test_children_that_made_the_same_row_may_both_go_on_with_it(play):
    cluster = play(2)
    cluster.edit("P", ("insert", "pair", 0, 0, 0))
    cluster.sync()
    cluster.twin(["c0", "c1"], ("update", "pair", 0, 1, 1))
    cluster.sync(crash="before versions are applied")
    cluster.edit("c0", ("update", "pair", 0, 1, 2))

    cluster.sync()

    assert cluster.world.conflicts() == []


def test_a_row_that_only_counts_anew_is_no_conflict_for_who_has_it(play):
    cluster = play(3)
    cluster.edit("P", ("insert", "pair", 0, 0, 0))
    cluster.sync()
    cluster.twin(["c0", "c1"], ("update", "pair", 0, 1, 1))
    cluster.sync(["c0", "c2"])
    cluster.sync(["c1"])
    cluster.edit("c2", ("update", "pair", 0, 1, 2))

    cluster.sync()

    assert cluster.world.conflicts() == []
