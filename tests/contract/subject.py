"""What the contract suite runs on: two stores of one connector, and how a test fills and looks at them.

Another connector joins by naming a factory in the environment variable ``CONTRACT_SUBJECT``: ``module:factory``, which
is called without arguments and gives a `Subject`. The suite then runs on that one alone; see docs/connectors.md.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import pytest

from syncd.ports import Comparable, Destination
from syncd.registry import connector
from tests.contract.memory import MemorySubject
from tests.stores import SqliteStore

ROWS = [(number, f"row {number}", number % 7 if number % 11 else None) for number in range(1, 51)]
COLUMNS = {"id": "integer!", "name": "text!", "grade": "integer"}
"""What stands in the source's table t, whose key is id."""

WINDOW_ROWS = 2_000_000


class Side(Protocol):
    """One store as a test sees it, past the connector."""

    declares: Mapping[str, str]
    """How the store declares a column of each word: integer (64 bits), text, short (5 characters), timestamp, float."""

    def create(
        self,
        name: str,
        columns: Mapping[str, str],
        key: Sequence[str] = (),
        rows: Sequence[Sequence[Any]] = (),
        positive: str = "",
    ) -> None:
        """Make a table. A word that ends in ! takes no NULL; the column `positive` takes no value below 0."""
        ...

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows; a timestamp is given as ``2026-01-31 10:00:00``."""
        ...

    def remove(self, name: str, identity: int) -> None:
        """Delete the rows whose column id has this value."""
        ...

    def rows(self, name: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """These columns of all rows, in the order of the first one."""
        ...

    def drop(self, name: str) -> None:
        """Make a table go."""
        ...

    def watch(self, name: str) -> None:
        """Make a view (or what the store has instead) that reads the table."""
        ...


class Subject(Protocol):
    """A store with the table t of ROWS as source, and an empty store of the same product as destination.

    `endless` is a SELECT that would run for minutes, and empty for a store that runs no SELECT.
    """

    source: Side
    destination: Side
    endless: str

    def open_source(self, window_rows: int = WINDOW_ROWS) -> Comparable:
        """The connector's source on the first store, which cuts windows of about so many rows by itself."""
        ...

    def open_destination(self) -> Destination:
        """The connector's destination on the second store."""
        ...

    def close(self) -> None:
        """The test is over."""
        ...


class SqlSide:
    """A store that is filled with SQL."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.declares = DECLARES[store.type]

    def create(
        self,
        name: str,
        columns: Mapping[str, str],
        key: Sequence[str] = (),
        rows: Sequence[Sequence[Any]] = (),
        positive: str = "",
    ) -> None:
        """CREATE TABLE and INSERT."""
        lines = [f"{column} {self._declared(word)}" for column, word in columns.items()]
        lines += [f"PRIMARY KEY ({', '.join(key)})"] if key else []
        lines += [f"CHECK ({positive} >= 0)"] if positive else []
        self._store.execute(f"CREATE TABLE {name} ({', '.join(lines)})")
        self.put(name, rows)

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """INSERT of some hundred rows at once."""
        mark = "?" if isinstance(self._store, SqliteStore) else "%s"
        for start in range(0, len(rows), 200):
            part = rows[start : start + 200]
            slots = ", ".join("(" + ", ".join([mark] * len(row)) + ")" for row in part)
            self._store.execute(
                f"INSERT INTO {name} VALUES {slots}", [value for row in part for value in row]
            )

    def remove(self, name: str, identity: int) -> None:
        """DELETE."""
        self._store.execute(f"DELETE FROM {name} WHERE id = {identity}")

    def rows(self, name: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """SELECT."""
        found = self._store.rows(f"SELECT {', '.join(columns)} FROM {name} ORDER BY {columns[0]}")
        return [tuple(row) for row in found]

    def drop(self, name: str) -> None:
        """DROP TABLE."""
        self._store.execute(f"DROP TABLE {name}")

    def watch(self, name: str) -> None:
        """CREATE VIEW."""
        self._store.execute(f"CREATE VIEW watcher AS SELECT id FROM {name}")

    def _declared(self, word: str) -> str:
        return self.declares[word.removesuffix("!")] + (" NOT NULL" if word.endswith("!") else "")


DECLARES = {
    "sqlite": {
        "integer": "INTEGER",
        "text": "TEXT",
        "short": "VARCHAR(5)",
        "timestamp": "TIMESTAMP",
        "float": "REAL",
    },
    "postgresql": {
        "integer": "bigint",
        "text": "text",
        "short": "varchar(5)",
        "timestamp": "timestamp",
        "float": "double precision",
    },
    "mysql": {
        "integer": "bigint",
        "text": "varchar(200)",
        "short": "varchar(5)",
        "timestamp": "datetime(6)",
        "float": "double",
    },
}
ENDLESS = {
    "sqlite": "SELECT count(*) AS n FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)",
    "postgresql": "SELECT count(*) AS n FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "mysql": "SELECT SLEEP(100) AS n",
}


class SqlSubject:
    """Two stores that are filled with SQL, and the connector of their type."""

    def __init__(self, source: Any, destination: Any) -> None:
        self._source, self._destination = source, destination
        self.source, self.destination = SqlSide(source), SqlSide(destination)
        self.endless = ENDLESS[source.type]
        self.source.create("t", COLUMNS, ["id"], ROWS)

    def open_source(self, window_rows: int = WINDOW_ROWS) -> Any:
        """Through the registry, as the program does."""
        return connector(self._source.type).open_source(self._source.options(window_rows=window_rows))

    def open_destination(self) -> Any:
        """Through the registry, as the program does."""
        return connector(self._destination.type).open_destination(self._destination.options())

    def close(self) -> None:
        """The stores end with the test."""


NAMED = os.environ.get("CONTRACT_SUBJECT", "")
SUBJECTS = (
    [NAMED]
    if NAMED
    else [
        "memory",
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each of the connectors, or the one that the environment names."""
    made = _make(request.param, lambda kind: request.getfixturevalue("make_store")(kind))
    yield made
    made.close()


def _make(name: str, make_store: Callable[[str], Any]) -> Any:
    if ":" in name:
        module, _, factory = name.partition(":")
        return getattr(import_module(module), factory)()
    if name == "memory":
        return MemorySubject(COLUMNS, ROWS)
    return SqlSubject(make_store(name), make_store(name))
