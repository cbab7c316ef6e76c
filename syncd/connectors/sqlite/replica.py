"""A SQLite file (a GeoPackage is one) as a node of a cluster."""

import fcntl
import os
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

from syncd.connectors.sqlite import summing
from syncd.connectors.sqlite.capture import ALWAYS, KINDS, TOUCHING, triggers_of
from syncd.connectors.sqlite.catalog import has_defaults, list_tables, read_table, with_empty_keys
from syncd.connectors.sqlite.definition import key_columns
from syncd.connectors.sqlite.leaving import every_row
from syncd.connectors.sqlite.pointing import foreign_keys
from syncd.connectors.sqlite.session import Session, quote, refuse_unwritable
from syncd.connectors.sqlite.spatial import changed, leaving
from syncd.connectors.sqlite.staged import Staging
from syncd.connectors.sqlite.types import PRODUCT
from syncd.errors import FatalError, NotFoundError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import (
    BORN,
    HAPPENED,
    INSERTED,
    ForeignKey,
    Purpose,
    Result,
    Stage,
    keyed,
)

TYPES: Final = {"int": "INTEGER", "text": "TEXT", "bytes": "BLOB"}
POINT: Final = "syncd_part"
LOCK_SECONDS: Final = 5.0
"""How long a user's transaction is waited for: the other children wait with us."""
GLANCE_SECONDS: Final = 0.01


class SqliteStore:
    """One connection to one file."""

    product = PRODUCT
    formats: tuple[Format, ...] = (Format.SQLITE, Format.ROWS)
    told = summing.TOLD_OF
    touching = TOUCHING

    def __init__(self, path: str) -> None:
        if not Path(path).expanduser().exists():
            refuse_unwritable(path)
            raise NotFoundError(
                f"there is no SQLite file {path}",
                hint="create it with its tables first; syncd makes no tables in a cluster",
            )
        self.place = path
        self._session = Session(path, write=True, lock_seconds=LOCK_SECONDS)
        self._session.execute("PRAGMA foreign_keys=ON")
        self._session.execute("PRAGMA synchronous=FULL")
        self._staging = Staging(self._session)
        self._applying: Names | None = None
        self._locks: dict[str, int] = {}
        self._seen: tuple[int, ...] = ()

    def quote(self, name: str) -> str:
        """An identifier as SQL."""
        return quote(name)

    def text_of(self, name: TableName) -> str:
        """A table's full name as SQL."""
        return quote(name.name)

    def whole(self, expression: str) -> str:
        """The expression as a whole number."""
        return f"CAST({expression} AS INTEGER)"

    def run(self, sql: str, values: Sequence[object] = ()) -> Result:
        """Run one statement."""
        cursor = self._session.execute(sql, values)
        with self._session.errors():
            return Result(cursor.fetchall(), max(cursor.rowcount, 0))

    # Transactions

    def begin(self, purpose: Purpose, names: Names, check: Check) -> None:
        """Take the write lock: SQLite has one writer."""
        self._session.begin_writing(check)
        if purpose is Purpose.APPLY:
            self.run(f"UPDATE {quote(names.node)} SET applying = 1")
            self._applying = names

    def settle(self, logs: Sequence[str], check: Check) -> bool:
        """Commit, and go on reading the very state that was committed; False when somebody wrote meanwhile."""
        self.commit(check)
        self._session.begin_reading(check)
        asked = " OR ".join(f"EXISTS (SELECT 1 FROM {quote(log)})" for log in logs)
        if logs and self.run(f"SELECT {asked}").rows[0][0]:
            self._session.rollback()
            return False
        return True

    def commit(self, check: Check) -> None:
        """Make it durable."""
        if self._applying is not None:
            self.run(f"UPDATE {quote(self._applying.node)} SET applying = 0")
            self._applying = None
        self._session.patient("COMMIT", check)
        self._session.rollback()

    def rollback(self) -> None:
        """End the transaction without a trace."""
        self._applying = None
        self._session.rollback()

    def savepoint(self) -> None:
        """Begin a part that can be undone alone."""
        self.run(f"SAVEPOINT {POINT}")

    def release(self) -> None:
        """Keep the part."""
        self.run(f"RELEASE {POINT}")

    def undo(self) -> None:
        """Undo the part.

        Raises:
            FatalError: a rule of a table has undone the whole transaction.
        """
        if not self._session.in_transaction:
            raise FatalError(
                f"a rule of a table in {self.place} undoes the whole transaction when it refuses a row",
                hint="use ABORT instead of ROLLBACK in that conflict clause or trigger",
            )
        self.run(f"ROLLBACK TO {POINT}")
        self.run(f"RELEASE {POINT}")

    def hold(self, names: Names) -> bool:
        """Lock a file beside the database; the system forgets the lock when the process ends."""
        if names.slug in self._locks:
            return True
        path = Path(self.place).expanduser()
        descriptor = os.open(path.with_name(f".{path.name}.{names.slug}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._locks[names.slug] = descriptor
        return True

    def let_go(self, names: Names) -> None:
        """Unlock it; the file stays, because removing it would let two hold it."""
        descriptor = self._locks.pop(names.slug, None)
        if descriptor is not None:
            os.close(descriptor)

    # What is there

    def structure(self) -> str:
        """The number that the file raises with each change of a definition."""
        return f"{self.place} {self.run('PRAGMA schema_version').rows[0][0]}"

    def tables(self) -> list[TableName]:
        """All tables but SQLite's, GeoPackage's and syncd's own."""
        own = self.run("SELECT name FROM sqlite_master WHERE type = 'table'").rows
        there = {str(row[0]) for row in own}
        return [
            name
            for name in list_tables(self._session)
            if name.name in there and not name.name.startswith(("gpkg_", "rtree_"))
        ]

    def table(self, name: TableName) -> Table | None:
        """The table with the columns that may be written.

        Raises:
            FatalError: it is a view or has no key.
        """
        found = read_table(self._session, name, writable=True)
        if found is None:
            return None
        kind = self.run("SELECT type FROM sqlite_master WHERE name = ?", (found.name.name,)).rows[0][0]
        if kind != "table":
            raise FatalError(
                f"{found.name} in {self.place} is a view", hint="name the tables that it reads instead"
            )
        return with_empty_keys(self._session, found)

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Is there a unique index on exactly these columns, none of which may be NULL?"""
        table = read_table(self._session, name)
        if table is None or any(column.nullable for column in table.columns if column.name in columns):
            return False
        rows = self.run(
            "SELECT l.name, group_concat(i.name, char(31)) FROM pragma_index_list(?) l, pragma_index_info(l.name) i"
            ' WHERE l."unique" AND NOT l.partial GROUP BY l.name',
            (table.name.name,),
        ).rows
        return any(set(str(row[1]).split("\x1f")) == set(columns) for row in rows)

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Has each of these columns a default, or is it the number of the row?"""
        return has_defaults(self._session, name, columns)

    def foreign_keys(self) -> list[ForeignKey]:
        """All rules between tables of the file."""
        return foreign_keys(self._session)

    def relation_exists(self, name: str) -> bool:
        """Is there a table of that name?"""
        return bool(self.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).rows)

    # What a cluster keeps

    def create(self, name: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """Create a table of syncd's unless it is there."""
        parts = [f"{quote(column)} {TYPES[kind]}" for column, kind in columns.items()]
        keys = f", PRIMARY KEY ({', '.join(map(quote, key))})" if key else ""
        self.run(f"CREATE TABLE IF NOT EXISTS {quote(name)} ({', '.join(parts)}{keys})")

    def create_log(self, names: Names, table: Tracked, *, parent: bool) -> None:
        """Create the tables of one tracked table unless they are there."""
        keys = key_columns(self._session, table.name.name, [table.column(name) for name in table.key])
        ordered = ", ".join(quote(name) for name in table.key)
        own = f"PRIMARY KEY ({ordered})) WITHOUT ROWID"
        make = "CREATE TABLE IF NOT EXISTS"
        number = table.number
        self.run(f"{make} {quote(names.log(number))} ({keys}, op INTEGER, mask INTEGER, at INTEGER)")
        if not parent:
            facts = "gen INTEGER, base INTEGER, op INTEGER, mask INTEGER, at INTEGER"
            self.run(f"{make} {quote(names.own(number))} ({keys}, {facts}, {own}")
            summing.create(self._session, names, table)
            return
        row, past = names.row(number), names.past(number)
        self.run(f"{make} {quote(row)} ({keys}, gen INTEGER, nid INTEGER, ngen INTEGER, at INTEGER, {own}")
        self.run(f"CREATE INDEX IF NOT EXISTS {quote(row + '_gen')} ON {quote(row)} (gen)")
        self.run(f"{make} {quote(past)} ({keys}, gen INTEGER, mask INTEGER)")
        self.run(f"CREATE INDEX IF NOT EXISTS {quote(past + '_key')} ON {quote(past)} ({ordered})")

    def drop(self, name: str) -> None:
        """Drop a table of syncd's if it is there."""
        self.run(f"DROP TABLE IF EXISTS {quote(name)}")

    def capture(self, names: Names, table: Tracked) -> None:
        """Create or replace the triggers of a table."""
        self.release_capture(names, table)
        for statement in triggers_of(names, table).values():
            self.run(statement)

    def release_capture(self, names: Names, table: Tracked) -> None:
        """Drop them."""
        for kind in KINDS:
            name = names.trigger(table.number, kind)
            self.run(f"DROP TRIGGER IF EXISTS {quote(name)}")

    def captures(self, names: Names, table: Tracked) -> bool:
        """Are all of them there and as they would be made now?"""
        wanted = triggers_of(names, table)
        slots = ", ".join("?" * len(wanted))
        rows = self.run(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({slots})", list(wanted)
        ).rows
        return {str(name): str(sql) for name, sql in rows} == wanted

    def hears(self, names: Names, table: Tracked) -> bool:
        """Does a trigger stand on the table for every kind of edit?"""
        wanted = [names.trigger(table.number, kind) for kind in ALWAYS]
        rows = self.run(
            f"SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?)"
            f" AND name IN ({', '.join('?' * len(wanted))})",
            [table.name.name, *wanted],
        ).rows
        return len(rows) == len(wanted)

    # Moving rows

    def seal_child(self, names: Names, table: Tracked, gen: int, base: int) -> int:
        """Take the log's rows into `own`; a row that is there keeps its base."""
        log, own = quote(names.log(table.number)), quote(names.own(table.number))
        keys = ", ".join(quote(name) for name in table.key)
        summing.seal(self._session, names, table, gen)
        born = f"CASE op WHEN {INSERTED} THEN {INSERTED | BORN} ELSE op END"
        sealed = self.run(
            f"INSERT INTO {own} ({keys}, gen, base, op, mask, at)"
            # The log gives its rows in the order in which they were written.
            f" SELECT {keys}, {gen}, {base}, {born}, mask, at FROM {log} WHERE {keyed(quote, table)}"
            f" ON CONFLICT ({keys}) DO UPDATE SET gen = excluded.gen, op = op | (excluded.op & {HAPPENED}),"
            " mask = mask | excluded.mask, at = max(at, excluded.at)"
        ).changed
        self.run(f"DELETE FROM {log}")
        return sealed

    def seal_parent(self, names: Names, table: Tracked, gen: int) -> int:
        """Take the log's rows into `row` and `past`."""
        log, row = quote(names.log(table.number)), quote(names.row(table.number))
        keys = ", ".join(quote(name) for name in table.key)
        sealed = self.run(
            f"INSERT INTO {row} ({keys}, gen, nid, ngen, at) SELECT {keys}, {gen}, 0, {gen}, at FROM {log} WHERE {keyed(quote, table)}"
            f" ON CONFLICT ({keys}) DO UPDATE SET gen = excluded.gen, nid = 0, ngen = excluded.ngen,"
            f" at = CASE WHEN gen = excluded.gen THEN max(at, excluded.at) ELSE excluded.at END"
        ).changed
        if table.by_column:
            past = quote(names.past(table.number))
            self.run(
                f"INSERT INTO {past} ({keys}, gen, mask) SELECT {keys}, {gen}, mask FROM {log} WHERE {keyed(quote, table)}"
            )
        self.run(f"DELETE FROM {log}")
        return sealed

    def extract(self, select: str, columns: Sequence[Column], form: Format, check: Check) -> Generator[Batch]:
        """The rows of a SELECT, in batches of bounded memory."""
        changes = leaving(self._session, columns) if form is Format.ROWS else ()
        for rows in every_row(self._session, select, check):
            yield Batch(form, changed(rows, changes), len(rows))

    def make_stage(self, stage: Stage) -> None:
        """Make the empty stage."""
        self._staging.make_stage(stage)

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows."""
        self._staging.fill(stage, batch, check)

    def filled(self, stage: Stage) -> int:
        """How many rows there are."""
        return self._staging.filled(stage)

    def empty(self, stage: Stage) -> None:
        """Drop the stage if it is there."""
        self._staging.empty(stage)

    def lock(self, stage: Stage) -> None:
        """Nothing to do: nobody else writes meanwhile."""

    def update(self, stage: Stage, which: str) -> int:
        """Update the rows that differ."""
        return self._staging.update(stage, which)

    def exchange(self, stage: Stage, which: str) -> int:
        """Take rows out and put them in again changed."""
        return self._staging.exchange(stage, which)

    def insert(self, stage: Stage, which: str) -> int:
        """Insert the rows that the table lacks."""
        return self._staging.insert(stage, which)

    def delete(self, stage: Stage, which: str) -> int:
        """Delete rows by their keys."""
        return self._staging.delete(stage, which)

    def upsert_rows(
        self, names: Names, stage: Stage, which: str, gen: int, nid_sql: str, ngen_sql: str
    ) -> None:
        """Say whose edit these rows are, and of which generation."""
        self._staging.upsert_rows(names, stage, which, gen, nid_sql, ngen_sql)

    def delete_own(self, names: Names, stage: Stage, which: str) -> int:
        """Forget unsent edits of these rows."""
        return self._staging.delete_own(names, stage, which)

    def unstage_owned(self, names: Names, stage: Stage) -> int:
        """Take what has an unsent edit out of the stage."""
        return self._staging.unstage_owned(names, stage)

    def stage_missing(self, names: Names, stage: Stage) -> int:
        """Stage the rows that did not arrive as deleted."""
        return self._staging.stage_missing(names, stage)

    def differs(self, table: Tracked, names: Sequence[str], old: str, new: str) -> str:
        """One of these columns has another value in the table than in the stage."""
        return self._staging.differs(table, names, old, new)

    def wait(self, names: Names, seconds: float) -> bool:
        """Look at the file's counter of changes until it moves."""
        deadline = time.monotonic() + seconds
        while True:
            now = tuple(int(str(row[0])) for row in self.run("PRAGMA data_version").rows)
            if now != self._seen:
                self._seen = now
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(GLANCE_SECONDS)

    def cancel(self) -> None:
        """Make whatever runs end soon."""
        self._session.interrupt()

    def close(self) -> None:
        """Close; open work is undone."""
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()
        self._session.rollback()
        self._session.close()
