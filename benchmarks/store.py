"""A store that rows are copied from or to, and how its own client program and the tools' URLs reach it."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.measure import Command

USER: Final = "bench"
PASSWORD: Final = "bench"
"""Some tools refuse to begin without a password; the servers are private and ask for none that matters."""


@dataclass(frozen=True)
class Store:
    """One database. `kind` is postgresql, mariadb or sqlite; `database` is a name or, for sqlite, the file's path.

    `psql` is PostgreSQL's client itself; the one on PATH may be a wrapper that takes its time.
    """

    kind: str
    database: str
    port: int = 0
    psql: str = "psql"

    @property
    def schema(self) -> str:
        """Where its tables are, in the words of tools that want a schema with every table."""
        return {"postgresql": "public", "sqlite": "main", "mariadb": self.database}[self.kind]

    def url(self, scheme: str = "", query: str = "") -> str:
        """The address as a URL, with another scheme when one is given."""
        if self.kind == "sqlite":
            return f"{scheme or 'sqlite'}:///{self.database}"
        scheme = scheme or {"postgresql": "postgresql", "mariadb": "mysql"}[self.kind]
        return f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{self.database}{query}"

    def client(self, *more: str) -> list[str]:
        """The store's own program, quiet and without anybody's settings; SQL on its input, rows on its output."""
        match self.kind:
            case "postgresql":
                return [self.psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", self.url(), *more]
            case "mariadb":
                return [
                    "mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}",
                    f"--user={USER}", f"--password={PASSWORD}", "--default-character-set=utf8mb4", "--local-infile=1",
                    "--batch", "--skip-column-names", "--quick", self.database, *more,
                ]  # fmt: skip
            case _:
                return ["sqlite3", "-batch", self.database, *more]

    def rows(self, query: str) -> Command:
        """The client, printing what a query gives as lines; values apart by tabs."""
        match self.kind:
            case "postgresql":
                return Command([self.client(f"--command=COPY ({query}) TO STDOUT")], {"PGTZ": "UTC"})
            case "mariadb":
                return Command([self.client("--raw", f"--execute=SET time_zone = '+00:00'; {query}")])
            case _:
                return Command([self.client("-separator", "\t", query)])


def columns(store: Store, schema: str, table: str) -> dict[str, str]:
    """The table's columns and their declared types (PostgreSQL and SQLite), in order; empty when there is no table."""
    if store.kind == "postgresql":
        query = (
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
            "JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        with psycopg.connect(store.url()) as connection:
            return dict(connection.execute(query, [schema, table]).fetchall())
    if not Path(store.database).exists():
        return {}
    connection = sqlite3.connect(store.database)
    try:
        return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}
    finally:
        connection.close()
