"""Which of a table's columns a relation takes."""

from dataclasses import replace
from difflib import get_close_matches

from syncd.errors import FatalError
from syncd.model.plan import Relation
from syncd.model.table import Table


def choose_columns(table: Table, relation: Relation) -> Table:
    """The table with the columns that INCLUDE names, or without those that EXCLUDE names, in the table's order.

    The key stays when all of its columns do. Names are found exactly or else ignoring case.

    Raises:
        FatalError: a name is not a column of the table, or no column is left.
    """
    if not relation.include and not relation.exclude:
        return table
    named = {_find(table, name) for name in relation.include or relation.exclude}
    keep = named if relation.include else set(table.column_names) - named
    if not keep:
        raise FatalError(
            f"no column of {table.name} is left", hint="EXCLUDE fewer columns", code="no_columns"
        )
    columns = tuple(column for column in table.columns if column.name in keep)
    return replace(table, columns=columns, key=table.key if keep.issuperset(table.key) else ())


def override_key(table: Table, key: tuple[str, ...]) -> Table:
    """The table with another key, when one is given.

    Raises:
        FatalError: a name is not a column of the table.
    """
    return replace(table, key=tuple(_find(table, name) for name in key)) if key else table


def _find(table: Table, name: str) -> str:
    if name in table.column_names:
        return name
    near = [each for each in table.column_names if each.lower() == name.lower()]
    if len(near) == 1:
        return near[0]
    close = get_close_matches(name, table.column_names, 1)
    raise FatalError(
        f"table {table.name} has no column '{name}'",
        hint=f"did you mean '{close[0]}'?" if close else f"it has: {', '.join(table.column_names[:12])}",
        code="column_missing",
    )
