"""Whether a value that arrived is the one that was sent, whatever type the tool chose to keep it in."""

import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

ARRAY: Final = "[]"


def same(sent: str | None, arrived: object, kind: str) -> bool:
    """Compare the text that PostgreSQL gives for a value of this type with what was found.

    Numbers are compared by value, times by the instant, documents by their content; all else as text. NULL is equal
    to NULL alone, and never to an empty text or to a document that says null.
    """
    if sent is None or arrived is None:
        return sent is None and arrived is None
    read = next((found for prefix, found in _READERS.items() if kind.startswith(prefix)), _text)
    if kind.endswith(ARRAY):
        read = _array
    try:
        return read(sent) == read(arrived)
    except (ValueError, InvalidOperation, OverflowError, struct.error):
        return False


def _text(value: object) -> object:
    return value if isinstance(value, str) else str(value)


def _boolean(value: object) -> object:
    return {"true": "1", "t": "1", "false": "0", "f": "0"}.get(str(value).lower(), str(value))


def _integer(value: object) -> object:
    return int(str(value))


def _decimal(value: object) -> object:
    number = Decimal(str(value))
    return "NaN" if number.is_nan() else number


def _double(value: object) -> object:
    number = float(str(value))
    return "NaN" if math.isnan(number) else number


def _single(value: object) -> object:
    number = _double(value)
    return struct.pack("f", number) if isinstance(number, float) else number


def _moment(value: object) -> object:
    text = str(value).replace("T", " ").removesuffix(" UTC").replace(" +0000", "")
    for suffix in ("+00:00", "+00", "Z"):
        text = text.removesuffix(suffix)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _interval(value: object) -> object:
    return str(value).replace("month", "mon")


def _bytes(value: object) -> object:
    if value == "":
        return "\\x"
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _document(value: object) -> object:
    return json.loads(str(value), parse_float=Decimal)


def _array(value: object) -> object:
    text = str(value)
    return json.loads(text) if text.startswith("[") else text


_READERS: Final[dict[str, Callable[[object], object]]] = {
    "boolean": _boolean,
    "smallint": _integer,
    "bigint": _integer,
    "numeric": _decimal,
    "double": _double,
    "real": _single,
    "time": _moment,
    "interval": _interval,
    "jsonb": _document,
    "bytea": _bytes,
}
"""By the beginning of PostgreSQL's type."""
