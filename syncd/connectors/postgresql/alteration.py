"""How a table gets more columns, and wider ones."""

from collections.abc import Sequence

from syncd.connectors.postgresql.creation import full_name
from syncd.connectors.postgresql.session import quote
from syncd.model.table import Column, Table


def alteration_statements(table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
    """One ALTER TABLE that adds columns, in which NULL may stand, and gives others a wider type; none for nothing.

    The table keeps its number, so cursors that name it stay good. A view on a widened column makes the server refuse.
    """
    parts = [f"ADD COLUMN {quote(column.name)} {column.type.native}" for column in add]
    parts += [f"ALTER COLUMN {quote(column.name)} TYPE {column.type.native}" for column in widen]
    return [f"ALTER TABLE {full_name(table.name)} " + ", ".join(parts)] if parts else []
