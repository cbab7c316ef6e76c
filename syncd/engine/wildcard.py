"""Finds the tables that a wildcard means."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from syncd.engine.query import parse_query
from syncd.engine.statement import Query, in_brackets
from syncd.errors import NotFoundError, QueryError
from syncd.model.definitions import Replication
from syncd.model.plan import Relation
from syncd.model.table import TableName
from syncd.ports import Source


@dataclass(frozen=True, slots=True)
class Tables:
    """What wildcards can find in a source: `named` with a schema, `plain` without one."""

    named: tuple[TableName, ...] = ()
    plain: tuple[TableName, ...] = ()


def find_tables(source: Source, job: Replication) -> Tables:
    """What the wildcards of a job can find; nothing is asked for a job without wildcards.

    Raises:
        QueryError: a statement of the job does not parse.
    """
    patterns = patterns_of(job)
    if not patterns:
        return Tables()
    named = tuple(source.tables())
    plain = [pattern.name for pattern in patterns if not pattern.schema]
    wanted = [table for table in named if any(_like(table.name, pattern) for pattern in plain)]
    return Tables(named, tuple(_without_schema(source, wanted)))


def patterns_of(job: Replication) -> list[TableName]:
    """The wildcards among a job's queries.

    Raises:
        QueryError: a statement of the job does not parse.
    """
    parsed = [parse_query(text) for text in job.queries if "*" in text]
    return [query.destination for query in parsed if isinstance(query, Query) and query.wildcard]


def expand(text: str, query: Query, tables: Tables, exclude: Sequence[str]) -> Iterator[tuple[str, Query]]:
    """For each table that a pattern finds, in order of name: the statement that names it, as text and read.

    The case of names does not matter. `exclude` are patterns of tables, or of ``schema.table``, that are left out. A
    table keeps the schema that the pattern names, and none where it names none.

    Raises:
        QueryError: there is no such table.
    """
    pattern = query.destination
    among = tables.named if pattern.schema else tables.plain
    fitting = {table for table in among if _fits(table, pattern)}
    found = sorted(table for table in fitting if not _is_excluded(table, exclude))
    if not found:
        hint = "see which tables the source has and what exclude leaves out"
        elsewhere = sorted(table.schema for table in tables.named if _fits(table, pattern))
        if elsewhere and not fitting:
            hint = f"tables of another schema are found with its name: [{elsewhere[0]}.{pattern}]"
        raise QueryError(f"the wildcard {pattern} finds no table", offset=query.name_start, hint=hint)
    for table in found:
        schema = table.schema if "*" in pattern.schema else pattern.schema
        target = TableName(table.name, schema)
        named = f"{text[: query.name_start]}{in_brackets(target)}{text[query.name_end :]}"
        yield named, replace(query, destination=target, source=table, wildcard=False)


def _without_schema(source: Source, tables: Sequence[TableName]) -> Iterator[TableName]:
    """Those that the source finds by their name alone. One question for each schema, and one for each name that several have."""
    names = Counter(table.name.lower() for table in tables)
    meant: dict[str, bool] = {}
    for table in tables:
        known = meant.get(table.schema) if names[table.name.lower()] == 1 else None
        if known is None:
            found = _schema_of(source, table)
            known = found in {"", table.schema}
            if names[table.name.lower()] == 1 and found in {None, table.schema}:
                meant[table.schema] = known
        if known:
            yield table


def _schema_of(source: Source, table: TableName) -> str | None:
    """In which schema the source finds the table's name alone; None when it finds none."""
    if not table.schema:
        return ""
    try:
        return source.describe(Relation(TableName(table.name))).name.schema
    except NotFoundError:
        return None


def _fits(table: TableName, pattern: TableName) -> bool:
    return _like(table.name, pattern.name) and (not pattern.schema or _like(table.schema, pattern.schema))


def _is_excluded(table: TableName, exclude: Sequence[str]) -> bool:
    return any(_like(table.name, pattern) or _like(str(table), pattern) for pattern in exclude)


def _like(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())
