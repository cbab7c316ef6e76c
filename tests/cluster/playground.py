"""The tables that random histories play with, and edits of them that mean the same in every product."""

import contextlib
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from syncd.connectors.sqlite import session
from syncd.connectors.sqlite.replica import SqliteStore
from syncd.repository.naming import Names
from tests.cluster.world import CLUSTER

SQLITE = """
CREATE TABLE thing(id TEXT PRIMARY KEY, mark TEXT, n INTEGER, x REAL, d TEXT, b BLOB, j TEXT, code TEXT UNIQUE);
CREATE TABLE pair(a INTEGER, b TEXT, mark TEXT, note TEXT, PRIMARY KEY(a, b));
CREATE TABLE tree(id TEXT PRIMARY KEY, mark TEXT, up TEXT REFERENCES tree(id));
CREATE TABLE part(id TEXT PRIMARY KEY, mark TEXT, thing TEXT REFERENCES thing(id));
CREATE TABLE leaf(id TEXT PRIMARY KEY, mark TEXT, thing TEXT REFERENCES thing(id) ON DELETE CASCADE);
"""
MEMORY = Path("/dev/shm")  # noqa: S108  # the fastest folder there is; nothing of it is kept
PATCHES = ((session, "LOCK_SECONDS", 0.0), (session, "DRIVER_WAIT_SECONDS", 0.0))
"""A run that meets a user's lock gives up at once."""
UUIDS = [(f"{number:08x}-1111-4111-8111-111111111111",) for number in range(4)]
TRACKED = Names.of(CLUSTER).tables
TEXTS = ["", "plain", "a\u0301", "\U0001d11e and \U0001f600", None]


@dataclass(frozen=True)
class Playground:
    """One table: its key columns, the keys that rows may have, and the values of its other columns but `mark`."""

    name: str
    key: tuple
    keys: list
    values: dict


TABLES = {
    table.name: table
    for table in (
        Playground(
            "thing",
            ("id",),
            UUIDS,
            {
                "n": [0, 1, -1, 2**63 - 1, -(2**63), None],
                "x": [0.0, -0.0, 1e16, 0.1, float("nan"), 5e-324, 1.7976931348623157e308],
                "d": ["1234567890123456789", "0.10", "1e3", None],
                "b": [b"", b"\x00\xff", bytes(300), None],
                "j": ['{"b": 1, "a": [1.0, "\U0001d11e"]}', "[]", None],
                "code": [None, "A", "B", "a"],
            },
        ),
        Playground("pair", ("a", "b"), [(1, "x"), (1, "X"), (2, "x "), (2, "")], {"note": TEXTS}),
        Playground("tree", ("id",), UUIDS, {"up": [None, *(key[0] for key in UUIDS)]}),
        Playground("part", ("id",), UUIDS[:3], {"thing": [None, *(key[0] for key in UUIDS)]}),
        Playground("leaf", ("id",), UUIDS[:3], {"thing": [None, *(key[0] for key in UUIDS)]}),
    )
}


def statements_of(edit, marks):
    """An edit ``(kind, table, which, other, seed)`` as statements with their values; `marks` gives a new mark."""
    kind, name, which, other, seed = edit
    table = TABLES[name]
    key, second = table.keys[which % len(table.keys)], table.keys[other % len(table.keys)]
    values = {
        column: domain[(seed + place * (other + 1)) % len(domain)]
        for place, (column, domain) in enumerate(table.values.items())
    }
    where = " AND ".join(f"{column} = ?" for column in table.key)
    match kind:
        case "insert" | "replace":
            columns = (*table.key, "mark", *values)
            slots = ", ".join("?" * len(columns))
            verb = "INSERT" if kind == "insert" else "INSERT OR REPLACE"
            if kind == "replace" and "code" in values:
                # A row with another key that must give way would go without a trigger.
                values["code"] = None
            return [
                (
                    f"{verb} INTO {name} ({', '.join(columns)}) VALUES ({slots})",
                    (*key, marks(), *values.values()),
                )
            ]
        case "update":
            some = {
                column: value for place, (column, value) in enumerate(values.items()) if other >> place & 1
            }
            sets = ", ".join(f"{column} = ?" for column in ("mark", *some))
            return [(f"UPDATE {name} SET {sets} WHERE {where}", (marks(), *some.values(), *key))]
        case "delete":
            return [(f"DELETE FROM {name} WHERE {where}", key)]
        case "rekey":
            sets = ", ".join(f"{column} = ?" for column in ("mark", *table.key))
            return [(f"UPDATE {name} SET {sets} WHERE {where}", (marks(), *second, *key))]
        case "anew":
            fresh = statements_of(("insert", name, which, other, seed), marks)
            return [(f"DELETE FROM {name} WHERE {where}", key), *fresh]
        case _:
            things = TABLES["thing"].keys
            return _swap(things[which % len(things)], things[other % len(things)], marks)


def _swap(key, second, marks):
    """Two rows of `thing` hand each other their codes."""
    if key == second:
        return []
    keep = "UPDATE thing SET d = (SELECT code FROM thing WHERE id = ?), mark = ? WHERE id = ?"
    return [
        (keep, (*second, marks(), *key)),
        (keep, (*key, marks(), *second)),
        ("UPDATE thing SET code = NULL WHERE id IN (?, ?)", (*key, *second)),
        ("UPDATE thing SET code = d WHERE id IN (?, ?)", (*key, *second)),
    ]


class SqliteCopy:
    """A node on a SQLite file that can be copied, restored and edited while a run goes on.

    Every kind of node has these methods; `begin` to `rollback` work on one transaction of a user.
    """

    def __init__(self, path, template):
        self.path = path
        if template is not None:
            shutil.copyfile(template, path)
        self._connect()

    def _connect(self):
        # A user who meets a lock gives up at once: the history goes on without this edit.
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.connection.execute("PRAGMA foreign_keys=ON")

    def create(self):
        """Make the tables in an empty file."""
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.executescript(SQLITE)

    def run(self, sql, values=()):
        return self.connection.execute(sql, values).fetchall()

    def begin(self):
        """Begin a transaction that writes; False when somebody holds the lock."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def attempt(self, statements):
        """Run all of them in the open transaction, or none of them and say False."""
        self.connection.execute("SAVEPOINT attempt")
        try:
            for sql, values in statements:
                self.connection.execute(sql, values)
        except sqlite3.IntegrityError:
            self.connection.execute("ROLLBACK TO attempt")
            return False
        finally:
            self.connection.execute("RELEASE attempt")
        return True

    def commit(self):
        """End it; False when somebody's lock or a rule stands against it, and it was undone."""
        try:
            self.connection.execute("COMMIT")
        except (sqlite3.OperationalError, sqlite3.IntegrityError):
            self.rollback()
            return False
        return True

    def rollback(self):
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def contents(self):
        """The rows of every table by their keys, each as a mapping with the names of its columns."""
        found = {}
        for table in TABLES.values():
            cursor = self.connection.execute(f"SELECT * FROM {table.name}")
            names = [column[0] for column in cursor.description]
            for row in cursor:
                values = dict(zip(names, row, strict=True))
                found[table.name, tuple(values[name] for name in table.key)] = values
        return found

    def committed(self):
        """The rows as everybody sees them, while a transaction of the user is open."""
        with contextlib.closing(SqliteCopy(self.path, None)) as other:
            return other.contents()

    def enrolled(self):
        """Does it take part already? Asked past the run that may be going on."""
        there = self.run("SELECT 1 FROM sqlite_master WHERE name = ?", (TRACKED,))
        return bool(there and self.run(f"SELECT 1 FROM {TRACKED}"))

    def settle(self):
        """Nothing: whoever closes a file is gone."""

    def violations(self):
        """What breaks the rules between tables."""
        return self.run("PRAGMA foreign_key_check")

    def add_column(self, table, name):
        self.run(f"ALTER TABLE {table} ADD COLUMN {name} TEXT")

    def drop_trigger(self, number):
        """Drop one of the triggers of the cluster; its name, or None when there are none."""
        names = self.run("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        if not names:
            return None
        name = names[number % len(names)][0]
        self.run(f'DROP TRIGGER "{name}"')
        return name

    def save(self, path):
        """Copy the database, as a backup would."""
        path.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self.connection.backup(copy)

    def restore(self, path):
        """Put a copy in place of the database. Nobody else may have it open."""
        self.connection.close()
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        shutil.copyfile(path, self.path)
        self._connect()
        self.connection.execute("PRAGMA journal_mode=WAL")

    def open(self):
        return SqliteStore(str(self.path))

    def close(self):
        self.connection.close()


@cache
def template():
    """An empty file with the tables, to be copied for each node."""
    path = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.exists() else None)) / "template.db"
    with contextlib.closing(SqliteCopy(path, None)) as node:
        node.create()
    return path
