"""Values that are bound to a statement, and `?` as PostgreSQL numbers them."""

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

from psycopg import pq

_PARTS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?")
"""Texts and quoted names, in which a question mark is one; or the place of a value."""

TEXT, BINARY = int(pq.Format.TEXT), int(pq.Format.BINARY)
UNKNOWN, BYTEA, BIGINT = 0, 17, 20
"""Numbers of types in the server's catalogue; a text takes the type of its place."""


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
