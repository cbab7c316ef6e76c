"""The daemon with PostgreSQL at one end: passing failures, cancelling, kept connections."""

import time

import psycopg

from tests.system.site import Site, expect_soon

LIMIT_SECONDS = 1.0


def connections(url: str) -> str:
    return f"  pg: {{type: postgresql, url: '{url}'}}\n"


def test_a_server_that_is_away_is_tried_again_until_it_is_back(site: Site, postgres):
    name = postgres.create_database()
    site.jobs(
        """
  in: {source: src, destination: pg, queries: ["REPLICATE [one]"], retry: {attempts: 50, delay_seconds: 0.2, max_delay_seconds: 0.5}}
""",
        connections(postgres.url(name)),
    )
    site.table("one", 100)
    daemon = site.daemon()
    postgres.kill()
    try:
        daemon.call("start", job="in")
        expect_soon(lambda: len(daemon.call("runs", job="in")) >= 2)
    finally:
        postgres.start()
    expect_soon(lambda: daemon.call("runs", job="in")[0]["status"] == "ok")

    runs = daemon.call("runs", job="in", limit=100)[::-1]
    assert {run["status"] for run in runs[:-1]} == {"failed"}
    assert [run["attempt"] for run in runs] == list(range(1, len(runs) + 1))
    assert {run["retry_of"] for run in runs[1:]} == {runs[0]["id"]}
    with psycopg.connect(postgres.url(name)) as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (100,)


def test_a_foreground_run_tries_again_too(site: Site, postgres):
    site.jobs(
        """
  in: {source: src, destination: pg, queries: ["REPLICATE [one]"], retry: {attempts: 3, delay_seconds: 0.1}}
""",
        "  pg: {type: postgresql, url: 'postgresql://nobody@127.0.0.1:1/nowhere'}\n",
    )
    site.table("one", 1)

    result = site.syncd("sync", "in")

    assert result.returncode == 1
    assert "in: failed" in result.stdout
    assert site.history('SELECT "trigger", attempt, status FROM runs ORDER BY created') == [
        ("manual", 1, "failed"),
        ("retry", 2, "failed"),
        ("retry", 3, "failed"),
    ]


def test_a_kept_connection_that_the_server_closed_is_replaced_silently(site: Site, postgres, database: str):
    site.jobs(
        """
  in: {source: src, destination: pg, queries: ["REPLICATE [one]"]}
""",
        connections(database),
    )
    site.table("one", 10)
    daemon = site.daemon()
    daemon.call("start", job="in", wait=True)
    with psycopg.connect(database, autocommit=True) as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(others).fetchall()

    run = daemon.call("start", job="in", wait=True)

    assert (run["status"], run["attempt"], run["steps"][0]["nothing_to_do"]) == ("ok", 1, True)


def test_cancelling_reaches_a_sleeping_query(site: Site, database: str):
    site.jobs(
        """
  out: {source: pg, destination: dst, queries: ["REPLICATE [one] SELECT 1 AS id, pg_sleep(60)::text AS name"]}
""",
        connections(database),
    )
    daemon = site.daemon()
    daemon.call("start", job="out")
    with psycopg.connect(database) as connection:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND state = 'active'"
        expect_soon(lambda: connection.execute(sleeping).fetchone() == (1,) or bool(connection.rollback()))
        connection.rollback()
        workers = daemon.workers()

        began = time.monotonic()
        run = daemon.call("cancel", name="out")
        seconds = time.monotonic() - began

        assert (run["status"], seconds <= LIMIT_SECONDS) == ("cancelled", True)
        expect_soon(lambda: connection.execute(sleeping).fetchone() == (0,) or bool(connection.rollback()))
        assert set(daemon.workers()) >= set(workers), "its driver did not obey, so the worker was killed"


def test_cancelling_reaches_a_wait_for_a_lock(site: Site, database: str):
    site.jobs(
        """
  in: {source: src, destination: pg, queries: ["REPLICATE [one]"]}
""",
        connections(database),
    )
    site.table("one", 10)
    daemon = site.daemon()
    daemon.call("start", job="in", wait=True)
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE one IN ACCESS EXCLUSIVE MODE")
        import sqlite3

        with sqlite3.connect(site.folder / "src.db") as source:
            source.execute("INSERT INTO one VALUES (11, 'x', 11)")
        source.close()
        daemon.call("start", job="in")
        expect_soon(lambda: daemon.running("in"))
        time.sleep(0.5)

        began = time.monotonic()
        run = daemon.call("cancel", name="in")
        seconds = time.monotonic() - began

    assert (run["status"], seconds <= LIMIT_SECONDS) == ("cancelled", True)
    assert daemon.call("start", job="in", wait=True)["counters"]["inserted"] == 1


def test_a_plan_names_a_variable_that_stands_for_a_number(site: Site, postgres):
    url = postgres.url(postgres.create_database())
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE one (id int PRIMARY KEY)")
    query = "REPLICATE [one] SELECT * FROM one WHERE id = {env:batch}"
    pre = '{pre: {command: [echo, "env:batch=1"]}}'
    site.jobs(
        f"""
  out: {{source: pg, destination: dst, queries: ["{query}"], events: {pre}}}
""",
        connections(url),
    )

    done = site.syncd("plan", "out")

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "WHERE id = NULL /* {env:batch} */" in done.stdout
