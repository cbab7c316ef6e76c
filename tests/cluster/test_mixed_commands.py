"""The commands of clusters where the repositories are databases of three products."""

import json
import sqlite3
from contextlib import closing

import psycopg
import pytest

from tests.system.site import Site

COLUMNS = {
    "pg": "(id bigint PRIMARY KEY, name text, price bigint)",
    "maria": "(id bigint PRIMARY KEY, name longtext, price bigint)",
    "lite": "(id INTEGER PRIMARY KEY, name TEXT, price INTEGER)",
}
DUMP = "SELECT id, name, price FROM assets ORDER BY id"


class Mixed:
    """A parent in PostgreSQL with a child in MariaDB and one in a SQLite file, or the other way round."""

    def __init__(self, folder, database, mariadb, parent):
        self.site = Site(folder)
        self.folder = folder
        self.database = database
        self.mariadb = mariadb
        self.schema = mariadb.create_database()
        lines = {
            "pg": f"{{type: postgresql, url: '{database}'}}",
            "maria": f"{{type: mysql, url: '{mariadb.url(self.schema)}'}}",
            "lite": "{type: sqlite, path: lite.db}",
        }
        children = [name for name in lines if name != parent]
        self.names = [parent, *children]
        self.site.write(
            "state: {path: ./state}\nconnections:\n"
            + "".join(f"  {name}: {text}\n" for name, text in lines.items())
            + f"clusters:\n  mixed:\n    parent: {{repository: {parent}, connection: {parent}}}\n    children:\n"
            + "".join(f"      - {{repository: {name}, connection: {name}}}\n" for name in children)
            + "    tables: [assets]\n"
        )
        for name in self.names:
            self.run(name, f"CREATE TABLE assets {COLUMNS[name]}")
        for number in range(1, 6):
            self.run(parent, f"INSERT INTO assets VALUES ({number}, 'asset {number}', 100)")

    def run(self, name, statement):
        if name == "maria":
            return self.mariadb.query(statement, self.schema)
        if name == "pg":
            with psycopg.connect(self.database, autocommit=True) as connection:
                cursor = connection.execute(statement)
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.folder / "lite.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    def dumps(self):
        return [str(self.run(name, DUMP)) for name in self.names]

    def json(self, *words, code=0):
        done = self.site.syncd(*words, "--json")
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)


@pytest.fixture(params=["pg", "maria"])
def mixed(request, tmp_path, database, mariadb):
    made = Mixed(tmp_path, database, mariadb, request.param)
    yield made
    mariadb.drop_database(made.schema)


def test_a_conflict_is_foreseen_found_shown_and_settled_whatever_the_product(mixed):
    parent, first, second = mixed.names
    forecast = mixed.json("plan", "mixed")["mixed"]
    assert [child["tables"][0]["down"] for child in forecast["children"]] == [5, 5]
    mixed.json("sync", "mixed")
    mixed.run(parent, "UPDATE assets SET name = 'of the parent' WHERE id = 1")
    mixed.run(first, "UPDATE assets SET name = 'of the child', price = 225 WHERE id = 1")
    mixed.run(second, "DELETE FROM assets WHERE id = 2")
    before = mixed.dumps()

    forecast = mixed.json("plan", "mixed")["mixed"]
    assert mixed.dumps() == before
    assert [child["tables"][0]["up"] for child in forecast["children"]] == [1, 1]
    assert [child["tables"][0]["conflicts"] for child in forecast["children"]] == [1, 0]
    assert [child["unsent"] for child in mixed.json("cluster", "status")[0]["children"]] == [1, 1]
    mixed.json("cluster", "verify")
    mixed.json("sync", "mixed")
    record = mixed.json("conflicts", "list")[0]
    assert (record["parent"]["name"], record["child"]["name"]) == ("of the parent", "of the child")
    mixed.json("conflicts", "take", "child", "1", "--columns", "name,price")
    assert mixed.json("conflicts", "diff", "1")["now"]["name"] == "of the child"
    mixed.json("sync", "mixed")

    assert mixed.json("cluster", "verify")[0]["status"] == "ok"
    for name in mixed.names:
        assert "of the child" in str(mixed.run(name, "SELECT name FROM assets WHERE id = 1"))
        assert "225" in str(mixed.run(name, "SELECT price FROM assets WHERE id = 1"))


def test_repair_compact_and_untrack_work_whatever_the_product(mixed):
    _, first, _ = mixed.names
    mixed.json("sync", "mixed")
    mixed.json("cluster", "remove-child", "mixed", first)
    mixed.run(first, "UPDATE assets SET name = 'alone' WHERE id = 3")
    mixed.json("cluster", "add-child", "mixed", first)
    assert mixed.json("conflicts", "list")[0]["child"]["name"] == "alone"
    mixed.run(first, "DELETE FROM assets WHERE id = 4")
    mixed.json("sync", "mixed")
    mixed.json("cluster", "verify", "--repair")

    assert mixed.json("cluster", "compact")["expired"] == []
    assert [one["untracked"] for one in mixed.json("cluster", "untrack", "mixed", "--yes")] == [True] * 3
    mixed.run(first, "INSERT INTO assets VALUES (9, 'free', 1)")
    assert all("4" not in str(mixed.run(name, "SELECT id FROM assets")) for name in mixed.names)
