"""What a new user found about types, times and triggers of their own."""

import pytest

from syncd.model.cluster import ConflictPolicy, Winner
from tests.cluster.equality import moved
from tests.cluster.nodes import PRODUCTS, make_node
from tests.cluster.office import Office
from tests.cluster.world import SqliteNode, World

FREE = "CREATE TABLE t(id INTEGER PRIMARY KEY, code ANY) STRICT"


@pytest.fixture
def start(tmp_path):
    """Makes a cluster of nodes; the first one is the parent."""
    made = []

    def make(nodes, tables=("t",), **options):
        nodes = dict(nodes)
        made.append(World(nodes.pop("P"), nodes, tables, **options))
        return made[-1]

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def files(folder, schema, names=("P", "A", "B")):
    """SQLite files with one schema."""
    return {name: SqliteNode(folder / f"{name}.db", schema) for name in names}


@pytest.mark.parametrize("key", ["", "code"], ids=["value", "key"])
def test_texts_of_a_strict_tables_any_columns_stay_texts(start, tmp_path, key):
    schema = FREE if not key else "CREATE TABLE t(code ANY PRIMARY KEY NOT NULL, n INTEGER) STRICT"
    world = start(files(tmp_path, schema))
    columns = "(id, code)" if not key else "(n, code)"
    world.parent.run(f"INSERT INTO t {columns} VALUES (1, '0071'), (2, '1e3'), (3, 1000), (4, x'31')")
    world.sync()
    world.children["A"].run(f"INSERT INTO t {columns} VALUES (5, '0099')")
    world.sync()
    world.sync()

    rows = {
        tuple(node.run("SELECT code, typeof(code) FROM t ORDER BY 2, 1"))
        for node in world.everyone().values()
    }

    assert rows == {((b"1", "blob"), (1000, "integer"), ("0071", "text"), ("0099", "text"), ("1e3", "text"))}


def test_a_verification_tells_a_text_from_a_number_in_a_strict_tables_any_column(tmp_path):
    office = Office(
        tmp_path, table="CREATE TABLE assets (id INTEGER PRIMARY KEY, name TEXT, city ANY) STRICT"
    )
    office.run("Office", "UPDATE assets SET city = '0071'")
    office.sync()
    office.syncd("cluster", "verify")
    office.drop_triggers("Ohio")
    office.run("Ohio", "UPDATE assets SET city = 71 WHERE id = 3")

    said = office.syncd("cluster", "verify", code=1)

    assert "1 different" in said


@pytest.mark.parametrize("strict", ["parent", "child"])
def test_a_text_is_set_aside_where_an_any_column_would_make_a_number_of_it(start, tmp_path, strict):
    plain, free = FREE.removesuffix(" STRICT"), FREE
    schemas = {"P": free, "A": plain} if strict == "parent" else {"P": plain, "A": free}
    world = start({name: SqliteNode(tmp_path / f"{name}.db", sql) for name, sql in schemas.items()})
    sender, receiver = ("P", "A") if strict == "parent" else ("A", "P")
    nodes = world.everyone()
    world.sync()
    nodes[sender].run("INSERT INTO t VALUES (1, '0071'), (2, 'seven')")

    world.sync()

    assert nodes[sender].rows("t") == [(1, "0071"), (2, "seven")]
    assert nodes[receiver].rows("t") == [(2, "seven")]
    assert len(world.held(receiver)) == 1


GPKG = (
    "CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT);"
    "INSERT INTO gpkg_contents VALUES ('T', 'attributes');"
    "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, seen DATETIME, day DATE)"
)
ZONED = {
    "sqlite": "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, seen TIMESTAMPTZ, day DATE)",
    "postgresql": "CREATE TABLE t(id bigint PRIMARY KEY, name text, seen timestamptz, day date)",
    "mysql": "CREATE TABLE t(id bigint PRIMARY KEY, name longtext, seen timestamp(6) NULL, day date)",
}
PLAIN = {
    "sqlite": "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, seen TIMESTAMP, day DATE)",
    "postgresql": "CREATE TABLE t(id bigint PRIMARY KEY, name text, seen timestamp, day date)",
    "mysql": "CREATE TABLE t(id bigint PRIMARY KEY, name longtext, seen datetime(6), day date)",
}
SEEN = "2026-11-22 23:44:19.986"


@pytest.fixture
def make(tmp_path, request):
    """Makes a node of any product."""

    def server(product):
        return request.getfixturevalue({"postgresql": "postgres", "mysql": "mariadb"}[product])

    def one(product, schema, name):
        return make_node(product, schema, tmp_path, name, server)

    return one


def agreed(world):
    """Everything has arrived, and nothing is left to do."""
    assert world.held() == []
    assert [world.held(name) for name in world.children] == [[]] * len(world.children)
    assert moved(world.sync()) == 0


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_geopackages_datetime_is_a_moment_in_utc(start, make, product):
    world = start({"P": make(product, ZONED[product], "P"), "A": make("sqlite", GPKG, "A")})
    parent, child = world.parent, world.children["A"]
    if product == "postgresql":
        parent.run("SET TIME ZONE 'Asia/Tokyo'")
    zone = "" if product == "mysql" else "+00"
    if product == "mysql":
        parent.run("SET time_zone = '+00:00'")
    parent.run("INSERT INTO t VALUES (1, 'p', ?, '2026-11-22')", (SEEN + zone,))
    child.run(
        "INSERT INTO t VALUES (2, 'a', '2026-11-22T23:44:19.986Z', '2026-11-22'), (3, 'b', '2026-11-22 23:44:19.986', NULL),"
        " (4, 'c', '2026-11-23T01:44:19.986123+02:00', NULL), (5, 'd', NULL, NULL)"
    )

    world.sync()

    assert child.run("SELECT seen, day FROM t WHERE id = 1") == [("2026-11-22T23:44:19.986Z", "2026-11-22")]
    there = {"sqlite": "seen", "postgresql": "(seen AT TIME ZONE 'UTC')::text", "mysql": "CAST(seen AS char)"}
    found = [str(row[0]) for row in parent.run(f"SELECT {there[product]} FROM t WHERE id < 5 ORDER BY id")]
    assert [text.removesuffix("+00").rstrip("0") for text in found] == [SEEN] * 3 + [f"{SEEN}123"]
    agreed(world)
    parent.run("UPDATE t SET name = 'again' WHERE id = 4")
    world.sync()
    assert child.run("SELECT name, seen FROM t WHERE id = 4") == [("again", "2026-11-22T23:44:19.986123Z")]


@pytest.mark.parametrize("product", PRODUCTS)
def test_times_without_zone_and_a_geopackages_moments_meet_in_utc(start, make, product):
    world = start({"P": make(product, PLAIN[product], "P"), "A": make("sqlite", GPKG, "A")})
    world.parent.run("INSERT INTO t VALUES (1, 'p', ?, NULL)", (SEEN,))
    world.children["A"].run("INSERT INTO t VALUES (2, 'a', '2026-11-22T23:44:19.986Z', NULL)")

    world.sync()

    text = "seen" if product == "sqlite" else "CONCAT(seen)"
    found = [str(row[0]).rstrip("0") for row in world.parent.run(f"SELECT {text} FROM t ORDER BY id")]
    assert found == [SEEN, SEEN]
    assert [row[2] for row in world.children["A"].rows("t")] == ["2026-11-22T23:44:19.986Z"] * 2
    agreed(world)


def test_what_is_no_moment_of_a_geopackage_is_set_aside(start, make):
    world = start({"P": make("postgresql", ZONED["postgresql"], "P"), "A": make("sqlite", GPKG, "A")})
    world.parent.run(
        "INSERT INTO t VALUES (1, 'old', '0044-03-15 12:00:00 BC', NULL), (2, 'end', 'infinity', NULL)"
    )
    world.children["A"].run(
        "INSERT INTO t VALUES (3, 'no time', 'yesterday?', NULL), (4, 'fine', NULL, NULL)"
    )

    world.sync()

    assert world.parent.run("SELECT id FROM t ORDER BY id") == [(1,), (2,), (4,)]
    assert [row[0] for row in world.children["A"].rows("t")] == [3, 4]
    assert len(world.held()) == 1
    assert len(world.held("A")) == 2


def test_the_newest_of_two_rows_is_found_whatever_form_its_time_has(start, make):
    policy = ConflictPolicy(Winner.NEWEST, newest_by="seen")
    world = start({"P": make("sqlite", GPKG, "P"), "A": make("sqlite", GPKG, "A")}, policy=policy)
    world.parent.run("INSERT INTO t VALUES (1, 'first', NULL, NULL)")
    world.sync()
    world.parent.run("UPDATE t SET name = 'later', seen = '2026-11-22 23:00:00' WHERE id = 1")
    world.children["A"].run("UPDATE t SET name = 'sooner', seen = '2026-11-22T01:00:00Z' WHERE id = 1")

    world.sync()

    assert [node.rows("t")[0][1] for node in world.everyone().values()] == ["later", "later"]


UUIDS = {"postgresql": "uuid", "mysql": "uuid", "sqlite": "UUID"}
ONE, TWO, THREE = (f"{n}1111111-2222-3333-4444-aaaaaaaaaaaa" for n in (1, 2, 3))


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("where", ["parent", "child"])
def test_uuids_and_texts_that_hold_them_are_one(start, make, product, where):
    table = "CREATE TABLE t(id {kind} PRIMARY KEY NOT NULL, other {kind})"
    strict = make(product, table.format(kind=UUIDS[product]), "strict")
    texts = make("sqlite", table.format(kind="TEXT"), "texts")
    world = start({"P": strict, "A": texts} if where == "parent" else {"P": texts, "A": strict})
    strict.run("INSERT INTO t VALUES (?, NULL)", (ONE,))
    texts.run("INSERT INTO t VALUES (?, ?)", (TWO, ONE))
    texts.run("INSERT INTO t VALUES (?, 'no uuid'), (?, NULL)", (THREE, "{" + ONE.upper() + "}"))

    world.sync()

    rows = [tuple(value and str(value) for value in row) for row in strict.rows("t")]
    assert sorted(rows, key=repr) == [(ONE, None), (TWO, ONE)]
    assert len(texts.rows("t")) == 4
    assert len(world.held("P" if where == "parent" else "A")) == 2
    strict.run("DELETE FROM t WHERE id = ?", (TWO,))
    texts.run("UPDATE t SET other = ? WHERE id = ?", (TWO, THREE))
    world.sync()
    assert [str(row[1]) for row in strict.rows("t") if str(row[0]) == THREE] == [TWO]
    assert texts.run("SELECT count(*) FROM t WHERE id = ?", (TWO,)) == [(0,)]


OWN = {
    "sqlite": "CREATE TRIGGER touch AFTER UPDATE ON t BEGIN UPDATE t SET updated = 'own' WHERE id = NEW.id; END",
    "postgresql": "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()",
    "mysql": "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW SET NEW.updated = 'own'",
}
HARMLESS = {
    "sqlite": "CREATE TRIGGER note AFTER UPDATE ON t BEGIN UPDATE other SET n = n + 1; END",
    "postgresql": "CREATE TRIGGER note AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()",
    "mysql": "CREATE TRIGGER note AFTER UPDATE ON t FOR EACH ROW UPDATE other SET n = n + 1",
}
TOUCH = (
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN NEW.updated := 'own'; RETURN NEW; END $$"
)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_first_run_names_triggers_that_change_rows_which_arrive(start, make, product):
    schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, updated {text}); CREATE TABLE other(n INTEGER)"
    nodes = {name: make(product, schema, name) for name in ("P", "A", "B")}
    for name in ("P", "A"):
        if product == "postgresql":
            nodes[name].run(TOUCH)
        nodes[name].run(OWN[product])
        nodes[name].run(HARMLESS[product])
    world = start(nodes)

    first = [warning for member in world.sync() for warning in member.warnings]
    second = [warning for member in world.sync() for warning in member.warnings]

    assert len(first) == 2
    assert {place for place in "PAB" for warning in first if f"t at '{place}' has triggers" in warning} == {
        "P",
        "A",
    }
    assert all("fire when rows arrive: touch;" in warning for warning in first)
    assert second == []


def test_a_plan_names_triggers_that_change_rows_which_arrive(tmp_path):
    office = Office(tmp_path)
    own = "CREATE TRIGGER touch AFTER UPDATE ON {} BEGIN UPDATE \"assets\" SET city = 'own'; END"
    office.run("Office", own.format("assets"))
    office.run("Truck", own.format("assets"))

    said = office.syncd("plan", "assets")

    assert "assets at 'Office' has triggers of its own that fire when rows arrive: touch" in said
    assert "assets at 'Truck' has triggers of its own that fire when rows arrive: touch" in said
    assert "assets at 'Ohio' has triggers" not in said
