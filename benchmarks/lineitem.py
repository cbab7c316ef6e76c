"""Rows like those of TPC-H's lineitem, made inside PostgreSQL; the same rows every time."""

from typing import Final

import psycopg

from tests.servers import PostgresServer

DDL: Final = """
CREATE TABLE lineitem (
  l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL, l_linenumber int NOT NULL,
  l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
  l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL,
  l_returnflag text NOT NULL, l_linestatus text NOT NULL,
  l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
  l_shipinstruct text NOT NULL, l_shipmode text NOT NULL, l_comment text NOT NULL,
  updated_at timestamp NOT NULL,
  PRIMARY KEY (l_orderkey, l_linenumber)
)
"""

_FILL: Final = """
INSERT INTO lineitem
SELECT (i - 1) / 4 + 1, 1 + h % 200000, 1 + h % 10000, (i - 1) % 4 + 1,
  1 + h % 50, (90000 + h % 1000000) / 100.0, (h % 11) / 100.0, (h % 9) / 100.0,
  (ARRAY['A', 'N', 'R'])[(1 + h % 3)::int], (ARRAY['F', 'O'])[(1 + h % 2)::int],
  d, d + 30, d + (h % 30)::int,
  (ARRAY['COLLECT COD', 'DELIVER IN PERSON', 'NONE', 'TAKE BACK RETURN'])[(1 + h % 4)::int],
  (ARRAY['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK'])[(1 + h % 7)::int],
  substr(md5(i::text) || md5(h::text), 1, (10 + h % 34)::int),
  timestamp '2026-01-01' + i * interval '1 millisecond'
FROM (SELECT i, abs(hashint8(i)::bigint) AS h, date '1992-01-01' + (i % 2500)::int AS d
      FROM generate_series(1::bigint, {rows}) AS i) AS numbers
"""


def make_source(server: PostgresServer, rows: int) -> str:
    """A database with so many rows in table lineitem; its name. Made once per server and size."""
    name = f"lineitem_{rows}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall():
            return name
        connection.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute(DDL)
        connection.execute(_FILL.format(rows=rows))
        connection.execute("VACUUM (ANALYZE, FREEZE) lineitem")
        connection.execute("CHECKPOINT")
    return name


def make_destination(server: PostgresServer, *, with_table: bool) -> str:
    """A fresh database, with or without the empty table; its name."""
    name = "lineitem_copy"
    server.drop_database(name)
    server.execute(f"CREATE DATABASE {name}")
    if with_table:
        server.execute(DDL, name)
    server.execute("CHECKPOINT")
    return name


def checksum(server: PostgresServer, database: str) -> tuple[object, ...]:
    """Figures that are equal when the tables are."""
    query = "SELECT count(*), sum(hashtext(t::text)::bigint) FROM lineitem AS t"
    with psycopg.connect(server.url(database)) as connection:
        return connection.execute(query).fetchone() or ()
