"""A cluster of real databases that a test plays with."""

import sqlite3
import time
from dataclasses import replace

from syncd.connectors.sqlite.replica import SqliteStore
from syncd.engine.exchange import Exchange
from syncd.engine.member import Member
from syncd.model.cluster import Child, Cluster, ClusterTable, ConflictPolicy
from syncd.repository.node import Node
from syncd.repository.record import conflicts_of
from syncd.repository.refused import all_refused
from syncd.repository.replica import Replica

CLUSTER = "world"


class SqliteNode:
    """A SQLite file and how tests edit and read it."""

    def __init__(self, path, schema):
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=OFF")
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.connection.executescript(schema)

    def run(self, sql, values=()):
        return self.connection.execute(sql, values).fetchall()

    def rows(self, table):
        return sorted(self.run(f"SELECT * FROM {table}"), key=repr)

    def open(self):
        return SqliteStore(str(self.path))

    def close(self):
        self.connection.close()


class World:
    """A parent and children; `sync` runs the real coordinator over the real stores."""

    def __init__(self, parent, children, tables, policy=None, **options):
        self.parent = parent
        self.children = dict(children)
        self.tables = tuple(ClusterTable(one) if isinstance(one, str) else one for one in tables)
        self.policy = policy or ConflictPolicy()
        self.options = options
        self.clock = 1_700_000_000.0
        self.wheres = {}
        self.ports = {}

    def cluster(self, connected=None):
        children = tuple(
            Child(name, name, "true" if connected is None or name in connected else "false")
            for name in self.children
        )
        return Cluster(CLUSTER, "P", "p", children, self.tables, conflict=self.policy, **self.options)

    def port(self, name):
        if name not in self.ports:
            node = self.parent if name == "P" else self.children[name]
            self.ports[name] = Replica(node.open(), CLUSTER, lambda: self.clock)
        return self.ports[name]

    def close_ports(self):
        for port in self.ports.values():
            port.close()
        self.ports.clear()

    def sync(self, connected=None, check=lambda: None, strict=True, accept_restore=False, **options):
        cluster = self.cluster(connected)
        if accept_restore:
            cluster = replace(cluster, on_parent_restore="refill")
        members = [
            Member(child, self.port(child.repository)) for child in cluster.children if child.takes_part
        ]
        for port in (self.port("P"), *(member.port for member in members)):
            port.look()
        exchange = Exchange(
            cluster,
            self.port("P"),
            members,
            lambda child, shared: self.wheres.get((child.repository, shared.tracked.name.name), ""),
            check,
            lambda: self.clock,
            **options,
        )
        exchange.run()
        if strict:
            for member in members:
                if member.failure is not None:
                    raise member.failure
        return members

    def everyone(self):
        return {"P": self.parent, **self.children}

    def conflicts(self):
        return conflicts_of(self.port("P").node)

    def held(self, name="P"):
        return all_refused(self.port(name).node)

    def node(self, name):
        return Node(self.port(name).store, self.port(name).names)


def now():
    return time.time()
