"""What a new user found about tables that change while they are synchronised."""

import pytest

from syncd.model.cluster import ClusterTable, Direction
from tests.cluster.nodes import PRODUCTS, make_node
from tests.cluster.world import World

TABLE = "CREATE TABLE t(id INTEGER PRIMARY KEY, a VARCHAR(30), b VARCHAR(30))"


@pytest.fixture
def start(tmp_path, request):
    """Makes a cluster of one product; each node has the table t with what the schema says."""
    made = []

    def server(kind):
        return request.getfixturevalue("postgres" if kind == "postgresql" else "mariadb")

    def make(product="sqlite", schema=TABLE, tables=("t",), names=("P", "c0", "c1"), **options):
        nodes = {name: make_node(product, schema, tmp_path, name, server) for name in names}
        made.append(World(nodes.pop("P"), nodes, tables, **options))
        made[-1].parent.run("INSERT INTO t(id, a, b) VALUES (1, 'x', 'y'), (2, 'x', 'y'), (3, 'x', 'y')")
        return made[-1]

    yield make
    for world in made:
        world.close_ports()
        for one in world.everyone().values():
            one.close()


def anew(world):
    """The next run is of another process."""
    world.close_ports()
    return world.sync()


def everywhere(world):
    """What all hold, which is the same."""
    found = [one.rows("t") for one in world.everyone().values()]
    assert found == [found[0]] * len(found)
    return found[0]


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_table_that_only_sent_and_goes_both_ways_now_gets_the_parents_rows(start, product):
    world = start(product, tables=(ClusterTable("t", Direction.UP),))
    world.children["c0"].run("INSERT INTO t VALUES (9, 'local', 'y')")
    world.sync()
    world.children["c1"].run("UPDATE t SET a = 'not there yet' WHERE id = 9")

    world.tables = (ClusterTable("t"),)
    anew(world)

    assert [row[0] for row in everywhere(world)] == [1, 2, 3, 9]
    assert world.conflicts() == []


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_table_that_only_received_and_goes_both_ways_now_loses_nothing(start, product):
    world = start(product, tables=(ClusterTable("t", Direction.DOWN),))
    world.sync()
    child = world.children["c0"]
    child.run("INSERT INTO t VALUES (9, 'local', 'y')")
    child.run("UPDATE t SET a = 'edited' WHERE id = 1")
    child.run("DELETE FROM t WHERE id = 2")

    world.tables = (ClusterTable("t"),)
    anew(world)

    assert everywhere(world) == [(1, "x", "y"), (2, "x", "y"), (3, "x", "y"), (9, "local", "y")]
    (record,) = world.conflicts()
    assert (record["row_key"], record["winner"]) == ('{"id": 1}', "parent")
    world.children["c1"].run("UPDATE t SET b = 'goes on' WHERE id = 3")
    anew(world)
    assert everywhere(world)[2] == (3, "x", "goes on")


ADDED = "ALTER TABLE t ADD COLUMN z VARCHAR(20)"


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_column_that_a_child_gets_later_comes_with_its_values(start, product):
    world = start(product)
    world.sync()
    first, second = world.children.values()
    for one in (world.parent, first):
        one.run(ADDED)
    anew(world)
    world.parent.run("UPDATE t SET z = 'precious'")
    world.sync()

    second.run("UPDATE t SET b = 'before' WHERE id = 2")
    second.run(ADDED)
    second.run("UPDATE t SET b = 'between' WHERE id = 3")
    second.run("INSERT INTO t VALUES (4, 'new', 'y', 'own')")
    anew(world)
    second.run("UPDATE t SET b = 'after' WHERE id = 1")
    world.sync()

    assert everywhere(world) == [
        (1, "x", "after", "precious"),
        (2, "x", "before", "precious"),
        (3, "x", "between", "precious"),
        (4, "new", "y", "own"),
    ]
    assert world.conflicts() == []


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_values_that_a_child_had_in_a_new_column_are_taken_or_kept_in_a_record(start, product):
    world = start(product)
    world.sync()
    child = world.children["c1"]
    for one in world.everyone().values():
        one.run(ADDED)
    child.run("UPDATE t SET z = 'taken' WHERE id = 1")
    child.run("UPDATE t SET z = 'loses' WHERE id = 2")
    world.parent.run("UPDATE t SET z = 'wins' WHERE id = 2")

    anew(world)

    assert [row[3] for row in everywhere(world)] == ["taken", "wins", None]
    (record,) = world.conflicts()
    assert (record["row_key"], record["winner"]) == ('{"id": 2}', "parent")


def test_a_column_that_the_parent_gets_last_is_filled_by_the_child_that_had_it(start):
    world = start(names=("P", "c0"))
    child = world.children["c0"]
    child.run(ADDED)
    child.run("UPDATE t SET z = 'local' WHERE id = 2")
    world.sync()
    child.run("UPDATE t SET z = 'of the child' WHERE id = 2")

    world.parent.run(ADDED)
    anew(world)

    assert everywhere(world) == [(1, "x", "y", None), (2, "x", "y", "of the child"), (3, "x", "y", None)]


def rebuilt(node):
    """Build the table anew, as tools do that alter one."""
    node.run("ALTER TABLE t RENAME TO o")
    node.run(TABLE)
    node.run("INSERT INTO t SELECT * FROM o")
    node.run("DROP TABLE o")


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_edits_in_a_table_that_a_child_built_anew_are_judged_with_a_record(start, product):
    world = start(product)
    world.sync()
    child = world.children["c0"]
    rebuilt(child)
    child.run("UPDATE t SET a = 'field work' WHERE id = 1")
    child.run("DELETE FROM t WHERE id = 3")
    child.run("INSERT INTO t VALUES (4, 'new', 'y')")

    anew(world)

    assert everywhere(world) == [(1, "x", "y"), (2, "x", "y"), (3, "x", "y"), (4, "new", "y")]
    (record,) = world.conflicts()
    assert "field work" in record["child_row"]


def test_a_childs_table_that_was_dropped_and_made_empty_is_filled_again(start):
    world = start()
    world.sync()
    node = world.children["c0"]
    node.run("DROP TABLE t")
    node.run(TABLE)

    anew(world)

    assert everywhere(world) == [(1, "x", "y"), (2, "x", "y"), (3, "x", "y")]


def test_a_column_that_only_one_side_has_is_named_in_the_run_in_which_it_changes(start):
    world = start(names=("P", "c0"))
    (first,) = world.sync()
    world.parent.run("ALTER TABLE t RENAME COLUMN a TO aa")

    (second,) = anew(world)
    (third,) = anew(world)

    said = "t: column aa only at the parent, column a only at 'c0': not synchronised"
    assert (first.warnings, second.warnings, third.warnings) == ([], [said], [])
