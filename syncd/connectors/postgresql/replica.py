"""A PostgreSQL database as a node of clusters: the port `Store`."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from typing import Final

from syncd.connectors.postgresql import arrival, leaving, ledger
from syncd.connectors.postgresql import capture as capturing
from syncd.connectors.postgresql.binding import numbered, rows_of
from syncd.connectors.postgresql.capture import Capture
from syncd.connectors.postgresql.catalog import find, has_defaults
from syncd.connectors.postgresql.ledger import MANY_ROWS, Ledger
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.settling import Settling, differs
from syncd.connectors.postgresql.shape import (
    STRUCTURE,
    Shape,
    is_unique,
    list_foreign_keys,
    list_members,
    read_member,
    shape_of,
)
from syncd.errors import FatalError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import ForeignKey, Purpose, Result, Stage

PART: Final = "syncd_part"
EXCHANGE: Final = "syncd_exchange"
"""Savepoints: the engine's part of a transaction, and one of our own inside it."""

SETTINGS: Final = {"lock_timeout": "5s", "work_mem": "64MB", "temp_buffers": "32MB", "jit": "off"}
"""A user's work is blocked only for a moment, and what is staged is sorted and joined in memory."""
LIVING_CLIENT: Final = (140_000, "client_connection_check_interval", "1s")
"""From which version on the server notices in the middle of a statement that nobody waits for it any more."""


class PostgresqlReplica:
    """Takes part through one connection. `_home` is the schema in which the cluster's own tables stand."""

    product = "postgresql"
    formats: tuple[Format, ...] = (Format.PGCOPY, Format.ROWS)
    told = ledger.TOLD
    touching = capturing.TOUCHING

    def __init__(self, session: Session) -> None:
        self._session = session
        self.place = session.place
        self._check: Check = lambda: None
        self._names: Names | None = None
        self._guard: int | None = None
        self._held: set[Names] = set()
        self._heard: set[Names] = set()
        self._shapes: dict[Tracked, Shape] = {}
        self._stages = arrival.Stages(session)
        self._whole: dict[tuple[Names, Tracked], str] = {}
        self._home = self._settle()

    def _settle(self) -> str:
        session, wanted = self._session, dict(SETTINGS)
        if int(session.value("SELECT current_setting('server_version_num')")) >= LIVING_CLIENT[0]:
            wanted[LIVING_CLIENT[1]] = LIVING_CLIENT[2]
        if session.value("SELECT current_setting('synchronous_commit')") == "off":
            # A commit that a power cut takes back would make this node look restored.
            wanted["synchronous_commit"] = "on"
        calls = ", ".join("set_config(%s, %s, false)" for _ in wanted)
        session.execute(f"SELECT {calls}", [part for pair in wanted.items() for part in pair])
        return session.schema or str(session.value("SELECT current_schema()") or "public")

    def quote(self, name: str) -> str:
        """An identifier as SQL."""
        return quote(name)

    def text_of(self, name: TableName) -> str:
        """A table's full name as SQL, as the catalogue spells it."""
        found = find(self._session, name)
        if found is None:
            return f"{quote(name.schema)}.{quote(name.name)}" if name.schema else quote(name.name)
        return found.text

    def whole(self, expression: str) -> str:
        """The expression as a bigint."""
        return f"({expression})::bigint"

    def run(self, sql: str, values: Sequence[object] = ()) -> Result:
        """Run one statement; `?` stands for each of the values."""
        result = self._session.run(numbered(sql) if values else sql, self._check, values)
        return Result(rows_of(result), result.command_tuples or 0)

    # Transactions

    def begin(self, purpose: Purpose, names: Names, check: Check) -> None:
        """Begin: one snapshot for all statements, or a new one for each, under the cluster's lock."""
        self._check = check
        self._names = names
        self._guard = self._number(names, "transaction")
        try:
            # Before the transaction: its snapshot must show what the holder before us has committed.
            self._session.run(f"SELECT pg_advisory_lock({self._guard})", check)
            if purpose is Purpose.SNAPSHOT:
                self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            else:
                # A row must be refused while it can still be told from the others.
                self._session.execute(
                    f"BEGIN; SET LOCAL {capturing.setting_of(names)} = '1'; SET CONSTRAINTS ALL IMMEDIATE"
                )
        except BaseException:
            self.rollback()
            raise

    def settle(self, logs: Sequence[str], check: Check) -> bool:
        """Nothing: nobody waits for a transaction that reads."""
        return True

    def commit(self, check: Check) -> None:
        """Make it durable."""
        check()
        self._session.execute("COMMIT")
        self._leave()

    def rollback(self) -> None:
        """Undo it, and end what is in the middle of it."""
        self._forget()
        self._session.rollback()
        self._leave()

    def _forget(self) -> None:
        """What was true may have been undone, or be the reason for an error."""
        self._stages.forget()
        self._shapes.clear()
        self._whole.clear()

    def _leave(self) -> None:
        number, self._guard, self._check, self._names = self._guard, None, lambda: None, None
        if number is not None and self._session.alive and not self._session.cancelled:
            self._session.execute(f"SELECT pg_advisory_unlock({number})")

    def savepoint(self) -> None:
        """Begin a part."""
        self._session.execute(f"SAVEPOINT {PART}")

    def release(self) -> None:
        """Keep it."""
        self._session.execute(f"RELEASE SAVEPOINT {PART}")

    def undo(self) -> None:
        """Undo it, also after an error."""
        self._stages.forget()
        self._session.return_to(PART)
        self.release()

    def hold(self, names: Names) -> bool:
        """A lock of the session: it is gone when the connection is."""
        if names not in self._held:
            if self._session.value(f"SELECT pg_try_advisory_lock({self._number(names, 'run')})") is not True:
                return False
            self._held.add(names)
        return True

    def let_go(self, names: Names) -> None:
        """Give the lock back."""
        if names in self._held:
            self._held.discard(names)
            self._session.execute(f"SELECT pg_advisory_unlock({self._number(names, 'run')})")

    def _number(self, names: Names, purpose: str) -> int:
        """The number of an advisory lock; other schemas of the database may hold clusters of the same name."""
        digest = hashlib.sha256(f"syncd {self._home} {names.slug} {purpose}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    # What is there

    def structure(self) -> str:
        """The versions of all that the catalogue says of users' tables and ours."""
        return str(self._session.value(STRUCTURE))

    def tables(self) -> list[TableName]:
        """All tables, with their schemas."""
        return list_members(self._session)

    def table(self, name: TableName) -> Table | None:
        """What may be written of it, and its key."""
        return read_member(self._session, name)

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Is there a unique index on exactly these columns, none of which may be NULL?"""
        return is_unique(self._session, name, columns)

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Has each of these columns a default, or is it an identity?"""
        return has_defaults(self._session, name, columns)

    def foreign_keys(self) -> list[ForeignKey]:
        """All rules between tables."""
        return list_foreign_keys(self._session)

    def relation_exists(self, name: str) -> bool:
        """Is it in our schema?"""
        return self._session.value("SELECT to_regclass(%s) IS NOT NULL", (self._own(name),)) is True

    # What a cluster keeps

    def create(self, name: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """Create a table in our schema, and the schema if need be."""
        if self._session.value("SELECT to_regnamespace(%s) IS NULL", (quote(self._home),)) is True:
            self._session.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._home)}")
        self._session.execute(ledger.create_statement(self._home, name, dict(columns), key))

    def create_log(self, names: Names, table: Tracked, *, parent: bool) -> None:
        """Create what is kept beside one tracked table."""
        for statement in self._ledger(names, table).creation(self._shape(table), parent=parent):
            self._session.execute(statement)

    def drop(self, name: str) -> None:
        """Drop one of our tables."""
        self._session.execute(f"DROP TABLE IF EXISTS {self._own(name)}")

    def capture(self, names: Names, table: Tracked) -> None:
        """Make the triggers, all at once: no writer sees a part of them."""
        self._shapes.pop(table, None)
        capture = Capture(self._home, names, self._shape(table))
        if self._session.in_transaction:
            capture.install(self._session)
            return
        self._session.execute("BEGIN")
        try:
            capture.install(self._session)
            self._session.execute("COMMIT")
        finally:
            self._session.rollback()

    def release_capture(self, names: Names, table: Tracked) -> None:
        """Drop the triggers."""
        found = find(self._session, table.name)
        capturing.remove(self._session, self._home, names, table.number, found.text if found else None)

    def captures(self, names: Names, table: Tracked) -> bool:
        """Are the triggers as they should be? What was found right is only looked at for changes."""
        seen = capturing.look(self._session, self._home, names, table)
        if not seen or self._whole.get((names, table)) != seen:
            self._shapes.pop(table, None)
            if not seen or not Capture(self._home, names, self._shape(table)).is_noted(seen):
                return False
            self._whole[names, table] = seen
        return True

    def hears(self, names: Names, table: Tracked) -> bool:
        """Does a trigger stand on the table for every kind of edit?"""
        return capturing.hears(self._session, names, table)

    # Moving rows

    def seal_child(self, names: Names, table: Tracked, gen: int, base: int) -> int:
        """Take the log into `own`."""
        kept = self._ledger(names, table)
        many = self._counted(kept.length()) >= MANY_ROWS
        return self._counted(kept.seal_child(gen, base, self.text_of(table.name), many=many))

    def seal_parent(self, names: Names, table: Tracked, gen: int) -> int:
        """Take the log into `row` and `past`."""
        kept = self._ledger(names, table)
        return self._counted(kept.seal_parent(gen, many=self._counted(kept.length()) >= MANY_ROWS))

    def extract(self, select: str, columns: Sequence[Column], form: Format, check: Check) -> Generator[Batch]:
        """The rows of a SELECT by COPY."""
        return leaving.extract(self._session, select, columns, form, check)

    def make_stage(self, stage: Stage) -> None:
        """Have the temporary table, empty."""
        self._stages.make(stage, self._shape(stage.table))

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows by COPY."""
        self._stages.fill(stage, batch, check)

    def filled(self, stage: Stage) -> int:
        """End the COPY."""
        return self._stages.end(stage)

    def empty(self, stage: Stage) -> None:
        """Take its rows away."""
        self._stages.empty(stage)

    def lock(self, stage: Stage) -> None:
        """Lock rows by their keys' order."""
        self._session.run(self._settling(stage).lock(), self._check)

    def update(self, stage: Stage, which: str) -> int:
        """Update what differs; rows that exchange unique values are taken out and put in again."""
        settling, shape = self._settling(stage), self._shape(stage.table)
        sql = settling.update(which)
        if not sql:
            return 0
        if not shape.unique or shape.acts:
            return self._change(sql)
        return self._try(sql, settling.exchange(which))

    def exchange(self, stage: Stage, which: str) -> int:
        """Take rows out and put them in again changed."""
        return self._change(self._settling(stage).exchange(which))

    def insert(self, stage: Stage, which: str) -> int:
        """Insert what is missing; with care only when somebody inserts one of the keys meanwhile, because that costs more."""
        settling = self._settling(stage)
        sql = settling.insert(which, careful=False)
        if not self._shape(stage.table).matched:
            return self._change(sql)
        return self._try(sql, settling.insert(which, careful=True))

    def delete(self, stage: Stage, which: str) -> int:
        """Delete by key."""
        return self._change(self._settling(stage).delete(which))

    def upsert_rows(
        self, names: Names, stage: Stage, which: str, gen: int, nid_sql: str, ngen_sql: str
    ) -> None:
        """Write `row` for staged keys."""
        keys = ", ".join(f"s.{place}" for place in arrival.staged_key(stage))
        at = "s.s_at" if stage.edits else "0"
        select = f"SELECT {keys}, {gen:d}, {nid_sql}, {ngen_sql}, {at} FROM {arrival.text_of(stage)} s WHERE {which}"
        many = self._stages.rows(stage) >= MANY_ROWS
        self.run(self._ledger(names, stage.table).upsert(select, many=many))

    def delete_own(self, names: Names, stage: Stage, which: str) -> int:
        """Delete from `own` by key."""
        own, meeting = self._ledger(names, stage.table).own, self._settling(stage).meeting_of("o")
        return self._change(
            f"DELETE FROM {own} o USING {arrival.text_of(stage)} s WHERE {meeting} AND ({which})"
        )

    def unstage_owned(self, names: Names, stage: Stage) -> int:
        """Delete from the stage by key."""
        own, meeting = self._ledger(names, stage.table).own, self._settling(stage).meeting_of("o")
        return self._change(f"DELETE FROM {arrival.text_of(stage)} s USING {own} o WHERE {meeting}")

    def stage_missing(self, names: Names, stage: Stage) -> int:
        """Stage what did not arrive as deleted."""
        return self._change(self._settling(stage).stage_missing(self._ledger(names, stage.table).own))

    def differs(self, table: Tracked, names: Sequence[str], old: str, new: str) -> str:
        """Compares values by their bytes."""
        return differs(self._shape(table), tuple(names), old, new)

    def wait(self, names: Names, seconds: float) -> bool:
        """Wait for the triggers' word on the socket."""
        if names not in self._heard:
            self._session.execute(f"LISTEN {quote(capturing.channel_of(names))}")
            self._heard.add(names)
            if ledger.has_rows(self._session, self._home, names.prefix):
                # They were written before we listened.
                return True
        return self._session.noticed(seconds)

    def cancel(self) -> None:
        """Ask the server to stop what runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection; its locks and temporary tables go with it."""
        self._session.close()

    def _own(self, name: str) -> str:
        return f"{quote(self._home)}.{quote(name)}"

    def _ledger(self, names: Names, table: Tracked) -> Ledger:
        kinds = (names.log, names.own, names.row, names.past, names.begun)
        return Ledger(self._home, [kind(table.number) for kind in kinds], table)

    def _counted(self, sql: str) -> int:
        return int(str(self.run(sql).rows[0][0]))

    def _shape(self, table: Tracked) -> Shape:
        if table not in self._shapes:
            self._shapes[table] = shape_of(self._session, table)
        return self._shapes[table]

    def _settling(self, stage: Stage) -> Settling:
        captured = self._names is not None and stage.table.captured
        log = self._own(self._names.log(stage.table.number)) if captured and self._names else ""
        return Settling(stage, self._shape(stage.table), log)

    def _change(self, sql: str) -> int:
        return self._session.run(sql, self._check).command_tuples or 0

    def _try(self, sql: str, otherwise: str) -> int:
        """Run a statement, and another one in its place when a unique rule refuses it."""
        self._session.execute(f"SAVEPOINT {EXCHANGE}")
        try:
            changed = self._change(sql)
        except FatalError as error:
            if error.code != "key_exists":
                raise
            self._session.return_to(EXCHANGE)
            changed = self._change(otherwise)
        self._session.execute(f"RELEASE SAVEPOINT {EXCHANGE}")
        return changed
