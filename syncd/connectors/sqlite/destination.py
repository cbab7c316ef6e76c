"""A SQLite file as a destination, with its cursors in the table `syncd_cursors`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from syncd.connectors.sqlite.catalog import find_table, read_table, table_identity
from syncd.connectors.sqlite.session import Session, quote, refuse_unwritable
from syncd.connectors.sqlite.types import declaration, make_type
from syncd.connectors.sqlite.writing import SqliteWriting
from syncd.errors import FatalError, RunCancelledError
from syncd.model.batch import Format
from syncd.model.table import Column, Table, TableName
from syncd.model.writing import Standing, StepKey, Target
from syncd.ports import Check, Writing

CURSORS: Final = "syncd_cursors"
CREATE_CURSORS: Final = f"""CREATE TABLE IF NOT EXISTS {CURSORS} (
  job TEXT NOT NULL, step TEXT NOT NULL, target TEXT NOT NULL, digest TEXT NOT NULL,
  revision INTEGER NOT NULL, cursor TEXT NOT NULL, mark TEXT, relation TEXT NOT NULL,
  row_count INTEGER NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (job, step))"""
READ_CURSOR: Final = (
    f"SELECT revision, cursor, mark, digest, row_count, relation FROM {CURSORS} WHERE job = ? AND step = ?"
)


class SqliteDestination:
    """Writes one file through one connection. A file that is not there is made by the first write, not before."""

    formats: tuple[Format, ...] = (Format.SQLITE, Format.COPYTEXT, Format.ROWS)

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: Session | None = None
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
            has_cursors = find_table(self._session, TableName(CURSORS)) is not None
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

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Everything that it lists, for every pair of tables."""
        return form in self.formats

    def begin(self, target: Target, check: Check) -> Writing:
        """Take the write lock and prepare one window."""
        return SqliteWriting(self._session, target, create_statement(target.table), CREATE_CURSORS, check)

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
        return self._opened

    def _standing(self, key: StepKey, *, has_cursors: bool) -> Standing:
        self._refuse_schema(key.target)
        found = find_table(self._session, key.target)
        row = self._session.execute(READ_CURSOR, (key.job, key.step)).fetchone() if has_cursors else None
        empty = found is None or self._is_empty(found)
        if row is None:
            return Standing(0, None, None, "", 0, exists=found is not None, empty=empty)
        revision, cursor, mark, digest, rows, relation = row
        reset = ""
        if found is None:
            reset = "the destination table is missing"
        elif rows and empty:
            reset = "the destination table was emptied"
        elif relation != relation_of(self._session, found):
            reset = "the destination table was replaced by another one"
        elif rows <= COUNTED_ROWS and self._count(found) < rows:
            reset = "rows of the destination table were deleted"
        return Standing(
            revision, cursor, mark, digest, rows, exists=found is not None, empty=empty, reset=reset
        )

    def _is_empty(self, name: str) -> bool:
        return self._session.execute(f"SELECT 1 FROM {quote(name)} LIMIT 1").fetchone() is None

    def _count(self, name: str) -> int:
        return int(self._session.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0])

    def _refuse_schema(self, name: TableName) -> None:
        if name.schema.lower() not in {"", "main"}:
            raise FatalError(
                f"a SQLite file has no schema '{name.schema}' for table {name.name}",
                hint=f"name the destination alone: REPLICATE [{name.name}] SELECT * FROM [{name.schema}].[{name.name}]",
            )


COUNTED_ROWS: Final = 1_000_000
"""Up to how many known rows the table is counted before each run, to notice that some were deleted."""


def relation_of(session: Session, name: str) -> str:
    """What tells this table from another one that was created under its name later."""
    row = session.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return f"{row[0]}" if row else ""


def create_statement(table: Table) -> str:
    """CREATE TABLE with types, NOT NULL and the key."""
    lines = [
        f"{quote(column.name)} {declaration(column)}".rstrip() + ("" if column.nullable else " NOT NULL")
        for column in table.columns
    ]
    if table.key:
        lines.append(f"PRIMARY KEY ({', '.join(quote(name) for name in table.key)})")
    return f"CREATE TABLE {quote(table.name.name)} (\n  " + ",\n  ".join(lines) + "\n)"
