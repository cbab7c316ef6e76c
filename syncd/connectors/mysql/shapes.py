"""Geometries as MariaDB and MySQL keep them: the number of the reference system in four bytes, then plain little-endian WKB.

They have neither heights nor measures nor curves, and of all empty geometries only the empty collection.
"""

import struct
from collections.abc import Sequence
from typing import Any

from syncd.errors import RowRejectedError
from syncd.model.geometry import normal, read
from syncd.model.table import Column, Kind, Table


def from_mysql(data: bytes) -> bytes:
    """A value as the server keeps it, as normal EWKB; one that the server should not have kept stays as it is."""
    try:
        return normal(data[4:], int.from_bytes(data[:4], "little"))
    except RowRejectedError:
        return data


def to_mysql(value: Any, name: str) -> bytes | None:
    """Normal EWKB as the server keeps it; `name` is the column's.

    Raises:
        RowRejectedError: it is no geometry, or one that the server does not know.
    """
    if value is None:
        return None
    if not isinstance(value, bytes):
        raise _refused(name, "it is no geometry")
    try:
        shape = read(value, iso=True)
    except RowRejectedError as error:
        raise _refused(name, error.message) from error
    if shape.has_z or shape.has_m:
        raise _refused(name, "MariaDB and MySQL have no heights (Z) and no measures (M)")
    if shape.has_curves:
        raise _refused(name, "MariaDB and MySQL have no curves and surfaces")
    if shape.has_gaps:
        raise _refused(name, "MariaDB and MySQL have no empty geometry but the empty collection")
    return struct.pack("<I", shape.srid) + shape.data


def entering(rows: Sequence[Sequence[Any]], columns: Sequence[Column]) -> Sequence[Sequence[Any]]:
    """Rows whose geometries have the server's form; `columns` are those that take them. Raises as `to_mysql`."""
    places = [(place, each.name) for place, each in enumerate(columns) if each.type.kind is Kind.GEOMETRY]
    if not places:
        return rows
    made = []
    for row in rows:
        fresh = list(row)
        for place, name in places:
            fresh[place] = to_mysql(fresh[place], name)
        made.append(fresh)
    return made


def digits_of(value: Any) -> str:
    """A geometry's bytes as hexadecimal digits, as they stand in a line.

    Raises:
        RowRejectedError: the value is none.
    """
    if not isinstance(value, bytes):
        raise RowRejectedError("a value is no geometry", hint="mend it where it was written")
    return value.hex()


def text_of(name: str) -> str:
    """A column's value as the digits of its normal EWKB, as SQL."""
    kept = f"HEX(CAST({name} AS BINARY))"
    named = f"CONCAT('01', SUBSTR({kept}, 11, 6), '20', LEFT({kept}, 8), SUBSTR({kept}, 19))"
    return f"IF(LEFT({kept}, 8) = '00000000', SUBSTR({kept}, 9), {named})"


def place_of_text() -> str:
    """How the digits that `text_of` gives become a value again, as SQL with ``{v}`` for them."""
    named = "UNHEX(CONCAT(SUBSTR({v}, 11, 8), '01', SUBSTR({v}, 3, 6), '00', SUBSTR({v}, 19)))"
    plain = "UNHEX(CONCAT('00000000', {v}))"
    known = f"CASE SUBSTR({{v}}, 9, 2) WHEN '00' THEN {plain} WHEN '20' THEN {named} ELSE 'no geometry' END"
    return f"IF({{v}} IS NULL, NULL, {known})"


def takes_lines(source: Table, kinds: dict[str, Kind]) -> bool:
    """May lines with these columns come as text? Of geometries only those of this product, which has all of them."""
    return all(
        column.type.product == "mysql"
        for column in source.columns
        if Kind.GEOMETRY in {column.type.kind, kinds.get(column.name.lower())}
    )


def _refused(name: str, why: str) -> RowRejectedError:
    return RowRejectedError(
        f"a value for column {name} cannot be kept: {why}",
        where=name,
        hint="change the geometry where it was written, or leave the row out with a condition",
        code="bad_geometry",
    )
