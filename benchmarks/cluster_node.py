"""One node of a cluster as its applications see it: they write single rows, and look whether a row is there."""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

import psycopg

from benchmarks.cell import Stage
from benchmarks.cluster_workload import CHANGED, COLUMNS, Act, Edits, Row
from benchmarks.store import Store

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


class Node(Protocol):
    """What a measurement does with a node."""

    def write(self, edits: Edits) -> None:
        """Do it, one statement for each row, and leave the transaction open."""

    def commit(self) -> None:
        """End what `write` began."""

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


def values(act: Act, row: Row) -> tuple[object, ...]:
    """What goes into the places of the statement."""
    match act:
        case Act.INSERT:
            return tuple(row)
        case Act.UPDATE:
            return (*(getattr(row, name) for name in CHANGED), row.gid)
        case Act.DELETE:
            return (row.gid,)


def batches(edits: Edits) -> Iterable[Sequence[Row]]:
    """The rows, so many at a time."""
    for first in range(0, len(edits.rows), PIPELINED_ROWS):
        yield edits.rows[first : first + PIPELINED_ROWS]


class PostgresNode:
    """A database of a server: one connection writes, the other looks."""

    def __init__(self, store: Store) -> None:
        self._writing = psycopg.connect(store.url())
        self._looking = psycopg.connect(store.url(), autocommit=True)

    def write(self, edits: Edits) -> None:
        """Statements go out without waiting for each answer; deletes are one statement for all keys."""
        if edits.act is Act.DELETE:
            keys = [row.gid for row in edits.rows]
            self._writing.execute(f"DELETE FROM {TABLE} WHERE {KEY} = ANY(%s)", [keys])
            return
        with self._writing.cursor() as cursor:
            for rows in batches(edits):
                cursor.executemany(
                    statement(edits.act, "postgresql"), [values(edits.act, row) for row in rows]
                )

    def commit(self) -> None:
        """End what `write` began."""
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

    def write(self, edits: Edits) -> None:
        """One statement for each row."""
        self._connection.execute("BEGIN IMMEDIATE")
        order = statement(edits.act, "sqlite")
        self._connection.executemany(order, (_plain(values(edits.act, row)) for row in edits.rows))

    def commit(self) -> None:
        """End what `write` began."""
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


def _plain(found: Sequence[object]) -> list[object]:
    """Values as SQLite keeps them: times and keys as texts, prices as numbers."""
    return [one if isinstance(one, int | float | str | bytes) else _converted(one) for one in found]


def _converted(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)
