"""What the fault tests share: two ends that can be hurt, a job between them, and the judgement afterwards."""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.proxy import Proxy
from tests.servers import FAST_AND_UNSAFE, MariadbServer, PostgresServer
from tests.stores import MysqlConnection
from tests.system.site import Site, expect_soon

PAIRS: Final = (
    "postgresql>postgresql",
    "postgresql>sqlite",
    "sqlite>postgresql",
)
MARIADB_PAIRS: Final = ("postgresql>mysql", "mysql>postgresql")
"""Attacked by killed servers and cut connections alone: the rest is the same code for every pair."""
ROWS: Final = 60_000
SAFE: Final = {**FAST_AND_UNSAFE, "synchronous_commit": "on"}
"""A server that loses nothing that was committed when it is killed."""
SAFE_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=2",)
"""The same for MariaDB: what was committed has left the server's own memory."""
RUN_SECONDS: Final = 90
OWN_TABLES: Final = {"syncd_cursors", "syncd_rejects"}

JOB: Final = """
  job:
    source: src
    destination: dst
    queries: ["REPLICATE [t]"]
    check_column: updated
    window_rows: 4000
    max_delete_percent: 60
    retry: {{attempts: 100, delay_seconds: 0.2, max_delay_seconds: 0.5}}
    {more}
"""


class PostgresEnd:
    """A database of a server that may be killed, behind a proxy."""

    type = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.proxy = Proxy(server.port)
        self.name = server.create_database()

    def connection(self, more: str = "") -> str:
        """The connection as it stands in a configuration."""
        url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/{self.name}"
        return f"{{type: postgresql, url: '{url}'{more}}}"

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A connection of somebody else, past the proxy, each statement a transaction."""
        with psycopg.connect(self.server.url(self.name), autocommit=True) as connection:
            yield connection

    def fill(self, first: int, last: int, name: str = "name") -> str:
        """The statement that inserts so many rows, whose marks are their keys."""
        return (
            f"INSERT INTO t (id, name, updated) SELECT i, '{name} ' || repeat('x', 80) || i, i"
            f" FROM generate_series({first}, {last}) i"
        )

    def lock(self, connection: Any) -> None:
        """Let nobody else into the table before the connection ends."""
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")

    def tables(self) -> set[str]:
        """Every table, also temporary ones."""
        found = self.rows(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        return {str(name) for (name,) in found}

    def execute(self, *statements: str) -> None:
        """Run statements of somebody else, each in a transaction."""
        with self.open() as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.open() as connection:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return found

    def close(self) -> None:
        """Remove the database."""
        self.proxy.close()
        self.server.drop_database(self.name)


class MysqlEnd:
    """A database of a MariaDB server that may be killed, behind a proxy."""

    type = "mysql"

    def __init__(self, server: MariadbServer) -> None:
        self.server = server
        self.proxy = Proxy(server.port)
        self.name = server.create_database()

    def connection(self, more: str = "") -> str:
        """The connection as it stands in a configuration."""
        url = f"mysql://tester@127.0.0.1:{self.proxy.port}/{self.name}"
        return f"{{type: mysql, url: '{url}'{more}}}"

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A connection of somebody else, past the proxy, each statement a transaction."""
        connection = MysqlConnection(
            host="127.0.0.1",
            port=self.server.port,
            user="tester",
            database=self.name,
            charset="utf8mb4",
            ssl_disabled=True,
            autocommit=True,
            sql_mode="ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES",
        )
        with closing(connection):
            yield connection

    def fill(self, first: int, last: int, name: str = "name") -> str:
        """The statement that inserts so many rows, whose marks are their keys."""
        return (
            f"INSERT INTO t (id, name, updated) SELECT seq, '{name} ' || repeat('x', 80) || seq, seq"
            f" FROM seq_{first}_to_{last}"
        )

    def lock(self, connection: Any) -> None:
        """Let nobody else into the table before the connection ends."""
        connection.execute("LOCK TABLES t WRITE")

    def tables(self) -> set[str]:
        """Every table of the database."""
        found = self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = database()")
        return {str(name) for (name,) in found}

    def execute(self, *statements: str) -> None:
        """Run statements of somebody else, each in a transaction."""
        with self.open() as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.open() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Remove the database."""
        self.proxy.close()
        self.server.drop_database(self.name)


class SqliteEnd:
    """A file."""

    type = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    def connection(self, more: str = "") -> str:
        """The connection as it stands in a configuration."""
        return f"{{type: sqlite, path: '{self.path}'{more}}}"

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A connection of somebody else, each statement a transaction."""
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as connection:
            yield connection

    def fill(self, first: int, last: int, name: str = "name") -> str:
        """The statement that inserts so many rows, whose marks are their keys."""
        return (
            f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
            f" INSERT INTO t (id, name, updated) SELECT i, '{name} ' || printf('%.80c', 'x') || i, i FROM n"
        )

    def lock(self, connection: Any) -> None:
        """Let no other writer into the file before the connection ends."""
        connection.execute("BEGIN IMMEDIATE")

    def tables(self) -> set[str]:
        """Every table that the file holds."""
        return {str(name) for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def execute(self, *statements: str) -> None:
        """Run statements of somebody else, each in a transaction."""
        with self.open() as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.open() as connection:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return found

    def close(self) -> None:
        """Nothing is open."""


End = PostgresEnd | MysqlEnd | SqliteEnd


class Field:
    """A site with a source of many rows, a destination, and the job `job` between them."""

    def __init__(self, site: Site, source: End, destination: End) -> None:
        self.site, self.source, self.destination = site, source, destination
        source.execute("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, name text, updated bigint)")

    def job(self, *more: str, rows_per_second: int = 25_000) -> None:
        """Write the configuration; `more` are lines of the job."""
        self.site.write(
            "state: {path: ./state}\n"
            "connections:\n"
            f"  src: {self.source.connection(f', rows_per_second: {rows_per_second}')}\n"
            f"  dst: {self.destination.connection()}\n"
            f"jobs:{JOB.format(more=(chr(10) + '    ').join(more))}"
        )

    def begin(self) -> "subprocess.Popen[bytes]":
        """Begin a run in the foreground."""
        return self.site.begin("sync", "job")

    def finish(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait for a run that has to succeed."""
        assert process.wait(RUN_SECONDS) == 0, self.site.log()

    def arrived(self) -> int:
        """How many rows the destination shows; 0 before there is a table."""
        if "t" not in self.destination.tables():
            return 0
        return int(self.destination.rows("SELECT count(*) FROM t")[0][0])

    def judge(self, where: str = "", columns: str = "id, name, updated") -> None:
        """The destination equals the source, a comparison agrees, and nothing is left behind."""
        wanted = self.source.rows(f"SELECT {columns} FROM t ORDER BY id")
        assert self.destination.rows(f"SELECT {columns} FROM t {where} ORDER BY id") == wanted
        verified = self.site.syncd("verify", "job")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        self.judge_traces()

    def judge_traces(self) -> None:
        """No run is left running, no table is left behind."""
        unfinished = "SELECT id FROM runs WHERE status IN ('queued', 'running', 'cancelling')"
        assert self.site.history(unfinished) == []
        assert self.site.history("SELECT * FROM leases") == []
        expect_soon(lambda: self.destination.tables() <= {"t"} | OWN_TABLES, 10)

    def statuses(self) -> list[str]:
        """How the runs ended, oldest first."""
        return [str(status) for (status,) in self.site.history("SELECT status FROM runs ORDER BY created")]


def make_end(kind: str, path: Path, server: Callable[[str], Any]) -> End:
    """An empty end of a type; `server` gives the server of a type."""
    if kind == "sqlite":
        return SqliteEnd(path)
    return MysqlEnd(server(kind)) if kind == "mysql" else PostgresEnd(server(kind))
