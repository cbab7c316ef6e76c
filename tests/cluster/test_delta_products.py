"""Delta files between sites with different databases, and sites that die in the middle."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from syncd.delta.downward import export_versions, import_versions
from syncd.delta.reading import DeltaReader
from syncd.delta.site import Site, Wish
from syncd.delta.upward import export_edits, import_edits
from syncd.model.cluster import Child, Cluster, ClusterTable
from syncd.registry import connection_from_url, connector
from syncd.repository.replica import Replica

COLUMNS = (
    "id integer PRIMARY KEY, name varchar(40), size double precision, day date, photo {blob}, big bigint"
)
PASS = lambda: None  # noqa: E731


@dataclass
class Place:
    """A database by its URL."""

    url: str

    def site(self, cluster):
        at = connection_from_url("x", self.url)
        store = connector(at.type).open_store(at.options)
        return Site(
            cluster, cluster.children[0], Replica(store, cluster.name, lambda: 1.0), PASS, lambda: 1.0
        )

    def export(self, cluster, path, to_parent):
        site = self.site(cluster)
        with closing(site.port):
            return (export_edits if to_parent else export_versions)(site, path, Wish())

    def take(self, cluster, path, at_parent):
        with closing(DeltaReader(path, None, PASS)) as reader:
            site = self.site(cluster)
            with closing(site.port):
                return (import_edits if at_parent else import_versions)(site, reader)


@pytest.mark.postgresql
def test_values_of_postgresql_arrive_at_postgresql_unchanged(two_databases, tmp_path):
    cluster = Cluster("c", "P", "p", (Child("C", connected="false"),), (ClusterTable("t"),))
    parent, child = map(Place, two_databases)
    table = (
        COLUMNS.format(blob="bytea")
        + ", at timestamptz, price numeric(20,6), doc jsonb, key uuid, yes boolean"
    )
    for url in two_databases:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE t ({table})")
    with psycopg.connect(parent.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO t VALUES (1, 'n', 'NaN', '2026-01-02', '\\x00ff', 9223372036854775807, '2026-01-02 03:04:05.123456+02',"
            " 12345678901234.123456, '{\"a\": [1, null]}', '6f1c0f8e-3c1b-4a55-9a43-9d3c6e0f0a11', true),"
            " (2, NULL, '-Infinity', NULL, NULL, NULL, NULL, 'NaN', NULL, NULL, NULL), (3, 'x', '-0', NULL, '', -1, NULL, 0, '1', NULL, false)"
        )
    with psycopg.connect(child.url, autocommit=True) as connection:
        connection.execute("INSERT INTO t (id, name, size) VALUES (9, 'mine', 'NaN')")

    file = tmp_path / "file"
    for _ in range(2):
        parent.export(cluster, file, to_parent=False)
        child.take(cluster, file, at_parent=False)
        child.export(cluster, file, to_parent=True)
        parent.take(cluster, file, at_parent=True)

    found = []
    for url in two_databases:
        with psycopg.connect(url) as connection:
            found.append(connection.execute("SELECT t::text FROM t ORDER BY id").fetchall())
    assert found[0] == found[1]
    assert len(found[0]) == 4


@pytest.mark.postgresql
@pytest.mark.mysql
def test_parent_in_mariadb_and_child_in_postgresql_end_equal(database, mariadb, tmp_path):
    name = mariadb.create_database()
    cluster = Cluster("c", "P", "p", (Child("C", connected="false"),), (ClusterTable("t"),))
    parent, child = Place(mariadb.url(name)), Place(database)
    mariadb.query(f"CREATE TABLE t ({COLUMNS.format(blob='longblob')}) CHARACTER SET utf8mb4", name)
    mariadb.query(
        "INSERT INTO t VALUES (1, 'pump', 0.1, '2026-01-02', x'00ff', 5), (2, 'ü€', 1e300, NULL, '', NULL)",
        name,
    )
    with psycopg.connect(child.url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE t ({COLUMNS.format(blob='bytea')})")
        connection.execute("INSERT INTO t (id, name) VALUES (9, 'mine')")

    file = tmp_path / "file"
    parent.export(cluster, file, to_parent=False)
    child.take(cluster, file, at_parent=False)
    child.export(cluster, file, to_parent=True)
    parent.take(cluster, file, at_parent=True)

    with psycopg.connect(child.url) as connection:
        theirs = connection.execute(
            "SELECT id, name, size, day, encode(photo, 'hex'), big FROM t ORDER BY id"
        ).fetchall()
    said = mariadb.query("SELECT count(*), max(name), sum(photo = x'00ff') FROM t", name)
    assert [row[1] for row in theirs] == ["pump", "ü€", "mine"]
    assert (theirs[0][2], theirs[0][4], theirs[1][2]) == (0.1, "00ff", 1e300)
    assert said.split()[0] == "3"
    mariadb.drop_database(name)


CONFIGURATION = """
connections: {{here: {{type: sqlite, path: {node}.db}}}}
clusters:
  c:
    parent: {{repository: P{parent}}}
    children: [{{repository: C{child}, connected: false}}]
    tables: [t]
"""
POINTS = {
    "P export": ("after settle", "before seal", "after seal", "file is written", "file is in place"),
    "C export": ("after settle", "before seal", "after seal", "file is written", "file is in place"),
    "C import": (
        "staged",
        "before versions are applied",
        "versions are placed",
        "after versions are applied",
    ),
    "P import": ("staged", "before edits are applied", "edits are placed", "after edits are applied"),
}


def two_sites(folder):
    for node in "PC":
        with closing(sqlite3.connect(folder / f"{node}.db")) as made:
            made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
            made.execute("INSERT INTO t VALUES (?, ?)", (1 if node == "P" else 2, node))
            made.commit()
        here = ", connection: here"
        text = CONFIGURATION.format(
            node=node, parent=here if node == "P" else "", child=here if node == "C" else ""
        )
        (folder / f"{node}.yaml").write_text(text)


def do(folder, node, what, crash=None):
    words = (
        ["export", "c", "C", f"{folder}/from{node}"]
        if what == "export"
        else ["import", "c", f"{folder}/from{'C' if node == 'P' else 'P'}"]
    )
    environment = {**os.environ, **({"SYNCD_CRASH": f"{crash}:1"} if crash else {})}
    return subprocess.run(
        [sys.executable, "-m", "syncd", *words, "-c", str(folder / f"{node}.yaml")],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize(
    ("action", "point"), [(action, point) for action in POINTS for point in POINTS[action]]
)
def test_site_that_dies_goes_on_from_there(tmp_path, action, point):
    two_sites(tmp_path)
    order = [("P", "export"), ("C", "import"), ("C", "export"), ("P", "import")]

    for node, what in order:
        if action == f"{node} {what}":
            assert do(tmp_path, node, what, crash=point).returncode == -signal.SIGKILL
        assert do(tmp_path, node, what).returncode == 0

    rows = []
    for node in "PC":
        with closing(sqlite3.connect(tmp_path / f"{node}.db")) as file:
            rows.append(file.execute("SELECT * FROM t ORDER BY id").fetchall())
    assert rows[0] == rows[1] == [(1, "P"), (2, "C")]


def test_large_file_needs_little_memory(tmp_path):
    two_sites(tmp_path)
    chance = random.Random(1)
    with closing(sqlite3.connect(tmp_path / "P.db")) as made:
        made.executemany(
            "INSERT INTO t VALUES (?, ?)", ((n, chance.randbytes(60).hex()) for n in range(10, 200_010))
        )
        made.commit()
    # Not ru_maxrss, which a program inherits from the one that started it.
    program = "import pathlib, runpy, sys\ntry:\n    runpy.run_module('syncd', run_name='__main__')\nfinally:\n    print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0], file=sys.stderr)"
    used = []
    for node, words in (
        ("P", ["export", "c", "C", f"{tmp_path}/f"]),
        ("C", ["import", "c", f"{tmp_path}/f"]),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "-c", str(tmp_path / f"{node}.yaml")],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        used.append(int(done.stderr.split()[-1]) // 1024)

    assert max(used) < 150, used
