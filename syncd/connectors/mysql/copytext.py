"""PostgreSQL's COPY text in both directions: as SQL that the server renders, and from rows in Python."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from syncd.connectors.mysql import shapes
from syncd.connectors.mysql.packet import Field, fields_of
from syncd.connectors.mysql.session import literal, quote
from syncd.connectors.mysql.types import family
from syncd.model.batch import Format
from syncd.model.table import Column, Kind, Table, Type

_ESCAPES: Final = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_FOREIGN: Final = re.compile(rb"\\(.)", re.DOTALL)
_UTC: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00", re.ASCII)
"""A moment that lacks nothing but a shorter way to say its zone."""
_TO_LOAD: Final = {b"f": b"\x0c", b"v": b"\x0b"}

PLAIN: Final = frozenset(
    {
        Kind.INTEGER,
        Kind.DECIMAL,
        Kind.FLOAT,
        Kind.BOOLEAN,
        Kind.DATE,
        Kind.TIME,
        Kind.TIMESTAMP,
        Kind.TIMESTAMPTZ,
    }
    | {Kind.UUID, Kind.INTERVAL}
)
"""Families whose text never holds a character that has to be escaped."""


def text_of(column: Column) -> str:
    """The column's value as exact text, as PostgreSQL would print it; NULL stays NULL, bytes become hex digits."""
    name, word = _name(column), family(column.type.native)
    match column.type.kind:
        case Kind.BOOLEAN:
            # A tinyint(1) holds other numbers too: they stay what they are.
            return f"IFNULL(ELT({name} + 1, 'f', 't'), {name} + 0)"
        case Kind.FLOAT:
            # As a double: a float's own text has six digits.
            return f"{name} * 1e0"
        case Kind.INTEGER | Kind.DECIMAL:
            # Zeros that only fill up go.
            return name if word == "decimal" and "zerofill" not in column.type.native else f"{name} + 0"
        case Kind.TIME | Kind.TIMESTAMP | Kind.INTERVAL:
            return _trimmed(name, column.type)
        case Kind.TIMESTAMPTZ:
            return f"CONCAT({_trimmed(name, column.type)}, '+00')"
        case Kind.DATE:
            return name
        case Kind.GEOMETRY:
            return shapes.text_of(name)
        case Kind.BYTES:
            return f"HEX({name})"
        case Kind.UUID:
            return f"CAST({name} AS CHAR)"
        case _:
            return f"CONVERT({name} USING utf8mb4)" if word != "json" else f"CAST({name} AS CHAR)"


def _trimmed(name: str, kind: Type) -> str:
    if not kind.precision:
        return name
    return f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {name}))"


def field_of(column: Column) -> str:
    """One field of a line, as SQL."""
    text = text_of(column)
    if column.type.kind in PLAIN:
        return f"IFNULL({text}, '\\\\N')"
    if column.type.kind is Kind.BYTES:
        text = f"CONCAT('\\\\\\\\x', LOWER({text}))"
        return f"IF({_name(column)} IS NULL, '\\\\N', {text})"
    for char, escaped in _ESCAPES if column.type.kind is not Kind.GEOMETRY else ():
        text = f"REPLACE({text}, {literal(char)}, {literal(escaped)})"
    # A text that became too long is NULL too, and must not pass for a missing one.
    return f"IF({_name(column)} IS NULL, '\\\\N', {text})"


def _name(column: Column) -> str:
    return f"t.{quote(column.name)}"


def line_of(table: Table) -> str:
    """A whole line without its end, as SQL; NULL when it is longer than the server's max_allowed_packet."""
    fields = ", '\\t', ".join(field_of(column) for column in table.columns)
    return f"CONCAT({fields})"


def value_of(column: Column) -> str:
    """The value for a row of ROWS, as SQL: bytes are bytes."""
    if column.type.kind in {Kind.BYTES, Kind.GEOMETRY}:
        return f"CAST(t.{quote(column.name)} AS BINARY)"
    return text_of(column)


def readers_of(table: Table) -> tuple[Callable[[bytes], Any], ...]:
    """What makes a value of ROWS of each column's field."""
    return tuple(_READERS.get(column.type.kind, bytes.decode) for column in table.columns)


_TRUTHS: Final = {b"f": 0, b"t": 1}
_READERS: Final[dict[Kind, Callable[[bytes], Any]]] = {
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.BOOLEAN: lambda text: _TRUTHS[text] if text in _TRUTHS else int(text),
    Kind.BYTES: bytes,
    Kind.GEOMETRY: shapes.from_mysql,
}


def rows_of(packets: Sequence[bytes], readers: Sequence[Callable[[bytes], Any]]) -> list[tuple[Any, ...]]:
    """Rows of None, int, float, str and bytes from packets whose fields `value_of` made."""
    width = len(readers)
    return [
        tuple(
            None if field is None else reader(field)
            for field, reader in zip(fields_of(packet, width), readers, strict=True)
        )
        for packet in packets
    ]


def lines_of(rows: Sequence[Sequence[Any]], writers: Sequence[Callable[[Any], str]]) -> bytes:
    """Rows as whole lines.

    Raises:
        UnicodeEncodeError: a text is not valid Unicode.
    """
    if not rows or not writers:
        return b"\n" * len(rows)
    columns = [
        _fields(column, writer) for column, writer in zip(zip(*rows, strict=True), writers, strict=True)
    ]
    lines = map("\t".join, zip(*columns, strict=True))
    return "\n".join([*lines, ""]).encode()


def _fields(column: Sequence[Any], writer: Callable[[Any], str]) -> Iterable[str]:
    """One field of each line; columns of plain texts or of whole numbers are not looked at value by value."""
    if writer is _escaped:
        try:
            together = "".join(column)
        except TypeError:
            if set(map(type, column)) == {int}:
                return map(str, column)
        else:
            if not any(char in together for char, _ in _ESCAPES):
                return column
    return ["\\N" if value is None else writer(value) for value in column]


def writers_of(table: Table) -> tuple[Callable[[Any], str], ...]:
    """What makes a field of a line of each column's value in ROWS."""
    return tuple(_WRITERS.get(column.type.kind, _escaped) for column in table.columns)


def _escaped(value: Any) -> str:
    if isinstance(value, bytes):
        return _hex(value)
    text = value if isinstance(value, str) else repr(value)
    for char, escaped in _ESCAPES:
        if char in text:
            text = text.replace(char, escaped)
    return text


def _hex(value: Any) -> str:
    return "\\\\x" + value.hex() if isinstance(value, bytes) else _escaped(value)


def _truth(value: Any) -> str:
    return {0: "f", 1: "t"}.get(value, _escaped(value))


def _zoned(value: Any) -> str:
    """A time with its zone as the same moment in UTC; what is no such time stays, and is refused by the server."""
    text = str(value)
    if text.endswith("+00"):
        return text
    if _UTC.fullmatch(text):
        return text.removesuffix(":00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _escaped(text)
    if moment.tzinfo is None:
        return text
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06}+00".rjust(29, "0")


_WRITERS: Final[dict[Kind, Callable[[Any], str]]] = {
    Kind.BYTES: _hex,
    Kind.GEOMETRY: shapes.digits_of,
    Kind.BOOLEAN: _truth,
    Kind.TIMESTAMPTZ: _zoned,
}


def to_load(data: bytes) -> bytes:
    """Lines of COPY text as LOAD DATA reads them: it knows no escapes for form feed and vertical tab."""
    if b"\\f" not in data and b"\\v" not in data:
        return data
    return _FOREIGN.sub(lambda match: _TO_LOAD.get(match.group(1), match.group(0)), data)


def fields_of_line(line: bytes) -> list[Field]:
    """The values of one line without its escapes."""
    return [None if field == b"\\N" else _FOREIGN.sub(_plain, field) for field in line.split(b"\t")]


def _plain(match: "re.Match[bytes]") -> bytes:
    char = match.group(1)
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", **_TO_LOAD}.get(char, char)


def place_of(given: Column, taken: Column, form: Format) -> str:
    """How a field becomes a value of the target's column, as SQL with ``{v}`` for the field; ``{v}`` when it is one.

    What would become another value silently is made a text that the server refuses.
    """
    source, target = given.type, taken.type
    word = family(target.native)
    place = "{v}"
    if source.kind is Kind.BOOLEAN and target.kind is not Kind.TEXT:
        place = "ELT(FIELD({v}, 'f', 't') + 1, {v}, 0, 1)"
        # The digit is a text, whose bits a column of bits would take.
        place = f"CAST({place} AS UNSIGNED)" if word == "bit" else place
    elif word == "bit":
        place = "CAST({v} AS UNSIGNED)"
    elif target.kind is Kind.GEOMETRY and source.kind is Kind.GEOMETRY and form is not Format.ROWS:
        place = shapes.place_of_text()
    elif source.kind is Kind.GEOMETRY:
        place = "UNHEX({v})"
    elif Kind.BYTES is source.kind or target.kind is Kind.GEOMETRY:
        place = "UNHEX(SUBSTR({v}, 3))"
    elif source.kind is target.kind is Kind.TIMESTAMPTZ and form is not Format.UTCTEXT:
        place = "IF({v} LIKE '%+00', LEFT({v}, CHAR_LENGTH({v}) - 3), {v})"
    elif target.kind is Kind.FLOAT and source.kind in {Kind.FLOAT, Kind.DECIMAL}:
        place = _float_place(word)
    elif word == "enum":
        members = target.native[target.native.index("(") :]
        # A number would be taken for a member's place, and case is not looked at.
        place = f"IF(CAST({{v}} AS BINARY) IN {members}, {{v}}, IF({{v}} IS NULL, NULL, '?'))"
    sure = form is Format.UTCTEXT and not given.nullable
    if word == "timestamp" and not taken.nullable and not sure:
        # The server would take NULL for the present.
        place = f"IFNULL({place}, 'NULL')"
    return place


def _float_place(word: str) -> str:
    # These servers have no negative zero.
    place = "IF({v} LIKE '-0%' AND {v} = 0, 'negative zero', {v})"
    if word == "float":
        # The shortest text of the largest number is a little larger than that number.
        place = f"CASE {{v}} WHEN '3.4028235e+38' THEN 3.4028234663852886e38 WHEN '-3.4028235e+38' THEN -3.4028234663852886e38 ELSE {place} END"
    return place
