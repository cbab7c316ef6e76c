"""Rows on their way, in one of the formats that the two ends agreed upon."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SAMPLE_ROWS: Final = 64
"""How many rows of a batch are weighed to judge all of them."""


class Format(StrEnum):
    """How a batch carries its rows.

    SQLITE: tuples of SQLite's own values, between two SQLite files. PGCOPY: raw PostgreSQL binary COPY bytes, never
    decoded. COPYTEXT: whole lines of PostgreSQL COPY text (tab, ``\\N``, backslash rules), each ending in a newline.
    A geometry is the hexadecimal digits of its normal EWKB there, as PostGIS prints it. UTCTEXT: the same, but moments
    (TIMESTAMPTZ) are clocks in UTC that say no zone. ROWS: tuples in column order, whose values are None, int, float, str
    or bytes; everything without one of these types travels as its ISO or exact decimal text. Geometries are normal EWKB.
    """

    SQLITE = "sqlite"
    PGCOPY = "pgcopy"
    COPYTEXT = "copytext"
    UTCTEXT = "utctext"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of rows in one format; `rows` counts them (0 in a PGCOPY block that ends inside a row)."""

    format: Format
    data: bytes | Sequence[tuple[object, ...]]
    rows: int


def weight_of(row: Iterable[object]) -> int:
    """Bytes of the row's texts and binary values, and 8 for every other one."""
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)


def tuples_of(batch: Batch) -> Sequence[tuple[object, ...]]:
    """The rows of a batch whose format is made of tuples; none for one of bytes."""
    return () if isinstance(batch.data, bytes) else batch.data


def size_bytes(batch: Batch) -> int:
    """How many bytes a batch has; of tuples about so many, judged by some of them."""
    data = batch.data
    if isinstance(data, bytes) or not data:
        return len(data)
    step = -(-len(data) // SAMPLE_ROWS)
    some = data[::step]
    return sum(map(weight_of, some)) * len(data) // len(some)
