"""The functions that a GeoPackage's own triggers call: without them no other program may write to its tables.

Source: OGC GeoPackage Encoding Standard, the extension "RTree Spatial Indexes".
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from syncd.errors import RowRejectedError
from syncd.model.geopackage import box_of, from_geopackage, is_geopackage

SAME: Final = "syncd_geometry"
"""Our own function for statements: equal results for equal geometries, however their headers are written."""


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions ST_IsEmpty, ST_MinX, ST_MaxX, ST_MinY and ST_MaxY over geometries of a GeoPackage."""
    connection.create_function("ST_IsEmpty", 1, _is_empty, deterministic=True)
    for place, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        connection.create_function(name, 1, _side(place), deterministic=True)
    connection.create_function(SAME, 1, _same, deterministic=True)


def _side(place: int) -> Callable[[Any], float | None]:
    def side(blob: Any) -> float | None:
        box = box_of(blob) if is_geopackage(blob) else None
        return None if box is None else box[place]

    return side


def _is_empty(blob: Any) -> int | None:
    return int(box_of(blob) is None) if is_geopackage(blob) else None


def _same(value: Any) -> Any:
    try:
        return from_geopackage(value) if is_geopackage(value) else value
    except RowRejectedError:
        return value
