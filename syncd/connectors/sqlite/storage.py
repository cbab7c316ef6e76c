"""Keeps SQLite's affinities from changing values on their way into columns that are declared otherwise.

A column's declaration makes SQLite turn '007' into 7 or 0.1 + 0.2 into '0.3'. Between columns of one declaration that
cannot happen, since the source's column has done it already.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from syncd.errors import RowRejectedError
from syncd.model.table import Column, Kind, Table

EXACT_FLOAT: Final = 1 << 53

Keeper = Callable[[Any], Any]
NO_SHAPES: Final[Mapping[int, Keeper]] = {}


def affinity_of(declared: str) -> str:
    """The affinity that SQLite derives from a declaration."""
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if name == "" or "BLOB" in name:
        return "none"
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return "real"
    return "numeric"


def keepers_of(
    source: Table, target: Table, columns: Sequence[str], shapes: Mapping[int, Keeper] = NO_SHAPES
) -> tuple[tuple[int, Keeper], ...]:
    """Index and keeper of each column whose values need a look before they are bound; `shapes` are those of geometries."""
    found: list[tuple[int, Keeper]] = []
    for index, (column, name) in enumerate(zip(source.columns, columns, strict=True)):
        place = target.column(name)
        if index in shapes:
            found.append((index, shapes[index]))
            continue
        if place is None or (column.type.product == "sqlite" and column.type.native == place.type.native):
            continue
        keeper = _keeper(column, place, str(target.name))
        if keeper is not None:
            found.append((index, keeper))
    return tuple(found)


def keep(rows: Sequence[tuple[Any, ...]], keepers: Sequence[tuple[int, Keeper]]) -> list[list[Any]]:
    """The rows with the values of these columns looked at."""
    kept = [list(row) for row in rows]
    for index, keeper in keepers:
        for row in kept:
            row[index] = keeper(row[index])
    return kept


def _keeper(column: Column, place: Column, table: str) -> Keeper | None:
    match affinity_of(place.type.native):
        case "text":
            return _as_text
        case "none":
            return _finite if column.type.kind is Kind.FLOAT else None
        case affinity:
            strict = affinity != "real"
            return lambda value: _as_number(value, column, f"{table}.{place.name}", whole_is_kept=strict)


def _finite(value: Any) -> Any:
    """SQLite has no NaN: bound as a float it would become NULL. Special values are texts, as COPY text has them."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _as_text(value: Any) -> Any:
    value = _finite(value)
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, int) else value


def negative_zero(where: str) -> RowRejectedError:
    """What is wrong with -0.0: SQLite keeps its sign in no column that is declared for numbers."""
    return RowRejectedError(
        f"the number -0.0 would lose its sign in {where}",
        where=where,
        hint="declare that column TEXT, or without a type, or add 0.0 to the value in a SELECT",
    )


def _as_number(value: Any, column: Column, where: str, *, whole_is_kept: bool) -> Any:
    if isinstance(value, float):
        if value == 0.0 and math.copysign(1.0, value) < 0:
            raise negative_zero(where)
        return _finite(value)
    if (
        isinstance(value, str)
        and column.type.kind not in {Kind.INTEGER, Kind.FLOAT}
        and _reads_as_number(value)
    ):
        raise RowRejectedError(
            f"a text that reads as a number would become one in {where}",
            where=where,
            hint="declare that column TEXT, or convert in a SELECT with CAST",
        )
    if isinstance(value, int) and not whole_is_kept and abs(value) > EXACT_FLOAT:
        raise RowRejectedError(
            f"a whole number of more than 53 bits would lose digits in {where}",
            where=where,
            hint="declare that column INTEGER",
        )
    return value


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    # Python knows more numbers than SQLite: names such as nan, digits of other scripts, and 1_000.
    return (
        text.isascii() and "_" not in text and not any(char.isalpha() and char not in "eE" for char in text)
    )
