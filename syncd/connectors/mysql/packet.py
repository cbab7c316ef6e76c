"""The rows of a result as the server packs them: each value with its length in front."""

import struct
from typing import Final

_LENGTHS: Final = {252: (struct.Struct("<H"), 3), 254: (struct.Struct("<Q"), 9)}
NULL_BYTE: Final = 251

Field = bytes | None
"""A value as the server's text, or NULL."""


def first_field(packet: bytes) -> Field:
    """The first value of a row."""
    if packet[0] < NULL_BYTE:
        return packet[1 : 1 + packet[0]]
    return fields_of(packet, 1)[0]


def fields_of(packet: bytes, count: int) -> list[Field]:
    """So many values of a row, from its first on."""
    found: list[Field] = []
    at = 0
    for _ in range(count):
        size = packet[at]
        at += 1
        if size == NULL_BYTE:
            found.append(None)
            continue
        if size > NULL_BYTE:
            if size == 253:
                size, at = int.from_bytes(packet[at : at + 3], "little"), at + 3
            else:
                form, width = _LENGTHS[size]
                size, at = form.unpack_from(packet, at)[0], at + width - 1
        found.append(packet[at : at + size])
        at += size
    return found
