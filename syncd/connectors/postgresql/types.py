"""PostgreSQL's types and the canonical ones."""

import re
from typing import Final

from syncd.model.table import Kind, Type

PRODUCT: Final = "postgresql"
LOCAL_PRODUCT: Final = "postgresql/local"

KINDS: Final = {
    "smallint": (Kind.INTEGER, 16),
    "integer": (Kind.INTEGER, 32),
    "bigint": (Kind.INTEGER, 64),
    "real": (Kind.FLOAT, 32),
    "double precision": (Kind.FLOAT, 64),
    "numeric": (Kind.DECIMAL, 0),
    "boolean": (Kind.BOOLEAN, 0),
    "text": (Kind.TEXT, 0),
    "character varying": (Kind.TEXT, 0),
    "character": (Kind.TEXT, 0),
    "bytea": (Kind.BYTES, 0),
    "date": (Kind.DATE, 0),
    "time without time zone": (Kind.TIME, 0),
    "timestamp without time zone": (Kind.TIMESTAMP, 0),
    "timestamp with time zone": (Kind.TIMESTAMPTZ, 0),
    "interval": (Kind.INTERVAL, 0),
    "uuid": (Kind.UUID, 0),
    "json": (Kind.JSON, 0),
    "jsonb": (Kind.JSON, 0),
}
"""Name without its numbers -> family and bits. Every other type has an exact text form and counts as text."""

TIMES: Final = frozenset({Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL})
TIME_DIGITS: Final = 6
INEXACT: Final = frozenset({Kind.FLOAT, Kind.DECIMAL, Kind.INTERVAL, Kind.JSON})
"""Families in which values of different bytes may count as equal."""

MADE: Final = {
    Kind.BOOLEAN: "boolean",
    Kind.BYTES: "bytea",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIMESTAMPTZ: "timestamp with time zone",
    Kind.INTERVAL: "interval",
    Kind.UUID: "uuid",
    Kind.JSON: "json",
    Kind.GEOMETRY: "bytea",
}

_GEOMETRY: Final = re.compile(r'(?:(?:\w+|"(?:[^"]|"")+")\.)?geometry(?:\(\w+(?:,(\d+))?\))?')
"""PostGIS's type with its limits, for example ``geometry(PointZ,4326)``; its schema where that is not searched."""
_NUMBERS: Final = re.compile(r"\((\d+)(?:,(-?\d+))?\)")


def read_type(native: str, *, local: bool = False) -> Type:
    """The canonical type of what `format_type` prints.

    `local` says that the binary form holds numbers of the server's own catalogue. Such a type counts as another
    product, so that its values travel as text.
    """
    product = LOCAL_PRODUCT if local else PRODUCT
    if native.endswith("[]"):
        return Type(Kind.ARRAY, native, product)
    if local:
        return Type(Kind.TEXT, native, product)
    shape = _GEOMETRY.fullmatch(native)
    if shape:
        return Type(Kind.GEOMETRY, native, PRODUCT, srid=int(shape[1] or 0))
    match = _NUMBERS.search(native)
    first, second = (int(match.group(1)), int(match.group(2) or 0)) if match else (0, 0)
    plain = _NUMBERS.sub("", native)
    kind, bits = KINDS.get(plain, (Kind.TEXT, 0))
    if kind is Kind.DECIMAL:
        return Type(kind, native, PRODUCT, precision=first, scale=second)
    if kind in TIMES:
        return Type(kind, native, PRODUCT, precision=first if match else TIME_DIGITS)
    if kind is Kind.TEXT:
        return Type(kind, native, PRODUCT, length=first, padded=plain == "character")
    return Type(kind, native, PRODUCT, bits=bits)


def make_type(source: Type) -> Type:
    """The type of a column that is created for values of another product's type."""
    match source.kind:
        case Kind.INTEGER:
            return read_type({16: "smallint", 32: "integer"}.get(source.bits, "bigint"))
        case Kind.FLOAT:
            return read_type("real" if source.bits == 32 else "double precision")
        case Kind.DECIMAL if source.precision and not source.bits:
            return read_type(f"numeric({source.precision},{source.scale})")
        case Kind.DECIMAL:
            return read_type("numeric")
        case Kind.TEXT if source.length and not source.padded:
            return read_type(f"character varying({source.length})")
        case kind:
            return read_type(MADE.get(kind, "text"))


def is_limited_text(kind: Type) -> bool:
    """Is it varchar(n), from whose values the server cuts blanks that are too many?"""
    return kind.length > 0 and kind.native.startswith("character varying")


def is_exact(kind: Type) -> bool:
    """Are equal values always the same bytes? Not 1.0 and 1.00, nor 0.0 and -0.0; and types of extensions may say anything."""
    plain = _NUMBERS.sub("", kind.native)
    return plain in KINDS and plain != "character" and kind.kind not in INEXACT
