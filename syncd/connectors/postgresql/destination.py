"""A PostgreSQL database as a destination, with its cursors in the table `syncd_cursors`."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.alteration import alteration_statements
from syncd.connectors.postgresql.catalog import Found, database_identity, declared_type, find, read_table
from syncd.connectors.postgresql.creation import create_statement, key_statements
from syncd.connectors.postgresql.cursors import (
    CREATE_CURSORS,
    EXISTS,
    LOCK,
    SURVEY,
    list_cursors,
    move_cursor,
)
from syncd.connectors.postgresql.quoting import plain_literal
from syncd.connectors.postgresql.recreate import extras
from syncd.connectors.postgresql.rejects import list_rejects
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shapes import geometry_type, takes_text
from syncd.connectors.postgresql.statement import run_statement
from syncd.connectors.postgresql.types import LOCAL_PRODUCT, PRODUCT, make_type, read_type
from syncd.connectors.postgresql.writing import PostgresqlWriting
from syncd.errors import FatalError, NotFoundError, SyncdError
from syncd.model.batch import Format
from syncd.model.following import cursor_moved
from syncd.model.reading import Tuning
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Reject, Standing, StepKey, StoredCursor, Target, reset_reason
from syncd.ports import Check, Writing

LONGEST_NAME: Final = 63
COUNTED_ROWS: Final = 100_000
"""Up to how many known rows the table is counted before each run, to notice that some were deleted."""


class PostgresqlDestination:
    """Writes one database through one connection."""

    formats: tuple[Format, ...] = (Format.PGCOPY, Format.COPYTEXT, Format.ROWS)
    several = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._has_cursors = False
        self._names: dict[TableName, Found] = {}

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """The standing of each step: one question for the cursors, one for the tables."""
        rows: list[tuple[object, ...]] = [(None,) * 7 for _ in keys]
        if self._cursors_exist():
            jobs, steps = [key.job for key in keys], [key.step for key in keys]
            try:
                rows = self._session.execute(SURVEY, (jobs, steps)).fetchall()
            except NotFoundError:
                # Somebody dropped it since this connection saw it.
                self._has_cursors = False
        counts = self._look_at(keys, rows)
        return [_standing(row, count) for row, count in zip(rows, counts, strict=True)]

    def table(self, name: TableName) -> Table | None:
        """The table as it is, or None; columns that the server computes are left out."""
        found = find(self._session, name)
        return None if found is None else read_table(self._session, found, writable=True)

    def identity(self, name: TableName) -> str:
        """The table by its database and its number there."""
        found = find(self._session, name)
        return f"{database_identity(self._session)}/{found.oid}" if found else ""

    def design(self, table: Table, name: TableName) -> Table:
        """The table that would be created for rows like these."""
        schema = name.schema or self._session.schema
        schema = schema or str(self._session.value("SELECT current_schema()") or "public")
        for said in (schema, name.name, *table.column_names):
            if len(said.encode()) > LONGEST_NAME:
                raise FatalError(
                    f"the name {said} is longer than the {LONGEST_NAME} bytes that PostgreSQL keeps",
                    hint="give it a shorter one: REPLICATE [short] SELECT a AS b FROM [t]",
                    code="name_too_long",
                )
        columns = tuple(
            Column(column.name, self._type_for(column.type), column.nullable and column.name not in table.key)
            for column in table.columns
        )
        return Table(TableName(name.name, schema), columns, table.key)

    def creation(self, table: Table) -> list[str]:
        """The statements that create a designed table."""
        return [create_statement(table), *key_statements(table)]

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Binary rows only between equal types, geometries as text only for geometries; tuples always."""
        types = {column.name.lower(): column.type for column in target.columns}
        types |= {column.name: column.type for column in target.columns}
        if form is Format.COPYTEXT:
            return takes_text(source, types)
        if form is not Format.PGCOPY:
            return form in self.formats
        return all(
            _same(column.type, types.get(column.name, types.get(column.name.lower())))
            for column in source.columns
        )

    def begin(self, target: Target, check: Check) -> Writing:
        """Start the transaction for one window."""
        self._ensure_cursors()
        return PostgresqlWriting(self._session, target, check)

    def type_of(self, declaration: str) -> Type:
        """The type of a column that is declared so.

        Raises:
            FatalError: the database knows no such type (code ``bad_type``).
        """
        return declared_type(self._session, declaration)

    def extras(self, name: TableName) -> list[str]:
        """Its indexes, triggers and constraints."""
        found = find(self._session, name)
        return extras(self._session, found.name) if found else []

    def alteration(self, table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
        """The statements that add columns and give others a wider type."""
        return alteration_statements(table, self._own(add), self._own(widen))

    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        """Do it in one transaction; the table stays the same one, so known cursors stay good."""
        statements = self.alteration(table, add, widen)
        self._session.execute("BEGIN")
        try:
            for statement in statements:
                self._session.execute(statement)
            check()
            self._session.execute("COMMIT")
        finally:
            self._session.rollback()

    def cursors(self, job: str) -> list[StoredCursor]:
        """The cursors that this database keeps for a job, by step."""
        return list_cursors(self._session, job) if self._cursors_exist() else []

    def put_cursor(self, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
        """Give a stored cursor another value, or forget it with None.

        Raises:
            BusyError: it was moved since `stored` was read.
        """
        if not self._cursors_exist():
            raise cursor_moved(stored.key.step, stored.key.job)
        move_cursor(self._session, stored, cursor, mark)

    def rejects(self, key: StepKey) -> list[Reject]:
        """The rows of this step that were set aside, oldest first."""
        return list_rejects(self._session, key)

    def execute(self, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
        """Run a user's statement in a transaction of its own; the first 1 000 rows of its result."""
        return run_statement(self._session, statement, check)

    def tune(self, tuning: Tuning) -> None:
        """Set the limit for statements without progress, and who hears of each statement."""
        self._session.tune(tuning)

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection; open work is undone."""
        self._session.close()

    def _look_at(
        self, keys: Sequence[StepKey], rows: Sequence[tuple[object, ...]], *, retried: bool = False
    ) -> list[tuple[str, int] | None]:
        """For each table: its number and how many rows it has (up to what was known, else 0 or 1); None when missing."""
        branches = []
        for index, (key, row) in enumerate(zip(keys, rows, strict=True)):
            found = self._names.get(key.target) or find(self._session, key.target)
            if found is None:
                continue
            self._names[key.target] = found
            # The number is asked for anew: another table may have taken the name since.
            number = f"to_regclass({plain_literal(found.text)})::oid::text"
            known = row[5] if isinstance(row[5], int) else 0
            limit = known if 0 < known <= COUNTED_ROWS else 1
            branches.append(
                f"SELECT {index}, {number}, (SELECT count(*) FROM (SELECT 1 FROM {found.text} LIMIT {limit}) r)"
            )
        looked: list[tuple[str, int] | None] = [None] * len(keys)
        if not branches:
            return looked
        try:
            answers = self._session.execute(" UNION ALL ".join(branches)).fetchall()
        except SyncdError:
            if retried:
                raise
            # A remembered name is gone: look all of them up again.
            self._names.clear()
            return self._look_at(keys, rows, retried=True)
        for index, oid, count in answers:
            looked[index] = (oid, count)
        return looked

    def _type_for(self, source: Type) -> Type:
        shape = geometry_type(self._session) if source.kind is Kind.GEOMETRY else None
        if source.product not in {PRODUCT, LOCAL_PRODUCT}:
            return read_type(shape) if shape else make_type(source)
        # Types of extensions, enums and rows: the same when this database has them, else their exact text.
        known = self._session.value("SELECT to_regtype(%s) IS NOT NULL", (source.native,))
        if source.kind is Kind.GEOMETRY and not known:
            return read_type(shape) if shape else make_type(Type(Kind.GEOMETRY))
        return source if known else make_type(Type(Kind.TEXT))

    def _own(self, columns: Sequence[Column]) -> list[Column]:
        return [Column(column.name, self._type_for(column.type)) for column in columns]

    def _cursors_exist(self) -> bool:
        if not self._has_cursors:
            self._has_cursors = self._session.value(EXISTS) is True
        return self._has_cursors

    def _ensure_cursors(self) -> None:
        if self._cursors_exist():
            return
        self._session.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            schema = self._session.schema
            if schema and self._session.value("SELECT to_regnamespace(%s) IS NULL", (quote(schema),)) is True:
                self._session.execute(f"CREATE SCHEMA {quote(schema)}")
            self._session.execute(CREATE_CURSORS)
        finally:
            self._session.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _standing(row: tuple[object, ...], looked: tuple[str, int] | None) -> Standing:
    exists = looked is not None
    count = looked[1] if looked else 0
    if row[1] is None:
        return Standing(0, None, None, "", 0, exists=exists, empty=count == 0)
    _, revision, cursor, mark, digest, known, relation = row
    rows = int(str(known))
    same = looked is not None and str(relation) == looked[0]
    return Standing(
        int(str(revision)),
        str(cursor),
        None if mark is None else str(mark),
        str(digest),
        rows,
        exists=exists,
        empty=count == 0,
        reset=reset_reason(rows, count if looked else None, COUNTED_ROWS, same=same),
    )


def _same(source: Type, target: Type | None) -> bool:
    return (
        target is not None
        and source.product == target.product == PRODUCT
        and source.native == target.native
        # These are numbers of the server's own catalogue.
        and not source.native.startswith("reg")
    )
