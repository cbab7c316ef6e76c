"""Geometries as well-known text, for people."""

import struct
from typing import Final

from syncd.model.geometry import AREAS, LINES, M_FLAG, POINT, SRID_FLAG, Z_FLAG, normal

NAMES: Final = {
    1: "POINT", 2: "LINESTRING", 3: "POLYGON", 4: "MULTIPOINT", 5: "MULTILINESTRING", 6: "MULTIPOLYGON",
    7: "GEOMETRYCOLLECTION", 8: "CIRCULARSTRING", 9: "COMPOUNDCURVE", 10: "CURVEPOLYGON", 11: "MULTICURVE",
    12: "MULTISURFACE", 15: "POLYHEDRALSURFACE", 16: "TIN", 17: "TRIANGLE",
}  # fmt: skip


def text_of(data: bytes) -> str:
    """A geometry as PostGIS would print it, with every part under its own name: ``SRID=4326;POINT Z (1 2 3)``.

    Raises:
        RowRejectedError: the bytes are no geometry.
    """
    known = normal(data)
    (code,) = struct.unpack_from("<I", known, 1)
    if not code & SRID_FLAG:
        return _part(known, 0)[0]
    (srid,) = struct.unpack_from("<I", known, 5)
    return f"SRID={srid};{_part(known, 0)[0]}"


def _part(data: bytes, at: int) -> tuple[str, int]:
    (code,) = struct.unpack_from("<I", data, at + 1)
    at += 9 if code & SRID_FLAG else 5
    kind, letters = code & 0xFF, "Z" * bool(code & Z_FLAG) + "M" * bool(code & M_FLAG)
    width = 2 + len(letters)
    head = " ".join(filter(None, (NAMES[kind], letters)))
    if kind == POINT:
        places = _places(data, at, 1, width)
        return f"{head} {'EMPTY' if 'nan' in places[0] else f'({places[0]})'}", at + 8 * width
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    if kind in LINES:
        parts, at = _places(data, at, count, width), at + 8 * width * count
        return f"{head} ({', '.join(parts)})" if parts else f"{head} EMPTY", at
    parts = []
    for _ in range(count):
        if kind in AREAS:
            (corners,) = struct.unpack_from("<I", data, at)
            parts.append(f"({', '.join(_places(data, at + 4, corners, width))})")
            at += 4 + 8 * width * corners
        else:
            part, at = _part(data, at)
            parts.append(part)
    return f"{head} ({', '.join(parts)})" if parts else f"{head} EMPTY", at


def _places(data: bytes, at: int, count: int, width: int) -> list[str]:
    numbers = struct.unpack_from(f"<{width * count}d", data, at)
    words = [repr(number).removesuffix(".0") for number in numbers]
    return [" ".join(words[start : start + width]) for start in range(0, len(words), width)]
