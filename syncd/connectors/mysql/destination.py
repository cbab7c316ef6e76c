"""A MariaDB or MySQL database as a destination, with its cursors in the table `syncd_cursors`."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

from syncd.connectors.mysql.catalog import (
    Found,
    Stamp,
    find,
    read_table,
    reader_of,
    stamps_of,
    table_identity,
    table_number,
)
from syncd.connectors.mysql.copytext import rows_of
from syncd.connectors.mysql.definition import alter_statements, create_statement, design, extras
from syncd.connectors.mysql.ledger import CREATE_CURSORS, cursors_of, put_cursor, read_cursors, rejects_of
from syncd.connectors.mysql.session import Session
from syncd.connectors.mysql.shapes import takes_lines
from syncd.connectors.mysql.types import declared_type
from syncd.connectors.mysql.writing import MysqlWriting
from syncd.errors import SyncdError
from syncd.model.batch import Format
from syncd.model.reading import Tuning
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Reject, Standing, StepKey, StoredCursor, Target, reset_reason
from syncd.ports import Check, Writing

COUNTED_ROWS: Final = 100_000
"""Up to how many known rows the table is counted before each run, to notice that some were deleted."""
SHOWN_ROWS: Final = 1_000


class MysqlDestination:
    """Writes one database through one connection."""

    formats: tuple[Format, ...] = (Format.UTCTEXT, Format.COPYTEXT, Format.ROWS)
    several = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._has_cursors = False

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """The standing of each step: one question for the cursors, one for the rows of all tables."""
        stored = read_cursors(self._session, keys)
        rows = [stored.get((key.job, key.step)) for key in keys]
        stamps = stamps_of(self._session, {key.target for key in keys})
        found = [self._found(key.target, stamps) for key in keys]
        counts = self._count(found, rows)
        return [
            self._standing(row, table, count, stamps.get(key.target))
            for key, row, table, count in zip(keys, rows, found, counts, strict=True)
        ]

    def table(self, name: TableName) -> Table | None:
        """The table as it is, or None; columns that the server computes are left out."""
        found = find(self._session, name)
        return None if found is None else read_table(self._session, found, writable=True)

    def identity(self, name: TableName) -> str:
        """The table by its server, name and number there."""
        return table_identity(self._session, find(self._session, name))

    def design(self, table: Table, name: TableName) -> Table:
        """The table that would be created for rows like these."""
        return design(self._session, table, name)

    def type_of(self, declaration: str) -> Type:
        """The type of a column that is declared so."""
        return declared_type(declaration)

    def creation(self, table: Table) -> list[str]:
        """The statement that creates a designed table."""
        return [create_statement(self._session, table)]

    def extras(self, name: TableName) -> list[str]:
        """Its indexes, triggers and constraints."""
        found = find(self._session, name)
        return extras(self._session, found) if found else []

    def alteration(self, table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
        """The statement that adds columns and gives others a wider type."""
        return alter_statements(self._session, table, add, widen)

    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        """Do it in one statement. The cursors of the table are told its new number right after it."""
        found = find(self._session, table.name)
        before = table_number(self._session, found) if found else ""
        for statement in alter_statements(self._session, table, add, widen):
            self._session.execute(statement, check=check)
        after = table_number(self._session, found) if found else ""
        if after != before:
            self._ensure_cursors()
            self._session.execute(
                "UPDATE syncd_cursors SET relation = %s WHERE relation = %s", (after, before)
            )

    def cursors(self, job: str) -> list[StoredCursor]:
        """The cursors of a job, by step."""
        return cursors_of(self._session, job)

    def put_cursor(self, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
        """Give a stored cursor another value, or forget it with None."""
        put_cursor(self._session, stored, cursor, mark)

    def rejects(self, key: StepKey) -> list[Reject]:
        """The rows of this step that were set aside, oldest first."""
        return rejects_of(self._session, key)

    def execute(self, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
        """Run one SQL statement that a user wrote; at most 1 000 rows of its result."""
        self._session.begin()
        try:
            rows: list[tuple[object, ...]] = []
            with closing(self._session.stream(statement, check)) as blocks:
                for block in blocks:
                    readers = [reader_of(field) for field in self._session.fields]
                    rows += rows_of(block[: SHOWN_ROWS - len(rows)], readers)
                    if len(rows) >= SHOWN_ROWS:
                        break
            self._session.leave()
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise
        return rows

    def tune(self, tuning: Tuning) -> None:
        """Behave so until told otherwise."""
        self._session.tune(tuning)

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Tuples always, lines but those with geometries of others; moments without a zone only for columns of moments."""
        types = {column.name.lower(): column.type.kind for column in target.columns}
        if form is not Format.ROWS and not takes_lines(source, types):
            return False
        if form is not Format.UTCTEXT:
            return form in self.formats
        moments = [column for column in source.columns if column.type.kind is Kind.TIMESTAMPTZ]
        return all(types.get(column.name.lower()) is Kind.TIMESTAMPTZ for column in moments)

    def begin(self, target: Target, check: Check) -> Writing:
        """Start the transaction for one window."""
        self._ensure_cursors()
        return MysqlWriting(self._session, target, check)

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection; open work is undone."""
        self._session.close()

    def _found(self, name: TableName, stamps: Mapping[TableName, Stamp]) -> Found | None:
        if name in stamps:
            return Found(
                TableName(name.name, name.schema or self._session.schema), "InnoDB", "BASE TABLE", -1
            )
        return find(self._session, name)

    def _ensure_cursors(self) -> None:
        if not self._has_cursors:
            self._session.execute(CREATE_CURSORS)
            self._has_cursors = True

    def _count(self, found: Sequence[Found | None], rows: Sequence[tuple[str, ...] | None]) -> list[int]:
        """How many rows each table has, up to what was known, else 0 or 1."""
        branches = {}
        for index, (table, row) in enumerate(zip(found, rows, strict=True)):
            if table is not None:
                known = int(row[4]) if row else 0
                limit = known if 0 < known <= COUNTED_ROWS else 1
                branches[index] = (
                    f"SELECT {index}, COUNT(*) FROM (SELECT 1 FROM {table.text} LIMIT {limit}) r"
                )
        try:
            counted = self._session.execute(" UNION ALL ".join(branches.values())).rows if branches else ()
        except SyncdError:
            # One of them may not be read, or has gone; the others count all the same.
            if len(branches) == 1:
                raise
            return [sum(self._count([table], [row])) for table, row in zip(found, rows, strict=True)]
        counts = {int(index): int(count) for index, count in counted}
        return [counts.get(index, 0) for index in range(len(found))]

    def _standing(
        self, row: tuple[str, ...] | None, found: Found | None, count: int, stamp: Stamp | None
    ) -> Standing:
        exists, empty = found is not None, count == 0
        if row is None:
            return Standing(0, None, None, "", 0, exists=exists, empty=empty)
        revision, cursor, mark, digest, known, relation = row
        rows = int(known)
        same = found is not None and relation == (
            stamp.number if stamp else table_number(self._session, found)
        )
        reset = reset_reason(rows, count if exists else None, COUNTED_ROWS, same=same)
        return Standing(int(revision), cursor, mark, digest, rows, exists=exists, empty=empty, reset=reset)
