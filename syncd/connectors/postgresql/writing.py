"""One window into one table of a PostgreSQL database, in one transaction with its cursor."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql import recreate, rejects
from syncd.connectors.postgresql.copyin import CopyIn
from syncd.connectors.postgresql.creation import create_statement, full_name, key_statements
from syncd.connectors.postgresql.cursors import store_cursor
from syncd.connectors.postgresql.deleting import delete_keys
from syncd.connectors.postgresql.history import add_versions, refuse_without_versions
from syncd.connectors.postgresql.merging import insert_staged, merge_staged
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shapes import entering
from syncd.connectors.postgresql.staging import (
    STAGE,
    STAGED,
    check_stage,
    create_stage,
    must_stage,
    place_of,
    repeated,
)
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.run import Counters
from syncd.model.table import Column, Kind, Type
from syncd.model.writing import Mode, Reject, Target
from syncd.ports import Check

BATCH: Final = "syncd_batch"
"""The savepoint to which a careful writing returns when the table refuses a row."""


class PostgresqlWriting:
    """Collects rows in the table itself, or beside it when they have to be matched or checked first."""

    def __init__(self, session: Session, target: Target, check: Check) -> None:
        self._session = session
        self._target = target
        self._check = check
        self._recreates = target.mode is Mode.RECREATE
        table = recreate.successor(target.key, target.table) if self._recreates else target.table
        self._place = place_of(target, table)
        unknown = Type(Kind.ANY)
        self._taken = tuple(table.column(name) or Column(name, unknown) for name in target.columns)
        self._staged = must_stage(target)
        self._key_later = False
        self._copy: CopyIn | None = None
        self._rows = 0
        self._applied = Counters()
        self._done = False
        session.execute("BEGIN")
        try:
            self._prepare()
        except BaseException:
            self.abandon()
            raise

    def write(self, batch: Batch) -> None:
        """Send one batch to the server."""
        if self._copy is not None:
            self._send(self._copy, batch)
        self._rows += batch.rows

    def finish(self) -> Counters:
        """End the COPY, merge what was staged and count what became of it."""
        if self._copy is None:
            return self._applied
        copy, self._copy = self._copy, None
        counters = self._absorb(self._arrived(copy, self._rows))
        if self._key_later:
            self._build_key()
        if self._staged:
            self._session.execute(f"DROP TABLE {STAGED}")
        return counters

    def apply(self, batch: Batch) -> Counters:
        """Stage and merge these rows under a savepoint.

        Raises:
            RowRejectedError: the table refuses a row; everything is as before the call.
        """
        session = self._session
        session.execute(f"SAVEPOINT {BATCH}")
        try:
            session.execute(f"TRUNCATE {STAGED}")
            copy = CopyIn(session, f"COPY {STAGED} ({self._place.names}) FROM STDIN", self._check)
            self._send(copy, batch)
            counters = self._absorb(self._arrived(copy, batch.rows))
        except FatalError as error:
            session.return_to(BATCH)
            named = self._named(error)
            if error.code == "key_exists":
                named = RowRejectedError(named.message, hint=named.hint, where=named.where, code=named.code)
            raise named from error
        session.execute(f"RELEASE SAVEPOINT {BATCH}")
        self._applied = self._applied + counters
        return counters

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        """Take away, mark or end the rows with these keys; how many there were."""
        return delete_keys(
            self._session, self._place, keys, mode=self._target.mode, mark=mark, check=self._check
        )

    def set_aside(self, rejects_: Sequence[Reject]) -> None:
        """Keep these rows in `syncd_rejects`."""
        rejects.set_aside(self._session, self._target.key, rejects_)

    def let_go(self, keys: Sequence[str]) -> None:
        """Forget the refused rows with these keys."""
        rejects.let_go(self._session, self._target.key, keys)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Store the cursor and end the transaction."""
        target = self._target
        if self._recreates:
            recreate.take_place(self._session, target, self._place.table)
        table = full_name(target.table.name)
        revision = store_cursor(self._session, target, table, cursor, mark, rows)
        self._session.execute("COMMIT")
        self._done = True
        return revision

    def abandon(self) -> None:
        """Undo the window unless it was committed."""
        if not self._done:
            self._done = True
            self._session.rollback()

    def _prepare(self) -> None:
        target, place, run = self._target, self._place, self._session.execute
        if target.careful and target.format is Format.PGCOPY:
            raise FatalError(
                f"rows for {target.table.name} cannot be tried one by one in binary form",
                code="no_common_format",
            )
        if target.mode is Mode.HISTORY:
            refuse_without_versions(target.table)
        if target.create and self._needs_schema():
            run(f"CREATE SCHEMA IF NOT EXISTS {quote(target.table.name.schema)}")
        if self._recreates:
            recreate.prepare(self._session, target, place.table)
        elif target.create:
            run(create_statement(target.table))
        if target.create or self._recreates:
            self._key_later = not target.careful and target.mode not in {Mode.MERGE, Mode.HISTORY}
            if not self._key_later:
                self._build_key()
        if target.mode is Mode.REPLACE:
            run(f"DELETE FROM {place.text}")
        if self._staged:
            create_stage(self._session, place)
        if target.careful:
            # A row must be refused while it can still be told from the others.
            run("SET CONSTRAINTS ALL IMMEDIATE")
        else:
            binary = " (FORMAT binary)" if target.format is Format.PGCOPY else ""
            into = STAGED if self._staged else place.text
            self._copy = CopyIn(self._session, f"COPY {into} ({place.names}) FROM STDIN{binary}", self._check)

    def _needs_schema(self) -> bool:
        schema = self._target.table.name.schema
        return self._session.value("SELECT to_regnamespace(%s) IS NULL", (quote(schema),)) is True

    def _send(self, copy: CopyIn, batch: Batch) -> None:
        try:
            if not isinstance(batch.data, bytes):
                copy.write_rows(entering(batch.data, self._taken))
            elif batch.data:
                copy.write(batch.data)
        except SyncdError as error:
            raise self._named(error) from error

    def _arrived(self, copy: CopyIn, sent: int) -> int:
        try:
            arrived = copy.end()
        except SyncdError as error:
            raise self._named(error) from error
        if arrived != sent:
            raise FatalError(
                f"{sent} rows were sent to {self._target.table.name} and {arrived} arrived",
                hint="nothing of this window was kept",
                code="counters_do_not_balance",
            )
        return arrived

    def _absorb(self, arrived: int) -> Counters:
        """Bring what was staged into the table."""
        self._check()
        if not self._staged:
            return Counters(read=arrived, inserted=arrived)
        check_stage(self._session, self._place, arrived)
        self._check()
        if self._target.mode is Mode.MERGE:
            return merge_staged(self._session, self._place, arrived, self._target.revive)
        if self._target.mode is Mode.HISTORY:
            return add_versions(self._session, self._place, arrived)
        return insert_staged(self._session, self._place, arrived)

    def _named(self, error: SyncdError) -> SyncdError:
        """The error with the table's own name for the place beside it where rows are collected."""
        where, message = error.where, error.message
        for place in (STAGE, self._place.table.name.name):
            where = where.replace(place, self._target.table.name.name)
            message = message.replace(place, self._target.table.name.name)
        return type(error)(message, hint=error.hint, where=where, code=error.code)

    def _build_key(self) -> None:
        try:
            for statement in key_statements(self._place.table):
                self._session.execute(statement)
        except FatalError as error:
            if error.code != "key_exists":
                raise
            raise repeated(self._target.table, self._named(error).where) from error
