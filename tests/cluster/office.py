"""A cluster of SQLite files with the real program: an office and two children that share one table of assets."""

import hashlib
import json
import sqlite3
from contextlib import closing

from tests.system.site import Site

TABLE = "CREATE TABLE assets (id INTEGER PRIMARY KEY, name TEXT, city TEXT)"
FILES = {"Office": "office.db", "Ohio": "ohio.db", "Truck": "truck.db"}


class Office:
    """The folder of a cluster named ``assets`` with the parent Office and the children Ohio and Truck."""

    def __init__(self, folder, children="", tables="[assets]", more="", table=TABLE):
        self.site = Site(folder)
        self.folder = folder
        self.configure(children, tables, more)
        for name in FILES:
            self.run(name, table)
        self.run("Office", *(f"INSERT INTO assets VALUES ({n}, 'asset {n}', 'Oslo')" for n in range(1, 11)))

    def configure(self, children="", tables="[assets]", more=""):
        children = children or (
            "      - {repository: Ohio, connection: ohio}\n      - {repository: Truck, connection: truck}\n"
        )
        self.site.write(
            "state: {path: ./state}\nconnections:\n"
            + "".join(f"  {name.lower()}: {{type: sqlite, path: {file}}}\n" for name, file in FILES.items())
            + "clusters:\n  assets:\n    parent: {repository: Office, connection: office}\n"
            + f"    children:\n{children}    tables: {tables}\n{more}"
        )

    def run(self, name, *statements):
        with closing(sqlite3.connect(self.folder / FILES[name])) as connection, connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]

    def rows(self, name):
        return self.run(name, "SELECT * FROM assets ORDER BY id")

    def drop_triggers(self, name):
        found = self.run(name, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
        assert found
        self.run(name, *(f'DROP TRIGGER "{trigger}"' for (trigger,) in found))

    def kept(self, name):
        """What syncd keeps in a database: names of tables and triggers."""
        return [row[0] for row in self.run(name, "SELECT name FROM sqlite_master WHERE name LIKE '%syncd%'")]

    def syncd(self, *words, code=0):
        done = self.site.syncd(*words)
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *words, code=0):
        done = self.site.syncd(*words, "--json")
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def sync(self, code=0):
        return self.syncd("sync", "assets", code=code)

    def child(self, name, code=0):
        found = self.json("cluster", "status", code=code)[0]["children"]
        return next(child for child in found if child["child"] == name)

    def bytes(self):
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.iterdir())
            if path.is_file()
        }

    def conflict(self, ident=1):
        """The office and Ohio change one row in different ways."""
        self.run("Office", f"UPDATE assets SET name = 'of the office' WHERE id = {ident}")
        self.run("Ohio", f"UPDATE assets SET name = 'of Ohio' WHERE id = {ident}")
