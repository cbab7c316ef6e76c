"""A wide table of any size passes every path within a fixed memory: copied, as tuples, merged, compared, deleted."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

RUN = """
import json, resource, sys
from contextlib import contextmanager
from syncd.engine.compile import compile_job
from syncd.engine.execute import execute
from syncd.engine.pace import Pace
from syncd.engine.surroundings import Surroundings
from syncd.model.definitions import Replication
from syncd.model.options import Deletes, Options, Verify
from syncd.registry import connector
from syncd.worker.body import SystemClock

def memory(name):
    # The kernel's figure for the resources used counts the program that this one was forked from.
    status = open("/proc/self/status").read()
    return int(status.partition(name)[2].split()[0]) // 1024

ends, options = json.loads(sys.argv[1]), json.loads(sys.argv[2])
options = Options(
    check_columns=tuple(options.pop("check", ())), deletes=Deletes(options.pop("deletes", "off")),
    verify=Verify(options.pop("verify", "off")), max_delete_percent=100.0, **options,
)
(kind, place), (other, target) = ends
source = connector(kind).open_source(place)
destination = connector(other).open_destination(target)
job = Replication("job", "source", "destination", ("REPLICATE [t]",), options)
plan = compile_job(job, connector(kind).dialect, (), {})
import psycopg, sqlite3, sqlglot
began = memory("VmRSS:")
most = (memory("VmSize:") + int(sys.argv[3])) << 20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
clock = SystemClock()
around = Surroundings(
    "r", "job", source, destination, False, lambda _: None, lambda: None, clock, Pace(clock),
    mirror=lambda: connector(other).open_source(target),
)
result = execute(plan, around)[0]
assert result.status.value == "ok", result
print(result.counters.inserted, result.counters.updated, result.counters.deleted, memory("VmHWM:") - began)
"""
ROWS = 1_000
WIDE = 290
LONG_BYTES = 100_000
MOST_MEGABYTES = 100
PAIRS = ("sqlite>sqlite", "postgresql>sqlite", "sqlite>postgresql", "postgresql>postgresql")


def run(source: Any, destination: Any, **options: Any) -> list[int]:
    """Run the job in a process of its own: rows inserted, updated and deleted, and by how many megabytes it grew.

    The kernel gives the process no more than MOST_MEGABYTES of address space beyond what the program itself takes.
    """
    ends = [(source.type, source.options()), (destination.type, destination.options())]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(ends), json.dumps(options), str(MOST_MEGABYTES)],
        # Each thread's heap would reserve much more than it uses.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(word) for word in done.stdout.split()]


def fill(store: Any) -> None:
    """A table with a text key, 300 columns, and two texts of 100 kB in each row: 200 MB in all."""
    names = ", ".join(f"c{number} {store.integer}" for number in range(WIDE))
    store.execute(
        f"CREATE TABLE t (id varchar(40) NOT NULL PRIMARY KEY, {names}, one {store.text}, two {store.text},"
        " short varchar(20), updated bigint)"
    )
    values = ", ".join("i" for _ in range(WIDE))
    if store.type == "postgresql":
        # Not to be compressed, so that the server has as much to move.
        store.execute("ALTER TABLE t ALTER one SET STORAGE EXTERNAL, ALTER two SET STORAGE EXTERNAL")
        store.execute(
            f"INSERT INTO t SELECT 'key ' || i, {values}, repeat('a', {LONG_BYTES}), repeat('b', {LONG_BYTES}),"
            f" 'longer than that', i FROM generate_series(1, {ROWS}) i"
        )
        return
    store.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        f" INSERT INTO t SELECT 'key ' || i, {values}, printf('%.{LONG_BYTES}c', 'a'),"
        f" printf('%.{LONG_BYTES}c', 'b'), 'longer than that', i FROM n"
    )


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.postgresql] if "postgresql" in name else []) for name in PAIRS
    ]
)
def ends(request: pytest.FixtureRequest, make_store: Callable[[str], Any]) -> tuple[Any, Any]:
    """Two stores, the first with the wide table."""
    source, destination = (make_store(kind) for kind in request.param.split(">"))
    fill(source)
    return source, destination


@pytest.mark.soak
def test_a_wide_table_passes_every_path_within_the_same_memory(ends: tuple[Any, Any]) -> None:
    source, destination = ends

    *copied, first = run(source, destination, check=["updated"], deletes="hard", verify="checksum")
    source.execute(f"UPDATE t SET updated = updated + {ROWS}")
    *merged, second = run(source, destination, check=["updated"], deletes="hard")
    source.execute("DELETE FROM t WHERE updated % 2 = 0")
    *deleted, third = run(source, destination, check=["updated"], deletes="hard", verify="checksum")

    assert (copied, merged, deleted) == ([ROWS, 0, 0], [0, ROWS, 0], [0, 0, ROWS // 2])
    assert max(first, second, third) <= MOST_MEGABYTES, (first, second, third)


@pytest.mark.soak
def test_a_wide_table_that_travels_as_tuples_takes_no_more(ends: tuple[Any, Any]) -> None:
    source, destination = ends
    names = ", ".join(f"c{number} {destination.integer}" for number in range(WIDE))
    destination.execute(
        f"CREATE TABLE t (id varchar(40) NOT NULL PRIMARY KEY, {names}, one {destination.text},"
        f" two {destination.text}, short varchar(9), updated bigint)"
    )

    *copied, grown = run(source, destination, check=["updated"], truncate_strings=True, quarantine=True)

    assert copied == [ROWS, 0, 0]
    if destination.type == "postgresql":
        assert destination.rows("SELECT max(length(short)) FROM t") == [(9,)]
    assert grown <= MOST_MEGABYTES, grown
