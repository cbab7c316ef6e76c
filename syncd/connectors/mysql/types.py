"""The types of MariaDB and MySQL and the canonical ones.

A canonical type has no sign, so ``bigint unsigned`` is a DECIMAL of 20 digits. ``tinyint(1)`` and ``bit(1)`` are
BOOLEAN, ``datetime`` is a time without zone unless the column's comment begins with UTC, and ``set`` is an ARRAY.
"""

import re
from typing import Final

from syncd.errors import FatalError
from syncd.model.table import Kind, Type

PRODUCT: Final = "mysql"
UTC: Final = "COMMENT 'UTC'"
"""What a ``datetime`` column says when its values are in UTC: the one way to hold all of TIMESTAMPTZ's years."""

INTEGER_BITS: Final = {"tinyint": 16, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
UNSIGNED_BITS: Final = {"tinyint": 16, "smallint": 32, "mediumint": 32, "int": 64}

KINDS: Final = {
    "date": Kind.DATE,
    "uuid": Kind.UUID,
    "json": Kind.JSON,
    "inet4": Kind.TEXT,
    "inet6": Kind.TEXT,
    "text": Kind.TEXT,
    "mediumtext": Kind.TEXT,
    "longtext": Kind.TEXT,
    "blob": Kind.BYTES,
    "tinyblob": Kind.BYTES,
    "mediumblob": Kind.BYTES,
    "longblob": Kind.BYTES,
    "vector": Kind.BYTES,
    "set": Kind.ARRAY,
}
SHAPES: Final = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
)  # fmt: skip
"""Types of geometries."""
SYNONYMS: Final = {
    "integer": "int",
    "numeric": "decimal",
    "dec": "decimal",
    "fixed": "decimal",
    "real": "double",
    "double precision": "double",
    "bool": "tinyint(1)",
    "boolean": "tinyint(1)",
    "geomcollection": "geometrycollection",
    "character varying": "varchar",
    "character": "char",
}
LONGEST_DECIMAL: Final = (65, 30)
"""Digits in all, and after the point: what both products take."""
LONGEST_VARCHAR: Final = 255
"""Longer texts become longtext: all varchar columns of a row must fit into 64 KB."""
KEY_CHARACTERS: Final = 255
KEY_BUDGET: Final = 768
"""How many characters of four bytes the text columns of one key may have together."""

_PARTS: Final = re.compile(
    r"^\s*([a-z][a-z0-9 ]*?)\s*(?:\(([^()]*|'.*')\))?\s*((?:unsigned|zerofill|signed|\s)*)(comment '.*')?\s*$",
    re.I | re.S,
)
_MEMBER: Final = re.compile(r"'((?:[^']|'')*)'")


def read_type(native: str, comment: str = "", *, json: bool = False) -> Type:
    """The canonical type of a column as the catalogue spells it, for example ``int(11) unsigned``.

    `json` says that a rule of the column lets nothing but JSON in.
    """
    found = _read(native, comment, json=json)
    return found or Type(Kind.TEXT, native, PRODUCT)


def declared_type(declaration: str) -> Type:
    """The type of a column that is declared so.

    Raises:
        FatalError: the store knows no such type.
    """
    found = _read(declaration.strip(), "", json=False)
    if found is None:
        raise FatalError(
            f"MySQL knows no type '{declaration}'",
            hint="for example: varchar(40), decimal(15,2), datetime(6), longtext",
            code="bad_type",
        )
    return found


def _read(native: str, comment: str, *, json: bool) -> Type | None:
    match = _PARTS.match(native)
    if match is None:
        return None
    name = match.group(1).lower()
    if name not in {"bit", "set", "enum"} and not name.isalnum() and name not in SYNONYMS:
        return None
    name, inner, signs = SYNONYMS.get(name, name), match.group(2) or "", (match.group(3) or "").lower()
    if name == "tinyint(1)":
        name, inner = "tinyint", "1"
    numbers = (
        [int(part) for part in inner.split(",")] if re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)?", inner) else []
    )
    utc = comment.upper().startswith("UTC") or bool(match.group(4))
    if name in INTEGER_BITS:
        return _integer(name, numbers, unsigned="unsigned" in signs or "zerofill" in signs)
    if name in {"enum", "set"}:
        longest = max((len(member.replace("''", "'")) for member in _MEMBER.findall(inner)), default=0)
        return Type(KINDS.get(name, Kind.TEXT), native, PRODUCT, length=longest if name == "enum" else 0)
    if name == "longtext" and json:
        return Type(Kind.JSON, "json", PRODUCT)
    if name in KINDS:
        return Type(KINDS[name], native.lower(), PRODUCT)
    if name in SHAPES:
        return Type(Kind.GEOMETRY, name, PRODUCT)
    return _sized(name, numbers, signs.strip(), utc=utc)


def _integer(name: str, numbers: list[int], *, unsigned: bool) -> Type:
    if name == "tinyint" and numbers == [1] and not unsigned:
        return Type(Kind.BOOLEAN, "tinyint(1)", PRODUCT)
    if not unsigned:
        return Type(Kind.INTEGER, name, PRODUCT, bits=INTEGER_BITS[name])
    if name == "bigint":
        return Type(Kind.DECIMAL, "bigint unsigned", PRODUCT, precision=20)
    return Type(Kind.INTEGER, f"{name} unsigned", PRODUCT, bits=UNSIGNED_BITS[name])


def _sized(name: str, numbers: list[int], signs: str, *, utc: bool) -> Type | None:
    size = numbers[0] if numbers else 0
    sign = f" {signs}" if signs else ""
    digits = f"({size})" if size else ""
    match name:
        case "year":
            return Type(Kind.INTEGER, "year", PRODUCT, bits=16)
        case "bit":
            return _bits(size or 1)
        case "decimal":
            precision, scale = size or 10, numbers[1] if len(numbers) > 1 else 0
            return Type(
                Kind.DECIMAL, f"decimal({precision},{scale}){sign}", PRODUCT, precision=precision, scale=scale
            )
        case "float" | "double":
            wide = name == "double" or (len(numbers) == 1 and size > 24)
            pair = f"({size},{numbers[1]})" if len(numbers) > 1 else ""
            name = "double" if wide else "float"
            return Type(Kind.FLOAT, f"{name}{pair}{sign}", PRODUCT, bits=64 if wide else 32)
        case "char" | "varchar":
            size = size or 1
            return Type(Kind.TEXT, f"{name}({size})", PRODUCT, length=size, padded=name == "char")
        case "tinytext":
            return Type(Kind.TEXT, name, PRODUCT, length=255)
        case "binary" | "varbinary":
            size = size or 1
            return Type(Kind.BYTES, f"{name}({size})", PRODUCT, length=size, padded=name == "binary")
        case "time":
            return Type(Kind.TIME, f"time{digits}", PRODUCT, precision=size)
        case "timestamp":
            return Type(Kind.TIMESTAMPTZ, f"timestamp{digits}", PRODUCT, precision=size)
        case "datetime" if utc:
            return Type(Kind.TIMESTAMPTZ, f"datetime{digits} {UTC}", PRODUCT, precision=size)
        case "datetime":
            return Type(Kind.TIMESTAMP, f"datetime{digits}", PRODUCT, precision=size)
    return None


def _bits(size: int) -> Type:
    native = f"bit({size})"
    if size == 1:
        return Type(Kind.BOOLEAN, native, PRODUCT)
    if size > 63:
        return Type(Kind.DECIMAL, native, PRODUCT, precision=20)
    return Type(Kind.INTEGER, native, PRODUCT, bits=16 if size < 16 else 32 if size < 32 else 64)


def make_type(source: Type, *, uuid: bool, key_characters: int = 0) -> Type:
    """The type of a column that is created for values of another type.

    `uuid` says that the server has a type for it; `key_characters` is how many a text of the key may have, 0 for a
    column that is not in the key.
    """
    if source.product == PRODUCT and (uuid or source.kind is not Kind.UUID):
        return _key_type(source, key_characters) if key_characters else source
    return _key_type(_make(source, uuid=uuid), key_characters) if key_characters else _make(source, uuid=uuid)


def _make(source: Type, *, uuid: bool) -> Type:
    match source.kind:
        case Kind.INTEGER:
            return read_type({16: "smallint", 32: "int"}.get(source.bits, "bigint"))
        case Kind.FLOAT:
            return read_type("float" if source.bits == 32 else "double")
        case Kind.DECIMAL if source.precision and not source.bits and _fits(source):
            return read_type(f"decimal({source.precision},{source.scale})")
        case Kind.BOOLEAN:
            return read_type("tinyint(1)")
        case Kind.BYTES:
            return read_type("longblob")
        case Kind.GEOMETRY:
            return read_type("geometry")
        case Kind.DATE:
            return read_type("date")
        case Kind.TIME:
            return read_type("time(6)")
        case Kind.TIMESTAMP:
            return read_type("datetime(6)")
        case Kind.TIMESTAMPTZ:
            return read_type("datetime(6)", "UTC")
        case Kind.UUID:
            return read_type("uuid" if uuid else "varchar(36)")
        case Kind.JSON:
            # MySQL's own type changes numbers and the order of names; the text is kept as it came.
            return read_type("longtext", json=uuid)
        case Kind.TEXT if 0 < source.length <= LONGEST_VARCHAR:
            return read_type(f"varchar({source.length})")
        case _:
            return read_type("longtext")


def _fits(source: Type) -> bool:
    return source.precision <= LONGEST_DECIMAL[0] and 0 <= source.scale <= min(
        LONGEST_DECIMAL[1], source.precision
    )


def _key_type(made: Type, characters: int) -> Type:
    """Keys must have a length; a longer value is refused by the store."""
    if made.kind is Kind.BYTES and not made.length:
        return read_type(f"varbinary({characters})")
    if made.kind in {Kind.TEXT, Kind.JSON} and (not made.length or made.length > characters):
        return read_type(f"varchar({characters})")
    return made


def family(native: str) -> str:
    """The first word of a type, without numbers."""
    return re.split(r"[ (]", native, maxsplit=1)[0].lower()
