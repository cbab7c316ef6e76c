"""What a review found in how a cluster meets its databases, each with its own small history."""

import pytest

from tests.cluster.nodes import make_node
from tests.cluster.world import World


@pytest.fixture
def make_world(tmp_path, request):
    """Makes a cluster of a parent and children; each node's schema, or one for all, and its product."""
    made = []

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def make(schema, tables=("t",), policy=None, products=None, names=("P", "c0"), **options):
        schemas = schema if isinstance(schema, dict) else dict.fromkeys(names, schema)
        kinds = products or dict.fromkeys(schemas, "sqlite")
        nodes = {name: make_node(kinds[name], sql, tmp_path, name, server) for name, sql in schemas.items()}
        made.append(World(nodes.pop("P"), nodes, tables, policy, **options))
        return made[0]

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


@pytest.mark.parametrize("word", ["REPLACE", "IGNORE", "ROLLBACK", "FAIL"])
def test_a_row_that_clashes_waits_whatever_the_table_says_about_conflicts(make_world, word):
    world = make_world(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE ON CONFLICT {word})")
    world.sync()
    world.parent.run("INSERT INTO t VALUES (4, 'w'), (5, 'x')")
    world.children["c0"].run("INSERT INTO t VALUES (3, 'w'), (6, 'y')")

    world.sync()

    assert world.parent.rows("t") == [(4, "w"), (5, "x"), (6, "y")]
    assert world.children["c0"].rows("t") == [(3, "w"), (5, "x"), (6, "y")]
    assert [(each["kind"], each["state"]) for each in world.conflicts()] == [("unique", "open")]


def test_triggers_of_a_user_keep_their_own_word_about_conflicts(make_world):
    world = make_world(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE last (one INTEGER PRIMARY KEY, v TEXT);"
        "CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO last VALUES (1, NEW.v); END"
    )
    world.sync()
    world.children["c0"].run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")

    world.sync()

    assert world.parent.run("SELECT v FROM last") == [("b",)]
