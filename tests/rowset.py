"""The one small table that the replication tests copy: how it is made, filled and looked at."""

from typing import Any

from tests.stores import MysqlStore, Pair, PostgresStore, Store

OLD = "2026-01-0{} 10:00:00.12345{}"


def create(store: Store, name: str = "t", stamp_type: str = "") -> None:
    store.execute(
        f"CREATE TABLE {name} (id {store.integer} PRIMARY KEY, name {store.text} NOT NULL,"
        f" updated {stamp_type or store.stamp})"
    )


def create_target(pair: Pair, name: str = "t") -> None:
    """A table that takes the rows of the pair's source."""
    create(pair.destination, name, target_stamp(pair))


def target_stamp(pair: Pair) -> str:
    """The type at the destination that takes the source's stamps."""
    kinds = {
        ("sqlite", "postgresql"): "timestamp",
        ("sqlite", "mysql"): "datetime(6)",
        ("postgresql", "sqlite"): "TIMESTAMPTZ",
        ("mysql", "sqlite"): "TIMESTAMPTZ",
    }
    return kinds.get((pair.source.type, pair.destination.type), pair.destination.stamp)


def put(store: Store, *rows: tuple[int, str, str | None], name: str = "t") -> None:
    for identity, text, updated in rows:
        store.execute(f"DELETE FROM {name} WHERE id = {identity}")
        value = "NULL" if updated is None else f"'{stamp(store, updated)}'"
        store.execute(f"INSERT INTO {name} VALUES ({identity}, '{text}', {value})")


def stamp(store: Store, text: str) -> str:
    return text + "+00" if isinstance(store, PostgresStore) else text


def content(store: Store, name: str = "t") -> list[tuple[Any, ...]]:
    if isinstance(store, PostgresStore):
        return store.rows(
            f"SELECT id, name, to_char(updated::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
            f" FROM {name} ORDER BY 1"
        )
    if isinstance(store, MysqlStore):
        return store.rows(
            f"SELECT id, name, DATE_FORMAT(updated, '%Y-%m-%d %H:%i:%s.%f') FROM {name} ORDER BY 1"
        )
    rows = store.rows(f"SELECT id, name, updated FROM {name} ORDER BY 1")
    return [(i, n, None if u is None else six_digits(u)) for i, n, u in rows]


def six_digits(text: str) -> str:
    whole, _, fraction = text.removesuffix("+00").partition(".")
    return f"{whole}.{fraction:0<6}"
