"""Values as SQL text, for statements that take no parameters."""

from psycopg.sql import Literal

from syncd.model.cursor import Value


def literal(value: Value, native: str) -> str:
    """A mark as SQL text of its column's type; COPY takes no parameters."""
    return f"{plain_literal(str(value))}::{native}"


def plain_literal(text: str) -> str:
    """A text as SQL."""
    return Literal(text).as_string(None)


def key_literal(value: object, native: str) -> str:
    """A key's value, as in ROWS batches, as SQL text of its column's type."""
    if value is None:
        return f"NULL::{native}"
    text = "\\x" + value.hex() if isinstance(value, bytes) else str(value)
    return f"{plain_literal(text)}::{native}"
