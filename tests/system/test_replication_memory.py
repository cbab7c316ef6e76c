"""Memory is bounded by the batch, never by the table."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

READ = """
import sys
from syncd.model.batch import Format
from syncd.model.plan import Relation
from syncd.model.table import TableName
from syncd.model.reading import Extract
from syncd.registry import connector

kind, place, form = sys.argv[1:]
options = {"url": place} if kind == "postgresql" else {"path": place}
port = connector(kind).open_source(options)
reading = port.open(Extract(Relation(table=TableName("t"))), (Format(form),), lambda: None)
rows = 0
for window in reading.windows():
    for batch in reading.read(window, Format(form), lambda: None):
        rows += batch.rows
reading.close()
port.close()
# The kernel's figure for the resources used counts the program that this one was forked from.
status = open("/proc/self/status").read()
print(rows, int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
FEW, MANY = 50_000, 300_000
GROWTH_MEGABYTES = 6


def peak(kind: str, place: str, form: str) -> tuple[int, int]:
    """Rows and peak memory in megabytes of a process that reads the table."""
    done = subprocess.run(
        [sys.executable, "-c", READ, kind, place, form],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows, megabytes = done.stdout.split()
    return int(rows), int(megabytes)


@pytest.mark.postgresql
def test_postgresql_table_of_any_size_takes_the_same_memory(make_store: Callable[[str], Any]) -> None:
    store = make_store("postgresql")
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text, n numeric)")
    fill = "INSERT INTO t SELECT i, repeat('x', 100), i / 7.0 FROM generate_series({}, {}) i"
    store.execute(fill.format(1, FEW))
    forms = ("pgcopy", "copytext", "rows")
    few = {form: peak("postgresql", store.url, form) for form in forms}
    store.execute(fill.format(FEW + 1, MANY))

    many = {form: peak("postgresql", store.url, form) for form in forms}

    assert {rows for rows, _ in few.values()} == {FEW}
    assert {rows for rows, _ in many.values()} == {MANY}
    assert max(many[form][1] - few[form][1] for form in forms) <= GROWTH_MEGABYTES


def test_sqlite_table_of_any_size_takes_the_same_memory(make_store: Callable[[str], Any]) -> None:
    store = make_store("sqlite")
    store.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    fill = "WITH RECURSIVE c(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM c WHERE i < {}) INSERT INTO t SELECT i, printf('%0100d', i) FROM c"
    store.execute(fill.format(1, FEW))
    _, few = peak("sqlite", str(store.path), "rows")
    store.execute(fill.format(FEW + 1, MANY))

    rows, many = peak("sqlite", str(store.path), "rows")

    assert rows == MANY
    assert many - few <= GROWTH_MEGABYTES


def test_wide_values_of_a_file_come_in_small_batches(make_store: Callable[[str], Any]) -> None:
    store = make_store("sqlite")
    store.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
    store.execute(
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400)"
        " INSERT INTO t SELECT i, zeroblob(500000) FROM c"
    )

    rows, megabytes = peak("sqlite", str(store.path), "rows")

    assert rows == 400
    assert megabytes < 130, "200 MB of values were held at once"
