"""Geometries as a GeoPackage keeps them: a header with the reference system and a box, then ISO WKB.

Source: OGC GeoPackage Encoding Standard 1.3, clause 2.1.3, "GeoPackage Binary Format".
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from syncd.errors import RowRejectedError
from syncd.model.geometry import POINT, Box, normal, read

MAGIC: Final = b"GP"
HEADER_BYTES: Final = 8
EMPTY_FLAG: Final = 0b00010000
EXTENDED_FLAG: Final = 0b00100000
BOX_FLAG: Final = 0b00000010
ENVELOPE_DOUBLES: Final = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}
NO_SYSTEMS: Final[Mapping[int, int]] = {}


def to_geopackage(data: bytes, srs_id: int) -> bytes:
    """Normal EWKB as a GeoPackage keeps it under its own number of the reference system.

    All but points get their box, which the triggers of spatial indexes ask for.

    Raises:
        RowRejectedError: the bytes are no geometry.
    """
    shape = read(data, iso=True)
    box = shape.box
    flags = 1 | (EMPTY_FLAG if box is None else 0)
    envelope = b""
    if box is not None and shape.kind != POINT:
        flags |= BOX_FLAG
        envelope = struct.pack("<4d", *box)
    return MAGIC + struct.pack("<BBi", 0, flags, srs_id) + envelope + shape.data


def from_geopackage(blob: bytes, srids: Mapping[int, int] = NO_SYSTEMS) -> bytes:
    """A geometry of a GeoPackage as normal EWKB.

    `srids` gives the SRIDs of the file's reference systems; one that it does not name is its own SRID, and 0 and
    below mean that it is undefined.

    Raises:
        RowRejectedError: the blob is none of a GeoPackage.
    """
    srs_id, at = _header(blob)
    return normal(blob[at:], srids.get(srs_id, max(srs_id, 0)))


def is_geopackage(value: object) -> bool:
    """Do the bytes begin as those of a GeoPackage do? EWKB never does."""
    return isinstance(value, bytes) and value.startswith(MAGIC)


@lru_cache(maxsize=64)
def box_of(blob: bytes) -> Box | None:
    """The box around a geometry of a GeoPackage, from its header where it has one; None for an empty or broken one."""
    try:
        _, at = _header(blob)
        if blob[3] & EMPTY_FLAG:
            return None
        if at > HEADER_BYTES:
            order = "<" if blob[3] & 1 else ">"
            low_x, high_x, low_y, high_y = struct.unpack_from(f"{order}4d", blob, HEADER_BYTES)
            return None if low_x != low_x else (low_x, high_x, low_y, high_y)
        return read(blob[at:]).box
    except RowRejectedError:
        return None


def _header(blob: bytes) -> tuple[int, int]:
    """The number of the reference system, and where the geometry begins."""
    if len(blob) < HEADER_BYTES or not blob.startswith(MAGIC):
        raise _none("its header is missing")
    flags = blob[3]
    doubles = ENVELOPE_DOUBLES.get(flags >> 1 & 7)
    if doubles is None or flags & EXTENDED_FLAG:
        raise _none("its header is one of an extension")
    (srs_id,) = struct.unpack_from("<i" if flags & 1 else ">i", blob, 4)
    at = HEADER_BYTES + 8 * doubles
    if at > len(blob):
        raise _none("its header is cut off")
    return srs_id, at


def _none(why: str) -> RowRejectedError:
    return RowRejectedError(
        f"a value is no geometry of a GeoPackage: {why}",
        hint="mend it where it was written",
        code="bad_geometry",
    )
