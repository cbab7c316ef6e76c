"""PostgreSQL COPY text as values to bind: whole columns are converted at once, nothing per row."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from syncd.connectors.sqlite.storage import NO_SHAPES, Keeper, affinity_of, negative_zero
from syncd.model.table import Column, Kind, Table

ESCAPES: Final = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f", "\\v": "\v"}
LONGEST_INTEGER_BITS: Final = 64
"""With a sign, as SQLite's own."""
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_NULL: Final = "\\N"

Converter = Callable[[str | None], Any]


def converters_of(
    source: Table, target: Table, columns: Sequence[str], shapes: Mapping[int, Keeper] = NO_SHAPES
) -> tuple[tuple[int, Converter], ...]:
    """Index and converter of each column of the source whose text is not bound as it is.

    `columns` are the target's columns that take them, in the source's order; `shapes` bring geometries into theirs.
    """
    found: list[tuple[int, Converter]] = []
    for index, (column, name) in enumerate(zip(source.columns, columns, strict=True)):
        if index in shapes:
            found.append((index, _shape(column, shapes[index])))
            continue
        converter = _converter(column, target.column(name), f"{target.name}.{name}")
        if converter is not None:
            found.append((index, converter))
    return tuple(found)


def values_of(data: bytes, columns: int, converters: tuple[tuple[int, Converter], ...]) -> list[Any]:
    """All values of a block of lines in one flat list, row after row."""
    flat: list[Any] = data.decode()[:-1].replace("\n", "\t").split("\t")
    if b"\\" in data:
        flat = [_plain(value) if "\\" in value else value for value in flat]
    for index, converter in converters:
        flat[index::columns] = map(converter, flat[index::columns])
    return flat


def _plain(value: str) -> str | None:
    if value == _NULL:
        return None
    return _ESCAPE.sub(lambda match: ESCAPES.get(match.group(0), match.group(1)), value)


def _converter(column: Column, place: Column | None, where: str) -> Converter | None:
    match column.type.kind:
        case Kind.FLOAT:
            affinity = affinity_of(place.type.native) if place is not None else "none"
            if affinity == "text":
                return _float_text
            return _float if affinity == "none" else lambda value: _signless(value, where)
        case Kind.INTEGER:
            return None if _counted_by_sqlite(column, place) else _int
        case Kind.BOOLEAN:
            return {"t": 1, "f": 0, None: None}.__getitem__
        case Kind.BYTES:
            return _bytes
        case Kind.GEOMETRY:
            return _geometry
        case _:
            return None


def _counted_by_sqlite(column: Column, place: Column | None) -> bool:
    # A column for whole numbers makes its integer of the digits itself, in a quarter of the time that Python needs.
    wide = not column.type.bits or column.type.bits > LONGEST_INTEGER_BITS
    return not wide and place is not None and affinity_of(place.type.native) in {"integer", "numeric"}


def _int(value: str | None) -> int | None:
    return None if value is None else int(value)


def _float(value: str | None) -> float | str | None:
    # SQLite has no NaN: bound as a float it would become NULL, so the special values stay text.
    if value is None or value in {"NaN", "Infinity", "-Infinity"}:
        return value
    return float(value)


def _float_text(value: str | None) -> float | str | None:
    found = _float(value)
    return repr(found) if isinstance(found, float) else found


def _signless(value: str | None, where: str) -> float | str | None:
    if value == "-0":
        raise negative_zero(where)
    return _float(value)


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value[2:])


def _geometry(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def _shape(column: Column, enter: Keeper) -> Converter:
    read = {Kind.GEOMETRY: _geometry, Kind.BYTES: _bytes}.get(column.type.kind)
    return enter if read is None else lambda value: enter(read(value))
