"""What a review of the rules found, each with a small history."""

import time

import pytest

from syncd.errors import BusyError
from syncd.model.cluster import Combine, ConflictPolicy, DeleteRule, Winner
from syncd.repository.image import row_of
from syncd.repository.reapply import take
from tests.cluster.nodes import make_node
from tests.cluster.world import World

CODED = "CREATE TABLE t (id INTEGER PRIMARY KEY, code VARCHAR(20) UNIQUE, v VARCHAR(20))"
every_product = pytest.mark.parametrize(
    "product",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ],
)


@pytest.fixture
def start(tmp_path, request):
    """Makes a cluster of one product with one table, t, unless others are named."""
    made = []

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def begin(schema, policy=None, tables=("t",), product="sqlite", names=("c0",), parent=None, above=None):
        nodes = {name: make_node(product, schema, tmp_path, name, server) for name in names}
        top = make_node(above or product, parent or schema, tmp_path, "P", server)
        made.append(World(top, nodes, tables, policy))
        return made[-1]

    yield begin
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def settle(world, runs=3):
    """Some runs, each late enough for whatever waits."""
    for _ in range(runs):
        world.clock += 7200
        world.sync(strict=False)


def decide(world, number, side, columns=()):
    """What a person does."""
    port = world.port("P")
    world.sync(strict=False)
    return take(
        port.node,
        port.tracked,
        number,
        side,
        columns=columns,
        by="me",
        at="2026-01-01T00:00:00+00:00",
        check=lambda: None,
    )


def clash(world):
    """The child gives row 1 a code that the parent has just given to another row."""
    world.children["c0"].run("UPDATE t SET code = 'x' WHERE id = 1")
    world.parent.run("INSERT INTO t VALUES (3, 'x', 'three')")
    world.sync(strict=False)


def copies(world, table="t"):
    """The different contents that the repositories have."""
    return {tuple(node.rows(table)) for node in world.everyone().values()}


@every_product
def test_a_refused_edit_is_on_record_with_the_row_in_force_and_taking_that_row_keeps_it(start, product):
    world = start(CODED, product=product)
    world.parent.run("INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    world.sync()
    clash(world)
    (record,) = world.conflicts()
    assert row_of(("code", "v"), record["parent_row"]) == ("a", "one")

    decide(world, record["id"], "parent")
    settle(world)

    assert copies(world) == {((1, "a", "one"), (2, "b", "two"), (3, "x", "three"))}
    assert world.held() == world.held("c0") == []


@every_product
def test_a_refused_insert_goes_where_it_was_made_when_the_parent_is_right(start, product):
    world = start(CODED, product=product)
    world.sync()
    world.parent.run("INSERT INTO t VALUES (3, 'z', 'p3')")
    world.children["c0"].run("INSERT INTO t VALUES (4, 'z', 'c4')")
    world.sync(strict=False)

    decide(world, world.conflicts()[0]["id"], "parent")
    settle(world)

    assert copies(world) == {((3, "z", "p3"),)}


def test_columns_taken_of_a_refused_row_that_change_nothing_still_settle_it_everywhere(start):
    world = start(CODED)
    world.parent.run("INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    world.sync()
    clash(world)

    decide(world, world.conflicts()[0]["id"], "child", ("v",))
    settle(world)

    assert copies(world) == {((1, "a", "one"), (2, "b", "two"), (3, "x", "three"))}


def test_a_refused_row_that_has_changed_since_is_not_taken_unseen(start):
    world = start(CODED)
    world.parent.run("INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    world.sync()
    clash(world)
    world.parent.run("UPDATE t SET v = 'newer' WHERE id = 1")

    with pytest.raises(BusyError) as raised:
        decide(world, world.conflicts()[0]["id"], "parent")

    assert raised.value.code == "row_moved"


PRECIOUS = (5, "X", "precious")


def parted(start, product):
    """A child that has but a part of the table, and does not have the parent's row 5."""
    policy = ConflictPolicy(Winner.CHILD, delete=DeleteRule.WINS)
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, part VARCHAR(20), v VARCHAR(20))"
    world = start(schema, policy, product=product)
    world.wheres["c0", "t"] = "part = 'C'"
    world.parent.run("INSERT INTO t VALUES (5, 'X', 'precious'), (6, 'C', 'known')")
    world.sync()
    return world


@every_product
def test_a_row_that_a_child_made_and_took_back_does_not_delete_one_that_it_never_had(start, product):
    world = parted(start, product)
    child = world.children["c0"]

    child.run("INSERT INTO t VALUES (5, 'C', 'mine')")
    child.run("DELETE FROM t WHERE id = 5")
    world.sync()

    assert world.parent.rows("t") == [PRECIOUS, (6, "C", "known")]
    assert world.conflicts() == []


@every_product
def test_a_row_that_came_and_went_and_came_is_a_conflict_with_one_that_the_child_never_had(start, product):
    world = parted(start, product)
    child = world.children["c0"]

    child.run("INSERT INTO t VALUES (5, 'C', 'mine')")
    child.run("DELETE FROM t WHERE id = 5")
    child.run("INSERT INTO t VALUES (5, 'C', 'again')")
    world.sync()

    (record,) = world.conflicts()
    assert (record["kind"], record["winner"]) == ("insert/insert", "child")
    assert row_of(("part", "v"), record["parent_row"]) == PRECIOUS[1:]


@every_product
def test_a_known_row_that_went_came_and_went_is_deleted(start, product):
    world = parted(start, product)
    child = world.children["c0"]

    child.run("DELETE FROM t WHERE id = 6")
    child.run("INSERT INTO t VALUES (6, 'C', 'again')")
    child.run("DELETE FROM t WHERE id = 6")
    world.sync()

    assert world.parent.rows("t") == [PRECIOUS]
    assert world.conflicts() == []


def test_a_known_row_that_was_replaced_and_then_deleted_is_deleted(start):
    world = parted(start, "sqlite")
    child = world.children["c0"]

    child.run("INSERT OR REPLACE INTO t VALUES (6, 'C', 'again')")
    child.run("DELETE FROM t WHERE id = 6")
    world.sync()

    assert world.parent.rows("t") == [PRECIOUS]


@every_product
def test_a_child_whose_clock_is_a_day_ahead_wins_nothing_by_an_edit_that_met_no_conflict(start, product):
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(20))"
    world = start(schema, ConflictPolicy(Winner.NEWEST), product=product, names=("c0", "c1"))
    world.clock = time.time() - 60
    world.parent.run("INSERT INTO t VALUES (1, 'first')")
    world.sync()
    world.children["c0"].run("UPDATE t SET v = 'of a fast clock'")
    world.children["c0"].run("UPDATE syncd_world_1_log SET at = at + 86400000")
    world.children["c1"].run("UPDATE t SET v = 'really newest'")
    world.clock += 60

    members = world.sync()

    assert copies(world) == {((1, "really newest"),)}
    assert any("'c0' is ahead by more than 60 seconds" in said for said in members[0].warnings)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        pytest.param("postgresql", "timestamp(0)", marks=pytest.mark.postgresql),
        pytest.param("mysql", "datetime", marks=pytest.mark.mysql),
    ],
)
def test_a_time_that_is_too_fine_for_the_parent_waits_and_is_never_rounded(start, product, kind):
    world = start(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d TIMESTAMP)",
        parent=f"CREATE TABLE t (id INTEGER PRIMARY KEY, d {kind})",
        above=product,
    )
    world.sync()
    world.children["c0"].run("INSERT INTO t VALUES (1, '2026-01-01 10:00:00.750000')")

    waits = []
    for _ in range(4):
        world.sync(strict=False)
        (row,) = world.held()
        waits.append(row["next_try"] - world.clock * 1000)
        world.clock += 600

    assert waits == [10_000, 20_000, 40_000, 80_000]
    assert world.parent.rows("t") == []
    world.children["c0"].run("UPDATE t SET d = '2026-01-01 10:00:00'")
    world.sync()
    assert len(world.parent.rows("t")) == 1
    assert [record["state"] for record in world.conflicts()] == ["resolved"]


@every_product
def test_columns_that_only_the_parent_has_do_not_shift_what_a_merge_takes_for_changed(start, product):
    both = "a VARCHAR(20), b VARCHAR(20))"
    world = start(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {both}",
        ConflictPolicy(Winner.MERGE_FIELDS, then=Winner.PARENT),
        parent=f"CREATE TABLE t (id INTEGER PRIMARY KEY, extra VARCHAR(20), {both}",
        product=product,
        names=("c0", "c1"),
    )
    world.parent.run("INSERT INTO t VALUES (1, 'e', 'a', 'b'), (2, 'e', 'a', 'b'), (3, 'e', 'a', 'b')")
    world.sync()
    world.parent.run("UPDATE t SET a = 'of P' WHERE id = 1")
    world.parent.run("UPDATE t SET b = 'of P' WHERE id = 2")
    world.children["c0"].run("UPDATE t SET b = 'of c0'")
    world.children["c1"].run("UPDATE t SET a = 'of c1' WHERE id = 3")

    world.sync()
    world.sync()

    assert world.parent.run("SELECT a, b FROM t ORDER BY id") == [
        ("of P", "of c0"),
        ("a", "of P"),
        ("of c1", "of c0"),
    ]
    assert world.children["c0"].rows("t") == world.children["c1"].rows("t")


POINTING = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY);"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, FOREIGN KEY (a) REFERENCES a (id))"
)


@every_product
def test_a_row_goes_in_the_same_run_in_which_what_pointed_at_it_points_elsewhere(start, product):
    world = start(POINTING, tables=("a", "t"), product=product)
    world.parent.run("INSERT INTO a VALUES (1), (2)")
    world.parent.run("INSERT INTO t VALUES (10, 1)")
    world.sync()

    world.children["c0"].run("UPDATE t SET a = 2")
    world.children["c0"].run("DELETE FROM a WHERE id = 1")
    world.sync()
    assert world.parent.rows("a") == [(2,)]
    world.parent.run("INSERT INTO a VALUES (7)")
    world.parent.run("UPDATE t SET a = 7")
    world.parent.run("DELETE FROM a WHERE id = 2")
    world.sync()

    assert copies(world, "a") == {((7,),)}
    assert world.conflicts() == world.held() == world.held("c0") == []


RINGS = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, FOREIGN KEY (up) REFERENCES t (id));"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, t INTEGER NOT NULL, FOREIGN KEY (t) REFERENCES t (id))"
)


@every_product
def test_rows_that_point_at_each_other_in_a_circle_go_together(start, product):
    world = start(RINGS, tables=("t", "b"), product=product)
    world.parent.run("INSERT INTO t VALUES (1, NULL), (2, NULL), (3, NULL), (4, NULL), (5, NULL), (6, NULL)")
    world.sync()
    world.parent.run("UPDATE t SET up = 2 WHERE id IN (1, 3)")
    world.parent.run("UPDATE t SET up = 1 WHERE id = 2")
    world.parent.run("UPDATE t SET up = 5 WHERE id = 4")
    world.parent.run("UPDATE t SET up = 4 WHERE id = 5")
    world.parent.run("INSERT INTO b VALUES (1, 2)")
    world.sync()

    child = world.children["c0"]
    child.run("DELETE FROM b")
    child.run("UPDATE t SET up = NULL")
    child.run("DELETE FROM t WHERE id < 6")
    world.parent.run("UPDATE t SET up = 4 WHERE id = 6")
    world.sync()

    # What nothing else points at is gone; 4 and 5 are still pointed at by 6.
    assert world.parent.rows("t") == [(4, 5), (5, 4), (6, 4)]
    assert sorted(row_of(("id",), row["row_key"]) for row in world.held()) == [(4,), (5,)]
    world.parent.run("UPDATE t SET up = NULL WHERE id = 6")
    settle(world)
    assert copies(world) == {((6, None),)}


def test_rows_of_two_tables_that_point_at_each_other_go_together(start):
    schema = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER REFERENCES u DEFERRABLE INITIALLY DEFERRED);"
        "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t)"
    )
    world = start(schema, tables=("t", "u"))
    world.parent.run("INSERT INTO t VALUES (1, NULL)")
    world.parent.run("INSERT INTO u VALUES (1, 1)")
    world.parent.run("UPDATE t SET u = 1")
    world.sync()

    child = world.children["c0"]
    child.run("UPDATE t SET u = NULL")
    child.run("DELETE FROM u")
    child.run("DELETE FROM t")
    world.sync()

    assert copies(world) == copies(world, "u") == {()}
    assert world.conflicts() == []


def test_an_edit_that_wins_a_conflict_and_cannot_be_placed_is_not_recorded_as_a_winner(start):
    world = start(CODED, ConflictPolicy(Winner.CHILD))
    world.parent.run("INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    world.sync()
    world.parent.run("UPDATE t SET v = 'of P' WHERE id = 1")
    clash(world)

    settle(world, 4)

    assert [(one["kind"], one["state"]) for one in world.conflicts()] == [("unique", "open")]
    world.parent.run("DELETE FROM t WHERE id = 3")
    settle(world)
    assert [(one["kind"], one["winner"], one["state"]) for one in world.conflicts()] == [
        ("update/update", "child", "auto"),
        ("unique", "parent", "resolved"),
    ]
    assert copies(world) == {((1, "x", "one"), (2, "b", "two"))}


def test_a_text_that_is_no_number_but_reads_like_one_stops_no_run(start):
    policy = ConflictPolicy(Winner.PARENT, columns={"v": Combine.MAX})
    world = start("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", policy)
    world.parent.run("INSERT INTO t VALUES (1, 'a')")
    world.sync()
    world.children["c0"].run("UPDATE t SET v = 'nan'")
    world.parent.run("UPDATE t SET v = '7'")

    world.sync()

    assert copies(world) == {((1, "nan"),)}
