"""What a PostgreSQL database says about its tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import psycopg

from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.types import read_type
from syncd.errors import FatalError, NotFoundError
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.table import Column, Table, TableName, Type

FIND: Final = """
SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, -1)::bigint, c.relkind::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND lower(c.relname) = lower(%s)
   AND CASE WHEN %s = '' THEN n.nspname = ANY (current_schemas(true)) ELSE lower(n.nspname) = lower(%s) END
 ORDER BY c.relname = %s DESC, n.nspname = %s DESC, array_position(current_schemas(true), n.nspname)
 LIMIT 1"""

_NAME: Final = r'(?:[^\W\d][\w$]*|"[^"]+")'
DECLARATION: Final = re.compile(
    rf"\s*{_NAME}(?:\.{_NAME})?(?: +\w+)*\s*(?:\(\s*\w+\s*(?:,\s*-?\d+\s*)?\))?(?: +\w+)*\s*(?:\[\s*\d*\s*\]\s*)*"
)
"""What a column's type may look like; it goes into SQL as it is."""

FIRST_OWN_TYPE: Final = 10_000
LOCAL: Final = f"(b.typtype IN ('c', 'p') OR coalesce(e.typtype = 'c' OR e.oid >= {FIRST_OWN_TYPE}, false) OR b.oid = 2287)"
"""Types whose binary form holds numbers of the server's own catalogue: rows, and arrays of types made here."""

COLUMNS: Final = f"""
SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid),
         CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
       a.attnotnull OR t.typnotnull, a.attgenerated <> '', {LOCAL}, a.attnum
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
  LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum"""

KEY: Final = """
SELECT a.attname FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
 WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.place"""


EARLY_MARKS: Final = ("NULL", "(NULL::timestamptz)", "(NULL::timestamp)", "(NULL::date)", "(NULL::bigint)")
"""What may stand for a mark while only the columns are asked for."""

TABLES: Final = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relname !~ '^syncd_(cursors|rejects|new_)'
   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2"""

DEFAULTS: Final = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND (atthasdef OR attidentity <> '')"
)

PLACE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database
 WHERE datname = current_database()"""
"""The database among all databases: the number of its cluster, and its own there."""
OWN_NUMBER: Final = "SELECT oid FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Found:
    """A relation in the catalogue: number, true name, estimated rows (-1: never counted) and kind (r, p, v, m, f)."""

    oid: int
    name: TableName
    rows: int
    kind: str

    @property
    def text(self) -> str:
        """Schema and name as SQL."""
        return f"{quote(self.name.schema)}.{quote(self.name.name)}"


def find(session: Session, name: TableName) -> Found | None:
    """The relation of that name: spelt exactly, else ignoring case; first in the search path, or None."""
    row = session.execute(FIND, (name.name, name.schema, name.schema, name.name, name.schema)).fetchone()
    return None if row is None else Found(int(row[0]), TableName(row[2], row[1]), int(row[3]), row[4])


def database_identity(session: Session) -> str:
    """The database among all databases; where the cluster's number may not be read, among those of its server."""
    try:
        return str(session.value(PLACE))
    except FatalError:
        return f"{session.place}/{session.value(OWN_NUMBER)}"


def read_table(session: Session, found: Found, *, writable: bool = False) -> Table:
    """Columns and key. With `writable`, columns that the server computes are left out."""
    columns = tuple(
        Column(name, read_type(native, local=local), not not_null)
        for name, native, not_null, generated, local, _ in session.execute(COLUMNS, (found.oid,))
        if not (writable and generated)
    )
    key = tuple(str(row[0]) for row in session.execute(KEY, (found.oid,)))
    return Table(found.name, columns, key)


def has_defaults(session: Session, name: TableName, columns: Sequence[str]) -> bool:
    """Has each of these columns a default, or is it an identity?"""
    found = find(session, name)
    rows = session.execute(DEFAULTS, (found.oid,)) if found is not None else ()
    return set(columns) <= {str(row[0]) for row in rows}


def describe(session: Session, relation: Relation) -> tuple[Table, Found | None]:
    """The columns and key of what a relation reads, and its one table when it reads only one.

    Raises:
        NotFoundError: no such table, with the nearest name.
        FatalError: the query does not run, or gives two columns the same name.
    """
    found = find(session, relation.table) if relation.table is not None else None
    if relation.select is not None:
        return _describe_select(session, relation, found), found
    if found is None:
        raise missing(session, relation.table or TableName(""))
    return read_table(session, found), found


def declared_type(session: Session, declaration: str) -> Type:
    """The type of a column that is declared so.

    Raises:
        FatalError: the database knows no such type (code ``bad_type``).
    """
    try:
        if not DECLARATION.fullmatch(declaration):
            raise FatalError("not a type")
        return _result_types(session, session.execute(f"SELECT CAST(NULL AS {declaration}) LIMIT 0"))[0]
    except (FatalError, NotFoundError) as error:
        raise FatalError(
            f"{session.place} knows no type '{declaration}'",
            hint="for example bigint, numeric(12,2), varchar(40), timestamptz",
            code="bad_type",
        ) from error


def source_text(relation: Relation, found: Found | None) -> str:
    """What follows FROM: the quoted table, or the query in parentheses; the alias is always t."""
    if relation.select is None and found is not None:
        return f"{found.text} AS t"
    return f"({relation.select}\n) AS t"


def missing(session: Session, name: TableName) -> NotFoundError:
    """What to say about a table that is not there."""
    rows = session.execute(
        "SELECT n.nspname, c.relname, n.nspname = ANY (current_schemas(false)) FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'"
        " ORDER BY 3 DESC, 2 LIMIT 5000",
        (),
    ).fetchall()
    shown = [str(table) if visible else f"{schema}.{table}" for schema, table, visible in rows]
    elsewhere = [
        f"{schema}.{table}" for schema, table, _ in rows if table == name.name and schema != name.schema
    ]
    near = elsewhere[:1] or get_close_matches(str(name), shown, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(shown[:10]) or 'no tables'}"
    return NotFoundError(f"there is no table {name} in {session.place}", hint=hint)


def list_tables(session: Session) -> list[TableName]:
    """All tables and views that may be read, without the server's own, those of extensions, and syncd's."""
    return [TableName(name, schema) for schema, name in session.execute(TABLES, ())]


def _describe_select(session: Session, relation: Relation, found: Found | None) -> Table:
    cursor = _run_empty(session, relation)
    names = [column.name for column in cursor.description or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise FatalError(
                f"the query gives two columns the name '{name}'", hint="rename one: SELECT a AS b"
            )
    types = _result_types(session, cursor)
    origins = _origins(session, cursor, found)
    columns = tuple(
        Column(name, kind, origin is None or origin[1])
        for name, kind, origin in zip(names, types, origins, strict=True)
    )
    out = {origin[0]: name for name, origin in zip(names, origins, strict=True) if origin is not None}
    base_key = [str(row[0]) for row in session.execute(KEY, (found.oid,))] if found else []
    key = tuple(out[column] for column in base_key) if base_key and all(c in out for c in base_key) else ()
    return Table(found.name if found else TableName("query"), columns, key)


def _run_empty(session: Session, relation: Relation) -> "psycopg.Cursor[Any]":
    """The columns that a SELECT gives; marks that it reads between are nothing, of a type that it takes."""
    select = relation.select or ""
    if not relation.bounded:
        return session.execute(f"SELECT * FROM ({select}\n) AS t LIMIT 0")
    first: FatalError | None = None
    for mark in EARLY_MARKS:
        filled = select.replace(LAST_MARK, mark).replace(NEXT_MARK, mark)
        try:
            return session.execute(f"SELECT * FROM ({filled}\n) AS t LIMIT 0")
        except FatalError as error:
            first = first or error
    raise first or FatalError("the query does not run")


def _result_types(session: Session, cursor: "psycopg.Cursor[Any]") -> list[Type]:
    result = cursor.pgresult
    pairs = [(result.ftype(i), result.fmod(i)) for i in range(result.nfields)] if result else []
    rows = session.execute(
        "SELECT format_type(coalesce(nullif(t.typbasetype, 0), o), CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE m END),"
        f" {LOCAL} FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS p (o, m, place)"
        " JOIN pg_type t ON t.oid = p.o JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)"
        " LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A' ORDER BY place",
        ([oid for oid, _ in pairs], [mod for _, mod in pairs]),
    ).fetchall()
    return [read_type(native, local=local) for native, local in rows]


def _origins(
    session: Session, cursor: "psycopg.Cursor[Any]", found: Found | None
) -> list[tuple[str, bool] | None]:
    """For each column of a result: name and nullability of the table's column that it is, or None."""
    result = cursor.pgresult
    if result is None:
        return []
    if found is None:
        return [None] * result.nfields
    by_number = {row[5]: (row[0], not row[2]) for row in session.execute(COLUMNS, (found.oid,))}
    return [
        by_number.get(result.ftablecol(i)) if result.ftable(i) == found.oid else None
        for i in range(result.nfields)
    ]
