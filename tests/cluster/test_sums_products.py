"""Columns that are summed, in every product: numbers of all kinds, whoever is the parent."""

from decimal import Decimal

import pytest

from syncd.model.cluster import ClusterTable, Combine, ConflictPolicy, Winner
from tests.cluster.nodes import make_node
from tests.cluster.test_mixed import PARENTS, converge
from tests.cluster.world import World

pytestmark = [pytest.mark.postgresql, pytest.mark.mysql]

COLUMNS = {
    "sqlite": "id INTEGER PRIMARY KEY, qty INTEGER, price TEXT_DECIMAL(12,2), rate REAL, note TEXT",
    "postgresql": "id bigint PRIMARY KEY, qty bigint, price numeric(12,2), rate double precision, note text",
    "mysql": "id bigint PRIMARY KEY, qty bigint, price decimal(12,2), rate double, note longtext",
}
SCHEMA = (
    "CREATE TABLE shop (id bigint PRIMARY KEY);"
    "CREATE TABLE stock ({}, shop bigint, FOREIGN KEY (shop) REFERENCES shop (id) ON DELETE CASCADE)"
)
TABLES = [ClusterTable("shop", conflict=ConflictPolicy()), ClusterTable("stock")]
SUMMED = ConflictPolicy(Winner.MERGE_FIELDS, columns=dict.fromkeys(("qty", "price", "rate"), Combine.SUM))
STOCK = "SELECT qty, price, rate FROM stock WHERE id = ?"


@pytest.fixture
def make_world(tmp_path, request):
    """Makes a cluster with that parent, and a child of each product."""
    made = []

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def make(parent, policy=SUMMED):
        products = {"P": parent, **{f"c{at}": kind for at, kind in enumerate(PARENTS[parent])}}
        nodes = {
            name: make_node(kind, SCHEMA.format(COLUMNS[kind]), tmp_path, name, server)
            for name, kind in products.items()
        }
        world = World(nodes["P"], {name: nodes[name] for name in nodes if name != "P"}, TABLES, policy)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def numbers(node, key):
    """A row's numbers as every product means them."""
    return [None if value is None else Decimal(str(value)) for value in node.run(STOCK, (key,))[0]]


def add(node, key, qty, price, rate):
    """Add to a row as a program does."""
    text = "printf('%.2f', price + ?)" if node.product == "sqlite" else "price + ?"
    node.run(
        f"UPDATE stock SET qty = qty + ?, price = {text}, rate = rate + ? WHERE id = ?",
        (qty, price, rate, key),
    )


@pytest.mark.parametrize("parent", PARENTS)
def test_what_all_nodes_add_counts_in_every_product(make_world, parent):
    world = make_world(parent)
    world.parent.run("INSERT INTO stock (id, qty, price, rate) VALUES (1, 10, '10.10', 0.5)")
    world.sync()

    for at, node in enumerate(world.everyone().values()):
        add(node, 1, 10**at, 0.25, 0.125)
        add(node, 1, 10**at, 0.25, 0.125)
        node.run("UPDATE stock SET note = 'x' WHERE id = 1")
    converge(world, ("stock",))

    for node in world.everyone().values():
        assert numbers(node, 1) == [Decimal(2232), Decimal("12.10"), Decimal("1.5")]
    assert {record["winner"] for record in world.conflicts()} == {"merged"}


@pytest.mark.parametrize("parent", PARENTS)
def test_rows_put_in_anew_and_inserted_everywhere_count_what_they_add(make_world, parent):
    world = make_world(parent)
    world.parent.run("INSERT INTO stock (id, qty, price, rate) VALUES (1, 100, NULL, 1)")
    world.sync()

    for node in world.everyone().values():
        node.run("DELETE FROM stock WHERE id = 1")
        node.run("INSERT INTO stock (id, qty, price, rate) VALUES (1, 101, '0.50', 1)")
        node.run("INSERT INTO stock (id, qty, price, rate) VALUES (2, 5, '1.00', NULL)")
    converge(world, ("stock",))

    for node in world.everyone().values():
        assert numbers(node, 1) == [Decimal(104), Decimal("2.00"), Decimal(1)]
        assert numbers(node, 2) == [Decimal(20), Decimal("4.00"), None]


@pytest.mark.parametrize("parent", PARENTS)
def test_summing_that_is_turned_on_later_counts_edits_from_then_on(make_world, parent):
    world = make_world(parent, ConflictPolicy(Winner.MERGE_FIELDS))
    world.parent.run("INSERT INTO stock (id, qty, price, rate) VALUES (1, 10, '1.00', 1), (2, 10, '1.00', 1)")
    world.sync()
    for node in world.everyone().values():
        add(node, 1, 1, 0, 0)
    world.policy = SUMMED
    world.sync()
    assert numbers(world.parent, 1)[0] == 11

    for node in world.everyone().values():
        add(node, 2, 1, 0, 0)
    converge(world, ("stock",))

    for node in world.everyone().values():
        assert numbers(node, 2)[0] == 14


@pytest.mark.parametrize("parent", PARENTS)
def test_a_sum_that_no_column_holds_waits_until_it_does(make_world, parent):
    world = make_world(parent)
    world.parent.run(f"INSERT INTO stock (id, qty, price, rate) VALUES (1, {2**63 - 8}, '1.00', 1)")
    world.sync()
    add(world.parent, 1, 7, 0, 0)
    add(world.children["c0"], 1, 5, 0, 0)
    world.sync()
    assert [row["tbl"] for row in world.held()] != []

    add(world.parent, 1, -100, 0, 0)
    add(world.children["c0"], 1, 1, 0, 0)
    world.clock += 7200
    converge(world, ("stock",))

    for node in world.everyone().values():
        assert numbers(node, 1)[0] == 2**63 - 8 + 7 + 5 - 100 + 1


@pytest.mark.parametrize("parent", PARENTS)
def test_a_row_that_goes_with_another_and_comes_again_adds_the_difference(make_world, parent):
    world = make_world(parent)
    world.parent.run("INSERT INTO shop VALUES (7)")
    world.parent.run("INSERT INTO stock (id, qty, price, rate, shop) VALUES (1, 10, '1.00', 1, 7)")
    world.sync()

    for node in world.children.values():
        node.run("DELETE FROM shop WHERE id = 7")
        node.run("INSERT INTO shop VALUES (7)")
        node.run("INSERT INTO stock (id, qty, price, rate, shop) VALUES (1, 11, '1.00', 1, 7)")
    add(world.parent, 1, 5, 0, 0)
    converge(world, ("shop", "stock"))

    for node in world.everyone().values():
        assert numbers(node, 1) == [Decimal(18), Decimal("1.00"), Decimal(1)]
