"""`syncd sync` in the foreground and through a daemon."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time

from syncd.state.owner import living_owner
from tests.system.site import Site, expect_soon, locked

ONE = """
  one: {source: src, destination: dst, queries: ["REPLICATE [one]"], check_column: updated}
"""


def test_a_table_closes_the_run_and_a_second_one_says_nothing_to_do(site: Site):
    site.jobs(ONE)
    site.table("one", 1234)

    first = site.syncd("sync", "one")
    second = site.syncd("sync", "one")

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.splitlines()[0].split() == [
        *("step", "read", "inserted", "updated", "unchanged", "rejected", "deleted"),
        *("mark", "from", "to", "seconds", "rows/s"),
    ]
    assert "one: ok in" in first.stdout
    assert "1 234 read, 1 234 inserted" in first.stdout
    assert second.stdout.startswith("one: nothing to do (1 234 rows known, mark 1234, checked in 0.")
    assert first.stderr + second.stderr == ""


def test_without_a_daemon_it_writes_the_same_history_and_log(site: Site):
    site.jobs(ONE)
    site.table("one", 3)

    run = json.loads(site.syncd("sync", "one", "--json").stdout)[0]

    assert site.history("SELECT id, job, status FROM runs") == [(run["id"], "one", "ok")]
    files = list((site.state / "runs").rglob(f"*{run['id']}*"))
    assert len(files) == 1
    assert "run ended" in files[0].read_text()


def test_with_a_daemon_it_goes_through_it(site: Site):
    site.jobs(ONE)
    site.table("one", 3)
    daemon = site.daemon()

    result = site.syncd("sync", "one")

    assert (result.returncode, "3 inserted" in result.stdout) == (0, True)
    assert daemon.call("runs", job="one")[0]["status"] == "ok"


def test_ctrl_c_cancels_the_daemons_run(site: Site):
    site.jobs(ONE)
    site.table("one", 3)
    site.table("other", 3, "dst.db")
    daemon = site.daemon()
    with locked(site.folder / "dst.db"):
        process = site.begin("sync", "one")
        expect_soon(lambda: daemon.running("one"))
        process.send_signal(2)
        assert process.wait(5) == 130
        expect_soon(lambda: daemon.call("runs", job="one")[0]["status"] == "cancelled")


def test_a_second_one_is_told_who_owns_the_state(site: Site):
    site.jobs(ONE)
    site.table("one", 3)
    site.table("other", 3, "dst.db")
    with locked(site.folder / "dst.db"):
        first = site.begin("sync", "one")
        time.sleep(1.0)

        second = site.syncd("sync", "one")

    assert first.wait(20) == 0
    assert (second.returncode, f"process {first.pid} (syncd sync)" in second.stderr) == (4, True)
    assert len(second.stderr.splitlines()) <= 3


def test_full_reads_everything_again(site: Site):
    site.jobs(ONE)
    site.table("one", 30)
    site.syncd("sync", "one")

    run = json.loads(site.syncd("sync", "one", "--full", "--json").stdout)[0]

    assert (run["full"], run["counters"]["read"]) == (True, 30)


def test_only_the_wanted_query_runs(site: Site):
    site.jobs("""
  both: {source: src, destination: dst, queries: ["REPLICATE [one]", "REPLICATE [two]"]}
""")
    site.table("one", 3)
    site.table("two", 4)

    run = json.loads(site.syncd("sync", "both", "--query", "two", "--json").stdout)[0]

    assert [step["step"] for step in run["steps"]] == ["two"]
    assert site.rows("one") == []


def test_a_failed_run_is_exit_1_with_the_reason(site: Site):
    site.jobs(ONE.replace("REPLICATE [one]", "REPLICATE [ones]"))
    site.table("one", 3)

    result = site.syncd("sync", "one")

    assert result.returncode == 1
    assert "one: failed" in result.stdout
    assert "try: did you mean" in result.stdout or "one" in result.stdout


def test_a_terminal_sees_the_rows_move_and_keeps_a_clean_screen(site: Site):
    site.jobs(ONE)
    site.table("one", 400_000)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "sync", "one"],
        cwd=site.folder,
        env=site.environ,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    screen = b""
    with contextlib.suppress(OSError):
        while block := os.read(master, 4096):
            screen += block
    os.close(master)

    assert process.wait(20) == 0
    assert re.search(rb"\rone one: [\d ]+ of about 400 000 rows", screen) or b"rows/s" in screen
    assert b"400 000 inserted" in screen.rpartition(b"\x1b[K")[2]


def test_it_waits_for_a_daemon_that_has_just_begun(site: Site):
    site.jobs(ONE)
    site.table("one", 3)
    daemon = site.begin("run")
    expect_soon(lambda: bool(living_owner(site.state)))

    result = site.syncd("sync", "one")

    assert (result.returncode, "3 inserted" in result.stdout) == (0, True)
    daemon.terminate()
    assert daemon.wait(10) == 0


def test_history_is_there_without_a_daemon(site: Site):
    site.table("one", 3)
    site.jobs('  one: {source: src, destination: dst, queries: ["REPLICATE [one]"]}\n')
    assert "run " in site.syncd("runs").stdout
    assert site.syncd("sync", "one").returncode == 0

    runs = site.syncd("runs", "one")
    log = site.syncd("logs", "one", "--json")

    assert runs.returncode == 0
    assert "ok" in runs.stdout.splitlines()[1]
    assert '"run ended"' in log.stdout
    assert site.syncd("logs", "other").returncode == 3
    assert site.syncd("runs", "other").returncode == 3


def test_a_plan_makes_no_destination_file(site: Site):
    site.table("one", 3)
    site.jobs('  one: {source: src, destination: dst, queries: ["REPLICATE [one]"]}\n')

    planned = site.syncd("plan", "one")
    checked = site.syncd("check", "--connect")

    assert (planned.returncode, checked.returncode) == (0, 0), planned.stderr + checked.stderr
    assert 'CREATE TABLE "one"' in planned.stdout
    assert not (site.folder / "dst.db").exists()
    assert site.syncd("sync", "one").returncode == 0
    assert site.rows("one", "dst.db") == site.rows("one", "src.db")


def test_a_run_that_makes_the_destination_file_can_compare_with_it_at_once(site: Site):
    site.jobs(
        "  job: {source: src, destination: dst, queries: ['REPLICATE [t]'], check_column: updated,"
        " deletes: hard, verify: checksum}\n"
    )
    site.table("t", 10)

    result = site.syncd("sync", "job")

    assert result.returncode == 0, result.stderr
    assert site.rows("t") == site.rows("t", "src.db")


def test_a_run_that_goes_on_after_a_failed_query_ends_partial(site: Site) -> None:
    site.jobs("""
  both: {source: src, destination: dst, queries: ["REPLICATE [nothing]", "REPLICATE [one]"], continue_on_error: true}
  stops: {source: src, destination: dst, queries: ["REPLICATE [nothing]", "REPLICATE [one]"]}
""")
    site.table("one", 5)

    stopped = site.syncd("sync", "stops")
    went_on = site.syncd("sync", "both")

    assert (stopped.returncode, went_on.returncode) == (1, 1)
    assert len(site.rows("one")) == 5
    assert site.history("SELECT job, status FROM runs ORDER BY created") == [
        ("stops", "failed"),
        ("both", "partial"),
    ]
