"""Clusters of several products: every value that all of them can hold, every kind of edit at every node."""

import uuid

import pytest

from syncd.model.cluster import ConflictPolicy, Winner
from tests.cluster.equality import contents, differences, moved
from tests.cluster.nodes import PRODUCTS, make_node
from tests.cluster.world import World

pytestmark = [pytest.mark.postgresql, pytest.mark.mysql]

TEXTS = ["", "\\N", "\t\n\r\b\f\v", "\U0001f600 \u0065\u0301", "  x  ", "0012", "'\"`%s;--", "NULL", None]
TYPES = {
    "small": ("INTEGER", "smallint", "smallint", [-32768, 32767, 0, None]),
    "big": ("INTEGER", "bigint", "bigint", [-(2**63), 2**63 - 1, 0, None]),
    "amount": (
        "TEXT_DECIMAL(38,10)",
        "numeric(38,10)",
        "decimal(38,10)",
        ["1234567890123456789012345678.0123456789", "-0.0000000001", "9999999999999999999.5", "0", None],
    ),
    "exact": ("TEXT_DECIMAL(19,0)", "numeric(19,0)", "decimal(19,0)", ["9223372036854775807", "-1", None]),
    "rate": (
        "REAL",
        "double precision",
        "double",
        [0.1, 1.7976931348623157e308, 5e-324, 1e16, 1 / 3, None],
    ),
    "truth": ("BOOLEAN", "boolean", "tinyint(1)", ["1", "0", None]),
    "day": ("DATE", "date", "date", ["1000-01-01", "9999-12-31", "2024-02-29", None]),
    "hour": ("TIME(6)", "time", "time(6)", ["00:00:00", "23:59:59.999999", None]),
    "moment": (
        "DATETIME(6)",
        "timestamp",
        "datetime(6)",
        [
            "2026-03-29 01:59:59.999999",
            "1000-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
            "1960-01-01 00:00:00.5",
            None,
        ],
    ),
    "words": ("TEXT", "text", "longtext", TEXTS),
    "brief": ("VARCHAR(5)", "varchar(5)", "varchar(5)", ["abcde", "a    ", "\U0001f600", None]),
    "bytes": (
        "BLOB",
        "bytea",
        "longblob",
        [b"", b"\x00", b"\x00\xff\\\n\t", bytes(range(256)) * 300, None],
    ),
    "doc": (
        "JSON",
        "json",
        "json",
        ['{"a": 12345678901234567890.123456789}', '["\\u00e9", "\U0001f600"]', "null", "{}", None],
    ),
    "twin": ("UUID", "uuid", "uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None]),
}
"""Each type in every product, and values that all of them can hold."""
PARENTS = {
    "postgresql": ("sqlite", "mysql", "postgresql"),
    "sqlite": ("postgresql", "mysql", "sqlite"),
    "mysql": ("sqlite", "postgresql", "mysql"),
}
PARENT_WINS = ConflictPolicy(Winner.PARENT)
TABLES = ("sample", "owner", "part")


def schema_of(product):
    at = PRODUCTS.index(product)
    columns = ", ".join(f"{name} {kinds[at]}" for name, kinds in TYPES.items())
    key = ("UUID", "uuid", "uuid")[at]
    word = ("TEXT", "varchar(40)", "varchar(40)")[at]
    shut = " COLLATE utf8mb4_bin" if product == "mysql" else ""
    return (
        f"CREATE TABLE sample (id {key} PRIMARY KEY NOT NULL, {columns});"
        f"CREATE TABLE owner (region {word}{shut} NOT NULL, number integer NOT NULL, name {word},"
        " PRIMARY KEY (region, number));"
        f"CREATE TABLE part (id bigint PRIMARY KEY NOT NULL, region {word}{shut}, number integer, code {word}{shut} UNIQUE, name {word},"
        " FOREIGN KEY (region, number) REFERENCES owner (region, number) ON DELETE CASCADE)"
    )


@pytest.fixture
def make_world(tmp_path, request):
    """Makes a cluster with that parent, and a child of each product."""
    made = []

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def make(parent, schema=schema_of, tables=TABLES, policy=PARENT_WINS):
        products = {"P": parent, **{f"c{at}": kind for at, kind in enumerate(PARENTS[parent])}}
        nodes = {
            name: make_node(kind, schema(kind), tmp_path, name, server) for name, kind in products.items()
        }
        world = World(nodes["P"], {name: nodes[name] for name in nodes if name != "P"}, tables, policy)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def converge(world, tables=TABLES):
    """Two runs; then all are equal, and a third one moves nothing."""
    world.sync()
    world.clock += 3600
    said = [warning for member in world.sync() for warning in member.warnings]
    assert said == []
    assert differences(world, tables) == []
    assert moved(world.sync()) == 0


def fill(node, offset):
    """A row for each value of each type, the other columns without one; and one row of all first values."""
    names = list(TYPES)
    marks = ", ".join("?" for _ in range(len(names) + 1))
    rows = [[kinds[3][0] for kinds in TYPES.values()], [None] * len(names)]
    for at, kinds in enumerate(TYPES.values()):
        rows += [[value if other == at else None for other in range(len(names))] for value in kinds[3]]
    for at, row in enumerate(rows):
        key = str(uuid.UUID(int=offset * 1000 + at))
        node.run(f"INSERT INTO sample (id, {', '.join(names)}) VALUES ({marks})", (key, *row))
    return len(rows)


@pytest.mark.parametrize("parent", PARENTS)
def test_every_value_reaches_every_product_unchanged(make_world, parent):
    world = make_world(parent)
    count = sum(fill(node, at) for at, node in enumerate(world.everyone().values()))

    converge(world)

    assert world.conflicts() == []
    for name in world.children:
        assert len(contents(world, name, "sample", name)) == count
    for product, node in world.everyone().items():
        key = str(uuid.UUID(int=0))
        assert node.run("SELECT count(*) FROM sample WHERE id = ?", (key,))[0][0] == 1, product


@pytest.mark.parametrize("parent", PARENTS)
def test_each_column_updated_at_each_node_arrives_everywhere(make_world, parent):
    world = make_world(parent)
    everyone = list(world.everyone().values())
    fill(everyone[0], 0)
    converge(world)

    for at, kinds in enumerate(TYPES.items()):
        name, (_, _, _, values) = kinds
        for turn, value in enumerate(values):
            node = everyone[(at + turn) % len(everyone)]
            key = str(uuid.UUID(int=2 + at * 3 + turn))
            node.run(f"UPDATE sample SET {name} = ? WHERE id = ?", (value, key))
            node.run("UPDATE sample SET brief = ? WHERE id = ?", (f"t{turn}", key))
    converge(world)

    everyone[1].run("DELETE FROM sample WHERE id = ?", (str(uuid.UUID(int=2)),))
    everyone[2].run(
        "UPDATE sample SET id = ? WHERE id = ?", (str(uuid.UUID(int=7777)), str(uuid.UUID(int=3)))
    )
    converge(world)
    assert everyone[3].run("SELECT count(*) FROM sample WHERE id = ?", (str(uuid.UUID(int=7777)),))[0][0] == 1


def plant(world):
    """Owners of every node with parts."""
    for at, node in enumerate(world.everyone().values()):
        for number in range(3):
            node.run("INSERT INTO owner (region, number, name) VALUES (?, ?, ?)", (f"R{at}", number, "o"))
            for part in range(2):
                code = f"k{at}-{number}-{part}"
                node.run(
                    "INSERT INTO part (id, region, number, code, name) VALUES (?, ?, ?, ?, ?)",
                    (at * 100 + number * 10 + part, f"R{at}", number, code, "p"),
                )
    converge(world)


@pytest.mark.parametrize("parent", PARENTS)
def test_edits_of_all_kinds_at_every_node_meet_everywhere(make_world, parent):
    world = make_world(parent)
    plant(world)
    everyone = list(world.everyone().values())

    for at, node in enumerate(everyone):
        other = (at + 1) % len(everyone)
        node.run("UPDATE owner SET name = ? WHERE region = ? AND number = 0", (f"by {at}", f"R{other}"))
        node.run("DELETE FROM owner WHERE region = ? AND number = 1", (f"R{other}",))
        node.run("UPDATE part SET id = id + 1000 WHERE id = ?", (other * 100 + 20,))
        node.run("UPDATE part SET region = NULL, number = NULL WHERE id = ?", (other * 100 + 21,))
    converge(world)

    assert world.conflicts() == []
    for node in everyone:
        assert node.run("SELECT count(*) FROM owner") == [(8,)]
        assert node.run("SELECT count(*) FROM part") == [(16,)]
        assert node.run("SELECT count(*) FROM part WHERE id >= 1000") == [(4,)]


@pytest.mark.parametrize("parent", PARENTS)
def test_conflicts_between_products_are_decided_once_and_both_images_kept(make_world, parent):
    world = make_world(parent)
    plant(world)

    for name, node in world.everyone().items():
        node.run("UPDATE part SET name = ? WHERE id = 0", (f"by {name}",))
        node.run("UPDATE part SET code = ? WHERE id = 1", (f"code {name}",))
    world.parent.run("DELETE FROM part WHERE id = 100")
    world.children["c1"].run("UPDATE part SET name = 'kept' WHERE id = 100")
    converge(world)

    assert {
        row[0] for node in world.everyone().values() for row in node.run("SELECT name FROM part WHERE id = 0")
    } == {"by P"}
    images = " ".join(f"{one['parent_row']} {one['child_row']}" for one in world.conflicts())
    for name in world.everyone():
        assert f"by {name}" in images
        assert f"code {name}" in images
    assert "kept" in images


@pytest.mark.parametrize("parent", PARENTS)
def test_rows_of_two_nodes_that_want_the_same_unique_value_cost_neither(make_world, parent):
    world = make_world(parent)
    plant(world)

    for at, (name, node) in enumerate(world.everyone().items()):
        node.run("INSERT INTO part (id, code, name) VALUES (?, 'wanted', ?)", (5000 + at, f"of {name}"))
    world.sync()
    world.clock += 3600
    world.sync()

    first = world.parent.run("SELECT id FROM part WHERE code = 'wanted'")
    assert first == [(5000,)]
    aside = " ".join(row["image"] for row in world.held())
    for name in world.children:
        assert f"of {name}" in aside
        assert world.children[name].run("SELECT count(*) FROM part WHERE name = ?", (f"of {name}",)) == [(1,)]

    for at, node in enumerate(world.children.values()):
        node.run("UPDATE part SET code = ? WHERE id = ?", (f"other {at}", 5001 + at))
    converge(world)
    assert world.held() == []
    assert world.parent.run("SELECT count(*) FROM part WHERE id >= 5000") == [(4,)]


@pytest.mark.parametrize("parent", PARENTS)
def test_unique_values_that_are_swapped_arrive_in_every_product(make_world, parent):
    world = make_world(parent)
    plant(world)

    for at, node in enumerate(world.everyone().values()):
        one, two = at * 100, at * 100 + 1
        (a,), (b,) = (node.run("SELECT code FROM part WHERE id = ?", (key,))[0] for key in (one, two))
        for key, code in ((one, "between"), (two, a), (one, b)):
            node.run("UPDATE part SET code = ? WHERE id = ?", (code, key))
    converge(world)

    assert world.conflicts() == []
    assert world.held() == []


def shapes_of(product):
    kind = {"sqlite": "BLOB", "postgresql": "bytea", "mysql": "geometry"}[product]
    return f"CREATE TABLE place (id bigint PRIMARY KEY NOT NULL, shape {kind})"


@pytest.mark.parametrize("parent", PARENTS)
def test_geometry_of_one_product_is_kept_by_the_others(make_world, parent):
    world = make_world(parent, shapes_of, ("place",))
    maria = next(node for node in world.everyone().values() if node.product == "mysql")
    maria.run(
        "INSERT INTO place VALUES (1, ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 4,0 0))', 4326)), (2, NULL)"
    )
    maria.run("INSERT INTO place VALUES (3, ST_GeomFromText('POINT(1.5 -2.25)'))")

    converge(world, ("place",))
    maria.run("UPDATE place SET shape = ST_GeomFromText('LINESTRING(0 0,1 1e-9)', 4326) WHERE id = 2")
    converge(world, ("place",))

    for node in world.everyone().values():
        assert node.run("SELECT count(*) FROM place WHERE shape IS NOT NULL") == [(3,)]


def named(node, name, column="words"):
    return node.run(f"SELECT {column} FROM sample WHERE words = ?", (name,))


@pytest.mark.parametrize(
    ("value", "without"),
    [("-0", {"mysql", "sqlite"}), ("NaN", {"mysql"}), ("Infinity", {"mysql"})],
    ids=["minus zero", "not a number", "infinity"],
)
def test_a_number_that_a_product_cannot_hold_is_set_aside_there_alone(make_world, value, without):
    world = make_world("postgresql")
    key = str(uuid.UUID(int=1))
    world.parent.run("INSERT INTO sample (id, rate, words) VALUES (?, ?, 'odd')", (key, value))
    world.parent.run("INSERT INTO sample (id, words) VALUES (?, 'plain')", (str(uuid.UUID(int=2)),))

    world.sync()

    for name, node in world.children.items():
        there = [] if node.product in without else [("odd",)]
        assert named(node, "odd") == there, world.held(name)
        assert named(node, "plain") == [("plain",)]
        held = [] if there else [f'{{"id": "{key}"}}']
        assert [row["row_key"] for row in world.held(name)] == held

    world.parent.run("UPDATE sample SET rate = 1.5 WHERE words = 'odd'")
    converge(world)
    assert [world.held(name) for name in world.children] == [[], [], []]


@pytest.mark.parametrize("parent", ["postgresql", "mysql"])
def test_a_time_with_too_many_digits_is_set_aside_and_goes_when_it_is_shortened(make_world, parent):
    world = make_world(parent)
    child = next(node for node in world.children.values() if node.product == "sqlite")
    add = "INSERT INTO sample (id, moment, words) VALUES (?, ?, ?)"
    child.run(add, (str(uuid.UUID(int=1)), "2026-03-01 12:00:00.1234567", "fine"))
    child.run(add, (str(uuid.UUID(int=2)), "2026-03-01 12:00:00.123", "coarse"))

    world.sync()

    assert named(world.parent, "fine") == []
    assert len(named(world.parent, "coarse")) == 1
    assert [row["code"] for row in world.held()] == ["too_fine"]
    assert named(child, "fine", "moment") == [("2026-03-01 12:00:00.1234567",)]

    child.run("UPDATE sample SET moment = '2026-03-01 12:00:00.123457' WHERE words = 'fine'")
    converge(world)
    assert len(named(world.parent, "fine")) == 1


def test_rows_that_a_user_holds_are_named_by_their_table_and_wait_for_the_next_run(make_world):
    world = make_world("sqlite")
    held = [world.children["c0"], world.children["c1"]]
    world.parent.run("INSERT INTO owner VALUES ('x', 1, 'first')")
    converge(world)
    users = [node.another() for node in held]
    for user in users:
        user.cursor().execute("BEGIN")
        user.cursor().execute("UPDATE owner SET name = 'mine' WHERE number = 1")
    world.parent.run("UPDATE owner SET name = 'second' WHERE number = 1")

    members = world.sync(strict=False)

    failures = {member.child.repository: member.failure for member in members}
    for name in ("c0", "c1"):
        assert failures[name].code == "row_locked"
        assert "a transaction of somebody else holds rows that are needed in " in failures[name].message
        assert "owner" in failures[name].message
    assert failures["c2"] is None
    for user in users:
        user.cursor().execute("ROLLBACK")
        user.close()
    converge(world)
    assert [node.run("SELECT name FROM owner") for node in held] == [[("second",)], [("second",)]]
