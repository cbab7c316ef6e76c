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
