"""SQLite's declared types and the canonical ones.

SQLite keeps no declared type but the letters in it, which choose an affinity; any value may stand in any column. The
names that begin with TEXT_ are ours: they keep exact text where SQLite would make a number of it.
"""

import re
from typing import Final

from syncd.model.table import ANY_DIGITS, Column, Kind, Type

PRODUCT: Final = "sqlite"

DECLARED: Final = {
    "BOOL": Kind.BOOLEAN,
    "BOOLEAN": Kind.BOOLEAN,
    "DATE": Kind.DATE,
    "TIME": Kind.TIME,
    "DATETIME": Kind.TIMESTAMP,
    "TIMESTAMP": Kind.TIMESTAMP,
    "TIMESTAMPTZ": Kind.TIMESTAMPTZ,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMPTZ,
    "UUID": Kind.UUID,
    "JSON": Kind.JSON,
    "TEXT_JSON": Kind.JSON,
    "TEXT_DECIMAL": Kind.DECIMAL,
    "TEXT_DURATION": Kind.INTERVAL,
    "TEXT_ARRAY": Kind.ARRAY,
}
"""Names that say more than their affinity."""

MADE: Final = {
    Kind.INTEGER: "INTEGER",
    Kind.FLOAT: "REAL",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT: "TEXT",
    Kind.BYTES: "BLOB",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
    Kind.INTERVAL: "TEXT_DURATION",
    Kind.UUID: "UUID",
    Kind.JSON: "TEXT_JSON",
    Kind.ARRAY: "TEXT_ARRAY",
    Kind.GEOMETRY: "BLOB",
    Kind.ANY: "",
}
"""How a canonical type is declared in a table that we create."""

NUMERIC: Final = frozenset({"NUMERIC", "DECIMAL", "DEC", "NUMBER", "MONEY"})
PLAIN: Final = frozenset(
    [
        "INT",
        "INTEGER",
        "TINYINT",
        "SMALLINT",
        "MEDIUMINT",
        "BIGINT",
        "INT2",
        "INT4",
        "INT8",
        "UNSIGNED",
        "TEXT",
        "CHAR",
        "CHARACTER",
        "VARCHAR",
        "NCHAR",
        "NVARCHAR",
        "NATIVE",
        "VARYING",
        "CLOB",
        "BLOB",
        "REAL",
        "DOUBLE",
        "FLOAT",
        "ANY",
    ]
)
"""First words of declarations from which SQLite derives what they say."""

PLAIN_TYPE: Final = re.compile(r"^[A-Za-z_0-9 ]*(\(\s*[+-]?\d+\s*(,\s*[+-]?\d+\s*)?\))?$")
_PARTS: Final = re.compile(r"^\s*([^()]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)\s*)?$")


def read_type(declared: str) -> Type:
    """The canonical type of a declaration, as far as it says one."""
    match = _PARTS.match(declared)
    name = " ".join((match.group(1) if match else declared).upper().split())
    numbers = (int(match.group(2) or 0), int(match.group(3) or 0)) if match else (0, 0)
    kind = DECLARED.get(name)
    if kind is None:
        kind = _by_affinity(name)
    if kind is Kind.DECIMAL:
        return Type(kind, declared, PRODUCT, precision=numbers[0], scale=numbers[1])
    if kind in {Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL}:
        return Type(kind, declared, PRODUCT, precision=ANY_DIGITS)
    bits = 64 if kind in {Kind.INTEGER, Kind.FLOAT} else 0
    return Type(kind, declared, PRODUCT, bits=bits)


def instant_type(declared: str) -> Type:
    """The type of a GeoPackage's DATETIME; see `syncd.connectors.sqlite.instant`."""
    return Type(Kind.TIMESTAMPTZ, declared, PRODUCT, precision=ANY_DIGITS, utc=True)


def is_known(declared: str) -> bool:
    """Do the words name a type that SQLite or this connector knows? SQLite takes any others for numbers."""
    match = _PARTS.match(declared)
    name = " ".join((match.group(1) if match else declared).upper().split())
    if name in DECLARED or name.partition(" ")[0] in NUMERIC:
        return True
    return name.partition(" ")[0] in PLAIN or name in PLAIN


def make_type(source: Type) -> Type:
    """The type of a column that is created for values of another store's type."""
    if source.product == PRODUCT:
        return source
    declared = MADE.get(source.kind, "TEXT")
    if source.kind is Kind.DECIMAL:
        declared = "TEXT_DECIMAL"
        if source.precision:
            declared += f"({source.precision},{source.scale})"
    return read_type(declared)


def declaration(column: Column) -> str:
    """A column's declared type as SQL; anything but plain words and numbers is quoted."""
    native = column.type.native
    return native if PLAIN_TYPE.match(native) else '"' + native.replace('"', '""') + '"'


def _by_affinity(name: str) -> Kind:
    """The rules of SQLite's documentation, "Determination Of Column Affinity", in their order."""
    if "INT" in name:
        return Kind.INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return Kind.TEXT
    if name == "":
        return Kind.ANY
    if "BLOB" in name:
        return Kind.BYTES
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return Kind.FLOAT
    # NUMERIC affinity: a fraction is kept as a 64-bit float, so as a place for values it is one.
    return Kind.FLOAT
