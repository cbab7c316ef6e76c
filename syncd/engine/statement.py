"""What a query says, once it is read: a table to replicate, or one to compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.model.plan import ColumnDefinition
from syncd.model.table import TableName


@dataclass(frozen=True, slots=True)
class Query:
    """A REPLICATE statement: rows of `source` or of `select` into `destination`.

    `select` is text as the user wrote it, `select_offset` where it stands; exactly one of `source` and `select` is
    set. With `wildcard`, the names of `destination` and `source` are one and the same pattern.

    `settings` are the fields of Options that WITH sets. `columns` and `key` come from the column definitions,
    `include` and `exclude` choose among a table's columns. `places` says where names of columns stand, and under
    INCLUDE or EXCLUDE where that word does; `name_end` and `name_start` enclose the destination's name.
    """

    destination: TableName
    source: TableName | None = None
    select: str | None = None
    select_offset: int = 0
    settings: tuple[tuple[str, object], ...] = ()
    columns: tuple[ColumnDefinition, ...] = ()
    key: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    wildcard: bool = False
    places: Mapping[str, int] = field(default_factory=dict, compare=False)
    name_start: int = field(default=0, compare=False)
    name_end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class CacheCheck:
    """A CHECKCACHE statement: the rows of `table`, at the destination, against those of `source` or of `select`.

    `start` and `end` (exclusive) are values of the check column, or a variable as it is written. `settings` are the
    fields of Options that WITH sets.
    """

    table: TableName
    source: TableName | None = None
    select: str | None = None
    select_offset: int = 0
    repair: bool = False
    skip_modified: bool = False
    skip_deleted: bool = False
    start: str | int | None = None
    end: str | int | None = None
    settings: tuple[tuple[str, object], ...] = ()
    places: Mapping[str, int] = field(default_factory=dict, compare=False)


Statement = Query | CacheCheck


def in_brackets(name: TableName) -> str:
    """A table's name as it may stand in any statement."""
    return ".".join("[" + part.replace("]", "]]") + "]" for part in (name.schema, name.name) if part)
