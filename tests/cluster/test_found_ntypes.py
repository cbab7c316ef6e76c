"""What a new user found about types, times and triggers of their own."""

import pytest

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
