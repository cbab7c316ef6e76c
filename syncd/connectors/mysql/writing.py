"""One window into one table of a MariaDB or MySQL database, in one transaction with its cursor.

DDL ends a transaction here, so tables are made before it begins; one that was made for nothing is dropped again.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from syncd.connectors.mysql.catalog import Found, find, table_number
from syncd.connectors.mysql.definition import (
    create_statement,
    new_name,
    refuse_engine,
    refuse_recreation,
)
from syncd.connectors.mysql.ledger import CREATE_REJECTS, FORGET_OTHERS, let_go, set_aside, store_cursor
from syncd.connectors.mysql.loading import Gate, Loading, heed, named
from syncd.connectors.mysql.merging import STAGE, Place, create_stage, keep_history, merge, moment_after
from syncd.connectors.mysql.session import Session, quote
from syncd.errors import FatalError, NotFoundError, RowRejectedError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.run import Counters
from syncd.model.table import Column, Table, TableName
from syncd.model.writing import ACTIVE, UNTIL, Mode, Reject, Target
from syncd.ports import Check

KEYS: Final = "syncd_keys"
SAVEPOINT: Final = "syncd_batch"
STAGED: Final = frozenset({Mode.MERGE, Mode.HISTORY})


class MysqlWriting:
    """Collects rows in the table itself, or beside it when they have to be matched by key."""

    def __init__(self, session: Session, target: Target, check: Check) -> None:
        self._session = session
        self._target = target
        self._check = check
        self._schema = target.table.name.schema or session.schema
        self._made: list[str] = []
        self._old: Found | None = None
        self._counters = Counters()
        self._loading: Loading | None = None
        self._done = False
        self._name = str(target.table.name)
        try:
            self._make_tables()
            self._place = Place(target, self._sql(self._working))
            session.begin()
            self._prepare()
        except BaseException:
            self.abandon()
            raise

    def write(self, batch: Batch) -> None:
        """Send one batch to the server."""
        if self._loading is None:
            self._loading = self._open_load()
        try:
            self._loading.write(batch)
        except SyncdError as error:
            raise self._refused(error) from error

    def finish(self) -> Counters:
        """End the load, merge what was staged and count what became of it."""
        if not self._target.careful:
            self._counters = self._settle()
        return self._counters

    def apply(self, batch: Batch) -> Counters:
        """Write and merge these rows at once; the counters of this batch.

        Raises:
            RowRejectedError: the table refuses a row of the batch; everything is as before the call.
        """
        self._session.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            self.write(batch)
            counters = self._settle()
        except SyncdError as error:
            self._loading = None
            self._session.return_to(SAVEPOINT)
            if error.code == "key_exists":
                raise RowRejectedError(
                    error.message, hint=error.hint, where=error.where or self._name
                ) from error
            raise
        if self._target.mode in STAGED:
            self._session.execute(f"DELETE FROM {STAGE}")
        self._counters = self._counters + counters
        return counters

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        """Take away the rows with these keys, mark them, or end their active versions; how many."""
        if not keys:
            return 0
        session, place = self._session, self._place
        session.execute(create_stage(place, KEYS, place.match, state=False))
        try:
            loading = Loading(session, Gate(KEYS, *self._key_columns()), self._name, self._check)
            unique = list(dict.fromkeys(keys))
            loading.write(Batch(Format.ROWS, unique, len(unique)))
            loading.end()
            return self._take_away(mark)
        finally:
            session.leave()
            with contextlib.suppress(SyncdError):
                session.execute(f"DROP TEMPORARY TABLE IF EXISTS {KEYS}")

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep these rows in the destination's table of refused rows."""
        if not rejects:
            return
        try:
            set_aside(self._session, self._target.key, rejects)
        except NotFoundError:
            # Made through another connection: DDL would end this one's transaction.
            self._session.aside(CREATE_REJECTS)
            set_aside(self._session, self._target.key, rejects)

    def let_go(self, keys: Sequence[str]) -> None:
        """Forget the refused rows with these keys."""
        let_go(self._session, self._target.key, keys)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Store the cursor and end the transaction; a table made anew then takes its name."""
        target, session = self._target, self._session
        found = Found(TableName(self._working, self._schema), "InnoDB", "BASE TABLE", 0)
        relation = table_number(session, found)
        revision = store_cursor(session, target, relation, cursor, mark, rows)
        if target.mode in {Mode.REPLACE, Mode.RECREATE}:
            session.execute(FORGET_OTHERS, (relation, target.key.job, target.key.step))
        session.commit()
        self._made, self._done = [], True
        if self._old is not None:
            self._rename(self._old)
        self._drop_stages()
        return revision

    def abandon(self) -> None:
        """Undo the window unless it was committed."""
        if self._done:
            return
        self._done = True
        self._session.rollback()
        if self._session.alive:
            self._session.clean(
                f"DROP TEMPORARY TABLE IF EXISTS {STAGE}, {KEYS}",
                *(f"DROP TABLE IF EXISTS {self._sql(name)}" for name in self._made),
            )

    @property
    def _working(self) -> str:
        """The table that takes the rows: the table itself, or the one that will take its name."""
        if self._old is not None:
            return new_name(self._target.key, "new")
        return self._target.table.name.name

    def _sql(self, name: str) -> str:
        return f"{quote(self._schema)}.{quote(name)}"

    def _make_tables(self) -> None:
        target, session = self._target, self._session
        found = None if target.create else find(session, target.table.name)
        refuse_engine(found)
        if target.mode is Mode.RECREATE and found is not None:
            refuse_recreation(session, found)
            self._old = found
            session.execute(f"DROP TABLE IF EXISTS {self._sql(self._working)}")
        elif not target.create:
            return
        if self._schema != session.schema and target.create:
            session.execute(f"CREATE DATABASE IF NOT EXISTS {quote(self._schema)}")
        session.execute(create_statement(session, target.table, self._working))
        self._made.append(self._working)

    def _prepare(self) -> None:
        target, run = self._target, self._session.execute
        if target.mode is Mode.REPLACE and not target.create:
            run(f"DELETE FROM {self._place.text}")
        if target.mode in STAGED:
            run(f"DROP TEMPORARY TABLE IF EXISTS {STAGE}")
            run(create_stage(self._place, STAGE, target.columns, state=True))
        if not target.careful:
            self._loading = self._open_load()

    def _open_load(self) -> Loading:
        target = self._target
        text = STAGE if target.mode in STAGED else self._place.text
        columns = tuple(self._column(name) for name in target.columns)
        return Loading(
            self._session, Gate(text, columns, target.source, target.format), self._name, self._check
        )

    def _column(self, name: str) -> Column:
        column = self._target.table.column(name)
        if column is None:
            raise FatalError(f"table {self._name} has no column '{name}'", code="column_missing")
        return column

    def _key_columns(self) -> tuple[tuple[Column, ...], Table]:
        """The matched columns, and the types in which their values come."""
        target = self._target
        source = dict(zip(target.columns, target.source.columns, strict=True))
        columns = tuple(self._column(name) for name in self._place.match)
        come = tuple(source.get(column.name, column) for column in columns)
        return columns, replace(target.source, columns=come, key=())

    def _settle(self) -> Counters:
        """End the load and merge what it staged."""
        loading, self._loading = self._loading, None
        try:
            arrived = loading.end() if loading is not None else 0
        except SyncdError as error:
            raise self._refused(error) from error
        self._check()
        try:
            return self._merge(arrived)
        except SyncdError as error:
            raise self._told(error) from error

    def _merge(self, arrived: int) -> Counters:
        mode = self._target.mode
        if mode not in STAGED:
            return Counters(read=arrived, inserted=arrived)
        work = merge if mode is Mode.MERGE else keep_history
        counters, results = work(self._session, self._place, arrived)
        if any(result.warnings for result in results):
            heed(self._session, self._name)
        return counters

    def _refused(self, error: SyncdError) -> SyncdError:
        """What a row on its way met: in a place that was empty, a key is there only because it came twice."""
        empty = self._target.mode in STAGED or bool(self._made)
        if error.code == "key_exists" and "PRIMARY" in error.message and empty:
            return FatalError(
                f"the query for {self._name} gives the same key more than once",
                hint="a row of the destination can take only one of them: add a condition or GROUP BY",
                where=self._name,
                code="duplicate_key",
            )
        return self._told(error)

    def _told(self, error: SyncdError) -> SyncdError:
        """The error with the table's own name."""
        if isinstance(error, RowRejectedError) or error.code == "key_exists":
            return named(error, self._name)
        return error

    def _take_away(self, mark: str) -> int:
        session, place = self._session, self._place
        joined = f"{place.text} t JOIN {KEYS} k ON {place.on('k')}"
        if self._target.mode is Mode.HISTORY:
            now = moment_after(session, place, KEYS)
            sets = f"t.{quote(UNTIL)} = {now}, t.{quote(ACTIVE)} = 0"
            return session.execute(f"UPDATE {joined} SET {sets} WHERE t.{quote(ACTIVE)} = 1").changed
        if mark:
            name = f"t.{quote(mark)}"
            return session.execute(
                f"UPDATE {joined} SET {name} = UTC_TIMESTAMP(6) WHERE {name} IS NULL"
            ).changed
        return session.execute(f"DELETE t FROM {joined}").changed

    def _rename(self, old: Found) -> None:
        """Let the new table take the old one's name; a crash before this costs a new full load, no row."""
        session = self._session
        aside = new_name(self._target.key, "old")
        session.execute(f"DROP TABLE IF EXISTS {self._sql(aside)}")
        session.execute(
            f"RENAME TABLE {old.text} TO {self._sql(aside)}, {self._sql(self._working)} TO {old.text}"
        )
        session.execute(f"DROP TABLE IF EXISTS {self._sql(aside)}")

    def _drop_stages(self) -> None:
        self._session.clean(f"DROP TEMPORARY TABLE IF EXISTS {STAGE}, {KEYS}")
