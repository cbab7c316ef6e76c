"""Rows as JSON, so that people and programs can read what was decided, and values can be written again unchanged.

None, whole numbers, fractions and texts are themselves. Binary values are ``{"base64": ...}``, and numbers that JSON does not have
``{"float": "nan"}``. A text that is no valid Unicode is ``{"stray": ...}`` with its escapes.
"""

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_STRAY: Final = re.compile("[\ud800-\udfff]")
"""What stands for the bytes of a text that is no valid Unicode, and halves of characters: nothing takes them as they are."""


def image_of(names: Sequence[str], row: Sequence[Any] | None) -> str | None:
    """A row as a JSON object with its columns' names; None for no row."""
    if row is None:
        return None
    return json.dumps(
        {name: _plain(value) for name, value in zip(names, row, strict=True)}, ensure_ascii=False
    )


def row_of(names: Sequence[str], image: str) -> tuple[Any, ...]:
    """The row again, in the order of `names`; columns that the image does not have are None."""
    found: Mapping[str, Any] = json.loads(image)
    folded = {name.lower(): value for name, value in found.items()}
    return tuple(_value(found.get(name, folded.get(name.lower()))) for name in names)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, str) and _STRAY.search(value):
        return {"stray": json.dumps(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _value(value: Any) -> Any:
    if isinstance(value, dict) and "stray" in value:
        return json.loads(value["stray"])
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]) if "base64" in value else float(value["float"])
    return value
