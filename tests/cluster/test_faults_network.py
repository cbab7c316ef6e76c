"""Connections of a cluster are cut, crawl, dawdle and lose answers, servers are killed: nothing is lost, the next run heals."""

import random
import time

import pytest

from tests.cluster.nodes import MariadbNode, PostgresNode
from tests.cluster.program import Crew, steps_of
from tests.cluster.register import FILLER, SCHEMA
from tests.proxy import Proxy
from tests.servers import MariadbServer, PostgresServer
from tests.system.faults import SAFE, SAFE_MARIADB

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.mysql, pytest.mark.timeout(240)]

ROWS = 3_000
CUTS = 4
VICTIMS = ("P", "a", "b")
MOST_BYTES = {"P": 1_500_000, "a": 700_000, "b": 700_000}
"""About as many as a run moves over this node's connections."""


class Net:
    """A parent and the child a on PostgreSQL, the child b on MariaDB, each on a server of its own behind a proxy."""

    def __init__(self, folder):
        self.servers = {
            "P": PostgresServer(SAFE),
            "a": PostgresServer(SAFE),
            "b": MariadbServer(SAFE_MARIADB),
        }
        self.proxies = {name: Proxy(server.port) for name, server in self.servers.items()}
        kinds = {"P": PostgresNode, "a": PostgresNode, "b": MariadbNode}
        nodes = {name: kinds[name](self.servers[name], SCHEMA, self.proxies[name].port) for name in VICTIMS}
        self.crew = Crew(folder, nodes)
        self.turn = 0
        self.crew.edit()
        self.crew.healed()

    def load(self, rows=ROWS):
        """So many new rows at every node, and edits of rows that others have."""
        self.turn += 1
        for place, node in enumerate(self.crew.nodes.values()):
            first = 100_000_000 * (place + 1) + 1_000_000 * self.turn
            span = f"generate_series({first}, {first + rows - 1}) AS i"
            if node.product == "mysql":
                span = f"(SELECT seq AS i FROM seq_{first}_to_{first + rows - 1}) AS series"
            node.run(f"INSERT INTO note (id, marks, filler) SELECT i, 'm ', '{FILLER}' FROM {span}")
        self.crew.edit()

    def close(self):
        """End everything."""
        self.crew.site.close()
        for proxy in self.proxies.values():
            proxy.close()
        for server in self.servers.values():
            server.close()


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A cluster over a network that can be hurt; each test leaves it healed."""
    made = Net(tmp_path_factory.mktemp("net"))
    yield made
    made.close()


def fit(done):
    """A run that ended in its own way: well, or with a failure that it tells."""
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("victim", VICTIMS)
def test_cuts_at_random_bytes_cost_no_edit(net, victim):
    chance = random.Random(victim)
    broken = 0
    for _ in range(CUTS):
        net.load()
        net.proxies[victim].cut_after(chance.randrange(5_000, MOST_BYTES[victim]))
        done = net.crew.sync()
        fit(done)
        broken += done.returncode
        net.proxies[victim].go_on()

    net.crew.healed()
    assert broken >= 1


@pytest.mark.parametrize("victim", VICTIMS)
def test_answers_that_are_lost_cost_no_edit(net, victim):
    chance = random.Random(victim)
    for _ in range(CUTS):
        net.load(300)
        process = net.crew.begin()
        time.sleep(0.4 + chance.random() * 0.5)
        net.proxies[victim].swallow_answers()
        time.sleep(0.3)
        net.proxies[victim].cut()
        net.proxies[victim].go_on()
        assert process.wait(60) in {0, 1}, net.crew.said()
        net.crew.edit()

    net.crew.healed()


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_link_that_dawdles_or_crawls_only_costs_time(net, victim):
    net.load(200)
    net.proxies[victim].delay(0.1)
    assert net.crew.sync().returncode == 0
    net.proxies[victim].go_on()
    net.load(500)
    net.proxies[victim].slow(100_000)
    assert net.crew.sync().returncode == 0
    net.proxies[victim].go_on()

    net.crew.healed()


@pytest.mark.parametrize("victim", ["a", "b"])
def test_a_child_that_is_out_of_reach_stops_nobody_else(net, victim):
    net.load(50)
    proxy = net.proxies[victim]
    proxy.refuse()
    proxy.cut()

    done = net.crew.sync()

    proxy.go_on()
    steps = steps_of(done)
    other = "b" if victim == "a" else "a"
    assert done.returncode == 1
    assert steps[f"{victim} down"]["failure"]["code"]
    assert steps[f"{other} up"]["status"] == steps[f"{other} down"]["status"] == "ok"
    net.crew.judge([other])
    net.crew.healed()


def test_a_parent_that_is_out_of_reach_leaves_everything_as_it_was(net):
    net.load(50)
    before = {name: net.crew.nodes[name].rows("note") for name in net.crew.children}
    net.proxies["P"].refuse()
    net.proxies["P"].cut()

    done = net.crew.sync()

    net.proxies["P"].go_on()
    assert done.returncode == 1
    assert {name: net.crew.nodes[name].rows("note") for name in net.crew.children} == before
    net.crew.healed()


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_server_that_is_killed_in_the_middle_of_runs_costs_no_edit(net, victim):
    chance = random.Random(victim)
    server, node = net.servers[victim], net.crew.nodes[victim]
    for _ in range(3):
        net.load()
        process = net.crew.begin()
        time.sleep(0.5 + chance.random() * 0.6)
        server.kill()
        server.start()
        node.reconnect()
        assert process.wait(60) in {0, 1}, net.crew.said()

    net.crew.healed()
