"""Looks at the values of columns whose declaration says less than their values do.

``tinyint(1)`` is how a truth value is declared, and holds any small number; ``time`` holds hours beyond a day.
"""

from dataclasses import replace

from syncd.connectors.mysql.ground import named, where
from syncd.connectors.mysql.session import Session
from syncd.model.table import Column, Kind, Table


def observe(session: Session, table: Table, text: str, condition: str) -> Table:
    """The same table with the types that its values have, over the rows that the condition selects."""
    asked = {column.name: question for column in table.columns if (question := _question(column)) is not None}
    if not asked:
        return table
    row = session.execute(f"SELECT {', '.join(asked.values())} FROM {text}{where(condition)}").rows[0]
    beyond = {name for name, found in zip(asked, row, strict=True) if found == "1"}
    return replace(
        table,
        columns=tuple(_wider(column) if column.name in beyond else column for column in table.columns),
    )


def _question(column: Column) -> str | None:
    if column.type.native == "tinyint(1)" and column.type.kind is Kind.BOOLEAN:
        return f"MAX({named(column)} NOT IN (0, 1))"
    if column.type.kind is Kind.TIME:
        return f"MAX({named(column)} NOT BETWEEN '00:00:00' AND '24:00:00')"
    return None


def _wider(column: Column) -> Column:
    kind = replace(column.type, kind=Kind.INTERVAL)
    if column.type.kind is Kind.BOOLEAN:
        kind = replace(column.type, kind=Kind.INTEGER, bits=16)
    return replace(column, type=kind)
