"""A cluster that the real program synchronises, and the judgement of what it did."""

import json
import random
import signal
import time

from syncd.repository.replica import Replica
from tests.cluster.register import TABLE, Register
from tests.system.site import Site

CLUSTER = "world"
RUN_SECONDS = 90


class Crew:
    """A parent P and children, each a node, with a site whose program synchronises them."""

    def __init__(self, folder, nodes, **options):
        self.site = Site(folder)
        self.nodes = nodes
        self.register = Register()
        self.chance = random.Random(7)
        self.write(**options)

    def write(self, options="", more=""):
        """Write the configuration; `options` are lines of the cluster, `more` of the connections."""
        connections = "".join(
            f"  {name}: {node.connection_text(more)}\n" for name, node in self.nodes.items()
        )
        children = ", ".join(f"{{repository: {name}, connection: {name}}}" for name in self.children)
        self.site.write(
            f"state: {{path: ./state}}\nconnections:\n{connections}clusters:\n  {CLUSTER}:\n"
            f"    parent: {{repository: P, connection: P}}\n    children: [{children}]\n"
            f"    tables: [{TABLE}]\n    conflict: newest\n{options}"
        )

    @property
    def children(self):
        """The names of the children."""
        return [name for name in self.nodes if name != "P"]

    def edit(self, **amounts):
        """Edits at every node."""
        self.register.edit([node.connection for node in self.nodes.values()], self.chance, **amounts)

    def sync(self, **environ):
        """Run the program once."""
        return self.site.syncd("sync", CLUSTER, "--json", environ=environ)

    def begin(self):
        """Begin a run of the program."""
        return self.site.begin("sync", CLUSTER)

    def healed(self):
        """The next three runs at once: they succeed, all are equal, nothing is lost, and the third moves nothing."""
        done = self.site.syncd("sync", CLUSTER, CLUSTER, CLUSTER, "--json")
        assert done.returncode == 0, done.stdout + done.stderr + self.said()
        counters = [step["counters"] for step in json.loads(done.stdout)[2]["steps"]]
        assert counters
        assert not any(each[name] for each in counters for name in ("read", "inserted", "updated", "deleted"))
        self.judge()

    def said(self):
        """What commands that were begun have written."""
        return self.site.log() if (self.site.folder / "log").exists() else ""

    def judge(self, children=None):
        """All nodes, or the parent and these children, hold the same, and no edit is lost; not asked when not all are."""
        replicas = {name: Replica(node.open_past(), CLUSTER, time.time) for name, node in self.nodes.items()}
        try:
            lost = self.register.lost(replicas["P"], replicas.values())
            rows = {name: set(contents(replica)) for name, replica in replicas.items()}
        finally:
            for replica in replicas.values():
                replica.close()
        assert children is not None or lost == set()
        for name in children or self.children:
            assert rows[name] == rows["P"], (name, rows[name] ^ rows["P"])

    def close(self):
        """End everything."""
        self.site.close()
        for node in self.nodes.values():
            node.close()


def contents(replica):
    """The rows of a node as texts."""
    rows = replica.store.run(f"SELECT id, marks, filler FROM {TABLE}").rows
    return [tuple(str(value) for value in row) for row in rows]


def steps_of(done):
    """The steps of the last run that a program printed, by name."""
    return {step["step"]: step for step in json.loads(done.stdout)[-1]["steps"]}


def killed(process):
    """Did it die by SIGKILL?"""
    return process.returncode == -signal.SIGKILL
