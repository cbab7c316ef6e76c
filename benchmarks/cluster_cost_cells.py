"""What a cluster costs beside moving many rows: a single row's way, a run with nothing to do, memory for a long delta."""

import statistics
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Final

from benchmarks.cell import Cell, Stage
from benchmarks.cluster_floors import fingerprint, write_all
from benchmarks.cluster_node import KINDS, TABLE, make_stores, run_script, write
from benchmarks.cluster_ours import SYNCD_DAEMON, SYNCD_SYNC, SYNCD_WATCH
from benchmarks.cluster_race import Cluster, Keeper
from benchmarks.cluster_workload import PARENT, Act, Edits, Phase, edits, row
from benchmarks.contest import fresh_folder
from benchmarks.measure import FailedError, PeakMemory, Sample, tree_cpu_seconds
from benchmarks.rivals.bucardo import BUCARDO

LATENCY_ROWS: Final = 200
WARM_ROWS: Final = 5
"""The first rows, which open connections and are not counted."""
LOOK_SECONDS: Final = 0.002
LONGEST_PAUSE_SECONDS: Final = 0.5
GOLDEN_RATIO: Final = 0.618_033_988_75
"""Its multiples spread evenly between whole numbers."""
ARRIVE_SECONDS: Final = 60.0
QUIET_CHILDREN: Final = (3, 100)
QUIET_ROUNDS: Final = 21
QUIET_ROWS: Final = 1_000

FILL: Final = {
    "postgresql": f"""
INSERT INTO {TABLE} SELECT md5(i::text)::uuid, 'AS-' || i, 'Asset ' || md5(i::text), i % 7, i, (i % 100000) / 100.0, i / 7.0,
  'note ' || md5(i::text) || md5((-i)::text), sha512(i::text::bytea), timestamptz '2024-01-01 00:00:00Z' + i * interval '10 ms'
FROM generate_series(1, {{rows}}) i
""",
    "sqlite": f"""
INSERT INTO {TABLE} SELECT printf('%08x-0000-4000-8000-%012x', value, value), 'AS-' || value,
  'Asset ' || hex(randomblob(16)), value % 7, value, value % 100000 / 100.0, value / 7.0, 'note ' || hex(randomblob(30)),
  randomblob(64), '2024-01-01T00:00:00+00:00'
FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT {{rows}}) SELECT value FROM n)
""",
}
CHANGE: Final = f"""
UPDATE {TABLE} SET name = name || '.', status = status + 1, qty = qty + 1, price = price + 1, ratio = ratio + 1, note = note || '.'
"""


def run_latency(stage: Stage, keeper: Keeper, kind: str) -> Sample:
    """From the commit of one row at the parent until every child has it; the median of many, with nobody asking for a run."""
    with closing(Cluster(stage, keeper, kind)) as cluster:
        for number in range(WARM_ROWS):
            way_of_row(cluster, -1 - number)
        before = cluster.cpu_seconds()
        with PeakMemory(cluster.running.pids) as peak:
            seconds = [way_of_row(cluster, number) for number in range(LATENCY_ROWS)]
        server, client = (late - early for early, late in zip(before, cluster.cpu_seconds(), strict=True))
    percents = statistics.quantiles(seconds, n=100)
    facts = {"p50 s": percents[49], "p99 s": percents[98], "slowest s": max(seconds)}
    return Sample(percents[49], client, server, peak.megabytes, facts)


def way_of_row(cluster: Cluster, number: int) -> float:
    """Insert one row at the parent: the seconds until all children have it.

    Raises:
        FailedError: it does not arrive.
    """
    # Never in step with a contestant's own rhythm, which would make all rows alike.
    time.sleep(number * GOLDEN_RATIO % 1 * LONGEST_PAUSE_SECONDS)
    work = Edits(PARENT, Act.INSERT, [row("latency", number)])
    parent, *waiting = cluster.nodes
    write(parent, work)
    parent.commit()
    committed = time.perf_counter()
    while waiting:
        waiting = [node for node in waiting if node.updated_at(work.rows[0]) is None]
        if time.perf_counter() - committed > ARRIVE_SECONDS:
            raise FailedError(f"row {number} did not arrive within {ARRIVE_SECONDS:.0f} s")
        if waiting:
            time.sleep(LOOK_SECONDS)
    return time.perf_counter() - committed


def run_quiet(stage: Stage, kind: str, children: int) -> Sample:
    """A run asked of the daemon when nothing has changed, from request to answer; the median of many."""
    names = [f"quiet_{kind}_{number}" for number in range(1 + children)]
    stores = make_stores(stage, kind, names)
    write_all(stores[PARENT], edits(Phase.INSERT_PARENT, "quiet", QUIET_ROWS))
    folder = fresh_folder(stage, f"quiet-{kind}-{children}")
    servers = stage.servers(*stores)
    with SYNCD_DAEMON.start(stage, stores, folder) as running:
        seconds = []
        with PeakMemory(running.pids) as peak:
            before = tree_cpu_seconds(servers), tree_cpu_seconds(running.pids)
            for _ in range(QUIET_ROUNDS):
                begin = time.perf_counter()
                running.kick()
                seconds.append(time.perf_counter() - begin)
            after = tree_cpu_seconds(servers), tree_cpu_seconds(running.pids)
    server, client = ((late - early) / QUIET_ROUNDS for early, late in zip(before, after, strict=True))
    return Sample(statistics.median(seconds), client, server, peak.megabytes, {"slowest s": max(seconds)})


def run_memory(stage: Stage, kind: str, change: str) -> Sample:
    """One `syncd sync` for as many rows as the stage has, all of them new or all of them changed."""
    with closing(Cluster(stage, SYNCD_SYNC, kind)) as cluster:
        parent = cluster.stores[PARENT]
        run_script(parent, FILL[kind].format(rows=stage.rows))
        if change == "updates":
            cluster.running.kick()
            run_script(parent, CHANGE)
        stage.settle()
        before = cluster.cpu_seconds()
        sample = cluster.running.kick()
        server = cluster.cpu_seconds()[0] - before[0]
        equal = len(set(map(fingerprint, cluster.stores))) == 1
    return replace(sample, server_cpu_seconds=server, note="EQUAL" if equal else "DIFFERS")


def cells() -> list[Cell]:
    """Bucardo takes part where one row goes its way, on PostgreSQL."""
    keepers = {"pg": (BUCARDO, SYNCD_WATCH), "sqlite": (SYNCD_WATCH,)}
    found = [
        Cell(
            f"cluster-event-{place}",
            f"cluster-event-{place}-{keeper.name}",
            partial(run_latency, keeper=keeper, kind=KINDS[place]),
            repeat=1,
            rival=keeper.name if keeper.rival else "",
        )
        for place, members in keepers.items()
        for keeper in members
    ]
    for place, kind in KINDS.items():
        found += [
            Cell(
                f"cluster-quiet-{place}",
                f"cluster-quiet-{place}-{children}",
                partial(run_quiet, kind=kind, children=children),
            )
            for children in QUIET_CHILDREN
        ]
        found += [
            Cell(
                f"cluster-memory-{place}",
                f"cluster-memory-{place}-{change}",
                partial(run_memory, kind=kind, change=change),
                repeat=1,
            )
            for change in ("inserts", "updates")
        ]
    return found
