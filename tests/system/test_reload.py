"""Reload: whole or not at all, with a verdict for whoever asked."""

import os
import signal
import time
from pathlib import Path

import psutil

from tests.system.site import Site, expect_soon, locked

ONE = """
  one: {source: src, destination: dst, queries: ["REPLICATE [one]"]}
"""
TWO = """
  two: {source: src, destination: dst, queries: ["REPLICATE [two] SELECT * FROM one"]}
"""


def test_an_added_job_can_be_started_and_the_difference_is_printed(site: Site):
    site.jobs(ONE)
    site.table("one", 5)
    daemon = site.daemon()
    site.jobs(ONE + TWO)

    result = site.syncd("reload")

    assert (result.returncode, result.stdout) == (0, "+ job two\ngeneration 2 is in force\n")
    assert daemon.call("start", job="two", wait=True)["generation"] == 2
    assert '"config applied"' in site.log()


def test_the_same_files_are_no_change_and_say_so(site: Site):
    site.jobs(ONE)
    site.daemon()
    site.jobs("\n" + ONE)

    result = site.syncd("reload")

    assert (result.returncode, result.stdout) == (0, "nothing changed: generation 1 stays in force\n")


def test_a_bad_file_is_refused_with_its_place_and_the_old_stays(site: Site):
    site.jobs(ONE)
    site.table("one", 5)
    daemon = site.daemon()
    site.jobs(ONE.replace("queries", "querys"))

    result = site.syncd("reload")

    assert result.returncode == 78
    assert "syncd.yaml:7:" in result.stderr
    assert "did you mean 'queries'?" in result.stderr
    assert daemon.call("start", job="one", wait=True)["status"] == "ok"
    assert daemon.call("status")["daemon"]["generation"] == 1
    assert '"config rejected"' in site.log()


def test_another_state_folder_needs_a_restart_and_nothing_is_applied(site: Site):
    site.jobs(ONE)
    daemon = site.daemon()
    site.jobs(ONE + TWO)
    file = site.folder / "syncd.yaml"
    site.write(file.read_text().replace("./state", "./elsewhere"))

    result = site.syncd("reload", "--state", "state")

    assert (result.returncode, "needs restart: state.path" in result.stderr) == (5, True)
    assert [job["job"] for job in daemon.call("status")["jobs"]] == ["one"]


def test_sighup_does_the_same(site: Site):
    site.jobs(ONE)
    daemon = site.daemon()
    site.jobs(ONE + TWO)

    os.kill(daemon.pid, signal.SIGHUP)

    expect_soon(lambda: daemon.call("status")["daemon"]["generation"] == 2)


def test_a_running_run_keeps_its_generation_and_goes_on_when_its_job_is_removed(site: Site):
    site.jobs(ONE)
    site.table("one", 5)
    site.table("other", 1, "dst.db")
    daemon = site.daemon()
    with locked(site.folder / "dst.db"):
        run = daemon.call("start", job="one")
        expect_soon(lambda: daemon.running("one"))
        time.sleep(0.2)
        site.jobs(TWO)
        daemon.call("reload")

    expect_soon(lambda: daemon.call("runs", limit=1)[0]["status"] == "ok")
    found = daemon.call("runs", limit=1)[0]
    assert (found["id"], found["generation"]) == (run["id"], 1)


def test_a_changed_connection_is_used_by_the_next_run(site: Site):
    site.jobs(ONE)
    site.table("one", 5)
    daemon = site.daemon()
    daemon.call("start", job="one", wait=True)
    file = site.folder / "syncd.yaml"
    site.write(file.read_text().replace("path: dst.db", "path: new.db"))

    daemon.call("reload")
    daemon.call("start", job="one", wait=True)

    assert len(site.rows("one", "new.db")) == 5


def test_reloads_keep_the_process_its_size_and_its_descriptors(site: Site):
    site.jobs(ONE)
    daemon = site.daemon()
    expect_soon(lambda: len(daemon.workers()) == 2)

    def descriptors() -> int:
        return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))

    def megabytes() -> float:
        return psutil.Process(daemon.pid).memory_info().rss / 1e6

    site.jobs(ONE + TWO)
    daemon.call("reload")  # what a SELECT needs is loaded once
    before, size = descriptors(), megabytes()
    for number in range(30):
        site.jobs(ONE + (TWO if number % 2 else ""))
        daemon.call("reload")

    assert daemon.call("status")["daemon"]["generation"] >= 30
    assert descriptors() <= before + 1
    assert megabytes() < size + 8
