"""Values that are bound to a statement, `?` as PostgreSQL numbers them, and the values of a result."""

import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from psycopg import pq

_PARTS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?")
"""Texts and quoted names, in which a question mark is one; or the place of a value."""

TEXT, BINARY = int(pq.Format.TEXT), int(pq.Format.BINARY)
UNKNOWN, BYTEA, BIGINT = 0, 17, 20
"""Numbers of types in the server's catalogue; a text takes the type of its place."""

CONVERTERS: Final[dict[int, Callable[[str], object]]] = {
    16: lambda text: int(text == "t"),
    20: int,
    21: int,
    23: int,
    26: int,
    700: float,
    701: float,
}
"""The number of a type -> how its text becomes a value, as in ROWS batches; all others stay texts."""
VALUES: Final[dict[int, Callable[[str], object]]] = {
    **CONVERTERS,
    BYTEA: lambda text: bytes.fromhex(text[2:]),
}
"""The same, and bytea as bytes."""


def numbered(sql: str) -> str:
    """The statement with ``$1``, ``$2`` and so on for each `?` outside of texts and names."""
    numbers = count(1)
    return _PARTS.sub(lambda found: f"${next(numbers)}" if found[0] == "?" else found[0], sql)


def encoded(values: Sequence[object]) -> tuple[list[bytes | None] | None, Any, Any]:
    """None, int, str and bytes as libpq takes them: values, numbers of their types, formats."""
    if not values:
        return None, None, None
    made = [_one(value) for value in values]
    return [value for value, _, _ in made], [kind for _, kind, _ in made], [form for _, _, form in made]


def rows_of(result: pq.abc.PGresult) -> list[tuple[object, ...]]:
    """The rows of a result in texts, as in ROWS batches."""
    converters = [VALUES.get(result.ftype(place), str) for place in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, place)) is None else convert(value.decode())
            for place, convert in enumerate(converters)
        )
        for row in range(result.ntuples)
    ]


def _one(value: object) -> tuple[bytes | None, int, int]:
    match value:
        case None:
            return None, UNKNOWN, TEXT
        case bytes():
            return value, BYTEA, BINARY
        case int():
            return str(int(value)).encode(), BIGINT, TEXT
        case _:
            return str(value).encode(), UNKNOWN, TEXT
