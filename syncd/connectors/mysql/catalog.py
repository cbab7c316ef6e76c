"""What a MariaDB or MySQL database says about its tables."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from pymysql.constants import FIELD_TYPE, FLAG

from syncd.connectors.mysql.session import Session, literal, quote
from syncd.connectors.mysql.types import read_type
from syncd.errors import FatalError, NotFoundError
from syncd.model.choice import choose_columns
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.table import Column, Kind, Table, TableName, Type

FIND: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, IFNULL(ENGINE, ''), TABLE_TYPE, IFNULL(TABLE_ROWS, -1) FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = %s AND LOWER(TABLE_NAME) = LOWER(%s) ORDER BY BINARY TABLE_NAME = BINARY %s DESC, 2 LIMIT 1"""

COLUMNS: Final = """
SELECT COLUMN_NAME, COLUMN_TYPE, COLUMN_COMMENT, IS_NULLABLE, EXTRA FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"""

KEY: Final = """
SELECT COLUMN_NAME FROM information_schema.STATISTICS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"""

JSON_COLUMNS: Final = """
SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS
 WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s AND LEVEL = 'Column' AND CHECK_CLAUSE LIKE 'json_valid(%%'"""
"""MariaDB's type json is longtext with a rule."""

TABLES: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
 WHERE TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
   AND TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') AND TABLE_NAME NOT LIKE 'syncd\\\\_%'
 ORDER BY TABLE_SCHEMA <> DATABASE(), 1, 2"""
MOST_HINTED: Final = 5000
"""Among so many tables the nearest name is looked for."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_]+")
"""Names that the server spells in its files as they are."""

BINARY: Final = 63
"""The number of the character set that means bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A relation in the catalogue: true name, storage engine, kind and estimated rows (-1: not known)."""

    name: TableName
    engine: str
    kind: str
    rows: int

    @property
    def text(self) -> str:
        """Schema and name as SQL."""
        return f"{quote(self.name.schema)}.{quote(self.name.name)}"


def find(session: Session, name: TableName) -> Found | None:
    """The relation of that name: spelt exactly, else ignoring case, or None."""
    rows = session.execute(FIND, (name.schema or session.schema, name.name, name.name)).rows
    if not rows:
        return None
    schema, found, engine, kind, estimate = rows[0]
    return Found(TableName(found, schema), engine, kind, int(estimate))


def read_table(session: Session, found: Found, *, writable: bool = False) -> Table:
    """Columns and key. With `writable`, columns that the server computes are left out."""
    place = (found.name.schema, found.name.name)
    json = {row[0] for row in session.execute(JSON_COLUMNS, place).rows} if session.maria else set()
    columns = tuple(
        Column(name, read_type(native, comment, json=name in json), nullable == "YES")
        for name, native, comment, nullable, extra in session.execute(COLUMNS, place).rows
        if not (writable and ("GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper()))
    )
    key = tuple(row[0] for row in session.execute(KEY, place).rows)
    return Table(found.name, columns, key)


def describe(session: Session, relation: Relation) -> tuple[Table, Found | None]:
    """All columns and the key of what a relation reads, and its one table when it reads only one.

    Which of a table's columns are chosen is `chosen`'s to say: a check column need not be among them.

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


def chosen(session: Session, relation: Relation) -> tuple[Table, Found | None]:
    """The columns that a relation takes, and its one table; raises as `describe` does."""
    table, found = describe(session, relation)
    return (table if relation.select is not None else choose_columns(table, relation)), found


def source_text(relation: Relation, found: Found | None) -> str:
    """What follows FROM: the quoted table, or the query in parentheses; the alias is always t."""
    if relation.select is None and found is not None:
        return f"{found.text} AS t"
    return f"({relation.select}\n) AS t"


def missing(session: Session, name: TableName) -> NotFoundError:
    """What to say about a table that is not there."""
    rows = session.execute(f"{TABLES} LIMIT {MOST_HINTED}").rows
    shown = [table if schema == session.schema else f"{schema}.{table}" for schema, table in rows]
    elsewhere = [
        f"{schema}.{table}" for schema, table in rows if table == name.name and schema != name.schema
    ]
    near = elsewhere[:1] or get_close_matches(str(name), shown, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(shown[:10]) or 'no tables'}"
    return NotFoundError(f"there is no table {name} in {session.place}", hint=hint)


def size_bytes(session: Session, found: Found | None) -> int:
    """About how large the rows of a table are; 0 for what is no table."""
    if found is None:
        return 0
    sql = "SELECT IFNULL(MAX(DATA_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
    return int(session.value(sql, (found.name.schema, found.name.name)))


def table_identity(session: Session, found: Found | None) -> str:
    """The table among all tables of all servers; another one under its name has another identity.

    The number that InnoDB gave it needs the right PROCESS; without it the time of its creation must do.
    """
    if found is None:
        return ""
    return f"{session.server}/{found.name}/{table_number(session, found)}"


def table_number(session: Session, found: Found) -> str:
    """What tells a table from another one that was created under its name later."""
    view = "INNODB_SYS_TABLES" if session.maria else "INNODB_TABLES"
    name = f"{_file_name(session, found.name.schema)}/{_file_name(session, found.name.name)}"
    try:
        number = session.value(
            f"SELECT MIN(TABLE_ID) FROM information_schema.{view} WHERE NAME = %s OR NAME LIKE %s",
            (name, name.replace("_", "\\_") + "#P#%"),
        )
    except FatalError as error:
        if error.code != "forbidden":
            raise
        number = None
    return str(number or session.value(CREATED, (found.name.schema, found.name.name)) or "")


@dataclass(frozen=True, slots=True)
class Stamp:
    """InnoDB's number of a table, and how many columns it has: another one means that its definition changed."""

    number: str
    columns: str


def stamps_of(session: Session, names: Iterable[TableName]) -> dict[TableName, Stamp]:
    """The stamps of those tables that are spelt exactly so and kept by InnoDB; one question for all of them.

    A name that is missing here may be there all the same: spelt otherwise, partitioned, a view, or not to be seen.
    """
    spelt = {
        f"{name.schema or session.schema}/{name.name}": name
        for name in names
        if _PLAIN.fullmatch(name.schema or session.schema) and _PLAIN.fullmatch(name.name)
    }
    if not spelt:
        return {}
    view = "INNODB_SYS_TABLES" if session.maria else "INNODB_TABLES"
    wanted = ", ".join(literal(name) for name in spelt)
    try:
        rows = session.execute(
            f"SELECT NAME, TABLE_ID, N_COLS FROM information_schema.{view} WHERE NAME IN ({wanted})"
        ).rows
    except FatalError as error:
        if error.code != "forbidden":
            raise
        return {}
    return {spelt[name]: Stamp(str(number), str(columns)) for name, number, columns in rows if name in spelt}


CREATED: Final = (
    "SELECT CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
)


def _file_name(session: Session, name: str) -> str:
    """A name as the server spells it in its files."""
    if _PLAIN.fullmatch(name):
        return name
    return bytes.fromhex(session.value("SELECT HEX(CONVERT(%s USING filename))", (name,))).decode()


def _describe_select(session: Session, relation: Relation, found: Found | None) -> Table:
    # A mark is not known yet, and no row is read.
    text = (relation.select or "").replace(LAST_MARK, "NULL").replace(NEXT_MARK, "NULL")
    fields = session.execute(f"SELECT * FROM ({text}\n) AS t LIMIT 0").fields
    names = [field.name for field in fields]
    for index, name in enumerate(names):
        if name.lower() in [each.lower() for each in names[:index]]:
            raise FatalError(
                f"the query gives two columns the name '{name}'", hint="rename one: SELECT a AS b"
            )
    base = read_table(session, found) if found is not None else None
    origin = _origins(relation, base)
    columns = []
    for field in fields:
        column = base.column(origin.get(field.name, "")) if base is not None else None
        if column is not None:
            columns.append(Column(field.name, column.type, column.nullable))
        else:
            columns.append(Column(field.name, _field_type(field)))
    out = {inner: outer for outer, inner in origin.items()}
    key = base.key if base is not None and set(base.key) <= set(out) else ()
    name = found.name if found else TableName("query")
    return Table(name, tuple(columns), tuple(out[column] for column in key))


def _origins(relation: Relation, base: Table | None) -> dict[str, str]:
    """For each output of a SELECT that is a column of its one table: the column."""
    if base is None:
        return {}
    by_name = {name.lower(): name for name in base.column_names}
    found = {name: name for name in base.column_names} if relation.star else {}
    for inner, outer in relation.outputs:
        if inner.lower() in by_name:
            found[outer] = by_name[inner.lower()]
    return found


def _field_type(field: Any) -> Type:
    """The type of a computed column, from what the server says about the result."""
    unsigned = " unsigned" if field.flags & FLAG.UNSIGNED else ""
    characters = field.length // 4
    if field.flags & FLAG.ENUM or field.flags & FLAG.SET:
        return read_type("longtext")
    if field.type_code in _NUMBERS:
        return read_type(_NUMBERS[field.type_code] + unsigned)
    if field.type_code in _TIMES:
        digits = f"({field.scale})" if 0 < field.scale <= 6 else ""
        return read_type(_TIMES[field.type_code] + digits)
    match field.type_code:
        case FIELD_TYPE.NEWDECIMAL | FIELD_TYPE.DECIMAL:
            # The length counts the point and the sign too.
            digits = field.length - (1 if field.scale else 0) - (0 if unsigned else 1)
            return read_type(f"decimal({max(1, min(65, max(digits, field.scale)))},{field.scale})")
        case FIELD_TYPE.BIT:
            return read_type(f"bit({field.length})")
        case FIELD_TYPE.JSON:
            return read_type("json")
        case FIELD_TYPE.GEOMETRY:
            return read_type("geometry")
        case _ if field.charsetnr == BINARY:
            return read_type("longblob")
        case _ if 0 < characters <= 255:
            return read_type(f"varchar({characters})")
        case _:
            return read_type("longtext")


def reader_of(field: Any) -> Callable[[bytes], Any]:
    """What makes a value of a result's field: a number, a text or bytes."""
    kind = _field_type(field)
    if kind.native.startswith("bit"):
        return lambda data: int.from_bytes(data, "big")
    match kind.kind:
        case Kind.INTEGER:
            return int
        case Kind.FLOAT:
            return float
        case Kind.BYTES | Kind.GEOMETRY:
            return bytes
        case _:
            return lambda data: data.decode(errors="replace")


_NUMBERS: Final = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date",
}
_TIMES: Final = {
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
}
