"""Random kill -9 of the real daemon under load: nothing lost, nothing doubled, no run left unfinished."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from tests.system.site import Site, expect_soon

SCALE = int(os.environ.get("SOAK_SCALE", "1"))
"""How many times as long as `make soak-short` the slow attacks go on."""
ROWS = 20_000
LONGEST_LIFE_SECONDS = 1.2
JOB = """
  busy:
    source: src
    destination: {destination}
    queries: ["REPLICATE [busy]", "REPLICATE [named] SELECT id, name, updated FROM busy WHERE id % 3 = 0"]
    check_column: updated
    schedule: {{every: 1 second}}
    retry: {{attempts: 3, delay_seconds: 0.1}}
"""

Rows = list[tuple[object, ...]]


class Writer(threading.Thread):
    """Keeps changing the source: new rows, changed rows, each with a higher mark than any before."""

    def __init__(self, site: Site, seed: int) -> None:
        super().__init__(daemon=True)
        self._path = site.folder / "src.db"
        self._random = random.Random(seed)
        self._done = threading.Event()

    def run(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            mark = top = ROWS
            while not self._done.wait(0.005):
                with connection:
                    for _ in range(self._random.randrange(1, 40)):
                        mark, top = mark + 2, top + 1
                        connection.execute(
                            "INSERT INTO busy VALUES (?, ?, ?)", (top, f"new {mark}", mark - 1)
                        )
                        chosen = self._random.randrange(1, top)
                        change = "UPDATE busy SET name = ?, updated = ? WHERE id = ?"
                        connection.execute(change, (f"again {mark}", mark, chosen))

    def stop(self) -> None:
        assert self.is_alive(), "the writer fell over"
        self._done.set()
        self.join(10)


def attack(site: Site, kills: int, seed: int, arrived: Callable[[str], Rows]) -> None:
    """Kill the daemon that often at random moments, then let it finish and compare."""
    chance = random.Random(seed)
    writer = Writer(site, seed)
    writer.start()
    for _ in range(kills):
        daemon = site.daemon()
        time.sleep(chance.random() * LONGEST_LIFE_SECONDS)
        daemon.kill()
    writer.stop()
    daemon = site.daemon()
    expect_soon(lambda: not daemon.call("status", job="busy")["jobs"][0]["run"], 60)
    last = daemon.call("start", job="busy", wait=True)
    daemon.stop()

    assert last["status"] == "ok", last
    assert site.history("SELECT id FROM runs WHERE status IN ('queued', 'running', 'cancelling')") == []
    assert site.history("SELECT * FROM leases") == []
    expected = site.rows("busy", "src.db")
    assert len(expected) > ROWS
    assert arrived("busy") == expected
    assert arrived("named") == [row for row in expected if row[0] % 3 == 0]


def check_kills(site: Site, kills: int, seed: int) -> None:
    site.jobs(JOB.format(destination="dst"))
    site.table("busy", ROWS)
    attack(site, kills, seed, site.rows)


def check_kills_with_postgresql(site: Site, url: str, kills: int, seed: int) -> None:
    site.jobs(JOB.format(destination="pg"), connections=f"  pg: {{type: postgresql, url: '{url}'}}\n")
    site.table("busy", ROWS)

    def arrived(table: str) -> Rows:
        with psycopg.connect(url) as connection:
            return connection.execute(f"SELECT id, name, updated FROM {table} ORDER BY id").fetchall()

    attack(site, kills, seed, arrived)


def test_a_few_random_kills(site: Site):
    check_kills(site, kills=8, seed=1)


def test_a_few_random_kills_with_postgresql(site: Site, database: str):
    check_kills_with_postgresql(site, database, kills=5, seed=2)


@pytest.mark.soak
@pytest.mark.timeout(900 * SCALE)
@pytest.mark.parametrize("seed", [11, 12])
def test_a_hundred_random_kills(site: Site, seed: int):
    check_kills(site, kills=100 * SCALE, seed=seed)


@pytest.mark.soak
@pytest.mark.timeout(900 * SCALE)
def test_fifty_random_kills_with_postgresql(site: Site, database: str):
    check_kills_with_postgresql(site, database, kills=50 * SCALE, seed=13)
