"""Finds the tables that a wildcard means."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from syncd.engine.statement import Query, in_brackets
from syncd.errors import QueryError
from syncd.model.table import TableName


def expand(
    text: str, query: Query, tables: Sequence[TableName], exclude: Sequence[str]
) -> Iterator[tuple[str, Query]]:
    """For each table that a pattern finds, in order of name: the statement that names it, as text and read.

    The case of names does not matter. `exclude` are patterns of tables, or of ``schema.table``, that are left out. A
    table keeps the schema that the pattern names, and none where it names none.

    Raises:
        QueryError: there is no such table.
    """
    pattern = query.destination
    found = sorted({table for table in tables if _fits(table, pattern) and not _is_excluded(table, exclude)})
    if not found:
        raise QueryError(
            f"the wildcard {pattern} finds no table",
            offset=query.name_start,
            hint="see which tables the source has and what exclude leaves out",
        )
    for table in found:
        schema = table.schema if "*" in pattern.schema else pattern.schema
        target = TableName(table.name, schema)
        named = f"{text[: query.name_start]}{in_brackets(target)}{text[query.name_end :]}"
        yield named, replace(query, destination=target, source=table, wildcard=False)


def _fits(table: TableName, pattern: TableName) -> bool:
    return _like(table.name, pattern.name) and (not pattern.schema or _like(table.schema, pattern.schema))


def _is_excluded(table: TableName, exclude: Sequence[str]) -> bool:
    return any(_like(table.name, pattern) or _like(str(table), pattern) for pattern in exclude)


def _like(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())
