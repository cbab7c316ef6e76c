"""What a review found in how a cluster meets its databases, each with its own small history."""

import pytest

from syncd.engine.exchange import Exchange
from syncd.model.cluster import ClusterTable, ConflictPolicy, Winner
from tests.cluster.nodes import PRODUCTS, make_node
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


@pytest.mark.parametrize("product", PRODUCTS)
def test_rows_that_exchange_unique_values_keep_what_the_cluster_does_not_know(make_world, product):
    plain = "CREATE TABLE t (id integer PRIMARY KEY, code varchar(9) UNIQUE, note {text})"
    world = make_world(
        {"P": plain, "c0": "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE)"},
        products={"P": product, "c0": "sqlite"},
    )
    world.parent.run("INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    world.sync()
    child = world.children["c0"]
    child.run("UPDATE t SET code = 'x' WHERE id = 1")
    child.run("UPDATE t SET code = 'a' WHERE id = 2")
    child.run("UPDATE t SET code = 'c' WHERE id = 1")
    child.run("INSERT INTO t VALUES (3, 'b')")

    world.sync()

    assert world.parent.rows("t") == [(1, "c", "one"), (2, "a", "two"), (3, "b", None)]
    child.run("UPDATE t SET code = 'y' WHERE id = 2")
    child.run("UPDATE t SET code = 'a' WHERE id = 1")
    child.run("UPDATE t SET code = 'c' WHERE id = 2")
    world.sync()
    assert world.parent.rows("t") == [(1, "a", "one"), (2, "c", "two"), (3, "b", None)]


@pytest.mark.parametrize("product", PRODUCTS)
def test_rows_that_exchange_unique_values_keep_their_own_numbers(make_world, product):
    number = {
        "sqlite": "integer PRIMARY KEY AUTOINCREMENT",
        "postgresql": "integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY",
        "mysql": "integer PRIMARY KEY AUTO_INCREMENT",
    }
    later = " DEFERRABLE INITIALLY DEFERRED" if product != "mysql" else ""
    text = "CREATE TABLE t (n {}, gid varchar(9) NOT NULL UNIQUE, code varchar(9) UNIQUE)"
    points = f"CREATE TABLE x (id integer PRIMARY KEY, n integer REFERENCES t (n){later})"
    world = make_world(
        {"P": f"{text.format(number[product])}; {points}", "c0": text.format(number["sqlite"])},
        [ClusterTable("t", key=("gid",))],
        products={"P": product, "c0": "sqlite"},
    )
    world.parent.run("INSERT INTO t (gid, code) VALUES ('g1', 'a'), ('g2', 'b')")
    world.sync()
    numbers = world.parent.run("SELECT gid, n FROM t ORDER BY gid")
    if product != "mysql":
        # MariaDB looks at each statement: there such rows wait.
        world.parent.run("INSERT INTO x SELECT n, n FROM t")
    child = world.children["c0"]
    child.run("UPDATE t SET code = 'x' WHERE gid = 'g1'")
    child.run("UPDATE t SET code = 'a' WHERE gid = 'g2'")
    child.run("UPDATE t SET code = 'b' WHERE gid = 'g1'")

    world.sync()

    assert world.parent.run("SELECT gid, code FROM t ORDER BY gid") == [("g1", "b"), ("g2", "a")]
    assert world.parent.run("SELECT gid, n FROM t ORDER BY gid") == numbers


NOCASE = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, v TEXT)"


def test_another_spelling_of_a_key_that_is_the_same_by_its_collation_is_a_conflict_too(make_world):
    world = make_world(NOCASE, policy=ConflictPolicy(Winner.PARENT))
    world.parent.run("INSERT INTO t VALUES ('a', '1'), ('b', '1')")
    world.sync()
    world.parent.run("UPDATE t SET v = 'parent'")
    world.children["c0"].run("UPDATE t SET id = 'A', v = 'child' WHERE id = 'a'")

    world.sync()

    assert world.parent.rows("t") == [("a", "parent"), ("b", "parent")]
    assert world.children["c0"].rows("t") == [("a", "parent"), ("b", "parent")]
    assert [each["kind"] for each in world.conflicts()] == ["update/update"]


def test_a_key_that_is_only_spelt_anew_is_spelt_so_everywhere(make_world):
    world = make_world(NOCASE)
    world.parent.run("INSERT INTO t VALUES ('a', '1')")
    world.sync()
    world.children["c0"].run("UPDATE t SET id = 'A'")

    world.sync()

    assert world.parent.rows("t") == world.children["c0"].rows("t") == [("A", "1")]
    assert world.conflicts() == []


def test_an_edit_under_another_spelling_of_the_key_is_not_overwritten(make_world, monkeypatch):
    world = make_world(NOCASE, policy=ConflictPolicy(Winner.PARENT))
    world.parent.run("INSERT INTO t VALUES ('a', '1')")
    world.sync()
    world.parent.run("UPDATE t SET id = 'A', v = 'parent'")
    scatter = Exchange.scatter

    def edit_before(exchange, late):
        world.children["c0"].run("UPDATE t SET v = 'child'")
        scatter(exchange, late)

    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "scatter", edit_before)
        world.sync()
    world.sync()

    assert [(each["kind"], each["winner"]) for each in world.conflicts()] == [("update/update", "parent")]
    assert world.parent.rows("t") == world.children["c0"].rows("t") == [("A", "parent")]


LATE = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED, of INTEGER REFERENCES b)"
)


def test_a_row_that_breaks_a_deferred_rule_waits_alone_with_those_that_point_at_it(make_world):
    world = make_world(LATE, ["a", "b"])
    world.parent.run("INSERT INTO a (id) VALUES (1), (2)")
    world.sync()
    world.parent.run("DELETE FROM a WHERE id = 1")
    child = world.children["c0"]
    child.run("INSERT INTO b VALUES (10, 1, NULL), (11, 2, NULL), (12, 2, 10)")

    world.sync()

    assert world.parent.rows("b") == [(11, 2, None)]
    assert child.rows("a") == [(1, None), (2, None)]
    assert [each["kind"] for each in world.conflicts()] == ["rule", "rule"]
    world.parent.run("INSERT INTO a (id) VALUES (1)")
    world.clock += 3600
    world.sync()
    assert world.parent.rows("b") == [(10, 1, None), (11, 2, None), (12, 2, 10)]


def test_rows_that_point_at_each_other_by_deferred_rules_arrive_together(make_world):
    world = make_world(LATE, ["a", "b"])
    world.sync()
    child = world.children["c0"]
    child.run("BEGIN")
    child.run("INSERT INTO a VALUES (1, 1)")
    child.run("INSERT INTO b VALUES (1, 1, NULL)")
    child.run("COMMIT")

    world.sync()

    assert (world.parent.rows("a"), world.parent.rows("b")) == ([(1, 1)], [(1, 1, None)])
    assert world.conflicts() == []


def test_a_row_without_a_key_stops_nobody_and_is_told(make_world):
    world = make_world("CREATE TABLE t (gid TEXT PRIMARY KEY, v TEXT)")
    child = world.children["c0"]
    child.run("INSERT INTO t VALUES (NULL, 'early'), ('e', 'early')")
    world.sync()
    world.parent.run("INSERT INTO t VALUES (NULL, 'parent'), ('p', 'parent')")
    child.run("INSERT INTO t VALUES (NULL, 'child'), ('c', 'child')")

    (member,) = world.sync()

    good = [("c", "child"), ("e", "early"), ("p", "parent")]
    assert world.parent.run("SELECT * FROM t WHERE gid IS NOT NULL ORDER BY gid") == good
    assert child.run("SELECT * FROM t WHERE gid IS NOT NULL ORDER BY gid") == good
    assert world.parent.run("SELECT v FROM t WHERE gid IS NULL") == [("parent",)]
    assert child.run("SELECT v FROM t WHERE gid IS NULL ORDER BY v") == [("child",), ("early",)]
    assert [said for said in member.warnings if said.startswith("t: ")] != []
    child.run("UPDATE t SET gid = v WHERE gid IS NULL")
    world.sync()
    assert world.parent.run("SELECT gid FROM t WHERE gid IS NOT NULL ORDER BY gid") == [
        ("c",),
        ("child",),
        ("e",),
        ("early",),
        ("p",),
    ]


def test_a_key_that_cannot_be_empty_is_not_looked_at(make_world):
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID"
    world = make_world(schema, ["t", "u"])
    world.sync()

    keys = {tracked.name.name: tracked.optional_key for tracked in world.port("P").tracked}

    assert keys == {"t": (), "u": ()}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_text_that_nobody_can_read_waits_alone(make_world, product):
    world = make_world(
        dict.fromkeys(("P", "c0"), "CREATE TABLE t (id integer PRIMARY KEY, v {text})"),
        products={"P": "sqlite", "c0": product},
    )
    world.sync()
    world.parent.run("INSERT INTO t VALUES (1, 'first'), (3, 'last')")
    world.parent.run("INSERT INTO t VALUES (2, CAST(x'ff41' AS TEXT))")

    (member,) = world.sync()

    child = world.children["c0"]
    assert child.rows("t") == [(1, "first"), (3, "last")]
    assert [said for said in member.warnings if "1 rows of the parent are set aside" in said] != []
    world.clock += 60
    world.sync()
    assert len(world.held("c0")) == 1
    world.parent.run("UPDATE t SET v = 'mended' WHERE id = 2")
    world.sync()
    assert child.rows("t") == [(1, "first"), (2, "mended"), (3, "last")]
    assert world.held("c0") == []


def test_a_childs_text_that_nobody_can_read_is_a_record_and_stops_nothing(make_world):
    world = make_world("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    world.sync()
    child = world.children["c0"]
    child.run("INSERT INTO t VALUES (1, CAST(x'ff41' AS TEXT)), (2, 'good')")

    world.sync()
    world.clock += 60
    world.sync()

    assert world.parent.rows("t") == [(2, "good")]
    assert [(each["kind"], each["state"]) for each in world.conflicts()] == [("rule", "open")]
    child.run("UPDATE t SET v = 'mended' WHERE id = 1")
    world.sync()
    assert world.parent.rows("t") == [(1, "mended"), (2, "good")]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("name", ["gen", "Base", "op", "mask", "at", "nid"])
def test_a_key_that_is_named_as_a_column_of_a_log_leaves_its_table_out_alone(make_world, product, name):
    quoted = {"sqlite": name, "postgresql": f'"{name}"', "mysql": f"`{name}`"}[product]
    schema = f"CREATE TABLE t (id integer PRIMARY KEY); CREATE TABLE u ({quoted} integer PRIMARY KEY)"
    world = make_world(schema, ["t", "u"], products={"P": product, "c0": product})
    world.parent.run("INSERT INTO t VALUES (1)")

    world.sync()

    assert world.children["c0"].rows("t") == [(1,)]
    assert list(world.port("P").enrolled()) == [str(world.port("P").tracked[0].name)]
