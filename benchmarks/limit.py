"""The limit of each pair: the plain pipe of the stores' own clients into a table with its key."""

from collections.abc import Callable
from typing import Final

from benchmarks.lineitem import CHECK_COLUMN, COLUMNS, mariadb_load, mariadb_select
from benchmarks.load import Load, Tool
from benchmarks.measure import Command

UTC: Final = {"PGTZ": "UTC"}


def command(load: Load) -> Command:
    """The pipe of this pair."""
    return Command(PIPES[load.pair](load), UTC)


def _from_postgresql(load: Load, how: str) -> list[str]:
    return load.source.client(f"--command=COPY {load.tables[0]} TO STDOUT (FORMAT {how})")


def _into_postgresql(load: Load, how: str) -> list[str]:
    return load.destination.client(f"--command=COPY {load.tables[0]} FROM STDIN (FORMAT {how})")


def _into_sqlite(load: Load, mode: str) -> list[str]:
    return load.destination.client(f".mode {mode}", f".import /dev/stdin {load.tables[0]}")


def _from_sqlite(load: Load, *more: str) -> list[str]:
    return load.source.client("-csv", *more, f"SELECT * FROM {load.tables[0]}")


def _from_mariadb(load: Load) -> list[str]:
    return load.source.client(f"--execute=SET time_zone = '+00:00'; SELECT * FROM {load.tables[0]}")


def _postgresql_postgresql(load: Load) -> list[list[str]]:
    return [_from_postgresql(load, "binary"), _into_postgresql(load, "binary")]


def _postgresql_sqlite(load: Load) -> list[list[str]]:
    return [_from_postgresql(load, "csv"), _into_sqlite(load, "csv")]


def _sqlite_postgresql(load: Load) -> list[list[str]]:
    return [_from_sqlite(load), _into_postgresql(load, "csv")]


def _mariadb_postgresql(load: Load) -> list[list[str]]:
    return [_from_mariadb(load), _into_postgresql(load, "text")]


def _postgresql_mariadb(load: Load) -> list[list[str]]:
    rows = load.source.client(f"--command=COPY {mariadb_select()} TO STDOUT")
    return [rows, load.destination.client(f"--execute={mariadb_load('/dev/stdin')}")]


def _sqlite_mariadb(load: Load) -> list[list[str]]:
    # MariaDB knows no offsets in times.
    names = [f"substr({name}, 1, length({name}) - 6)" if name == CHECK_COLUMN else name for name in COLUMNS]
    rows = load.source.client("-csv", f"SELECT {', '.join(names)} FROM {load.tables[0]}")
    into = mariadb_load("/dev/stdin") + " FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
    return [rows, load.destination.client(f"--execute={into}")]


def _mariadb_sqlite(load: Load) -> list[list[str]]:
    return [_from_mariadb(load), _into_sqlite(load, "tabs")]


PIPES: Final[dict[tuple[str, str], Callable[[Load], list[list[str]]]]] = {
    ("postgresql", "postgresql"): _postgresql_postgresql,
    ("postgresql", "sqlite"): _postgresql_sqlite,
    ("sqlite", "postgresql"): _sqlite_postgresql,
    ("mariadb", "postgresql"): _mariadb_postgresql,
    ("postgresql", "mariadb"): _postgresql_mariadb,
    ("sqlite", "mariadb"): _sqlite_mariadb,
    ("mariadb", "sqlite"): _mariadb_sqlite,
}

LIMIT: Final = Tool("limit", command, frozenset(PIPES), follows=False)
