"""The daemon from start to stop: owner, control commands, orderly end."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from tests.system.site import Site, alive, expect_soon, locked

SMALL = """
  small: {source: src, destination: dst, queries: ["REPLICATE [small]"]}
"""
SLOW = """
  slow: {source: src, destination: dst, queries: ["REPLICATE [big]"]}
"""


def test_a_started_job_moves_its_rows_and_a_second_start_finds_nothing_to_do(site: Site):
    site.jobs(SMALL)
    site.table("small", 1000)
    daemon = site.daemon()

    first = daemon.call("start", job="small", wait=True)
    second = daemon.call("start", job="small", wait=True)

    assert (first["status"], first["counters"]["inserted"]) == ("ok", 1000)
    assert (second["status"], second["steps"][0]["nothing_to_do"]) == ("ok", True)
    assert site.rows("small") == site.rows("small", "src.db")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "JST-9"])
def test_times_and_commands_are_in_the_zone_of_the_machine(site: Site, zone: str):
    site.jobs("""
  times:
    source: src
    destination: dst
    queries: ["REPLICATE [times]"]
    utc_times: false
    events: {post: {command: [sh, -c, "date +%z > zone"]}}
""")
    run_sql(site, "CREATE TABLE times (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)")
    run_sql(site, "INSERT INTO times VALUES (1, '2024-01-01 00:00:00+00')")
    run_sql(site, "CREATE TABLE times (id INTEGER PRIMARY KEY, at DATETIME)", "dst.db")
    site.environ["TZ"] = zone

    run = site.daemon().call("start", job="times", wait=True)

    assert run["status"] == "ok", run
    with closing(sqlite3.connect(site.folder / "dst.db")) as connection:
        assert connection.execute("SELECT at FROM times").fetchall() == [("2024-01-01 09:00:00",)]
    assert (site.folder / "zone").read_text() == "+0900\n"


def test_a_kept_connection_notices_that_its_database_was_replaced(site: Site):
    site.jobs(SMALL)
    site.table("small", 100)
    daemon = site.daemon()
    daemon.call("start", job="small", wait=True)
    for name in ("dst.db", "dst.db-wal", "dst.db-shm"):
        (site.folder / name).unlink(missing_ok=True)

    again = daemon.call("start", job="small", wait=True)

    assert again["status"] == "ok", again
    assert len(site.rows("small")) == 100


def test_an_orderly_stop_leaves_every_run_final_and_no_process_behind(site: Site):
    site.jobs(SLOW)
    site.table("big", 10)
    daemon = site.daemon()
    daemon.call("start", job="slow", wait=True)
    with locked(site.folder / "dst.db"):
        run_sql(site, "INSERT INTO big VALUES (11, 'x', 11)")
        daemon.call("start", job="slow")
        workers = daemon.workers()

        code = daemon.stop()

    assert code == 0
    assert not any(alive(pid) for pid in workers)
    statuses = site.history("SELECT status, failure FROM runs ORDER BY created")
    assert [status for status, _ in statuses] == ["ok", "cancelled"]
    assert json.loads(statuses[1][1])["code"] == "daemon_stopped"
    assert not (site.state / "control.sock").exists()


def test_a_run_that_the_stop_cancelled_goes_on_with_the_next_daemon(site: Site):
    site.jobs(SLOW)
    site.table("big", 10)
    daemon = site.daemon()
    daemon.call("start", job="slow", wait=True)
    with locked(site.folder / "dst.db"):
        run_sql(site, "INSERT INTO big VALUES (11, 'x', 11)")
        daemon.call("start", job="slow")
        daemon.stop()

    again = site.daemon()

    expect_soon(lambda: len(site.rows("big")) == 11)
    expect_soon(lambda: again.call("runs", job="slow")[0]["status"] == "ok")
    assert again.call("runs", job="slow")[0]["trigger"] == "resume"


def test_only_one_owner_at_a_time(site: Site):
    site.jobs(SMALL)
    site.table("small", 1)
    site.daemon()

    second = site.syncd("run")

    assert second.returncode == 4
    assert "belongs to process" in second.stderr
    assert len(second.stderr.splitlines()) <= 3


def test_the_control_commands_answer_people_and_programs(site: Site):
    site.jobs("""
  small: {source: src, destination: dst, queries: ["REPLICATE [small]"], schedule: {every: 1 hour}}
""")
    site.table("small", 3)
    daemon = site.daemon()

    started = site.syncd("start", "small", "--wait")
    status = site.syncd("status")
    listed = site.syncd("runs", "--json")
    log = site.syncd("logs", "small", "--json")
    coming = site.syncd("next", "small", "-n", "2", "--json")
    paused = site.syncd("pause", "small")
    why = site.syncd("why", "small")
    resumed = site.syncd("resume", "small")

    assert (started.returncode, "3 inserted" in started.stdout) == (0, True)
    assert "small" in status.stdout
    assert "ok" in status.stdout
    assert [run["status"] for run in json.loads(listed.stdout)] == ["ok"]
    facts = [json.loads(line) for line in log.stdout.splitlines()]
    assert [fact["event.action"] for fact in facts][-1] == "run-ended"
    assert {(fact["run"], fact["job"], fact["generation"]) for fact in facts} == {
        (facts[0]["run"], "small", 1)
    }
    assert len(json.loads(coming.stdout)) == 2
    assert paused.stdout == "small is paused\n"
    assert "paused" in why.stdout
    assert "goes on, next at" in resumed.stdout
    assert daemon.call("status", job="small")["jobs"][0]["paused"] is False


def test_a_pause_outlives_the_daemon(site: Site):
    site.jobs("""
  small: {source: src, destination: dst, queries: ["REPLICATE [small]"], schedule: {every: 1 second}}
""")
    site.table("small", 3)
    daemon = site.daemon()
    daemon.call("pause", job="small")
    daemon.kill()

    again = site.daemon()

    job = again.call("status", job="small")["jobs"][0]
    assert (job["paused"], job["next_due"]) == (True, None)


def test_a_schedule_fires_by_itself_and_starts_what_comes_after_it(site: Site):
    site.jobs("""
  small: {source: src, destination: dst, queries: ["REPLICATE [small]"], schedule: {every: 1 second}}
  later: {source: src, destination: dst, queries: ["REPLICATE [later] SELECT * FROM small"], after: [small]}
""")
    site.table("small", 3)
    daemon = site.daemon()

    expect_soon(lambda: bool(daemon.call("runs", job="later")))

    assert daemon.call("runs", job="later")[0]["trigger"] == "dependency"
    ran = daemon.call("runs", job="small")[-1]
    assert (ran["trigger"], ran["due"] is not None) == ("schedule", True)
    assert "was due at" in daemon.call("why", job="small")["sentences"][0]


def test_followed_logs_end_with_the_run(site: Site):
    site.jobs(SMALL)
    site.table("small", 10)
    daemon = site.daemon()
    daemon.call("start", job="small", wait=True)
    with locked(site.folder / "dst.db"):
        run_sql(site, "INSERT INTO small VALUES (11, 'x', 11)")
        daemon.call("start", job="small")
        follower = site.begin("logs", "-f", "small", "--json")
        time.sleep(0.5)
        assert follower.poll() is None

    assert follower.wait(10) == 0
    assert "run-ended" in site.log()


def test_ctrl_c_on_the_whole_terminal_group_is_an_orderly_stop(site: Site):
    site.jobs(SMALL)
    site.table("small", 1)
    daemon = site.daemon()
    expect_soon(lambda: len(daemon.workers()) == 2)
    workers = daemon.workers()

    for pid in (*workers, daemon.pid):
        os.kill(pid, signal.SIGINT)

    assert daemon.process.wait(10) == 0
    assert "Traceback" not in site.log()


def run_sql(site: Site, statement: str, database: str = "src.db") -> None:
    """Change the source, or another database."""
    with closing(sqlite3.connect(site.folder / database)) as connection, connection:
        connection.execute(statement)
