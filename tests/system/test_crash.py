"""kill -9 at any point: the run is marked, goes on, and no row is lost or doubled."""

import os
import signal
import sqlite3
import time
from contextlib import closing

import psutil

from tests.system.site import Daemon, Site, alive, expect_soon

BIG = """
  big: {source: src, destination: dst, queries: ["REPLICATE [big]"], check_column: updated}
"""


def test_a_killed_daemon_takes_its_workers_along_and_its_run_goes_on(site: Site):
    site.jobs(BIG)
    site.table("big", 600_000)
    daemon = site.daemon()
    begun = daemon.call("start", job="big")
    workers = daemon.workers()
    expect_soon(lambda: (site.folder / "dst.db").exists())

    daemon.kill()
    expect_soon(lambda: not any(alive(pid) for pid in workers), 2)
    again = site.daemon()
    expect_soon(lambda: again.call("runs", job="big", limit=1)[0]["status"] == "ok")

    runs = again.call("runs", job="big")
    assert [(run["trigger"], run["status"]) for run in runs] == [("resume", "ok"), ("manual", "interrupted")]
    assert runs[0]["retry_of"] == begun["id"]
    assert runs[1]["failure"]["code"] == "interrupted"
    assert site.rows("big") == site.rows("big", "src.db")
    assert begun["id"] in site.log()


def test_a_killed_worker_is_a_failed_run_that_is_tried_again(site: Site):
    site.jobs("""
  big:
    {source: src, destination: dst, queries: ["REPLICATE [big]"], check_column: updated,
     retry: {attempts: 3, delay_seconds: 0.2}}
""")
    site.table("big", 600_000)
    daemon = site.daemon()
    daemon.call("start", job="big")
    expect_soon(lambda: (site.folder / "dst.db").exists())

    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)
    expect_soon(lambda: daemon.call("runs", job="big", limit=1)[0]["status"] == "ok")

    runs = daemon.call("runs", job="big")
    assert [(run["trigger"], run["attempt"], run["status"]) for run in runs] == [
        ("retry", 2, "ok"),
        ("manual", 1, "failed"),
    ]
    assert runs[1]["failure"]["code"] == "worker_died"
    assert site.rows("big") == site.rows("big", "src.db")


def test_the_next_owner_waits_for_a_worker_that_outlives_its_parent(site: Site):
    site.jobs(BIG)
    site.table("big", 10)
    daemon = site.daemon()
    expect_soon(lambda: len(daemon.workers()) == 2)
    stopped = daemon.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    daemon.kill()

    waiting = site.begin("run")
    time.sleep(1.0)
    assert "daemon started" not in site.log().replace("daemon started", "", 1)
    os.kill(stopped, signal.SIGCONT)

    expect_soon(lambda: site.log().count('"daemon started"') == 2)
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(10) == 0


def test_a_killed_foreground_run_is_interrupted_and_the_daemon_resumes_it(site: Site):
    site.jobs(BIG)
    site.table("big", 600_000)
    process = site.begin("sync", "big")
    expect_soon(lambda: (site.folder / "dst.db").exists())
    process.kill()
    process.wait()

    daemon = site.daemon()
    expect_soon(lambda: daemon.call("runs", job="big", limit=1)[0]["status"] == "ok")

    runs = daemon.call("runs", job="big")
    assert [run["status"] for run in runs] == ["ok", "interrupted"]
    assert site.rows("big") == site.rows("big", "src.db")


def test_a_damaged_state_is_refused_with_advice(site: Site):
    site.jobs(BIG)
    site.table("big", 10)
    assert site.syncd("sync", "big").returncode == 0
    file = site.state / "state.db"
    content = bytearray(file.read_bytes())
    content[4096 + 100 : 4096 * 3] = b"\xa5" * (4096 * 2 - 100)
    file.write_bytes(content)

    result = site.syncd("run")

    assert result.returncode == 1
    assert "is damaged" in result.stderr
    assert "put state.db" in result.stderr
    assert len(result.stderr.splitlines()) <= 3


def test_the_schedule_counters_survive(site: Site):
    site.jobs("""
  big:
    {source: src, destination: dst, queries: ["REPLICATE [big]"],
     schedule: {every: 1 second, occurrences: 2, catch_up: none, overlap: queue}}
""")
    site.table("big", 10)

    def fired(daemon: Daemon) -> int:
        return sum(run["trigger"] == "schedule" for run in daemon.call("runs", job="big"))

    daemon = site.daemon()
    expect_soon(lambda: fired(daemon) >= 1)
    daemon.kill()
    again = site.daemon()
    expect_soon(lambda: fired(again) >= 2)
    time.sleep(1.5)

    assert fired(again) == 2
    assert "used up" in again.call("why", job="big")["sentences"][-1]


def test_a_disk_that_takes_nothing_delays_the_history_and_not_the_rows(site: Site):
    site.jobs("""
  big: {source: src, destination: dst, queries: ["REPLICATE [big]"], schedule: {every: 1 second}}
""")
    site.table("big", 10)
    daemon = site.daemon()
    expect_soon(lambda: bool(daemon.call("runs", job="big")))
    before = len(daemon.call("runs", job="big"))
    process, kind = psutil.Process(daemon.pid), psutil.RLIMIT_FSIZE
    limits = process.rlimit(kind)

    # Every write behind the first block of any file of the main process fails from here on.
    process.rlimit(kind, (4096, limits[1]))
    expect_soon(lambda: daemon.call("status")["daemon"]["trouble"] != "")
    with closing(sqlite3.connect(site.folder / "src.db")) as connection, connection:
        connection.execute("INSERT INTO big VALUES (11, 'x', 11)")
    expect_soon(lambda: len(site.rows("big")) == 11)
    process.rlimit(kind, limits)
    expect_soon(lambda: daemon.call("status")["daemon"]["trouble"] == "")

    runs = daemon.call("runs", job="big", limit=100)
    assert len(runs) > before
    assert sum(run["counters"]["inserted"] for run in runs) == 11
    assert daemon.stop() == 0
