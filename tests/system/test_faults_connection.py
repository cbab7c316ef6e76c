"""Servers die, connections are cut, crawl and come back while the real program loads, merges and deletes."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.servers import MariadbServer, PostgresServer
from tests.system.faults import MARIADB_PAIRS, PAIRS, ROWS, SAFE, SAFE_MARIADB, Field, SqliteEnd, make_end
from tests.system.site import Site, expect_soon

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.mysql, pytest.mark.timeout(180)]

KILLS = 2
CANCEL_SECONDS = 4
"""A second where nothing else happens; the slow attacks share the machine."""
SIDES = [
    f"{pair} {side}"
    for pair in PAIRS
    for side, kind in zip(("source", "destination"), pair.split(">"), strict=True)
    if kind != "sqlite"
]


MARIADB_SIDES = ["postgresql>mysql destination", "mysql>postgresql source"]


class Servers:
    """A server of each type for each side, started when it is asked for."""

    def __init__(self) -> None:
        self.started: dict[tuple[str, str], PostgresServer | MariadbServer] = {}

    def of(self, kind: str, side: str) -> PostgresServer | MariadbServer:
        """The side's server."""
        if (kind, side) not in self.started:
            made = MariadbServer(SAFE_MARIADB) if kind == "mysql" else PostgresServer(SAFE)
            self.started[kind, side] = made
        return self.started[kind, side]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Servers that are killed and started again."""
    made = Servers()
    yield made
    for server in made.started.values():
        server.close()


@contextmanager
def made_field(site: Site, servers: Servers, pair: str) -> Iterator[Field]:
    ends = [
        make_end(kind, Path(site.folder) / f"{side}.db", partial(servers.of, side=side))
        for kind, side in zip(pair.split(">"), ("source", "destination"), strict=True)
    ]
    try:
        yield Field(site, *ends)
    finally:
        site.close()
        for end in ends:
            end.close()


@contextmanager
def cutting(field: Field, seed: int) -> Iterator[None]:
    """All connections of both ends are cut again and again meanwhile."""
    done = threading.Event()
    proxies = [end.proxy for end in (field.source, field.destination) if not isinstance(end, SqliteEnd)]
    chance = random.Random(seed)

    def cut() -> None:
        while not done.wait(0.05 + chance.random() * 0.9):
            chance.choice(proxies).cut()

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("place", [*SIDES, *MARIADB_SIDES])
def test_a_server_that_is_killed_again_and_again_costs_time_and_no_row(
    site: Site, servers: Servers, place: str
) -> None:
    pair, side = place.split()
    with made_field(site, servers, pair) as field:
        field.source.execute(field.source.fill(1, ROWS))
        field.job("deletes: hard")
        server = getattr(field, side).server
        process = field.begin()
        for kill in range(KILLS):
            expect_soon(lambda least=kill * 8000: field.arrived() > least, 40)
            server.kill()
            time.sleep(0.3)
            server.start()

        field.finish(process)

        field.judge()
        assert field.statuses().count("failed") >= 1


@pytest.mark.parametrize("pair", [*PAIRS, *MARIADB_PAIRS])
def test_connections_that_are_cut_in_every_phase_cost_time_and_no_row(
    site: Site, servers: Servers, pair: str
) -> None:
    with made_field(site, servers, pair) as field:
        source = field.source
        field.job("deletes: hard", rows_per_second=40_000)
        phases = (
            [source.fill(1, ROWS)],
            [f"UPDATE t SET name = name || '!', updated = updated + {ROWS} WHERE id % 2 = 0"],
            ["DELETE FROM t WHERE id % 3 = 0", source.fill(ROWS + 1, ROWS + 5000)],
        )
        for number, statements in enumerate(phases):
            source.execute(*statements)
            with cutting(field, number):
                process = field.begin()
                end = time.monotonic() + 6
                while process.poll() is None and time.monotonic() < end:
                    time.sleep(0.05)
            field.finish(process)

        field.judge()
        assert "failed" in field.statuses()


@pytest.mark.parametrize("place", SIDES)
def test_a_crawling_connection_can_be_cancelled_at_once(site: Site, servers: Servers, place: str) -> None:
    pair, side = place.split()
    with made_field(site, servers, pair) as field:
        field.source.execute(field.source.fill(1, ROWS))
        field.job("deletes: hard")
        end = getattr(field, side)
        process = field.begin()
        expect_soon(lambda: field.arrived() > 0, 30)
        end.proxy.slow(2000)
        time.sleep(1)

        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
        seconds = time.monotonic() - asked
        end.proxy.go_on()
        end.proxy.cut()

        assert code == 130, site.log()
        assert field.statuses()[-1] == "cancelled"
        assert seconds < CANCEL_SECONDS, seconds
        field.finish(field.begin())
        field.judge()


@pytest.mark.parametrize("place", SIDES)
def test_an_end_that_lets_nobody_in_is_waited_for(site: Site, servers: Servers, place: str) -> None:
    pair, side = place.split()
    with made_field(site, servers, pair) as field:
        field.source.execute(field.source.fill(1, ROWS))
        field.job("deletes: hard")
        end = getattr(field, side)
        process = field.begin()
        expect_soon(lambda: field.arrived() > 0, 30)
        end.proxy.refuse()
        end.proxy.cut()
        time.sleep(2)
        end.proxy.go_on()

        field.finish(process)

        field.judge()
        assert field.statuses().count("failed") >= 2


@pytest.mark.parametrize("pair", PAIRS)
def test_a_lock_on_the_destination_is_waited_for(site: Site, servers: Servers, pair: str) -> None:
    with made_field(site, servers, pair) as field:
        field.source.execute(field.source.fill(1, 20_000))
        field.job("deletes: hard")
        field.finish(field.begin())
        field.source.execute(f"UPDATE t SET name = 'new', updated = updated + {ROWS} WHERE id > 5000")
        field.source.execute("DELETE FROM t WHERE id % 100 = 7")
        with field.destination.open() as other:
            field.destination.lock(other)
            process = field.begin()
            time.sleep(4)
            assert process.poll() is None, site.log()

        field.finish(process)

        field.judge()


@pytest.mark.parametrize("pair", PAIRS)
def test_a_daemon_whose_workers_and_connections_die_at_random_ends_with_equal_tables(
    site: Site, servers: Servers, pair: str
) -> None:
    with made_field(site, servers, pair) as field:
        source = field.source
        field.job("deletes: hard", "schedule: {every: 1 second}")
        source.execute(source.fill(1, ROWS))
        daemon = site.daemon()
        chance = random.Random(5)
        with cutting(field, 9):
            for turn in range(6):
                time.sleep(chance.random() * 1.5)
                for pid in daemon.workers():
                    os.kill(pid, signal.SIGKILL)
                first = ROWS + 1000 * turn
                source.execute(
                    source.fill(first + 1, first + 1000),
                    f"DELETE FROM t WHERE id % 50 = {turn}",
                    f"UPDATE t SET name = 'u{turn}', updated = {turn + 1} * 1000000 + id WHERE id % 40 = {turn + 7}",
                )
        daemon.stop()
        field.finish(field.begin())

        field.judge()
        assert field.statuses()[-1] == "ok"
