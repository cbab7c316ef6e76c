"""The functions that a GeoPackage's own triggers call: without them no other program may write to its tables.

Source: OGC GeoPackage Encoding Standard, "GeoPackage Binary Format" and the extension "RTree Spatial Indexes".
"""

import sqlite3
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

ENVELOPE_DOUBLES: Final = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}
HEADER_BYTES: Final = 8
EMPTY_FLAG: Final = 0b00010000
POINT: Final = 1
LINE: Final = 2
POLYGON: Final = 3

Box = tuple[float, float, float, float]
"""Lowest x, highest x, lowest y, highest y."""


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions ST_IsEmpty, ST_MinX, ST_MaxX, ST_MinY and ST_MaxY over geometries of a GeoPackage."""
    connection.create_function("ST_IsEmpty", 1, _is_empty, deterministic=True)
    for place, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        connection.create_function(name, 1, _side(place), deterministic=True)


def _side(place: int) -> Callable[[Any], float | None]:
    def side(blob: Any) -> float | None:
        box = _box(bytes(blob)) if isinstance(blob, bytes) else None
        return None if box is None else box[place]

    return side


def _is_empty(blob: Any) -> int | None:
    if not isinstance(blob, bytes) or blob[:2] != b"GP" or len(blob) < HEADER_BYTES:
        return None
    return int(bool(blob[3] & EMPTY_FLAG) or _box(blob) is None)


@lru_cache(maxsize=64)
def _box(blob: bytes) -> Box | None:
    """The box around a geometry, from its header where it has one; None for an empty or broken one."""
    if blob[:2] != b"GP" or len(blob) < HEADER_BYTES or blob[3] & EMPTY_FLAG:
        return None
    order = "<" if blob[3] & 1 else ">"
    doubles = ENVELOPE_DOUBLES.get(blob[3] >> 1 & 7)
    if doubles is None:
        return None
    try:
        if doubles:
            low_x, high_x, low_y, high_y = struct.unpack_from(f"{order}4d", blob, HEADER_BYTES)
            return None if low_x != low_x else (low_x, high_x, low_y, high_y)
        points = list(_points(blob, HEADER_BYTES)[1])
    except (struct.error, RecursionError):
        return None
    kept = [(x, y) for x, y in points if x == x and y == y]
    if not kept:
        return None
    xs, ys = zip(*kept, strict=True)
    return min(xs), max(xs), min(ys), max(ys)


def _points(blob: bytes, at: int) -> tuple[int, Iterator[tuple[float, float]]]:
    """Where a WKB geometry ends, and its points."""
    order = "<" if blob[at] else ">"
    (code,) = struct.unpack_from(f"{order}I", blob, at + 1)
    at += 5
    plain = code & 0x0FFFFFFF
    kind, more = plain % 1000, plain // 1000
    width = 2 + (
        2 if more == 3 or code & 0xC0000000 == 0xC0000000 else int(more > 0 or code & 0xC0000000 > 0)
    )
    found: list[tuple[float, float]] = []
    if kind == POINT:
        found.append(struct.unpack_from(f"{order}2d", blob, at))
        return at + 8 * width, iter(found)
    (count,) = struct.unpack_from(f"{order}I", blob, at)
    at += 4
    for _ in range(count):
        if kind == LINE:
            found.append(struct.unpack_from(f"{order}2d", blob, at))
            at += 8 * width
        elif kind == POLYGON:
            (corners,) = struct.unpack_from(f"{order}I", blob, at)
            at += 4
            for _ in range(corners):
                found.append(struct.unpack_from(f"{order}2d", blob, at))
                at += 8 * width
        else:
            at, inner = _points(blob, at)
            found.extend(inner)
    return at, iter(found)
