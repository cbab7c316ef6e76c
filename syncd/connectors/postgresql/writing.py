"""One window into one table of a PostgreSQL database, in one transaction with its cursor."""

from typing import Any, Final

import psycopg

from syncd.connectors.postgresql.session import CopyIn, Session, quote
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.following import cursor_moved, unbalanced
from syncd.model.run import Counters
from syncd.model.writing import Mode, Target
from syncd.ports import Check

STAGE: Final = "syncd_stage"

UPDATE_CURSOR: Final = """
UPDATE syncd_cursors SET target = %s, digest = %s, revision = revision + 1, cursor = %s, mark = %s,
       relation = to_regclass(%s)::oid::text, row_count = %s, updated = now()
 WHERE job = %s AND step = %s AND revision = %s"""

INSERT_CURSOR: Final = """
INSERT INTO syncd_cursors (target, digest, revision, cursor, mark, relation, row_count, job, step)
VALUES (%s, %s, 1, %s, %s, to_regclass(%s)::oid::text, %s, %s, %s) ON CONFLICT DO NOTHING"""

FORGET_OTHERS: Final = """
DELETE FROM syncd_cursors WHERE relation = to_regclass(%s)::oid::text AND NOT (job = %s AND step = %s)"""
"""Whoever replaces all rows of a table makes the cursors of others who filled it worthless."""


class PostgresqlWriting:
    """Collects rows in the table itself, or beside it when they have to be matched by key."""

    def __init__(
        self, session: Session, target: Target, create: str, add_key: list[str], check: Check
    ) -> None:
        self._session = session
        self._target = target
        self._add_key = add_key
        self._check = check
        self._table = f"{quote(target.table.name.schema)}.{quote(target.table.name.name)}"
        self._names = ", ".join(quote(name) for name in target.columns)
        self._copy: CopyIn | None = None
        self._rows_copy: Any = None
        self._rows_writer: Any = None
        self._rows = 0
        self._done = False
        session.execute("BEGIN")
        try:
            self._prepare(create)
        except BaseException:
            self.abandon()
            raise

    def write(self, batch: Batch) -> None:
        """Send one batch to the server."""
        try:
            if self._copy is not None and isinstance(batch.data, bytes):
                if batch.data:
                    self._copy.write(batch.data)
            elif not isinstance(batch.data, bytes):
                self._write_rows(batch)
        except SyncdError as error:
            raise self._named(error) from error
        self._rows += batch.rows

    def finish(self) -> Counters:
        """End the COPY, merge what was staged and count what became of it."""
        try:
            arrived = self._end_copy()
        except SyncdError as error:
            raise self._named(error) from error
        if arrived != self._rows:
            raise FatalError(
                f"{self._rows} rows were sent to {self._target.table.name} and {arrived} arrived",
                hint="nothing of this window was kept",
                code="counters_do_not_balance",
            )
        self._check()
        if self._target.mode is Mode.MERGE:
            return self._merge(arrived)
        if self._target.create:
            self._build_key()
        return Counters(read=arrived, inserted=arrived)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Store the cursor and end the transaction."""
        target = self._target
        values = (
            str(target.key.target),
            target.digest,
            cursor,
            mark,
            self._table,
            rows,
            target.key.job,
            target.key.step,
        )
        if target.revision:
            changed = self._session.execute(UPDATE_CURSOR, (*values, target.revision)).rowcount
        else:
            changed = self._session.execute(INSERT_CURSOR, values).rowcount
        if changed != 1:
            raise cursor_moved(target.key.step, target.key.job)
        if target.mode is Mode.REPLACE:
            self._session.execute(FORGET_OTHERS, (self._table, target.key.job, target.key.step))
        self._session.execute("COMMIT")
        self._done = True
        return target.revision + 1

    def abandon(self) -> None:
        """Undo the window unless it was committed."""
        if self._done:
            return
        self._done = True
        if self._rows_copy is not None:
            # Leaving psycopg's COPY with an error tells the server that the rows do not count.
            copy, self._rows_copy = self._rows_copy, None
            try:
                copy.__exit__(InterruptedError, InterruptedError("abandoned"), None)
            except (psycopg.Error, InterruptedError):
                self._session.rollback()
                return
        self._session.rollback()

    def _prepare(self, create: str) -> None:
        target = self._target
        run = self._session.execute
        if target.create:
            if self._needs_schema():
                run(f"CREATE SCHEMA IF NOT EXISTS {quote(target.table.name.schema)}")
            run(create)
            if target.mode is Mode.MERGE:
                self._build_key()
        if target.mode is Mode.REPLACE:
            run(f"DELETE FROM {self._table}")
        into = self._table
        if target.mode is Mode.MERGE:
            into = f"pg_temp.{STAGE}"
            run(
                f"CREATE TEMP TABLE {STAGE} ON COMMIT DROP AS SELECT {self._names} FROM {self._table} WITH NO DATA"
            )
        sql = f"COPY {into} ({self._names}) FROM STDIN"
        if target.format is Format.ROWS:
            self._rows_copy = self._session.copy_rows(sql)
            try:
                self._rows_writer = self._rows_copy.__enter__()
            except psycopg.Error as error:
                self._rows_copy = None
                raise self._session.failed(error) from error
        else:
            binary = " (FORMAT binary)" if target.format is Format.PGCOPY else ""
            self._copy = self._session.copy_in(sql + binary, self._check)

    def _needs_schema(self) -> bool:
        schema = self._target.table.name.schema
        return self._session.value("SELECT to_regnamespace(%s) IS NULL", (quote(schema),)) is True

    def _write_rows(self, batch: Batch) -> None:
        try:
            for row in batch.data:
                self._rows_writer.write_row(row)
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise self._rows_failed(error) from error

    def _rows_failed(self, error: Exception) -> Exception:
        if isinstance(error, psycopg.Error):
            return self._session.failed(error)
        return FatalError(f"a text for {self._target.table.name} is not valid Unicode", code="row_rejected")

    def _end_copy(self) -> int:
        if self._copy is not None:
            return self._copy.end()
        copy, self._rows_copy = self._rows_copy, None
        try:
            copy.__exit__(None, None, None)
        except psycopg.Error as error:
            raise self._session.failed(error) from error
        return int(self._rows_writer.cursor.rowcount)

    def _named(self, error: SyncdError) -> SyncdError:
        """The error with the table's own name for the place beside it where rows are collected."""
        name = str(self._target.table.name)
        if STAGE not in error.where and STAGE not in error.message:
            return error
        where, message = error.where.replace(STAGE, name), error.message.replace(STAGE, name)
        return type(error)(message, hint=error.hint, where=where, code=error.code)

    def _build_key(self) -> None:
        try:
            for statement in self._add_key:
                self._session.execute(statement)
        except FatalError as error:
            if error.code != "key_exists":
                raise
            raise self._repeated(error) from error

    def _repeated(self, error: SyncdError) -> FatalError:
        name = str(self._target.table.name)
        return FatalError(
            f"the query for {name} gives the same key more than once",
            hint="a row of the destination can take only one of them: add a condition or GROUP BY",
            where=error.where or name,
            code="duplicate_key",
        )

    def _merge(self, arrived: int) -> Counters:
        run = self._session.execute
        table, names = self._table, self._names
        keys = [quote(name) for name in self._target.table.key]
        run(f"ANALYZE pg_temp.{STAGE}")
        match = " AND ".join(f"t.{key} = s.{key}" for key in keys)
        others = [quote(name) for name in self._target.columns if name not in self._target.table.key]
        # The row's image is compared, so 1.0 is not 1.00, and types without equality are no trouble.
        differs = f"{_image('t', others)} *<> {_image('s', others)}" if others else "false"
        counted = run(
            f"SELECT count(*) FILTER (WHERE t.{keys[0]} IS NULL),"
            f" count(*) FILTER (WHERE t.{keys[0]} IS NOT NULL AND {differs})"
            f" FROM pg_temp.{STAGE} s LEFT JOIN {table} t ON {match}"
        ).fetchone()
        inserted, updated = (int(counted[0]), int(counted[1])) if counted else (0, 0)
        action = "NOTHING"
        if others:
            sets = ", ".join(f"{name} = excluded.{name}" for name in others)
            action = f"UPDATE SET {sets} WHERE {_image('t', others)} *<> {_image('excluded', others)}"
        self._check()
        try:
            changed = run(
                f"INSERT INTO {table} AS t ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM pg_temp.{STAGE}"
                f" ON CONFLICT ({', '.join(keys)}) DO {action}"
            ).rowcount
        except FatalError as error:
            raise self._repeated(error) if error.code == "duplicate_key" else error from error
        run(f"DROP TABLE pg_temp.{STAGE}")
        if changed != inserted + updated:
            raise unbalanced(str(self._target.table.name), inserted + updated, changed)
        return Counters(arrived, inserted, updated, arrived - inserted - updated)


def _image(of: str, names: list[str]) -> str:
    return f"ROW({', '.join(f'{of}.{name}' for name in names)})::record"
