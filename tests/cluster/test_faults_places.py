"""Full disks, locks of users, databases that may only be read, coordinators that are stopped: a clear word, and the next run heals."""

import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster.nodes import PRODUCTS, make_node, run_on
from tests.cluster.program import Crew, killed, steps_of
from tests.cluster.register import SCHEMA
from tests.proxy import Proxy
from tests.system.site import Site, expect_soon
from tests.system.test_faults_storage import mount, small_disk

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.mysql]

LOCK_SECONDS = 8
"""Longer than a run waits; how much longer makes no difference."""
PATIENCE_SECONDS = 14
"""A run may wait for a lock for some seconds, more than once, on a machine that is busy."""


@pytest.fixture
def make_crew(tmp_path, request):
    """Makes clusters of a parent and the children a and b, and tends them."""
    made = []

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def make(products, **places):
        nodes = {
            name: make_node(
                product, SCHEMA, places.get(name, tmp_path), name, server, places.get(f"{name}_port")
            )
            for name, product in products.items()
        }
        made.append(Crew(tmp_path, nodes))
        made[-1].edit()
        made[-1].healed()
        return made[-1]

    yield make
    for crew in made:
        crew.close()


def alone(crew, victim):
    """A run in which one child fails and the other is done."""
    began = time.monotonic()
    done = crew.sync()
    seconds = time.monotonic() - began
    steps = steps_of(done)
    other = next(name for name in crew.children if name != victim)
    assert done.returncode == 1, done.stdout
    assert steps[f"{victim} down"]["status"] == "failed"
    assert steps[f"{other} down"]["status"] == "ok"
    crew.judge([other])
    return steps[f"{victim} down"]["failure"], seconds


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_lock_of_a_user_delays_nobody_and_fails_its_child_with_a_word(make_crew, product):
    crew = make_crew({"P": "sqlite", "a": product, "b": "sqlite"})
    (key,) = crew.nodes["P"].run("SELECT min(id) FROM note")[0]
    with closing(crew.nodes["a"].another()) as other:
        run_on(other, "BEGIN IMMEDIATE" if product == "sqlite" else "BEGIN")
        locked = time.monotonic()
        run_on(other, "UPDATE note SET filler = 'mine' WHERE id = ?", (key,))
        crew.register.append(crew.nodes["P"].connection, key)

        failure, seconds = alone(crew, "a")

        assert "lock" in failure["message"] or "holds rows" in failure["message"], failure
        assert seconds < PATIENCE_SECONDS, failure
        time.sleep(max(0.0, LOCK_SECONDS - (time.monotonic() - locked)))
        run_on(other, "COMMIT")
    crew.healed()


@pytest.mark.parametrize("victim", ["P", "a"])
def test_a_full_disk_costs_no_edit(make_crew, tmp_path, victim):
    disk = tmp_path / "disk"
    with small_disk(disk, 1):
        crew = make_crew(dict.fromkeys(("P", "a", "b"), "sqlite"), **{victim: disk})
        writer = "b" if victim == "P" else "P"
        crew.nodes[writer].run(
            "WITH RECURSIVE n(i) AS (SELECT 50000000 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
            " INSERT INTO note SELECT i, 'm', printf('%.200c', 'x') FROM n"
        )

        done = crew.sync()

        assert done.returncode == 1, done.stdout
        assert "full" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        mount(disk, "remount,size=64m")
        crew.edit()
        crew.healed()
        crew.close()


def test_a_file_that_may_only_be_read_fails_its_child_alone(make_crew, tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, 8):
        crew = make_crew(dict.fromkeys(("P", "a", "b"), "sqlite"), a=disk)
        crew.edit()
        crew.nodes["a"].connection.close()
        mount(disk, "remount,ro")

        failure, _ = alone(crew, "a")

        mount(disk, "remount,rw")
        assert failure["message"]
        crew.nodes["a"].connection = crew.nodes["a"].another()
        crew.healed()
        crew.close()


def test_a_database_that_may_only_be_read_fails_its_child_alone(make_crew):
    crew = make_crew(dict.fromkeys(("P", "a", "b"), "postgresql"))
    crew.edit()
    name = crew.nodes["a"].store.name
    crew.nodes["P"].run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    failure, _ = alone(crew, "a")

    crew.nodes["P"].run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert "read" in failure["message"], failure
    crew.healed()


@pytest.fixture
def stopped(make_crew, postgres):
    """A cluster with much to do whose first coordinator is stopped in the middle of it; the parent's proxy."""
    proxy = Proxy(postgres.port)
    crew = make_crew(dict.fromkeys(("P", "a", "b"), "postgresql"), P_port=proxy.port)
    crew.nodes["P"].run(
        "INSERT INTO note SELECT i, 'm', repeat('x', 200) FROM generate_series(50000000, 50020000) i"
    )
    crew.edit()
    proxy.slow(2_000_000)
    process = crew.begin()
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    expect_soon(lambda: crew.nodes["P"].run(held)[0][0] > 1, 30)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None, crew.said()
    proxy.go_on()
    yield crew, process, proxy
    if process.poll() is None:
        process.kill()
    process.wait(20)
    crew.site.close()
    proxy.close()


def second(crew):
    """A site of its own for another coordinator of the same cluster."""
    folder = Path(crew.site.folder) / "second"
    folder.mkdir(exist_ok=True)
    site = Site(folder)
    site.write((crew.site.folder / "syncd.yaml").read_text())
    return site


def test_a_second_coordinator_is_refused_while_the_first_is_stopped_and_goes_on_when_it_is_dead(stopped):
    crew, process, _ = stopped

    refused = second(crew).syncd("sync", "world", "--json")
    assert refused.returncode == 1
    assert "another run synchronises cluster" in refused.stdout

    process.kill()
    process.wait(20)
    assert killed(process)
    taken = second(crew).syncd("sync", "world", "--json")
    assert taken.returncode == 0, taken.stdout
    crew.healed()


def test_a_coordinator_that_wakes_up_late_writes_nothing_wrong(stopped):
    crew, process, proxy = stopped
    # Its lock goes with its connection to the parent; those to the children live on.
    proxy.cut()
    ahead = second(crew)
    codes = []
    for _ in range(3):
        codes.append(ahead.syncd("sync", "world", "--json").returncode)
        crew.edit()

    process.send_signal(signal.SIGCONT)
    assert process.wait(60) in {0, 1}, crew.said()

    assert set(codes) <= {0, 1}
    crew.healed()
