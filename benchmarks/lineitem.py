"""Rows like those of TPC-H's lineitem, made inside PostgreSQL and carried from there; the same rows every time."""

import subprocess
from typing import Final

import psycopg

from benchmarks.cell import Stage
from benchmarks.measure import Command, measure
from benchmarks.store import Store
from tests.servers import PostgresServer

TABLE: Final = "lineitem"
KEY: Final = ("l_orderkey", "l_linenumber")
CHECK_COLUMN: Final = "l_updated"

COLUMNS: Final = {
    "l_orderkey": "bigint",
    "l_partkey": "bigint",
    "l_suppkey": "bigint",
    "l_linenumber": "integer",
    "l_quantity": "numeric(15,2)",
    "l_extendedprice": "numeric(15,2)",
    "l_discount": "numeric(15,2)",
    "l_tax": "numeric(15,2)",
    "l_returnflag": "text",
    "l_linestatus": "text",
    "l_shipdate": "date",
    "l_commitdate": "date",
    "l_receiptdate": "date",
    "l_shipinstruct": "text",
    "l_shipmode": "text",
    "l_comment": "text",
    "l_updated": "timestamp with time zone",
}
"""By name; the types are PostgreSQL's."""

_OTHERS: Final = {
    "sqlite": {"numeric(15,2)": "TEXT_DECIMAL(15,2)", "timestamp with time zone": "TIMESTAMPTZ"},
    "mariadb": {
        "numeric(15,2)": "decimal(15,2)",
        "text": "varchar(64)",
        "timestamp with time zone": "timestamp(6)",
    },
}
"""What other stores call the same; SQLite's decimals are texts, for its numbers would round larger ones."""

_FILL: Final = """
INSERT INTO lineitem
SELECT (i - 1) / 4 + 1, 1 + h % 200000, 1 + h % 10000, (i - 1) % 4 + 1,
  1 + h % 50, (90000 + h % 1000000) / 100.0, (h % 11) / 100.0, (h % 9) / 100.0,
  (ARRAY['A', 'N', 'R'])[(1 + h % 3)::int], (ARRAY['F', 'O'])[(1 + h % 2)::int],
  d, d + 30, d + (h % 30)::int,
  (ARRAY['COLLECT COD', 'DELIVER IN PERSON', 'NONE', 'TAKE BACK RETURN'])[(1 + h % 4)::int],
  (ARRAY['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK'])[(1 + h % 7)::int],
  substr(md5(i::text) || md5(h::text), 1, (10 + h % 34)::int),
  timestamptz '2025-01-01 00:00:00Z' + i * interval '1.001 milliseconds'
FROM (SELECT i, abs(hashint8(i)::bigint) AS h, date '1992-01-01' + (i % 2500)::int AS d
      FROM generate_series({first}::bigint, {last}) AS i) AS numbers
"""


def ddl(kind: str) -> str:
    """The statement that makes the empty table with its key."""
    names = _OTHERS.get(kind, {})
    lines = [f"{name} {names.get(declared, declared)} NOT NULL" for name, declared in COLUMNS.items()]
    return f"CREATE TABLE {TABLE} ({', '.join(lines)}, PRIMARY KEY ({', '.join(KEY)}))"


DDL: Final = ddl("postgresql")


def fill(first: int, last: int) -> str:
    """The statement that inserts rows by their numbers, both ends included."""
    return _FILL.format(first=first, last=last)


def make_source(server: PostgresServer, rows: int) -> str:
    """A PostgreSQL database with so many rows in the table; its name. Made once per server and size."""
    name = f"lineitem_{rows}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall():
            return name
        connection.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute(DDL)
        connection.execute(fill(1, rows))
        connection.execute("VACUUM (ANALYZE, FREEZE) lineitem")
        connection.execute("CHECKPOINT")
    return name


def source(stage: Stage, kind: str, rows: int) -> Store:
    """A database of this kind that holds the rows; made once per stage."""
    origin = stage.store("postgresql", make_source(stage.postgres, rows))
    if kind == "postgresql":
        return origin
    name = f"lineitem_{rows}"
    found = stage.store(kind, name)
    if not stage.has(found):
        carry(origin, destination(stage, kind, name))
    return found


def destination(stage: Stage, kind: str, name: str) -> Store:
    """A new database with the empty table and its key."""
    store = stage.empty_store(kind, name)
    subprocess.run(store.client(), input=ddl(kind).encode(), check=True, capture_output=True)
    stage.settle()
    return store


def carry(origin: Store, store: Store) -> None:
    """Bring PostgreSQL's rows into the empty table of another kind of store, the plain way."""
    if store.kind == "sqlite":
        # Minutes in a zone's offset: SQLite's own functions read it no other way.
        names = [f"{name}::text || ':00'" if name == CHECK_COLUMN else name for name in COLUMNS]
        query = f"SELECT {', '.join(names)} FROM {TABLE}"
        rows = origin.client(f"--command=COPY ({query}) TO STDOUT (FORMAT csv)")
        loader = store.client(".mode csv", f".import /dev/stdin {TABLE}")
    else:
        rows = origin.client(f"--command=COPY {mariadb_select()} TO STDOUT")
        loader = store.client(f"--execute={mariadb_load('/dev/stdin')}")
    measure(Command([rows, loader], {"PGTZ": "UTC"}))


def mariadb_select() -> str:
    """The rows as PostgreSQL's COPY writes them so that MariaDB reads them: times without an offset."""
    names = [f"{name} AT TIME ZONE 'UTC'" if name == CHECK_COLUMN else name for name in COLUMNS]
    return f"(SELECT {', '.join(names)} FROM {TABLE})"


def mariadb_load(file: str) -> str:
    """The statements that read them."""
    return (
        f"SET time_zone = '+00:00'; LOAD DATA LOCAL INFILE '{file}' INTO TABLE {TABLE} CHARACTER SET utf8mb4"
    )
