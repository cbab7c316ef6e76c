"""The daemon: the everyday run that finds nothing to do, a thousand jobs, and what it weighs when idle."""

import os
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.cell import Cell, Stage
from benchmarks.measure import FailedError, Sample, measure, syncd_program
from syncd.control.client import call, wait_for_daemon

TABLES = 50
ROWS = 1_000
KEY = "id"
UPDATED = "updated_at"
QUIET_SOURCE = "quiet_source"
QUIET_COPY = "quiet_copy"
JOBS = 1_000
ROUNDS = 21
SETTLE_SECONDS = 2.0

TABLE = """
CREATE TABLE IF NOT EXISTS g{number} (id bigint PRIMARY KEY, v text, updated_at timestamp);
INSERT INTO g{number} SELECT i, md5(i::text), timestamp '2025-01-01' + i * interval '1 second'
  FROM generate_series(1, 1000) i ON CONFLICT DO NOTHING;
"""


def make_tables(stage: Stage) -> None:
    """The source of fifty small tables, unless it is there."""
    if "quiet" in stage.done:
        return
    store = stage.empty_store("postgresql", QUIET_SOURCE)
    with psycopg.connect(store.url(), autocommit=True) as source:
        for number in range(TABLES):
            source.execute(TABLE.format(number=number))
    stage.done["quiet"] = 1


def prepare_tables(stage: Stage) -> None:
    """Fifty small tables, already copied: a run finds nothing to do."""
    server = stage.postgres
    folder = stage.folder / "quiet"
    if folder.exists():
        return
    folder.mkdir()
    make_tables(stage)
    stage.empty_store("postgresql", QUIET_COPY)
    source, copy = server.socket_url(QUIET_SOURCE), server.socket_url(QUIET_COPY)
    queries = "".join(f"\n      - REPLICATE [g{number}]" for number in range(TABLES))
    (folder / "syncd.yaml").write_text(
        f"state: {{path: {folder}/state}}\nconnections:\n"
        f'  source: {{type: postgresql, url: "{source}"}}\n'
        f'  copy: {{type: postgresql, url: "{copy}"}}\n'
        f"jobs:\n  fifty:\n    source: source\n    destination: copy\n    check_column: updated_at\n"
        f"    queries:{queries}\n"
        "  one: {source: source, destination: copy, check_column: updated_at, queries: ['REPLICATE one FROM g0']}\n"
    )
    subprocess.run(
        [syncd_program(), "sync", "-c", str(folder), "fifty", "one"], check=True, capture_output=True
    )


def run_cold(stage: Stage) -> Sample:
    """`syncd sync` of the fifty from nothing: a new process, new connections."""
    folder = stage.folder / "quiet"
    return measure([[syncd_program(), "sync", "-c", str(folder), "fifty"]], [stage.postgres.pid])


def run_warm(stage: Stage, job: str) -> Sample:
    """A run asked of the daemon through its socket, from request to final answer; the median of many."""
    folder = stage.folder / "quiet"
    with daemon(folder) as process:
        seconds = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            run = call(folder / "state", "start", {"job": job, "queries": (), "full": False, "wait": True})
            seconds.append(time.perf_counter() - begin)
            if run["status"] != "ok" or not all(step["nothing_to_do"] for step in run["steps"]):
                raise FailedError(f"the run was not quiet: {run['status']}")
        rss = resident_megabytes(process.pid)
    # The first one opens the connections.
    return Sample(
        statistics.median(seconds[1:]), 0, 0, rss, {"first s": seconds[0], "slowest s": max(seconds[1:])}
    )


def prepare_jobs(stage: Stage) -> None:
    """A configuration with a thousand scheduled jobs."""
    folder = stage.folder / "thousand"
    folder.mkdir(exist_ok=True)
    lines = [f"state: {{path: {folder}/state}}", "connections:", "  a: {type: sqlite, path: a.db}"]
    lines += ["  b: {type: sqlite, path: b.db}", "jobs:"]
    for number in range(JOBS):
        lines += [f"  job{number}:", "    source: a", "    destination: b"]
        lines += [f'    queries: ["REPLICATE [Table{number}]"]', "    enabled: true"]
        lines += [f'    schedule: {{cron: "0 0 1 1 {number % 7}", catch_up: none}}']
    (folder / "syncd.yaml").write_text("\n".join(lines) + "\n")


def run_ready(stage: Stage) -> Sample:
    """From the start of the program to READY=1, then its memory when idle."""
    folder = stage.folder / "thousand"
    address = str(stage.folder / "notify")
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(30)
        begin = time.perf_counter()
        with daemon(folder, {"NOTIFY_SOCKET": address}, wait=False) as process:
            while b"READY=1" not in ear.recv(4096):
                pass
            ready = time.perf_counter() - begin
            time.sleep(SETTLE_SECONDS)
            return Sample(ready, 0, 0, resident_megabytes(process.pid))


def run_reload(stage: Stage) -> Sample:
    """`reload` with one job changed, from request to answer; the median of several."""
    folder = stage.folder / "thousand"
    file = folder / "syncd.yaml"
    text = file.read_text()
    with daemon(folder) as process:
        seconds = []
        for turn in range(5):
            file.write_text(text.replace("Table7]", f"Table7_{turn}]"))
            begin = time.perf_counter()
            answer = call(folder / "state", "reload")
            seconds.append(time.perf_counter() - begin)
            if answer["changed"] != ["job job7"]:
                raise FailedError(f"the reload changed {answer}")
        rss = resident_megabytes(process.pid)
    file.write_text(text)
    return Sample(statistics.median(seconds), 0, 0, rss, {"slowest s": max(seconds)})


@contextmanager
def daemon(
    folder: Path, environment: dict[str, str] | None = None, *, wait: bool = True
) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon on the folder's configuration, ended in order."""
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [syncd_program(), "run", "-c", str(folder)],
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    try:
        if wait:
            wait_for_daemon(folder / "state")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def resident_megabytes(pid: int) -> float:
    """What the process itself has in memory now, its workers left out."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def cells() -> list[Cell]:
    """Nothing to do, cold and in the daemon; a thousand jobs."""
    return [
        Cell("quiet", "quiet-50-cold", run_cold, prepare_tables),
        Cell("quiet", "quiet-50-daemon", partial(run_warm, job="fifty"), prepare_tables),
        Cell("quiet", "quiet-1-daemon", partial(run_warm, job="one"), prepare_tables),
        Cell("thousand", "ready-1000", run_ready, prepare_jobs),
        Cell("thousand", "reload-1000", run_reload, prepare_jobs),
    ]
