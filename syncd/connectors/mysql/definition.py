"""The statements that make and change tables."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from syncd.connectors.mysql.catalog import Found
from syncd.connectors.mysql.session import Session, quote
from syncd.connectors.mysql.types import KEY_BUDGET, KEY_CHARACTERS, make_type, read_type
from syncd.errors import FatalError
from syncd.model.table import Column, Kind, Table, TableName
from syncd.model.writing import StepKey

LONGEST_NAME: Final = 64
ROW_BYTES: Final = 60_000
"""How many bytes the varchar columns of a row may have together, with some room for the others."""
_TYPE: Final = re.compile(
    r"^\s*\S+?(\((?:[^()']|'(?:[^']|'')*')*\))?(\s+(unsigned|zerofill|precision))*(?=\s|,|$)", re.I
)

FOREIGN_KEYS: Final = """
SELECT CONSTRAINT_NAME, TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
 WHERE REFERENCED_TABLE_NAME IS NOT NULL
   AND ((REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s) OR (TABLE_SCHEMA = %s AND TABLE_NAME = %s))
 LIMIT 1"""
EXTRAS: Final = """
SELECT DISTINCT CONCAT('index ', INDEX_NAME) FROM information_schema.STATISTICS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME <> 'PRIMARY'
UNION ALL
SELECT CONCAT('check ', CONSTRAINT_NAME) FROM information_schema.TABLE_CONSTRAINTS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_TYPE = 'CHECK'
   AND CONSTRAINT_NAME NOT IN (SELECT COLUMN_NAME FROM information_schema.COLUMNS
                                WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s)
 ORDER BY 1"""
"""Triggers and foreign keys refuse that the table is replaced. MariaDB calls rules of a column, also its own, by its name."""
VIEWS: Final = """
SELECT TABLE_NAME FROM information_schema.VIEWS
 WHERE LOCATE(CONCAT('`', %s, '`.`', %s, '`'), VIEW_DEFINITION) > 0 LIMIT 1"""
TRIGGERS: Final = """
SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
 WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s LIMIT 1"""


def design(session: Session, table: Table, name: TableName) -> Table:
    """The table that would be created for rows like these."""
    schema = name.schema or session.schema
    for said in (schema, name.name, *table.column_names):
        if len(said) > LONGEST_NAME:
            raise FatalError(
                f"the name {said} is longer than the {LONGEST_NAME} characters that MySQL keeps",
                hint="give it a shorter one: REPLICATE [short] SELECT a AS b FROM [t]",
                code="name_too_long",
            )
    if not table.columns:
        raise FatalError(f"{table.name} has no columns", hint="MySQL tables need at least one")
    uuid = session.maria and session.release >= (10, 7)
    texts = sum(
        1
        for column in table.columns
        if column.name in table.key and column.type.kind in {Kind.TEXT, Kind.JSON, Kind.BYTES}
    )
    characters = min(KEY_CHARACTERS, KEY_BUDGET // max(texts, 1))
    columns = tuple(
        Column(
            column.name,
            make_type(column.type, uuid=uuid, key_characters=characters if column.name in table.key else 0),
            column.nullable and column.name not in table.key,
        )
        for column in table.columns
    )
    return Table(TableName(name.name, schema), _narrow(columns, table.key), table.key)


def _narrow(columns: tuple[Column, ...], key: tuple[str, ...]) -> tuple[Column, ...]:
    """All varchar columns of a row must fit into 64 KB; when they do not, they become longtext."""
    if sum(column.type.length * 4 for column in columns if column.type.kind is Kind.TEXT) <= ROW_BYTES:
        return columns
    return tuple(
        Column(column.name, read_type("longtext"), column.nullable)
        if column.type.kind is Kind.TEXT and column.name not in key
        else column
        for column in columns
    )


def create_statement(session: Session, table: Table, name: str = "") -> str:
    """CREATE TABLE with types, NOT NULL and the key; texts are told apart byte by byte."""
    lines = [column_line(column) for column in table.columns]
    if table.key:
        lines.append(f"PRIMARY KEY ({', '.join(quote(column) for column in table.key)})")
    collation = "utf8mb4_nopad_bin" if session.maria else "utf8mb4_0900_bin"
    place = f"{quote(table.name.schema or session.schema)}.{quote(name or table.name.name)}"
    return (
        f"CREATE TABLE {place} (\n  " + ",\n  ".join(lines) + "\n)"
        f" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}"
    )


def column_line(column: Column) -> str:
    """A column's definition. NULL is said, since a timestamp's own default is another."""
    return f"{quote(column.name)} {column.type.native} {'NULL' if column.nullable else 'NOT NULL'}"


def alter_statements(
    session: Session, table: Table, add: Sequence[Column], widen: Sequence[Column]
) -> list[str]:
    """The one statement that adds columns and gives others a wider type; what else is said about them stays."""
    changes = [f"ADD COLUMN {column_line(Column(column.name, column.type))}" for column in add]
    if widen:
        lines = _lines(session, table)
        changes += [f"MODIFY COLUMN {quote(c.name)} {_retyped(lines, c)}" for c in widen]
    place = f"{quote(table.name.schema or session.schema)}.{quote(table.name.name)}"
    return [f"ALTER TABLE {place} {', '.join(changes)}"] if changes else []


def _lines(session: Session, table: Table) -> dict[str, str]:
    """What the server says about each column, behind its name."""
    place = f"{quote(table.name.schema or session.schema)}.{quote(table.name.name)}"
    text = session.execute(f"SHOW CREATE TABLE {place}").rows[0][1]
    found = {}
    for line in str(text).split("\n"):
        match = re.match(r"\s*`((?:[^`]|``)+)` (.*?),?$", line)
        if match:
            found[match.group(1).replace("``", "`")] = match.group(2)
    return found


def _retyped(lines: dict[str, str], column: Column) -> str:
    line = lines.get(column.name, "")
    return column.type.native + line[match.end() :] if (match := _TYPE.match(line)) else column.type.native


def new_name(key: StepKey, what: str) -> str:
    """A table's name that is always the same for a step, so that a leftover is found."""
    digest = hashlib.sha256(f"{key.job}\x1f{key.step}\x1f{key.target}".encode()).hexdigest()[:16]
    return f"syncd_{what}_{digest}"


def extras(session: Session, found: Found) -> list[str]:
    """What the table has beside columns and key, in words."""
    where = (found.name.schema, found.name.name)
    return [str(name) for (name,) in session.execute(EXTRAS, (*where, *where, *where)).rows]


def refuse_recreation(session: Session, found: Found) -> None:
    """A table that others hang on is not replaced: keys and triggers would be lost, and a view might find no column.

    Raises:
        FatalError: names what hangs on it.
    """
    place = (found.name.schema, found.name.name)
    keys = session.execute(FOREIGN_KEYS, place * 2).rows
    triggers = session.execute(TRIGGERS, place).rows
    views = session.execute(VIEWS, place).rows
    said = ""
    if views:
        said = f"the view {views[0][0]}, which reads it,"
    elif keys:
        said = f"the foreign key {keys[0][0]} of {keys[0][1]}.{keys[0][2]}"
    elif triggers:
        said = f"the trigger {triggers[0][0]}"
    elif "VIEW" in found.kind:
        said = "its definition: it is a view"
    if said:
        raise FatalError(
            f"table {found.name} cannot be dropped and made anew: {said} may be lost",
            hint="use truncate in place of drop, or take that away first",
            code="table_in_use",
        )


def refuse_engine(found: Found | None) -> None:
    """Rows and cursor become durable together, or not at all.

    Raises:
        FatalError: the table's storage engine knows no transactions, or it is no table.
    """
    if found is not None and "VIEW" not in found.kind and found.engine.upper() not in {"INNODB", "ROCKSDB"}:
        raise FatalError(
            f"table {found.name} is kept by {found.engine or 'no engine'}, which knows no transactions",
            hint=f"ALTER TABLE {quote(found.name.name)} ENGINE=InnoDB",
            code="no_transactions",
        )
