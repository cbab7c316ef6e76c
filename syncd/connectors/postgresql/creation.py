"""How a table is made: its statements, and its name as SQL."""

from syncd.connectors.postgresql.session import quote
from syncd.model.table import Table, TableName


def full_name(name: TableName) -> str:
    """Schema and name as SQL."""
    return f"{quote(name.schema)}.{quote(name.name)}"


def create_statement(table: Table) -> str:
    """CREATE TABLE with types and NOT NULL."""
    lines = [
        f"{quote(column.name)} {column.type.native}" + ("" if column.nullable else " NOT NULL")
        for column in table.columns
    ]
    return f"CREATE TABLE {full_name(table.name)} (\n  " + ",\n  ".join(lines) + "\n)"


def key_statements(table: Table) -> list[str]:
    """ALTER TABLE that adds the key; an index is built faster after the rows than with them."""
    if not table.key:
        return []
    return [
        f"ALTER TABLE {full_name(table.name)} ADD PRIMARY KEY ({', '.join(quote(column) for column in table.key)})"
    ]
