"""What the catalogue says about tables that take part in a cluster: their columns, keys and rules, and what forbids it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncd.connectors.mysql.catalog import TABLES, Found, find, read_table
from syncd.connectors.mysql.definition import refuse_engine
from syncd.connectors.mysql.session import Session, quote
from syncd.errors import FatalError, NotFoundError
from syncd.model.table import Table, TableName
from syncd.repository.store import ForeignKey

DECLARED: Final = """
SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"""

UNIQUE: Final = """
SELECT s.INDEX_NAME, s.COLUMN_NAME, s.SUB_PART, s.NULLABLE FROM information_schema.STATISTICS s
 WHERE s.TABLE_SCHEMA = %s AND s.TABLE_NAME = %s AND s.NON_UNIQUE = 0
 ORDER BY s.INDEX_NAME <> 'PRIMARY', s.INDEX_NAME, s.SEQ_IN_INDEX"""

RULES: Final = """
SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA,
       k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
  FROM information_schema.KEY_COLUMN_USAGE k
  JOIN information_schema.REFERENTIAL_CONSTRAINTS r
    ON r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
 WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND {}
 ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"""
OF_ONE: Final = "k.TABLE_SCHEMA = %s AND k.TABLE_NAME = %s AND r.CONSTRAINT_SCHEMA = %s AND r.TABLE_NAME = %s"
"""The server opens only the tables whose names are given as they are."""
OF_ALL: Final = (
    "r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME"
    " AND k.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"
)

ACTING: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A foreign key of `table`, and what it does there when the row pointed at goes or changes."""

    key: ForeignKey
    on_delete: str
    on_update: str


def tables(session: Session) -> list[TableName]:
    """The tables of the connection's own database, without views and syncd's own."""
    wanted = TABLES.replace("'BASE TABLE', 'VIEW', 'SYSTEM VERSIONED'", "'BASE TABLE', 'SYSTEM VERSIONED'")
    return [
        TableName(name, schema)
        for schema, name in session.execute(wanted).rows
        if schema.lower() == session.schema.lower()
    ]


def participant(session: Session, name: TableName) -> Table | None:
    """The table with its writable columns and the key by which its rows are told apart; None when there is none.

    Raises:
        FatalError: it cannot take part; says why.
    """
    found = find(session, name)
    if found is None:
        return None
    if "VIEW" in found.kind:
        raise FatalError(
            f"{found.name} is a view, and views cannot take part in a cluster",
            hint="name the tables that it reads",
            where=str(found.name),
            code="no_table",
        )
    refuse_engine(found)
    table = read_table(session, found, writable=True)
    return replace(table, key=_key(session, found, table))


def declarations(session: Session, name: TableName) -> dict[str, str]:
    """For each column the SQL of a column that keeps the same values and compares them alike, without NULL or NOT NULL.

    Raises:
        NotFoundError: there is no such table.
    """
    rows = session.execute(DECLARED, (name.schema or session.schema, name.name)).rows
    if not rows:
        raise NotFoundError(f"there is no table {name} in {session.place}", hint="check the name")
    return {
        column: f"{native} CHARACTER SET {charset} COLLATE {collation}" if charset else str(native)
        for column, native, charset, collation in rows
    }


def rules_of(session: Session, name: TableName | None = None) -> list[Rule]:
    """The foreign keys of one table, or of all tables that may be seen."""
    values = (name.schema or session.schema, name.name) * 2 if name is not None else ()
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in session.execute(RULES.format(OF_ONE if name is not None else OF_ALL), values).rows:
        found.setdefault(row[:3], []).append(row[3:])
    return [
        Rule(
            ForeignKey(
                TableName(table, schema),
                tuple(part[0] for part in parts),
                TableName(parts[0][2], parts[0][1]),
                tuple(part[3] for part in parts),
                parts[0][4] in ACTING,
            ),
            parts[0][4],
            parts[0][5],
        )
        for (_, schema, table), parts in found.items()
    ]


def key_line(name: str, declared: str) -> str:
    """A column of a key in a table of ours."""
    # Else the first moment of a table would become the present with every change of its row.
    extra = " DEFAULT '2000-01-01 00:00:00'" if declared.lower().startswith("timestamp") else ""
    return f"{quote(name)} {declared} NOT NULL{extra}"


def _key(session: Session, found: Found, table: Table) -> tuple[str, ...]:
    """The primary key, or the shortest unique key without NULL; a part of a value tells no rows apart."""
    place = (found.name.schema, found.name.name)
    indexes: dict[str, list[tuple[str, str | None, str]]] = {}
    for index, column, part, nullable in session.execute(UNIQUE, place).rows:
        indexes.setdefault(index, []).append((column, part, nullable))
    fit = [
        (index != "PRIMARY", len(columns), tuple(column for column, _, _ in columns))
        for index, columns in indexes.items()
        if all(
            column in table.column_names and part is None and nullable != "YES"
            for column, part, nullable in columns
        )
    ]
    if not fit:
        raise FatalError(
            f"table {found.name} has no key that tells all of its rows apart",
            hint=f"ALTER TABLE {quote(found.name.name)} ADD PRIMARY KEY (...) over whole columns that are not computed",
            where=str(found.name),
            code="no_key",
        )
    return min(fit)[2]


def is_unique(session: Session, name: TableName, columns: Sequence[str]) -> bool:
    """Is there a unique index on exactly these columns as a whole, none of which may be NULL?"""
    found = find(session, name)
    if found is None:
        return False
    rows = session.execute(
        "SELECT index_name, column_name, nullable, sub_part FROM information_schema.statistics"
        " WHERE table_schema = %s AND table_name = %s AND non_unique = 0",
        (found.name.schema or session.schema, found.name.name),
    ).rows
    indexes: dict[str, set[str]] = {}
    loose = set()
    for index, column, nullable, part in rows:
        indexes.setdefault(str(index), set()).add(str(column).lower())
        if nullable or part is not None:
            loose.add(str(index))
    wanted = {column.lower() for column in columns}
    return any(each == wanted for index, each in indexes.items() if index not in loose)


def has_defaults(session: Session, name: TableName, columns: Sequence[str]) -> bool:
    """Has each of these columns a default, or AUTO_INCREMENT?"""
    rows = session.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " AND (extra LIKE %s OR IFNULL(column_default, 'NULL') <> 'NULL')",
        (name.schema or session.schema, name.name, "%auto_increment%"),
    ).rows
    return {column.lower() for column in columns} <= {str(row[0]).lower() for row in rows}
