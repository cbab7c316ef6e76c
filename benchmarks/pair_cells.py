"""A first load of the line items into an empty table with its key, for each pair of stores."""

import time
from functools import partial
from typing import Final

from benchmarks import lineitem
from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder
from benchmarks.daemon_cells import daemon
from benchmarks.digest import Place, compare
from benchmarks.load import Load, Tool
from benchmarks.measure import FailedError, PeakMemory, Sample, tree_cpu_seconds
from benchmarks.ours import JOB, SYNCD_CHECK_COLUMN, SYNCD_DAEMON, WARM, check_column, write_for_daemon
from syncd.control.client import call

PAIRS: Final = {
    "pg-pg": ("postgresql", "postgresql"),
    "pg-sqlite": ("postgresql", "sqlite"),
    "sqlite-pg": ("sqlite", "postgresql"),
    "mariadb-pg": ("mariadb", "postgresql"),
    "pg-mariadb": ("postgresql", "mariadb"),
    "sqlite-mariadb": ("sqlite", "mariadb"),
    "mariadb-sqlite": ("mariadb", "sqlite"),
}
COPY: Final = "pair_copy"


def make(stage: Stage, tool: Tool, pair: tuple[str, str], rows: int = 0) -> Load:
    """The source, an empty destination with the table, and a folder without any state."""
    kind, other = pair
    source = lineitem.source(stage, kind, rows or stage.rows)
    copy = lineitem.destination(stage, other, COPY)
    return Load(
        source,
        copy,
        (lineitem.TABLE,),
        lineitem.KEY,
        fresh_folder(stage, f"pair-{tool.name}"),
        check_column(tool, lineitem.CHECK_COLUMN),
    )


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """Whether both tables hold the same."""
    return compare(Place(load.source, load.source.schema), tool.place(load, lineitem.TABLE))


def ask(load: Load, job: str) -> None:
    """Let the daemon run a job, to its end."""
    run = call(load.folder / "state", "start", {"job": job, "queries": (), "full": False, "wait": True})
    if run["status"] != "ok":
        raise FailedError(f"the run of {job} ended {run['status']}")


def run_served(stage: Stage, pair: tuple[str, str]) -> Sample:
    """The load asked of a daemon that has a worker from another job, from request to final answer."""
    load = make(stage, SYNCD_DAEMON, pair)
    write_for_daemon(load)
    stage.settle()
    servers = stage.servers(load.source, load.destination)
    with daemon(load.folder) as process, PeakMemory([process.pid]) as peak:
        ask(load, WARM)
        before = [tree_cpu_seconds(pids) for pids in (servers, [process.pid])]
        begin = time.perf_counter()
        ask(load, JOB)
        wall = time.perf_counter() - begin
        after = [tree_cpu_seconds(pids) for pids in (servers, [process.pid])]
    server, client = (late - early for early, late in zip(before, after, strict=True))
    return Sample(wall, client, server, peak.megabytes, note=judge(stage, SYNCD_DAEMON, load))


def cells() -> list[Cell]:
    """Every pair; those of SQLite and MariaDB without rivals."""
    found = []
    for group, pair in PAIRS.items():
        first, second, *others = contestants(pair, rivals="postgresql" in pair)
        tools = [first, second, SYNCD_CHECK_COLUMN, *others]
        contest = all_cells([Contest(group, tools, partial(make, pair=pair), judge)])
        served = Cell(group, f"{group}-{SYNCD_DAEMON.name}", partial(run_served, pair=pair))
        found += [*contest[:2], served, *contest[2:]]
    return found
