"""A MariaDB or MySQL database that takes part in clusters.

A generation is sealed without waiting for anybody (see `seal`), the triggers are plain SQL (see `capture`), and rows that arrive
wait in a temporary table (see `staging`). DDL ends a transaction here: what was done before it is kept, and another one begins.
"""

import hashlib
import re
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pymysql.constants import FIELD_TYPE

from syncd.connectors.mysql import capture, keeping, participant, seal, staging, summing
from syncd.connectors.mysql.capture import TOUCHING, silence
from syncd.connectors.mysql.catalog import find, read_table
from syncd.connectors.mysql.reading import Origin, batches_of
from syncd.connectors.mysql.session import Session, literal, quote
from syncd.connectors.mysql.staging import Rows
from syncd.errors import FatalError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import ForeignKey, Purpose, Result, Stage

LOCK_SECONDS: Final = 5
"""How long a lock on a row or a table is waited for: whoever waits behind us waits no longer either."""
TURN_SECONDS: Final = 60.0
"""How long another transaction of the same cluster may take; nobody else waits for it."""
ASK_SECONDS: Final = 0.25
POLL_SECONDS: Final = 0.05
MOST_TOLD_BYTES: Final = 16 * 1024 * 1024
PART: Final = "syncd_part"
LOCKS: Final = f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, lock_wait_timeout = {LOCK_SECONDS}, group_concat_max_len = {MOST_TOLD_BYTES}"

_WHOLE: Final = frozenset(
    {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
)
_VALUE: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`|\?", re.DOTALL)
"""Texts and names, which may hold a question mark, and the marks that stand for values."""


def _never() -> None:
    """Nobody asks for a stop."""


class MysqlStore:
    """One connection to one database; see `syncd.repository.store.Store`."""

    product = "mysql"
    formats: tuple[Format, ...] = (Format.COPYTEXT, Format.ROWS)
    told = summing.TOLD_OF
    touching = TOUCHING

    def __init__(self, session: Session) -> None:
        self._session = session
        self.place = session.place
        self._check: Check = _never
        self._purpose = Purpose.APPLY
        self._names: Names | None = None
        self._texts: dict[TableName, str] = {}
        session.execute(LOCKS)

    def quote(self, name: str) -> str:
        """An identifier as SQL."""
        return quote(name)

    def text_of(self, name: TableName) -> str:
        """A table's full name as SQL, found as a destination finds it; asked once."""
        if name not in self._texts:
            found = find(self._session, name)
            if found is None:
                return f"{quote(name.schema or self._session.schema)}.{quote(name.name)}"
            self._texts[name] = found.text
        return self._texts[name]

    def whole(self, expression: str) -> str:
        """The expression as a BIGINT."""
        return f"CAST({expression} AS SIGNED)"

    def run(self, sql: str, values: Sequence[object] = ()) -> Result:
        """Run one statement; `?` stands for each of `values`. Whole numbers come as int, bytes as bytes, the rest as text."""
        if values:
            left = iter(values)
            sql = _VALUE.sub(lambda m: literal(next(left)) if m.group() == "?" else m.group(), sql)
        found = self._session.execute(sql, check=self._check)
        whole = [field.type_code in _WHOLE for field in found.fields or ()]
        rows: Sequence[tuple[Any, ...]] = found.rows
        if any(whole):
            rows = [
                tuple(
                    int(value) if number and value is not None else value
                    for value, number in zip(row, whole, strict=True)
                )
                for row in rows
            ]
        return Result(rows, found.changed)

    # Transactions

    def begin(self, purpose: Purpose, names: Names, check: Check) -> None:
        """Begin a transaction once no other one of the cluster runs here."""
        self._check = check
        self._await_turn(names, check)
        self._names, self._purpose = names, purpose
        try:
            self._start(names)
        except BaseException:
            self.rollback()
            raise

    def settle(self, logs: Sequence[str], check: Check) -> bool:
        """Nothing: nobody waits for a transaction that reads."""
        return True

    def commit(self, check: Check) -> None:
        """Make it as durable as the server's `innodb_flush_log_at_trx_commit` makes any transaction: fully with 1, its default."""
        check()
        self._session.commit()
        self._end()

    def rollback(self) -> None:
        """End the transaction, and a stream in the middle of it."""
        self._session.rollback()
        self._end()

    def savepoint(self) -> None:
        """Begin a part that can be undone alone."""
        self._session.execute(f"SAVEPOINT {PART}")

    def release(self) -> None:
        """Keep the part."""
        self._session.execute(f"RELEASE SAVEPOINT {PART}")

    def undo(self) -> None:
        """Undo the part."""
        self._session.return_to(PART)

    def hold(self, names: Names) -> bool:
        """Be the only one who runs this cluster here."""
        return bool(self._session.value("SELECT GET_LOCK(%s, 0)", (self._lock(names, "run"),)) == "1")

    def let_go(self, names: Names) -> None:
        """Let others run it."""
        self._session.execute("DO RELEASE_LOCK(%s)", (self._lock(names, "run"),))

    def _start(self, names: Names) -> None:
        if self._purpose is Purpose.SNAPSHOT:
            self._session.begin("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            return
        self._session.execute(f"SET {silence(names)} = 1")
        # A statement then sees what was committed before it began, and locks no gaps between keys.
        self._session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self._session.begin()

    def _end(self) -> None:
        """Let the triggers speak again, and the next transaction begin."""
        names, self._names = self._names, None
        if names is not None:
            lock = literal(self._lock(names, "turn"))
            self._session.clean(f"SET {silence(names)} = NULL, @syncd_turn = RELEASE_LOCK({lock})")

    def _await_turn(self, names: Names, check: Check) -> None:
        lock = self._lock(names, "turn")
        until = time.monotonic() + TURN_SECONDS
        while self._session.value(f"SELECT GET_LOCK(%s, {ASK_SECONDS})", (lock,)) != "1":
            check()
            if time.monotonic() > until:
                raise TransientError(
                    f"{self.place}: another transaction of the cluster takes longer than {TURN_SECONDS:g} seconds",
                    hint="it is tried again",
                    code="busy",
                )

    def _lock(self, names: Names, what: str) -> str:
        """The name of a lock; names of locks hold for the whole server, and are short."""
        digest = hashlib.sha256(self._session.schema.encode()).hexdigest()[:12]
        return f"syncd_{names.slug}_{digest}_{what}"

    def _define(self, sql: str) -> None:
        """Run DDL; a transaction in which it comes goes on as another one."""
        self._session.execute(sql, check=self._check)
        self._go_on()

    def _go_on(self) -> None:
        """The server has ended a transaction in which DDL came."""
        if self._names is not None:
            self._start(self._names)

    # What is there

    def structure(self) -> str:
        """Unknown: the catalogue has no number that every change of a definition raises."""
        self._session.execute("SELECT 1")
        return ""

    def tables(self) -> list[TableName]:
        """All tables of the connection's database."""
        return participant.tables(self._session)

    def table(self, name: TableName) -> Table | None:
        """The table with its writable columns and its key; raises FatalError when it cannot take part."""
        self._texts.pop(name, None)
        return participant.participant(self._session, name)

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Is there a unique index on exactly these columns, none of which may be NULL?"""
        return participant.is_unique(self._session, name, columns)

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Has each of these columns a default, or AUTO_INCREMENT?"""
        return participant.has_defaults(self._session, name, columns)

    def foreign_keys(self) -> list[ForeignKey]:
        """The rules of all tables that may be seen."""
        return [rule.key for rule in participant.rules_of(self._session)]

    def relation_exists(self, name: str) -> bool:
        """Is there a table of syncd's with that name?"""
        return keeping.is_kept(self._session, name)

    # What a cluster keeps

    def create(self, name: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """Create a table of syncd's unless it is there. A text or bytes in a key may have a few hundred characters."""
        self._define(keeping.plain_table(self._session, name, columns, key))

    def create_log(self, names: Names, table: Tracked, *, parent: bool) -> None:
        """Create the tables of one tracked table unless they are there."""
        for statement in keeping.tracking_tables(self._session, names, self._named(table), parent=parent):
            self._define(statement)

    def drop(self, name: str) -> None:
        """Drop a table of syncd's if it is there."""
        self._define(f"DROP TABLE IF EXISTS {keeping.kept(self._session, name)}")

    def capture(self, names: Names, table: Tracked) -> None:
        """Create or replace the triggers that write the table's log."""
        capture.install(self._session, names, self._named(table))
        self._go_on()

    def release_capture(self, names: Names, table: Tracked) -> None:
        """Drop them."""
        capture.remove(self._session, names, self._named(table))
        self._go_on()

    def captures(self, names: Names, table: Tracked) -> bool:
        """Are all of them there and as they would be made now?"""
        return capture.complete(self._session, names, self._named(table))

    def hears(self, names: Names, table: Tracked) -> bool:
        """Does a trigger stand on the table for every kind of edit?"""
        return capture.hears(self._session, names, self._named(table))

    # Moving rows

    def seal_child(self, names: Names, table: Tracked, gen: int, base: int) -> int:
        """Take the log's rows into `own`; how many different ones."""
        return seal.seal_child(
            self._session, names, table, gen, base, live=self._is_live(), check=self._check
        )

    def seal_parent(self, names: Names, table: Tracked, gen: int) -> int:
        """Take the log's rows into `row` and `past`; how many different ones."""
        return seal.seal_parent(self._session, names, table, gen, live=self._is_live(), check=self._check)

    def extract(self, select: str, columns: Sequence[Column], form: Format, check: Check) -> Generator[Batch]:
        """The rows of a SELECT."""
        numbered = tuple(replace(column, name=f"c{number}") for number, column in enumerate(columns))
        names = ", ".join(column.name for column in numbered)
        text = f"(WITH q ({names}) AS ({select}) SELECT * FROM q) AS t"
        yield from batches_of(self._session, Origin(Table(TableName("rows"), numbered), text), form, check)

    def make_stage(self, stage: Stage) -> None:
        """Create the empty stage in place of an older one."""
        self.empty(stage)
        self._session.execute(staging.stage_statement(self._session, self._staged(stage)))

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows, all of the batch or none."""
        if batch.rows:
            staging.fill(self._session, stage, batch, check)

    def filled(self, stage: Stage) -> int:
        """How many rows there are; the server counts for its planner by itself."""
        return int(self._session.value(f"SELECT COUNT(*) FROM {quote(stage.name)}"))

    def empty(self, stage: Stage) -> None:
        """Drop the stage if it is there."""
        self._session.execute(f"DROP TEMPORARY TABLE IF EXISTS {quote(stage.name)}")

    def lock(self, stage: Stage) -> None:
        """Lock the table's rows that the stage has too, in the order of their keys."""
        staging.lock(self._rows(stage))

    def update(self, stage: Stage, which: str) -> int:
        """Give the table's rows the staged values where they differ."""
        return staging.update(self._rows(stage), which)

    def exchange(self, stage: Stage, which: str) -> int:
        """Take rows out and put them in again with the staged values."""
        rows = self._rows(stage)
        found = find(self._session, stage.table.name)
        every = read_table(self._session, found, writable=True).column_names if found is not None else ()
        return staging.exchange(rows, [name for name in every if name not in stage.table.names], which)

    def insert(self, stage: Stage, which: str) -> int:
        """Insert the staged rows that the table lacks."""
        return staging.insert(self._rows(stage), which)

    def delete(self, stage: Stage, which: str) -> int:
        """Delete the table's rows with the keys of these staged rows."""
        return staging.delete(self._rows(stage), which)

    def upsert_rows(
        self, names: Names, stage: Stage, which: str, gen: int, nid_sql: str, ngen_sql: str
    ) -> None:
        """Put the keys of these staged rows into `row`."""
        staging.upsert_rows(self._rows(stage), names, which, gen, nid_sql, ngen_sql)

    def delete_own(self, names: Names, stage: Stage, which: str) -> int:
        """Delete the rows of `own` with the keys of these staged rows."""
        return staging.delete_own(self._rows(stage), names, which)

    def unstage_owned(self, names: Names, stage: Stage) -> int:
        """Delete from the stage what has a row in `own`."""
        return staging.unstage_owned(self._rows(stage), names)

    def stage_missing(self, names: Names, stage: Stage) -> int:
        """Stage the table's rows as deleted that did not arrive."""
        return staging.stage_missing(self._rows(stage), names)

    def differs(self, table: Tracked, names: Sequence[str], old: str, new: str) -> str:
        """The condition that one of these columns has another value in `old` than in the stage `new`."""
        return staging.differing(table, names, old, new)

    def wait(self, names: Names, seconds: float) -> bool:
        """Ask again and again whether a log has a row, at most so long."""
        logs = keeping.logs_of(self._session, names)
        if not logs:
            raise FatalError(f"{self.place}: the cluster tracks no table here", code="not_tracked")
        asked = "SELECT " + " OR ".join(f"EXISTS (SELECT 1 FROM {log})" for log in logs)
        until = time.monotonic() + seconds
        while self._session.value(asked) != "1":
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._session.execute(f"DO SLEEP({min(left, POLL_SECONDS):.3f})")
        return True

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection; open work is undone."""
        self._session.close()

    def _is_live(self) -> bool:
        return self._purpose is Purpose.APPLY

    def _rows(self, stage: Stage) -> Rows:
        captured = self._names is not None and stage.table.captured
        log = (
            keeping.kept(self._session, self._names.log(stage.table.number))
            if captured and self._names
            else ""
        )
        return Rows(self._session, stage, self.text_of(stage.table.name), log, self._check)

    def _named(self, table: Tracked) -> Tracked:
        """The table under its true name."""
        found = find(self._session, table.name)
        return replace(table, name=found.name) if found is not None else table

    def _staged(self, stage: Stage) -> Stage:
        return replace(stage, table=self._named(stage.table))
