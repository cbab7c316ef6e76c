"""Real stores of each connector for tests of the data path, and the shortest way to run a job between two of them."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from syncd.engine.compile import compile_job
from syncd.engine.pace import Pace
from syncd.engine.wildcard import find_tables
from syncd.model.definitions import Replication
from syncd.model.event import RunEvent
from syncd.model.options import Options
from syncd.model.run import Counters, Status, StepResult
from syncd.registry import connector
from tests.running import execute
from tests.servers import MariadbServer, PostgresServer

_SPARE: "WeakKeyDictionary[PostgresServer, list[str]]" = WeakKeyDictionary()
"""Empty databases of each server that wait for another test."""

TYPES = ("sqlite", "postgresql", "mysql")
PAIRS = tuple(f"{source}>{destination}" for source in TYPES for destination in TYPES)


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class SqliteStore:
    """A file of its own, with a connection for the test's statements."""

    type = "sqlite"
    integer, text, stamp, number = "INTEGER", "TEXT", "TIMESTAMP", "INTEGER"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode=WAL")

    def options(self, **extra: Any) -> dict[str, Any]:
        """What its connector takes."""
        return {"path": str(self.path), **extra}

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements; several when there are no parameters."""
        if parameters:
            self.connection.execute(sql, parameters)
        else:
            self.connection.executescript(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql).fetchall()

    def versions(self, table: str) -> list[tuple[Any, ...]]:
        """What changes with every write: the file's own counter, and the cursors."""
        watcher = sqlite3.connect(self.path, isolation_level=None)
        try:
            pages = watcher.execute("PRAGMA data_version").fetchall()
            cursors = watcher.execute("SELECT job, step, revision, updated FROM syncd_cursors").fetchall()
            rows = watcher.execute(f'SELECT rowid, * FROM "{table}"').fetchall()
        finally:
            watcher.close()
        return [*pages, *cursors, *rows]

    def close(self) -> None:
        """Close the test's own connection."""
        self.connection.close()


class PostgresStore:
    """A database of its own on the private server."""

    type = "postgresql"
    integer, text, stamp, number = "bigint", "text", "timestamptz", "bigint"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        spare = _SPARE.setdefault(server, [])
        self.name = spare.pop() if spare else server.create_database()
        self.url = server.url(self.name)
        self.connection = psycopg.connect(self.url, autocommit=True)

    def options(self, **extra: Any) -> dict[str, Any]:
        """What its connector takes."""
        return {"url": self.url, **extra}

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements."""
        self.connection.execute(sql, parameters or None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql).fetchall()

    def versions(self, table: str) -> list[tuple[Any, ...]]:
        """What changes with every write: the version of each row, and the cursors."""
        return [
            *self.rows("SELECT job, step, revision, updated FROM syncd_cursors"),
            *self.rows(f'SELECT xmin::text, ctid::text FROM "{table}" ORDER BY ctid'),
        ]

    def another(self) -> "psycopg.Connection[Any]":
        """A second connection, in transactions."""
        return psycopg.connect(self.url)

    def close(self) -> None:
        """Empty the database for the next test; making one takes longer."""
        try:
            self._empty()
        except psycopg.Error:
            self.server.drop_database(self.name)
        else:
            _SPARE[self.server].append(self.name)
        finally:
            self.connection.close()

    def _empty(self) -> None:
        if self.connection.closed or self.connection.broken:
            self.connection = psycopg.connect(self.url, autocommit=True)
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = self.rows(
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        for (schema,) in schemas:
            self.execute(f"DROP SCHEMA {schema} CASCADE")
        self.execute("CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public")


class MysqlConnection(pymysql.connections.Connection):
    """A connection that runs statements as psycopg's does."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements."""
        with self.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            while cursor.nextset():
                pass


class MysqlStore:
    """A database of its own on the private MariaDB server; the test's statements quote names as the others do.

    `own` are the numbers of the test's connections.
    """

    type = "mysql"
    integer, text, stamp, number = "bigint", "text", "datetime(6) COMMENT 'UTC'", "bigint"

    def __init__(self, server: MariadbServer) -> None:
        self.server = server
        self.name = server.create_database()
        self.url = server.url(self.name)
        self.own: list[int] = []
        self.connection = self.another()
        self.connection.autocommit(True)

    def options(self, **extra: Any) -> dict[str, Any]:
        """What its connector takes."""
        return {"url": self.url, **extra}

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements."""
        self.connection.execute(sql, parameters)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query; times are the server's texts."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def versions(self, table: str) -> list[tuple[Any, ...]]:
        """What changes with every write: the cursors, the time of the table's last change, and its rows."""
        return [
            *self.rows("SELECT job, step, revision, updated FROM syncd_cursors"),
            *self.rows(f'SELECT * FROM "{table}" ORDER BY 1'),
        ]

    def another(self) -> MysqlConnection:
        """A second connection, in transactions."""
        texts = {FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATE, FIELD_TYPE.TIME}
        connection = MysqlConnection(
            host="127.0.0.1",
            port=self.server.port,
            user="tester",
            database=self.name,
            charset="utf8mb4",
            ssl_disabled=True,
            conv={code: convert for code, convert in conversions.items() if code not in texts},
            sql_mode="ANSI_QUOTES,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO",
            init_command="SET time_zone = '+00:00'",
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        self.own.append(connection.thread_id())
        return connection

    def close(self) -> None:
        """Remove the database."""
        self.connection.close()
        self.server.drop_database(self.name)


Store = SqliteStore | PostgresStore | MysqlStore


@dataclass
class Outcome:
    """How a run ended."""

    steps: tuple[StepResult, ...]
    events: list[RunEvent] = field(default_factory=list)

    @property
    def status(self) -> Status:
        """Of the last step that ran."""
        return self.steps[-1].status

    @property
    def counters(self) -> Counters:
        """Of the first step."""
        return self.steps[0].counters

    @property
    def failure(self) -> Any:
        """Of the last step."""
        return self.steps[-1].failure

    def told(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Pair:
    """A source and a destination."""

    source: Store
    destination: Store
    window_rows: int = 2_000_000

    def job(
        self,
        *queries: str,
        check: str | None = "updated",
        lookback: float = 0.0,
        name: str = "job",
        **more: Any,
    ) -> Replication:
        """A job between the two."""
        exclude = more.pop("exclude", ())
        options = Options(check_columns=(check,) if check else (), lookback_seconds=lookback, **more)
        return Replication(name, "source", "destination", queries, options, exclude)

    @contextmanager
    def ports(self) -> Iterator[tuple[Any, Any]]:
        """Both ends, opened."""
        source = connector(self.source.type).open_source(self.source.options(window_rows=self.window_rows))
        try:
            destination = connector(self.destination.type).open_destination(self.destination.options())
            try:
                yield source, destination
            finally:
                destination.close()
        finally:
            source.close()

    def run(
        self,
        *queries: str,
        full: bool = False,
        stop: Callable[[], None] = lambda: None,
        go_on: bool = False,
        **options: Any,
    ) -> Outcome:
        """Run the job once on fresh connections; further options are those of `run_on` and `job`."""
        with self.ports() as (source, destination):
            return self.run_on(source, destination, *queries, full=full, stop=stop, go_on=go_on, **options)

    def run_on(
        self,
        source: Any,
        destination: Any,
        *queries: str,
        full: bool = False,
        stop: Callable[[], None] = lambda: None,
        go_on: bool = False,
        pace: Pace | None = None,
        variables: Mapping[str, str] | None = None,
        tell: Callable[[RunEvent], None] = lambda _: None,
        **options: Any,
    ) -> Outcome:
        """Run the job once on these ports; `tell` hears each event, and may raise."""
        job = self.job(*(queries or ("REPLICATE [t]",)), **options)
        tables = find_tables(source, job)
        plan = compile_job(job, connector(self.source.type).dialect, (), variables or {}, tables)
        events: list[RunEvent] = []

        def hear(event: RunEvent) -> None:
            events.append(event)
            tell(event)

        with ExitStack() as stack:
            steps = execute(
                plan,
                source,
                destination,
                full=full,
                emit=hear,
                check=stop,
                clock=WallClock(),
                mirror=lambda: stack.enter_context(self.mirror()),
                go_on=go_on,
                pace=pace,
            )
        return Outcome(steps, events)

    @contextmanager
    def mirror(self) -> Iterator[Any]:
        """The destination, opened for reading."""
        source = connector(self.destination.type).open_source(self.destination.options())
        try:
            yield source
        finally:
            source.close()

    def ok(self, *queries: str, **options: Any) -> Outcome:
        """Run the job and insist that it succeeds with balanced counters."""
        outcome = self.run(*queries, **options)
        assert all(step.status is Status.OK for step in outcome.steps), outcome.failure
        assert all(step.counters.balanced for step in outcome.steps)
        return outcome


def close_all(stores: Sequence[Store]) -> None:
    """Close stores in the order in which they were opened."""
    for store in stores:
        store.close()
