"""A PostgreSQL database as a destination, with its cursors in the table `syncd_cursors`."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.catalog import Found, database_identity, find, read_table
from syncd.connectors.postgresql.reading import plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.types import LOCAL_PRODUCT, PRODUCT, make_type
from syncd.connectors.postgresql.writing import PostgresqlWriting
from syncd.errors import FatalError, NotFoundError, SyncdError
from syncd.model.batch import Format
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Standing, StepKey, Target
from syncd.ports import Check, Writing

CREATE_CURSORS: Final = """
CREATE TABLE IF NOT EXISTS syncd_cursors (
  job text NOT NULL, step text NOT NULL, target text NOT NULL, digest text NOT NULL, revision bigint NOT NULL,
  cursor text NOT NULL, mark text, relation text NOT NULL, row_count bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, step))"""

LOCK: Final = 7_960_318_451
"""Advisory lock under which `syncd_cursors` is created, since IF NOT EXISTS alone can fail in a race."""

SURVEY: Final = """
SELECT k.place, c.revision, c.cursor, c.mark, c.digest, c.row_count, c.relation
  FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS k (job, step, place)
  LEFT JOIN syncd_cursors c ON c.job = k.job AND c.step = k.step
 ORDER BY k.place"""

LONGEST_NAME: Final = 63
COUNTED_ROWS: Final = 100_000
"""Up to how many known rows the table is counted before each run, to notice that some were deleted."""


class PostgresqlDestination:
    """Writes one database through one connection."""

    formats: tuple[Format, ...] = (Format.PGCOPY, Format.COPYTEXT, Format.ROWS)

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
        """Binary rows only between equal types; text and tuples always."""
        if form is not Format.PGCOPY:
            return form in self.formats
        types = {column.name.lower(): column.type for column in target.columns}
        types |= {column.name: column.type for column in target.columns}
        return all(
            _same(column.type, types.get(column.name, types.get(column.name.lower())))
            for column in source.columns
        )

    def begin(self, target: Target, check: Check) -> Writing:
        """Start the transaction for one window."""
        self._ensure_cursors()
        return PostgresqlWriting(
            self._session, target, create_statement(target.table), key_statements(target.table), check
        )

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
        if source.product not in {PRODUCT, LOCAL_PRODUCT}:
            return make_type(source)
        # Types of extensions, enums and rows: the same when this database has them, else their exact text.
        known = self._session.value("SELECT to_regtype(%s) IS NOT NULL", (source.native,))
        return source if known else make_type(Type(Kind.TEXT))

    def _cursors_exist(self) -> bool:
        if not self._has_cursors:
            self._has_cursors = self._session.value("SELECT to_regclass('syncd_cursors') IS NOT NULL") is True
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


def create_statement(table: Table) -> str:
    """CREATE TABLE with types and NOT NULL."""
    lines = [
        f"{quote(column.name)} {column.type.native}" + ("" if column.nullable else " NOT NULL")
        for column in table.columns
    ]
    name = f"{quote(table.name.schema)}.{quote(table.name.name)}"
    return f"CREATE TABLE {name} (\n  " + ",\n  ".join(lines) + "\n)"


def key_statements(table: Table) -> list[str]:
    """ALTER TABLE that adds the key; an index is built faster after the rows than with them."""
    if not table.key:
        return []
    name = f"{quote(table.name.schema)}.{quote(table.name.name)}"
    return [f"ALTER TABLE {name} ADD PRIMARY KEY ({', '.join(quote(column) for column in table.key)})"]


def _standing(row: tuple[object, ...], looked: tuple[str, int] | None) -> Standing:
    exists = looked is not None
    count = looked[1] if looked else 0
    if row[1] is None:
        return Standing(0, None, None, "", 0, exists=exists, empty=count == 0)
    _, revision, cursor, mark, digest, known, relation = row
    rows = int(str(known))
    reset = ""
    if looked is None:
        reset = "the destination table is missing"
    elif rows and not count:
        reset = "the destination table was emptied"
    elif str(relation) != looked[0]:
        reset = "the destination table was replaced by another one"
    elif 0 < rows <= COUNTED_ROWS and count < rows:
        reset = "rows of the destination table were deleted"
    return Standing(
        int(str(revision)),
        str(cursor),
        None if mark is None else str(mark),
        str(digest),
        rows,
        exists=exists,
        empty=count == 0,
        reset=reset,
    )


def _same(source: Type, target: Type | None) -> bool:
    return (
        target is not None
        and source.product == target.product == PRODUCT
        and source.native == target.native
        # These are numbers of the server's own catalogue.
        and not source.native.startswith("reg")
    )
