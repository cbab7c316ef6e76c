"""Tables as both ends understand them: names, columns and canonical types."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ANY_DIGITS: Final = 99
"""The precision of a time that is kept as text: as many digits of a second as it has."""


class Kind(StrEnum):
    """The canonical type families. Every native type of every store belongs to exactly one."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    ARRAY = "array"
    GEOMETRY = "geometry"
    """Points, lines and areas, as normal EWKB (see `syncd.model.geometry`)."""
    ANY = "any"
    """A dynamically typed column: values of several families may stand in it."""


@dataclass(frozen=True, slots=True)
class Type:
    """A canonical type, with the spelling of the store that it was read from.

    `bits`: width of INTEGER (16, 32, 64) and FLOAT (32, 64), 0 when unknown. `length`: longest TEXT in
    characters, 0 for no limit; `padded` when shorter ones are filled up with blanks. `precision` and `scale` of
    DECIMAL, both 0 for no limit; `precision` of times: digits of a second that are kept.
    `native` is the exact declaration in its own store, for example ``numeric(15,2)``; two columns of the same
    `product` whose `native` is equal hold the same values in the same form. `vacant`: this is only a declaration,
    and no value stands in the column, so nothing can be lost. `srid`: the reference system of all values of a
    GEOMETRY, 0 when each may have its own. `utc`: moments that are kept as clocks, which are UTC's by a standard.
    """

    kind: Kind
    native: str = ""
    product: str = ""
    bits: int = 0
    length: int = 0
    precision: int = 0
    scale: int = 0
    padded: bool = False
    vacant: bool = False
    srid: int = 0
    utc: bool = False

    def __str__(self) -> str:
        return self.native or self.kind.value


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's name, with its schema where the user or the store gives one (else empty)."""

    name: str
    schema: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def folded(self) -> "TableName":
        """The name as stores compare it: they find tables whatever the case of their names."""
        return TableName(self.name.lower(), self.schema.lower())


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type and whether NULL may stand in it."""

    name: str
    type: Type
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table or the result of a query: columns in order and the primary key's columns in key order.

    `key` is empty when there is none.
    """

    name: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def shape(self) -> str:
        """A short hash of the columns' names, their order left out; it tells when a column came or went."""
        return hashlib.sha256("\x1f".join(sorted(self.column_names)).encode()).hexdigest()[:12]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(column.name for column in self.columns)
