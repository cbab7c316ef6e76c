"""A run that is cancelled while PostgreSQL changes or compares a table leaves it as it was, and the next one completes it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.system.site import Daemon, Site, expect_soon

LIMIT_SECONDS = 1.0
BUSY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND state = 'active' AND (wait_event = 'PgSleep' OR wait_event_type = 'Lock')"
)
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
)
NAP = """
CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
CREATE TRIGGER nap BEFORE {} ON one FOR EACH STATEMENT EXECUTE FUNCTION nap();
"""
JOBS = """
  merge: {source: src, destination: pg, queries: ["REPLICATE [one]"], check_column: updated}
  deletes: {source: src, destination: pg, queries: ["REPLICATE [one]"], check_column: updated, deletes: hard}
  verify: {source: src, destination: pg, queries: ["REPLICATE [one]"], check_column: updated, verify: checksum}
  truncate: {source: src, destination: pg, queries: ["REPLICATE [one]"], truncate: true}
  drop: {source: src, destination: pg, queries: ["REPLICATE [one]"], drop: true}
  repair: {source: src, destination: pg, queries: ["CHECKCACHE [one] WITH REPAIR"]}
  compare: {source: pg, destination: pg, queries: ["CHECKCACHE [one] AGAINST (SELECT id, name, updated FROM two WHERE pg_sleep(60)::text = '')"]}
"""


@pytest.fixture
def at(site: Site, database: str) -> Iterator["psycopg.Connection"]:
    """A configured site, and a connection to its destination."""
    site.jobs(JOBS, f"  pg: {{type: postgresql, url: '{database}'}}\n")
    site.table("one", 50)
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def rows(at: "psycopg.Connection", table: str = "one") -> list[tuple[object, ...]]:
    return at.execute(f"SELECT id, name, updated FROM {table} ORDER BY id").fetchall()


def at_source(site: Site, statement: str) -> None:
    with closing(sqlite3.connect(site.folder / "src.db")) as connection, connection:
        connection.execute(statement)


def cancel_while_busy(daemon: Daemon, at: "psycopg.Connection", job: str) -> None:
    """Start the job, wait until the server is busy with it, and cancel it in time."""
    daemon.call("start", job=job)
    expect_soon(lambda: at.execute(BUSY).fetchone() == (1,))

    began = time.monotonic()
    run = daemon.call("cancel", name=job)
    seconds = time.monotonic() - began

    assert run["status"] == "cancelled", run
    assert seconds <= LIMIT_SECONDS
    expect_soon(lambda: at.execute(BUSY).fetchone() == (0,))
    assert all(run["ended"] for run in daemon.call("runs", limit=100))
    assert daemon.call("status", job=job)["jobs"][0]["status"] == "cancelled"


def test_in_the_merge(site: Site, at: "psycopg.Connection"):
    daemon = site.daemon()
    daemon.call("start", job="merge", wait=True)
    before = rows(at)
    at_source(site, "UPDATE one SET name = 'new', updated = 100 WHERE id > 40")
    at_source(site, "INSERT INTO one VALUES (51, 'new', 101)")
    at.execute(NAP.format("INSERT OR UPDATE"))

    cancel_while_busy(daemon, at, "merge")

    assert rows(at) == before
    at.execute("DROP TRIGGER nap ON one")
    assert daemon.call("start", job="merge", wait=True)["status"] == "ok"
    assert rows(at) == site.rows("one", "src.db")


def test_in_deletes(site: Site, at: "psycopg.Connection"):
    daemon = site.daemon()
    daemon.call("start", job="deletes", wait=True)
    before = rows(at)
    at_source(site, "DELETE FROM one WHERE id IN (3, 4)")
    at.execute(NAP.format("DELETE"))

    cancel_while_busy(daemon, at, "deletes")

    assert rows(at) == before
    at.execute("DROP TRIGGER nap ON one")
    assert daemon.call("start", job="deletes", wait=True)["counters"]["deleted"] == 2
    assert rows(at) == site.rows("one", "src.db")


def test_in_a_repair(site: Site, at: "psycopg.Connection"):
    daemon = site.daemon()
    daemon.call("start", job="merge", wait=True)
    at.execute("UPDATE one SET name = 'hurt' WHERE id = 7; DELETE FROM one WHERE id = 8")
    before = rows(at)
    at.execute(NAP.format("INSERT OR UPDATE"))

    cancel_while_busy(daemon, at, "repair")

    assert rows(at) == before
    at.execute("DROP TRIGGER nap ON one")
    assert daemon.call("start", job="repair", wait=True)["status"] == "ok"
    assert rows(at) == site.rows("one", "src.db")


def test_in_a_comparison(site: Site, at: "psycopg.Connection"):
    daemon = site.daemon()
    daemon.call("start", job="merge", wait=True)
    at.execute("CREATE TABLE two (id bigint PRIMARY KEY, name text, updated bigint)")
    at.execute("INSERT INTO two VALUES (1, 'a', 1), (2, 'b', 2)")
    before = rows(at)

    cancel_while_busy(daemon, at, "compare")

    assert rows(at) == before
    assert rows(at, "two") == [(1, "a", 1), (2, "b", 2)]
    assert daemon.call("start", job="verify", wait=True)["status"] == "ok"


@pytest.mark.parametrize("job", ["truncate", "drop"])
def test_in_the_swap(site: Site, at: "psycopg.Connection", database: str, job: str):
    daemon = site.daemon()
    daemon.call("start", job=job, wait=True)
    before, tables = rows(at), at.execute(TABLES).fetchall()
    at_source(site, "UPDATE one SET name = 'new'")
    # Rows go and a table makes room only when nobody reads it any more.
    lock = "SHARE ROW EXCLUSIVE" if job == "truncate" else "ACCESS SHARE"
    with psycopg.connect(database) as reader:
        reader.execute(f"LOCK TABLE one IN {lock} MODE")

        cancel_while_busy(daemon, at, job)

    assert rows(at) == before
    assert at.execute(TABLES).fetchall() == tables
    assert daemon.call("start", job=job, wait=True)["status"] == "ok"
    assert rows(at) == site.rows("one", "src.db")
    assert at.execute(TABLES).fetchall() == tables
