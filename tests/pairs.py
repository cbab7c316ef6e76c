"""Fixtures: the nine pairs of real stores. Imported by the conftest of each folder that uses them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stores import PAIRS, TYPES, MysqlStore, Pair, PostgresStore, SqliteStore, Store

MakeStore = Callable[[str], Store]


@pytest.fixture
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """Makes empty stores of a type; they are gone after the test."""
    made: list[Store] = []

    def make(kind: str) -> Store:
        store: Store
        if kind == "sqlite":
            store = SqliteStore(tmp_path / f"store{len(made)}.db")
        elif kind == "mysql":
            store = MysqlStore(request.getfixturevalue("mariadb"))
        else:
            store = PostgresStore(request.getfixturevalue("postgres"))
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


def marked(pair: str) -> object:
    """A parameter for tests, with the marks of the servers that it needs."""
    marks = [getattr(pytest.mark, name) for name in ("postgresql", "mysql") if name in pair]
    return pytest.param(pair, id=pair, marks=marks)


def pair_of(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """The pair that the parameter names."""
    source, destination = request.param.split(">")
    return Pair(make_store(source), make_store(destination))


@pytest.fixture(params=[marked(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """Each of the nine pairs."""
    return pair_of(request, make_store)


SOME = [
    marked(pair)
    for pair in (
        "sqlite>sqlite",
        "postgresql>postgresql",
        "sqlite>postgresql",
        "postgresql>mysql",
        "mysql>sqlite",
    )
]
"""Each store as source and as destination, and two pairs of one product: for what the engine does alike for all."""


@pytest.fixture(params=[marked(name) for name in TYPES])
def kind(request: pytest.FixtureRequest) -> str:
    """Each type of store."""
    return str(request.param)


@pytest.fixture
def pg_pair(make_store: MakeStore) -> Pair:
    """From PostgreSQL to PostgreSQL."""
    return Pair(make_store("postgresql"), make_store("postgresql"))


@pytest.fixture
def lite_pair(make_store: MakeStore) -> Pair:
    """From SQLite to SQLite."""
    return Pair(make_store("sqlite"), make_store("sqlite"))
