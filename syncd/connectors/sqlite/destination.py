"""A SQLite file as a destination, with its cursors in the table `syncd_cursors`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from syncd.connectors.sqlite import ledger
from syncd.connectors.sqlite.altering import alter, alteration
from syncd.connectors.sqlite.catalog import find_table, read_table, table_identity
from syncd.connectors.sqlite.creation import create_statement, extras
from syncd.connectors.sqlite.session import Session, quote, refuse_unwritable
from syncd.connectors.sqlite.types import PLAIN_TYPE, is_known, make_type, read_type
from syncd.connectors.sqlite.writing import SqliteWriting
from syncd.errors import FatalError, RunCancelledError
from syncd.model.batch import Format
from syncd.model.reading import Tuning
from syncd.model.table import Column, Table, TableName, Type
from syncd.model.writing import Reject, Standing, StepKey, StoredCursor, Target, reset_reason
from syncd.ports import Check, Writing

MOST_ROWS: Final = 1_000
"""How many rows of a statement's result are given."""
COUNTED_ROWS: Final = 1_000_000
"""Up to how many known rows the table is counted before each run, to notice that some were deleted."""


class SqliteDestination:
    """Writes one file through one connection. A file that is not there is made by the first write, not before."""

    formats: tuple[Format, ...] = (Format.SQLITE, Format.COPYTEXT, Format.ROWS)
    several = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: Session | None = None
        self._tuning = Tuning()
        self._cancelled = False
        if self._is_there:
            self._opened = Session(path, write=True)
        else:
            refuse_unwritable(path)

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """The standing of each step, read in one transaction."""
        if not self._is_there:
            for key in keys:
                self._refuse_schema(key.target)
            return [Standing(0, None, None, "", 0, exists=False, empty=True) for _ in keys]
        with self._session.snapshot():
            has_cursors = ledger.has_table(self._session, ledger.CURSORS)
            return [self._standing(key, has_cursors=has_cursors) for key in keys]

    def table(self, name: TableName) -> Table | None:
        """The table as it is, or None; columns that SQLite computes are left out."""
        self._refuse_schema(name)
        if not self._is_there:
            return None
        with self._session.snapshot():
            return read_table(self._session, name, writable=True)

    def identity(self, name: TableName) -> str:
        """The table by its file and name."""
        found = find_table(self._session, name) if self._is_there else None
        return table_identity(self._session, found) if found else ""

    def design(self, table: Table, name: TableName) -> Table:
        """The table that would be created for rows like these."""
        self._refuse_schema(name)
        if name.name.lower().startswith("sqlite_"):
            raise FatalError(
                f"SQLite keeps names such as {name.name} for itself", hint="name the destination otherwise"
            )
        if not table.columns:
            raise FatalError(f"{table.name} has no columns", hint="SQLite tables need at least one")
        columns = tuple(
            Column(column.name, make_type(column.type), column.nullable and column.name not in table.key)
            for column in table.columns
        )
        return Table(TableName(name.name), columns, table.key)

    def creation(self, table: Table) -> list[str]:
        """The statement that creates a designed table."""
        return [create_statement(table)]

    def type_of(self, declaration: str) -> Type:
        """The type of a column that is declared so; SQLite itself would take any words."""
        found = read_type(declaration)
        if not declaration.strip() or not PLAIN_TYPE.match(declaration) or not is_known(declaration):
            raise FatalError(
                f"'{declaration}' is no type of SQLite",
                hint="for example INTEGER, REAL, TEXT, BLOB, BOOLEAN, DATE, TIMESTAMP, TEXT_DECIMAL(12,2)",
                code="type_unknown",
            )
        return found

    def extras(self, name: TableName) -> list[str]:
        """Its indexes, triggers, further unique columns, foreign keys and checks."""
        found = find_table(self._session, name) if self._is_there else None
        return extras(self._session, found) if found else []

    def alteration(self, table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
        """The statements that add columns; for another type the table is made anew."""
        with self._session.snapshot():
            return alteration(self._session, table.name.name, add, widen)

    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        """Do it in one transaction."""
        alter(self._session, table.name.name, add, widen, check)

    def cursors(self, job: str) -> list[StoredCursor]:
        """The cursors of a job, by step."""
        if not self._is_there:
            return []
        with self._session.snapshot():
            has_cursors = ledger.has_table(self._session, ledger.CURSORS)
            return ledger.list_cursors(self._session, job) if has_cursors else []

    def put_cursor(self, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
        """Give a stored cursor another value, or forget it with None."""
        with self._session.changing(lambda: None):
            ledger.move_cursor(self._session, stored, cursor, mark)

    def rejects(self, key: StepKey) -> list[Reject]:
        """The rows of this step that were set aside, oldest first."""
        if not self._is_there:
            return []
        with self._session.snapshot():
            return ledger.list_rejects(self._session, key)

    def execute(self, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
        """Run one statement of the user's in a transaction of its own."""
        with self._session.changing(check):
            cursor = self._session.execute(statement)
            with self._session.errors():
                rows = cursor.fetchmany(MOST_ROWS)
                cursor.close()
        return rows

    def tune(self, tuning: Tuning) -> None:
        """How long a statement may go without progress, and who hears the statements."""
        self._tuning = tuning
        if self._opened is not None:
            self._opened.tune(tuning)

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Everything that it lists, for every pair of tables."""
        return form in self.formats

    def begin(self, target: Target, check: Check) -> Writing:
        """Take the write lock and prepare one window."""
        return SqliteWriting(self._session, target, check)

    def cancel(self) -> None:
        """Interrupt whatever runs."""
        self._cancelled = True
        if self._opened is not None:
            self._opened.interrupt()

    def close(self) -> None:
        """Close the file; open work is undone."""
        if self._opened is not None:
            self._opened.close()

    @property
    def _is_there(self) -> bool:
        return self._opened is not None or Path(self._path).expanduser().exists()

    @property
    def _session(self) -> Session:
        if self._cancelled and self._opened is None:
            raise RunCancelledError("the run was stopped")
        if self._opened is None:
            self._opened = Session(self._path, write=True)
            self._opened.tune(self._tuning)
        return self._opened

    def _standing(self, key: StepKey, *, has_cursors: bool) -> Standing:
        self._refuse_schema(key.target)
        found = find_table(self._session, key.target)
        row = (
            self._session.execute(ledger.READ_CURSOR, (key.job, key.step)).fetchone() if has_cursors else None
        )
        empty = found is None or self._is_empty(found)
        if row is None:
            return Standing(0, None, None, "", 0, exists=found is not None, empty=empty)
        revision, cursor, mark, digest, rows, relation = row
        same = found is not None and relation == ledger.relation_of(self._session, found)
        reset = reset_reason(rows, self._rows(found, rows, empty=empty), COUNTED_ROWS, same=same)
        return Standing(
            revision, cursor, mark, digest, rows, exists=found is not None, empty=empty, reset=reset
        )

    def _is_empty(self, name: str) -> bool:
        return self._session.execute(f"SELECT 1 FROM {quote(name)} LIMIT 1").fetchone() is None

    def _rows(self, found: str | None, known: int, *, empty: bool) -> int | None:
        """How many rows the table has where few were known, else 0 or 1; None when it is missing."""
        if found is None:
            return None
        return self._count(found) if not empty and known <= COUNTED_ROWS else int(not empty)

    def _count(self, name: str) -> int:
        return int(self._session.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0])

    def _refuse_schema(self, name: TableName) -> None:
        if name.schema.lower() not in {"", "main"}:
            raise FatalError(
                f"a SQLite file has no schema '{name.schema}' for table {name.name}",
                hint="set destination_schema: main, or name the destination alone: REPLICATE [t] FROM [schema.t]",
            )
