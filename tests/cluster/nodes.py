"""Databases of each product with one small face, so that a cluster of a test may be any mixture of them."""

import sqlite3

import psycopg
import pymysql

from syncd.registry import connector
from tests.cluster.world import SqliteNode
from tests.stores import MysqlStore, PostgresStore

PRODUCTS = ("sqlite", "postgresql", "mysql")
SHORT = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')"


class FileNode(SqliteNode):
    """A SQLite file, also for programs that run beside the test."""

    product = "sqlite"
    errors = sqlite3.Error
    text = "text"

    def __init__(self, path, schema):
        super().__init__(path, schema.replace("{text}", self.text))
        self.connection.execute("PRAGMA busy_timeout=20000")

    def open_past(self):
        """The connector's store, past any proxy."""
        return self.open()

    def connection_text(self, more=""):
        """The connection as it stands in a configuration."""
        return f"{{type: sqlite, path: '{self.path}'{more}}}"

    def another(self):
        """A second connection of a user; each statement is a transaction."""
        made = sqlite3.connect(self.path, isolation_level=None, timeout=20, check_same_thread=False)
        made.execute("PRAGMA foreign_keys=ON")
        return made


class ServerNode:
    """A database of a server, whose own port may stand behind another one."""

    def __init__(self, store, schema, port=None):
        self.store = store
        self.port = port or store.server.port
        for statement in filter(str.strip, schema.replace("{text}", self.text).split(";")):
            store.execute(statement)

    def run(self, sql, values=()):
        """Run a statement of a user; `?` stands for a value. Its rows, if it has any."""
        return run_on(self.store.connection, sql, values)

    def rows(self, table):
        """All rows in some fixed order."""
        return sorted(self.run(f"SELECT * FROM {table}"), key=repr)

    def open(self):
        """The connector's store."""
        return connector(self.product).open_store({"url": self.url})

    def open_past(self):
        """The connector's store, past any proxy."""
        return connector(self.product).open_store({"url": self.store.url})

    @property
    def connection(self):
        """The test's own connection."""
        return self.store.connection

    def connection_text(self, more=""):
        """The connection as it stands in a configuration."""
        return f"{{type: {self.product}, url: '{self.url}'{more}}}"

    @property
    def url(self):
        """The address for syncd."""
        return self.store.url.replace(f":{self.store.server.port}/", f":{self.port}/")

    def reconnect(self):
        """A new connection of the test's own, after the server was killed."""
        self.store.connection = self.another()

    def close(self):
        """Give the database back."""
        self.store.close()


class PostgresNode(ServerNode):
    """A PostgreSQL database."""

    product = "postgresql"
    errors = psycopg.Error
    text = "text"

    def __init__(self, server, schema, port=None):
        super().__init__(PostgresStore(server), schema, port)

    def another(self):
        """A second connection of a user; each statement is a transaction."""
        made = self.store.another()
        made.autocommit = True
        return made


class MariadbNode(ServerNode):
    """A MariaDB database."""

    product = "mysql"
    errors = pymysql.Error
    text = "longtext"

    def __init__(self, server, schema, port=None):
        store = MysqlStore(server)
        store.execute(SHORT)
        super().__init__(store, schema, port)

    def another(self):
        """A second connection of a user; each statement is a transaction."""
        made = self.store.another()
        made.autocommit(True)
        made.execute(SHORT)
        return made


def run_on(connection, sql, values=()):
    """Run a statement of a user on a connection of any product; `?` stands for a value. Its rows, if it has any."""
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(sql, values).fetchall()
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("?", "%s") if values else sql, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def make_node(product, schema, folder, name, server, port=None):
    """An empty node with its tables; `server` gives the server of a product. `{text}` in the schema is any long text."""
    kind = {"sqlite": FileNode, "postgresql": PostgresNode, "mysql": MariadbNode}[product]
    if product == "sqlite":
        return kind(folder / f"{name}.db", schema)
    return kind(server(product), schema, port)
