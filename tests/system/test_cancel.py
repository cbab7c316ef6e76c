"""Cancelling takes effect within a second wherever the run is, and leaves the destination consistent."""

import signal
import time

import pytest

from tests.system.site import Daemon, Site, expect_soon, locked

LIMIT_SECONDS = 1.0
# Joins that give no row for minutes: the source is busy inside one statement.
ENDLESS = "SELECT a.id, a.name, a.updated FROM big a, big b, big c WHERE a.id + b.id + c.id < 0"


def cancelled_within_limit(daemon: Daemon, job: str) -> float:
    """Cancel the job: how long the daemon took to say that it is over."""
    began = time.monotonic()
    run = daemon.call("cancel", name=job)
    seconds = time.monotonic() - began
    assert run["status"] == "cancelled", run
    assert run["failure"]["code"] == "cancelled"
    return seconds


def test_while_the_source_computes(site: Site):
    site.jobs(f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"]}}
""")
    site.table("big", 3000)
    daemon = site.daemon()
    daemon.call("start", job="endless")
    time.sleep(1.0)
    workers = daemon.workers()

    seconds = cancelled_within_limit(daemon, "endless")

    assert seconds <= LIMIT_SECONDS
    assert site.rows("out") == []
    assert set(daemon.workers()) >= set(workers), "its driver did not obey, so the worker was killed"


def test_while_rows_are_moving_and_the_next_run_completes_them(site: Site):
    site.jobs("""
  big: {source: src, destination: dst, queries: ["REPLICATE [big]"], check_column: updated}
""")
    site.table("big", 1_500_000)
    daemon = site.daemon()
    daemon.call("start", job="big")
    expect_soon(lambda: (site.folder / "dst.db").exists())

    seconds = cancelled_within_limit(daemon, "big")

    assert seconds <= LIMIT_SECONDS
    moved = len(site.rows("big"))
    assert moved < 1_500_000
    assert daemon.call("start", job="big", wait=True)["status"] == "ok"
    assert site.rows("big") == site.rows("big", "src.db")


def test_while_the_destination_is_locked_by_somebody_else(site: Site):
    site.jobs("""
  big: {source: src, destination: dst, queries: ["REPLICATE [big]"]}
""")
    site.table("big", 10)
    site.table("other", 1, "dst.db")
    daemon = site.daemon()
    with locked(site.folder / "dst.db"):
        daemon.call("start", job="big")
        expect_soon(lambda: daemon.running("big"))
        time.sleep(0.3)
        workers = daemon.workers()

        seconds = cancelled_within_limit(daemon, "big")

    assert seconds <= LIMIT_SECONDS
    assert set(daemon.workers()) >= set(workers)


def test_while_it_waits_for_its_turn(site: Site):
    site.jobs(
        f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"]}}
  waiting: {{source: src, destination: dst, queries: ["REPLICATE [big]"]}}
""",
        extra="limits: {max_runs: 1}\n",
    )
    site.table("big", 3000)
    daemon = site.daemon()
    daemon.call("start", job="endless")
    daemon.call("start", job="waiting")

    assert cancelled_within_limit(daemon, "waiting") <= LIMIT_SECONDS
    assert cancelled_within_limit(daemon, "endless") <= LIMIT_SECONDS


def test_before_a_worker_has_it(site: Site):
    site.jobs(f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"]}}
""")
    site.table("big", 3000)
    daemon = site.daemon()
    daemon.call("start", job="endless")

    run = daemon.call("cancel", name="endless")

    assert run["status"] == "cancelled"


def test_a_worker_that_hears_nothing_is_killed_and_the_daemon_lives(site: Site):
    site.jobs(f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"]}}
""")
    site.table("big", 3000)
    daemon = site.daemon()
    daemon.call("start", job="endless")
    time.sleep(0.7)
    for pid in daemon.workers():
        import os

        os.kill(pid, signal.SIGSTOP)

    assert cancelled_within_limit(daemon, "endless") <= LIMIT_SECONDS
    assert daemon.call("status", job="endless")["jobs"][0]["status"] == "cancelled"


def test_a_run_that_takes_too_long_fails_with_its_time_as_the_reason(site: Site):
    site.jobs(f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"], timeout_seconds: 1}}
""")
    site.table("big", 3000)
    daemon = site.daemon()

    run = daemon.call("start", job="endless", wait=True)

    assert (run["status"], run["failure"]["code"]) == ("failed", "timeout")
    assert run["seconds"] < 2.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_ctrl_c_ends_a_foreground_run_cleanly(site: Site, number: signal.Signals):
    site.jobs(f"""
  endless: {{source: src, destination: dst, queries: ["REPLICATE [out] {ENDLESS}"]}}
""")
    site.table("big", 3000)
    process = site.begin("sync", "endless")
    expect_soon(lambda: (site.state / "state.db").exists())
    time.sleep(0.5)

    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(10)

    assert (code, time.monotonic() - began <= 1.5) == (130, True)
    assert "endless: cancelled" in site.log()
    assert site.history("SELECT status FROM runs") == [("cancelled",)]


def test_a_stop_reaches_no_other_run_of_the_same_worker(site: Site):
    site.jobs(
        f"""
  endless:
    source: other
    destination: dst
    queries: ["REPLICATE [out] {ENDLESS}"]
    timeout_seconds: 0.4
    schedule: {{every: 1 second, overlap: queue}}
  quick:
    source: src
    destination: dst
    queries: ["REPLICATE [quick]"]
    schedule: {{every: 1 second, overlap: queue}}
""",
        connections="  other: {type: sqlite, path: other.db}\n",
        extra="limits: {max_runs: 1}\n",
    )
    site.table("quick", 10)
    site.table("big", 3000, "other.db")
    daemon = site.daemon()

    expect_soon(lambda: len(daemon.call("runs", job="endless", limit=50)) > 5)

    runs = [run for run in daemon.call("runs", limit=100) if run["ended"]]
    assert {run["status"] for run in runs if run["job"] == "quick"} == {"ok"}
    assert {run["failure"]["code"] for run in runs if run["job"] == "endless"} == {"timeout"}
