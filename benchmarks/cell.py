"""What a benchmark is: cells in groups, all cells of a group measured in turn, so that a ratio compares like with like."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.measure import PATIENCE_SECONDS, Sample
from benchmarks.store import PASSWORD, USER, Store
from tests.servers import MariadbServer, PostgresServer

PRODUCTION: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
    "max_connections": "300",
}
"""As a careful administrator sets it, but nothing in the background while we measure."""
MARIADB_PRODUCTION: Final = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=2G",
    "--max-allowed-packet=64M",
)
"""The same for MariaDB; a log that is too small would make a load wait for it."""


class Stage:
    """What cells share: a folder, servers that are started when the first cell asks for one, and the size of tables."""

    def __init__(
        self, folder: Path, rows: int = 1_000_000, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.folder = folder
        self.rows = rows
        self.patience_seconds = patience_seconds
        self.done: dict[str, int] = {}
        """How often something was prepared, by a name of the cell's choice."""
        self.opened = ExitStack()
        """What cells leave open between two measurements: it ends before the servers do."""

    @cached_property
    def postgres(self) -> PostgresServer:
        """A PostgreSQL server with production settings."""
        server = PostgresServer(PRODUCTION)
        server.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        return server

    @cached_property
    def mariadb(self) -> MariadbServer:
        """A MariaDB server with production settings."""
        server = MariadbServer(MARIADB_PRODUCTION)
        server.query(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        server.query(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION")
        return server

    def store(self, kind: str, name: str) -> Store:
        """A database of this name, which need not exist yet."""
        match kind:
            case "postgresql":
                return Store(kind, name, self.postgres.port, str(self.postgres.programs / "psql"))
            case "mariadb":
                return Store(kind, name, self.mariadb.port)
            case _:
                return Store(kind, str(self.folder / f"{name}.db"))

    def empty_store(self, kind: str, name: str, template: str = "") -> Store:
        """The same made anew, with nothing in it or (PostgreSQL) with what is in the template."""
        store = self.store(kind, name)
        match kind:
            case "postgresql":
                self.postgres.drop_database(name)
                self.postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
            case "mariadb":
                self.mariadb.drop_database(name)
                self.mariadb.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            case _:
                for file in self.folder.glob(f"{name}.db*"):
                    file.unlink()
        return store

    def has(self, store: Store) -> bool:
        """Whether the database is there."""
        match store.kind:
            case "postgresql":
                with psycopg.connect(self.postgres.url()) as connection:
                    query = "SELECT FROM pg_database WHERE datname = %s"
                    return connection.execute(query, [store.database]).fetchone() is not None
            case "mariadb":
                return self.mariadb.query(f"SHOW DATABASES LIKE '{store.database}'") != ""
            case _:
                return Path(store.database).exists()

    def servers(self, *stores: Store) -> list[int]:
        """The process ids of the servers of these stores."""
        kinds = {store.kind for store in stores}
        found = [self.postgres.pid] if "postgresql" in kinds else []
        return [*found, self.mariadb.pid] if "mariadb" in kinds else found

    def settle(self) -> None:
        """Let servers write what they still hold, so that no cell pays for the one before it."""
        if "postgres" in self.__dict__:
            self.postgres.execute("CHECKPOINT")

    def close(self) -> None:
        """Stop what was started."""
        self.opened.close()
        for name in ("postgres", "mariadb"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


@dataclass(frozen=True)
class Cell:
    """One thing to measure.

    `prepare` runs before each measurement and is not timed. The first cell of a group is the limit that the others
    are compared with, unless `against` names another one of the group. `repeat` is less than the user's where one
    measurement says all. `rival` names the tool that is not ours.
    """

    group: str
    name: str
    run: Callable[[Stage], Sample]
    prepare: Callable[[Stage], None] = lambda _: None
    repeat: int | None = None
    rival: str = ""
    against: str = ""
