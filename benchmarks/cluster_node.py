"""One node of a cluster as its applications see it: they write single rows, and look whether a row is there."""

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

import psycopg

from benchmarks.cell import Stage
from benchmarks.cluster_workload import CHANGED, COLUMNS, Act, Edits, Row
from benchmarks.store import Store

KINDS: Final = {"pg": "postgresql", "sqlite": "sqlite"}
"""Products, by their word in the names of groups."""
TABLE: Final = "asset"
KEY: Final = "gid"
PIPELINED_ROWS: Final = 5_000
BUSY_SECONDS: Final = 60.0

DDL: Final = {
    "postgresql": f"""
CREATE TABLE {TABLE} (gid uuid PRIMARY KEY, code text NOT NULL, name text NOT NULL, status integer NOT NULL,
  qty bigint NOT NULL, price numeric(12,2), ratio double precision, note text, geom bytea, updated_at timestamptz NOT NULL)
""",
    "sqlite": f"""
CREATE TABLE {TABLE} (gid TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, status INTEGER NOT NULL,
  qty INTEGER NOT NULL, price REAL, ratio REAL, note TEXT, geom BLOB, updated_at TEXT NOT NULL) WITHOUT ROWID
""",
}
MARK: Final = {"postgresql": "%s", "sqlite": "?"}

_FINGERPRINT: Final = f"""
SELECT count(*)::text || ' ' || coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0) FROM {TABLE} t
"""

Values = tuple[object, ...]
"""What is bound to one statement."""


class Node(Protocol):
    """What a measurement does with a node."""

    def bind(self, edits: Edits) -> list[Values]:
        """The values of the edits as this product takes them."""

    def execute(self, act: Act, rows: Sequence[Values]) -> None:
        """One statement for each row; the transaction stays open."""

    def commit(self) -> None:
        """End what `execute` began."""

    def updated_at(self, row: Row) -> datetime | None:
        """The time in the row of this key, None when there is none."""

    def fingerprint(self) -> str:
        """The same text for the same rows."""

    def close(self) -> None:
        """Let go of the database."""


def statement(act: Act, kind: str) -> str:
    """The statement that does this to one row, with places for `values`."""
    mark = MARK[kind]
    match act:
        case Act.INSERT:
            return f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"
        case Act.UPDATE:
            places = ", ".join(f"{name} = {mark}" for name in CHANGED)
            return f"UPDATE {TABLE} SET {places} WHERE {KEY} = {mark}"
        case Act.DELETE:
            return f"DELETE FROM {TABLE} WHERE {KEY} = {mark}"


def values(act: Act, row: Row) -> Values:
    """What goes into the places of the statement."""
    match act:
        case Act.INSERT:
            return tuple(row)
        case Act.UPDATE:
            return (*(getattr(row, name) for name in CHANGED), row.gid)
        case Act.DELETE:
            return (row.gid,)


def write(node: Node, edits: Edits) -> None:
    """Do the edits and leave the transaction open."""
    node.execute(edits.act, node.bind(edits))


class PostgresNode:
    """A database of a server: one connection writes, the other looks."""

    def __init__(self, store: Store) -> None:
        self._writing = psycopg.connect(store.url())
        self._looking = psycopg.connect(store.url(), autocommit=True)

    def bind(self, edits: Edits) -> list[Values]:
        """The driver takes the values as they are."""
        return [values(edits.act, row) for row in edits.rows]

    def execute(self, act: Act, rows: Sequence[Values]) -> None:
        """Statements go out without waiting for each answer; deletes are one statement for all keys."""
        if act is Act.DELETE:
            keys = [row[0] for row in rows]
            self._writing.execute(f"DELETE FROM {TABLE} WHERE {KEY} = ANY(%s)", [keys])
            return
        with self._writing.cursor() as cursor:
            for first in range(0, len(rows), PIPELINED_ROWS):
                cursor.executemany(statement(act, "postgresql"), rows[first : first + PIPELINED_ROWS])

    def commit(self) -> None:
        """End what `execute` began."""
        self._writing.commit()

    def updated_at(self, row: Row) -> datetime | None:
        """The time in the row of this key, None when there is none."""
        query = f"SELECT updated_at FROM {TABLE} WHERE {KEY} = %s"
        found = self._looking.execute(query, [row.gid]).fetchone()
        return found[0] if found else None

    def fingerprint(self) -> str:
        """The number of rows and the sum of their hashes, computed by the server."""
        found = self._looking.execute(_FINGERPRINT).fetchone()
        return str(found[0]) if found else ""

    def close(self) -> None:
        """Let go of the database."""
        self._writing.close()
        self._looking.close()


class SqliteNode:
    """A file."""

    def __init__(self, store: Store) -> None:
        self._connection = sqlite3.connect(store.database, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = wal")

    def bind(self, edits: Edits) -> list[Values]:
        """Times and keys as texts, prices as numbers."""
        return [tuple(map(_plain, values(edits.act, row))) for row in edits.rows]

    def execute(self, act: Act, rows: Sequence[Values]) -> None:
        """One statement for each row."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(statement(act, "sqlite"), rows)

    def commit(self) -> None:
        """End what `execute` began."""
        self._connection.execute("COMMIT")

    def updated_at(self, row: Row) -> datetime | None:
        """The time in the row of this key, None when there is none."""
        query = f"SELECT updated_at FROM {TABLE} WHERE {KEY} = ?"
        found = self._connection.execute(query, [str(row.gid)]).fetchone()
        return datetime.fromisoformat(found[0]) if found else None

    def fingerprint(self) -> str:
        """The number of rows and a hash over all in the order of their keys."""
        count, digest = 0, hashlib.blake2b(digest_size=16)
        for row in self._connection.execute(f"SELECT * FROM {TABLE} ORDER BY {KEY}"):
            count += 1
            digest.update(repr(row).encode())
        return f"{count} {digest.hexdigest()}"

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def make_stores(stage: Stage, kind: str, names: Sequence[str]) -> list[Store]:
    """New databases of these names, each with the empty table."""
    stores = [stage.empty_store(kind, name) for name in names]
    for store in stores:
        run_script(store, DDL[kind])
    return stores


def run_script(store: Store, script: str) -> None:
    """Statements on a database, committed."""
    if store.kind == "postgresql":
        with psycopg.connect(store.url(), autocommit=True) as connection:
            connection.execute(script)
        return
    file = sqlite3.connect(store.database, timeout=BUSY_SECONDS)
    try:
        file.executescript(script)
    finally:
        file.close()


def open_node(store: Store) -> Node:
    """The node of a database that has the table."""
    return PostgresNode(store) if store.kind == "postgresql" else SqliteNode(store)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case _:
            return value
