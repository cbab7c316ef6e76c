"""COPY text as tuples, for destinations that take nothing cheaper."""

import re
from collections.abc import Callable
from typing import Any, Final

from syncd.model.geometry import normal
from syncd.model.table import Kind, Table

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}

_CONVERTERS: Final[dict[Kind, Callable[[str], Any]]] = {
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.BOOLEAN: lambda text: int(text == "t"),
    Kind.BYTES: lambda text: bytes.fromhex(text[2:]),
    Kind.GEOMETRY: lambda text: normal(bytes.fromhex(text)),
}


def lines_to_rows(data: bytes, table: Table) -> list[tuple[Any, ...]]:
    """Whole lines of COPY text as tuples of None, int, float, str and bytes."""
    if not data:
        return []
    converters = [_CONVERTERS.get(column.type.kind, str) for column in table.columns]
    lines = data.decode()[:-1].split("\n")
    if converters and b"\\" not in data:
        # Neither NULL nor an escape: whole columns are converted at once.
        columns = zip(*(line.split("\t") for line in lines), strict=True)
        return list(
            zip(
                *(map(convert, column) for convert, column in zip(converters, columns, strict=True)),
                strict=True,
            )
        )
    rows = []
    for line in lines:
        fields = line.split("\t") if converters else []
        rows.append(
            tuple(
                None if field == "\\N" else converter(_plain(field))
                for field, converter in zip(fields, converters, strict=True)
            )
        )
    return rows


def _plain(field: str) -> str:
    if "\\" not in field:
        return field
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(1), match.group(1)), field)
