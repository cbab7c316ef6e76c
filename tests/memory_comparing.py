"""How a table in memory is told from another: the sums of its chunks."""

import hashlib
from collections.abc import Callable

from syncd.errors import FatalError
from syncd.model.reading import Chunks, Scheme, Sums
from syncd.model.table import Table
from tests.memory_store import MemoryTable, Row

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


def range_of(found: MemoryTable, column: str) -> tuple[int, int, int]:
    """How many rows, and the lowest and highest key.

    Raises:
        FatalError: a value is no whole number of 64 bits.
    """
    values = [row[found.table.column_names.index(column)] for row in found.rows]
    if not all(isinstance(value, int) and LOWEST <= value <= HIGHEST for value in values):
        raise FatalError(f"column {column} holds other values than whole numbers", code="key_range")
    return (len(values), min(values), max(values)) if values else (0, 0, 0)


def sums_of(found: MemoryTable, chunks: Chunks) -> Sums:
    """Rows and checksum of each chunk."""
    chunk_of, number_of = chunk_finder(found.table, chunks), _number_finder(found.table, chunks)
    sums: dict[int, tuple[int, int]] = {}
    for row in found.rows:
        chunk = chunk_of(row)
        if chunks.only is None or chunk in chunks.only:
            rows, total = sums.get(chunk, (0, 0))
            sums[chunk] = (rows + 1, total + number_of(row))
    return {chunk: (rows, str(total)) for chunk, (rows, total) in sums.items()}


def chunk_finder(table: Table, chunks: Chunks) -> Callable[[Row], int]:
    """In which chunk a row lies."""
    places = [table.column_names.index(name) for name in chunks.key]
    low = chunks.low
    if low is not None:
        return lambda row: (int(row[places[0]]) - low) // chunks.width
    return lambda row: _native([row[place] for place in places]) % chunks.count


def _number_finder(table: Table, chunks: Chunks) -> Callable[[Row], int]:
    if chunks.scheme is Scheme.INTEGER:
        place, low = table.column_names.index(chunks.key[0]), chunks.low or 0
        return lambda row: _mixed(row[place] - low)
    places = [table.column_names.index(name) for name in dict.fromkeys((*chunks.key, *chunks.of))]
    return lambda row: _native([row[place] for place in places])


def _mixed(distance: int) -> int:
    low = distance & 0xFFFFFFFF
    mixed = ((low ^ (low >> 16)) * 73244475) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) + (distance >> 32)


def _native(values: list[object]) -> int:
    return int.from_bytes(hashlib.md5(repr(values).encode(), usedforsecurity=False).digest()[:8], "big")
