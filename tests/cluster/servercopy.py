"""Nodes of random histories that are databases of a server, each made once and made anew for every history."""

import math
import time

import psycopg
import pymysql

from syncd.connectors.mysql import replica as mysql_replica
from syncd.connectors.mysql.capture import silence
from syncd.connectors.postgresql import replica as postgresql_replica
from syncd.registry import connector
from syncd.repository.naming import Names
from tests.cluster.nodes import run_on
from tests.cluster.playground import TABLES, TRACKED
from tests.cluster.world import CLUSTER

POSTGRESQL = """
CREATE TABLE thing(id text PRIMARY KEY, mark text, n bigint, x double precision, d text, b bytea, j text, code text UNIQUE);
CREATE TABLE pair(a integer, b text, mark text, note text, PRIMARY KEY(a, b));
CREATE TABLE tree(id text PRIMARY KEY, mark text, up text REFERENCES tree(id));
CREATE TABLE part(id text PRIMARY KEY, mark text, thing text REFERENCES thing(id));
CREATE TABLE leaf(id text PRIMARY KEY, mark text, thing text REFERENCES thing(id) ON DELETE CASCADE);
"""
MARIADB = """
CREATE TABLE thing(id varchar(40) PRIMARY KEY, mark text, n bigint, x double, d text, b longblob, j text, code varchar(9) UNIQUE);
CREATE TABLE pair(a integer, b varchar(9), mark text, note text, PRIMARY KEY(a, b));
CREATE TABLE tree(id varchar(40) PRIMARY KEY, mark text, up varchar(40), FOREIGN KEY (up) REFERENCES tree(id));
CREATE TABLE part(id varchar(40) PRIMARY KEY, mark text, thing varchar(40), FOREIGN KEY (thing) REFERENCES thing(id));
CREATE TABLE leaf(id varchar(40) PRIMARY KEY, mark text, thing varchar(40),
  FOREIGN KEY (thing) REFERENCES thing(id) ON DELETE CASCADE);
"""
COLLATED = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
"""Texts are equal when their bytes are, as in the other products."""
QUICK_LOCKS = (
    (postgresql_replica, "SETTINGS", {**postgresql_replica.SETTINGS, "lock_timeout": "20ms"}),
    (mysql_replica, "LOCKS", "SET SESSION innodb_lock_wait_timeout = 0, lock_wait_timeout = 0"),
)
"""A run that meets a user's lock gives up at once: in one thread nobody could let it go."""
LEAVE_SECONDS = 10.0


class ServerCopy:
    """A database as a node; it has the methods of `playground.SqliteCopy`."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self._make()
        self._connect()

    def _connect(self):
        self.connection = self.another()
        self.watcher = self.another()

    def run(self, sql, values=()):
        return run_on(self.connection, sql, values)

    def begin(self):
        """Begin a transaction."""
        self.run("BEGIN")
        return True

    def attempt(self, statements):
        """Run all of them in the open transaction, or none of them and say False."""
        self.run("SAVEPOINT attempt")
        try:
            for sql, values in statements:
                self.run(self.spelled(sql), values)
        except self.refusals:
            self.run("ROLLBACK TO SAVEPOINT attempt")
            return False
        return True

    def commit(self):
        self.run("COMMIT")
        return True

    def rollback(self):
        self.run("ROLLBACK")

    def contents(self):
        """The rows of every table by their keys, as the user sees them."""
        return contents_of(self.connection)

    def committed(self):
        """The rows as everybody sees them."""
        return contents_of(self.watcher)

    def violations(self):
        """The server holds its rules itself."""
        return []

    def add_column(self, table, name):
        self.run(f"ALTER TABLE {table} ADD COLUMN {name} {self.text}")

    def open(self):
        return connector(self.product).open_store({"url": self.server.url(self.name)})

    def enrolled(self):
        """Does it take part already? Asked past the run that may be going on."""
        sql = "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema IN ('public', ?)"
        there = run_on(self.watcher, sql, (TRACKED, self.name))
        return bool(there and run_on(self.watcher, f"SELECT 1 FROM {TRACKED}"))

    def settle(self):
        """Wait until the connections of a run that is gone are gone too."""
        until = time.monotonic() + LEAVE_SECONDS
        while run_on(self.watcher, self.others)[0][0]:
            assert time.monotonic() < until, f"somebody stays connected to {self.name}"
            time.sleep(0.002)

    def close(self):
        self.connection.close()
        self.watcher.close()

    def saved(self, path):
        """The name of the database that is the copy at a path."""
        return f"saved_{path.stem}".lower()


class PostgresCopy(ServerCopy):
    """A PostgreSQL database; copies are databases made after it."""

    product = "postgresql"
    text = "text"
    refusals = (
        psycopg.IntegrityError,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.NumericValueOutOfRange,
    )
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND application_name <> 'history'"
    )

    def _make(self):
        if not run_on(self._admin(), "SELECT 1 FROM pg_database WHERE datname = ?", (self.name,)):
            self.server.execute(f"CREATE DATABASE {self.name}")
        with psycopg.connect(self.server.url(self.name), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute(POSTGRESQL)

    def _admin(self):
        if not hasattr(self.server, "admin"):
            self.server.admin = psycopg.connect(self.server.url(), autocommit=True)
        return self.server.admin

    def another(self):
        return psycopg.connect(
            self.server.url(self.name),
            autocommit=True,
            application_name="history",
            options="-c lock_timeout=20ms",
        )

    def spelled(self, sql):
        """SQLite's words for it as PostgreSQL has them."""
        if not sql.startswith("INSERT OR REPLACE"):
            return sql
        head, _, rest = sql.partition(" (")
        table = TABLES[head.rpartition(" ")[2]]
        sets = ", ".join(f"{name} = excluded.{name}" for name in ("mark", *table.values))
        return f"INSERT INTO {table.name} ({rest} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {sets}"

    def drop_trigger(self, number):
        """Drop one of the triggers of the cluster; its name, or None when there are none."""
        found = self.run(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'syncd%' ORDER BY 1"
        )
        if not found:
            return None
        name, table = found[number % len(found)]
        self.run(f'DROP TRIGGER "{name}" ON {table}')
        return name

    def save(self, path):
        """Copy the database, as a backup would. Nobody else may have it open."""
        self._copy(self.name, self.saved(path))

    def restore(self, path):
        """Put a copy in place of the database. Nobody else may have it open."""
        self._copy(self.saved(path), self.name)

    def _copy(self, source, target):
        self.settle()
        self.close()
        admin = self._admin()
        admin.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {target} TEMPLATE {source}")
        self._connect()


class MariadbCopy(ServerCopy):
    """A MariaDB database; copies are tables with the same rows, since restoring never changes tables of users."""

    product = "mysql"
    text = "text"
    refusals = (pymysql.IntegrityError, pymysql.OperationalError, pymysql.ProgrammingError, pymysql.DataError)
    alterations = 0
    others = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id NOT IN (%s)"

    def _make(self):
        self.watcher = self.another("mysql")
        run_on(self.watcher, f"DROP DATABASE IF EXISTS {self.name}")
        run_on(self.watcher, f"CREATE DATABASE {self.name} {COLLATED}")
        self.watcher.close()

    def _connect(self):
        super()._connect()
        self.others = MariadbCopy.others % f"{self.connection.thread_id()}, {self.watcher.thread_id()}"
        if not run_on(self.connection, "SHOW TABLES"):
            for statement in filter(str.strip, MARIADB.split(";")):
                self.run(statement)

    def another(self, database=None):
        return pymysql.connect(
            host="127.0.0.1",
            port=self.server.port,
            user="tester",
            database=database or self.name,
            autocommit=True,
            charset="utf8mb4",
            init_command="SET SESSION innodb_lock_wait_timeout = 0, lock_wait_timeout = 0",
        )

    def spelled(self, sql):
        """SQLite's words for it as MariaDB has them."""
        if "(SELECT code FROM thing" in sql:
            return sql.replace("FROM thing", "FROM (SELECT * FROM thing) other")
        return sql.replace("INSERT OR REPLACE", "REPLACE")

    def drop_trigger(self, number):
        """Drop one of the triggers of the cluster; its name, or None when there are none."""
        names = sorted(self._triggers(self.name))
        if not names:
            return None
        self.alterations += 1
        name = names[number % len(names)]
        self.run(f"DROP TRIGGER `{name}`")
        return name

    def add_column(self, table, name):
        self.alterations += 1
        super().add_column(table, name)

    def open(self):
        """The store, which is told when a user alters something: this server's catalogue is slow, and tells it not."""
        store = super().open()
        look = store.structure
        store.structure = lambda: look() or f"{self.name} {self.alterations}"
        return store

    def save(self, path):
        """Copy the rows of all tables, and how the triggers are made."""
        saved = self.saved(path)
        self.run(f"DROP DATABASE IF EXISTS {saved}")
        self.run(f"CREATE DATABASE {saved} {COLLATED}")
        for table in self._tables(self.name):
            self.run(f"CREATE TABLE {saved}.{table} LIKE {self.name}.{table}")
            self.run(f"INSERT INTO {saved}.{table} SELECT * FROM {self.name}.{table}")
        self.server.triggers = {**getattr(self.server, "triggers", {}), saved: self._triggers(self.name)}

    def restore(self, path):
        """Put the copied rows and triggers in the place of those that are there."""
        saved = self.saved(path)
        self.run(f"SET FOREIGN_KEY_CHECKS = 0, {silence(Names.of(CLUSTER))} = 1")
        wanted, there = self.server.triggers[saved], self._triggers(self.name)
        for name in there.keys() - {name for name, text in wanted.items() if there.get(name) == text}:
            self.run(f"DROP TRIGGER `{name}`")
        kept = set(self._tables(saved))
        for table in self._tables(self.name):
            self.run(f"DELETE FROM {table}" if table in kept else f"DROP TABLE {table}")
        for table in kept:
            self.run(f"CREATE TABLE IF NOT EXISTS {table} LIKE {saved}.{table}")
            for column in self._columns(saved, table)[len(self._columns(self.name, table)) :]:
                self.add_column(table, column)
            self.run(f"INSERT INTO {table} SELECT * FROM {saved}.{table}")
        for name in wanted.keys() - self._triggers(self.name).keys():
            self.run(wanted[name])
        self.run(f"SET FOREIGN_KEY_CHECKS = 1, {silence(Names.of(CLUSTER))} = NULL")

    def _tables(self, database):
        return [row[0] for row in self.run(f"SHOW TABLES IN {database}")]

    def _columns(self, database, table):
        return [row[0] for row in self.run(f"SHOW COLUMNS IN {database}.{table}")]

    def _triggers(self, database):
        """The statement that makes each trigger."""
        names = [row[0] for row in self.run(f"SHOW TRIGGERS IN {database}")]
        return {name: self.run(f"SHOW CREATE TRIGGER {database}.`{name}`")[0][2] for name in names}


def contents_of(connection):
    """The rows of every table by their keys, each as a mapping with the names of its columns."""
    found = {}
    for table in TABLES.values():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table.name}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                # Not a number is no number's equal; the same object is.
                values = [math.nan if value != value else value for value in row]
                named = dict(zip(names, values, strict=True))
                found[table.name, tuple(named[name] for name in table.key)] = named
    return found
