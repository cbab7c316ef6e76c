"""Looks at the values of a SQLite relation before they leave for a store with strict types.

A declaration promises nothing in SQLite. So the storage classes of the rows that are about to travel are counted in
one scan, and each column gets the canonical type that fits all of them, or the run is refused naming the column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.types import PRODUCT
from syncd.errors import RowRejectedError
from syncd.model.table import Column, Kind, Table, Type

DAY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
MINUTE: Final = "[0-9][0-9]:[0-9][0-9]"

MICROSECONDS: Final = 6
_COUNTS: Final = (
    "sum(typeof({c})='integer'), sum(typeof({c})='real'), sum(typeof({c})='text'), sum(typeof({c})='blob')"
)
_PLAIN_ZONE: Final = "substr({c}, 12) NOT GLOB '*[^-+0-9:.Zz]*'"
_FINE: Final = f"{{c}} NOT GLOB '*.{'[0-9]' * 7}*'"
"""Strict stores keep microseconds: a time with more digits stays text."""
_CLOCK: Final = "substr({c}, 12) NOT GLOB '*[^0-9:.]*'"
"""Nothing but a time of day behind the date: a strict store would drop a zone's name, or take PM into account."""
_NAIVE: Final = f"sum({{c}} GLOB '{DAY}' OR ({{c}} GLOB '{DAY}[ T]{MINUTE}*' AND {_CLOCK} AND {_FINE}))"
_ZONED: Final = f"sum({{c}} GLOB '{DAY}[ T]{MINUTE}*' AND {{z}} AND {_PLAIN_ZONE} AND {_FINE})"
_HOURS: Final = f"sum({{c}} GLOB '{MINUTE}*' AND {{c}} NOT GLOB '*[^0-9:.]*' AND {_FINE})"
_SCALE: Final = "max(CASE WHEN instr({c}, '.') THEN length({c}) - instr({c}, '.') ELSE 0 END)"
"""Digits after the point; a strict store rounds what is too much for its column."""
_ODD: Final = "sum({c} GLOB '*[^-0-9.]*' AND {c} <> 'NaN')"
_DAYS: Final = f"sum({{c}} GLOB '{DAY}')"
_HAS_ZONE: Final = (
    "({c} GLOB '*[Zz]' OR substr({c}, 12) GLOB '*[+-][0-9][0-9]' OR substr({c}, 12) GLOB '*[+-][0-9][0-9]:[0-9][0-9]'"
    " OR substr({c}, 12) GLOB '*[+-][0-9][0-9][0-9][0-9]')"
)
_BITS: Final = "sum({c} NOT IN (0, 1))"
_SPECIAL: Final = "sum({c} IN ('NaN', 'Infinity', '-Infinity'))"
_MEASURES: Final = 12


@dataclass(frozen=True, slots=True)
class Census:
    """What stands in one column: how many values of each storage class, and how many look like times."""

    integers: int
    reals: int
    texts: int
    blobs: int
    naive: int
    zoned: int
    days: int
    no_bits: int
    special: int
    hours: int
    scale: int
    odd: int


def observe(session: Session, table: Table, text: str, where: str, parameters: Mapping[str, Any]) -> Table:
    """The same table with the types that its values have, over the rows that `where` selects.

    Raises:
        RowRejectedError: a column mixes values that no strict type holds without changing one.
    """
    columns: list[Column] = []
    # Few columns a scan: SQLite limits the number of result columns and of terms.
    for start in range(0, len(table.columns), 50):
        part = table.columns[start : start + 50]
        measures = ", ".join(_measures(column.name) for column in part)
        row = session.execute(f"SELECT {measures} FROM {text}{where}", parameters).fetchone()
        for index, column in enumerate(part):
            values = [int(value or 0) for value in row[index * _MEASURES : (index + 1) * _MEASURES]]
            columns.append(
                Column(column.name, _fitting(column, Census(*values), str(table.name)), column.nullable)
            )
    return Table(table.name, tuple(columns), table.key)


def _measures(name: str) -> str:
    c = quote(name)
    z = _HAS_ZONE.format(c=c)
    parts = (_COUNTS, _NAIVE, _ZONED, _DAYS, _BITS, _SPECIAL, _HOURS, _SCALE, _ODD)
    return ", ".join(part.format(c=c, z=z) for part in parts)


def _fitting(column: Column, census: Census, table: str) -> Type:
    declared = column.type
    numbers, texts, blobs = census.integers + census.reals, census.texts, census.blobs
    if declared.kind is Kind.FLOAT and texts and texts == census.special and not blobs:
        return _type(Kind.FLOAT, declared, bits=64)
    if sum(1 for part in (numbers, texts, blobs) if part) > 1:
        mixed = ", ".join(
            f"{count} {what}"
            for count, what in ((numbers, "numbers"), (texts, "texts"), (blobs, "binary values"))
            if count
        )
        raise RowRejectedError(
            f"column {column.name} of {table} holds {mixed}, which no strict type takes unchanged",
            where=f"{table}.{column.name}",
            hint=f"convert it: SELECT CAST({column.name} AS TEXT) AS {column.name}",
        )
    if blobs:
        return _type(Kind.BYTES, declared)
    if texts:
        return _for_texts(declared, census)
    if numbers:
        return _for_numbers(declared, census)
    return replace(declared, vacant=True)


def _for_numbers(declared: Type, census: Census) -> Type:
    if declared.kind is Kind.BOOLEAN and not census.no_bits:
        return _type(Kind.BOOLEAN, declared)
    if not census.reals and not _is_decimal(declared):
        return _type(Kind.INTEGER, declared, bits=64)
    if not census.integers and not _is_decimal(declared):
        return _type(Kind.FLOAT, declared, bits=64)
    # Whole numbers beside fractions: a decimal without limit holds both exactly.
    return _type(Kind.DECIMAL, declared)


def _for_texts(declared: Type, census: Census) -> Type:
    if declared.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}:
        if census.days == census.texts:
            return _type(Kind.DATE if declared.kind is Kind.DATE else Kind.TIMESTAMP, declared)
        if census.zoned == census.texts:
            return _type(Kind.TIMESTAMPTZ, declared)
        if census.naive == census.texts:
            return _type(Kind.TIMESTAMP, declared)
        return _type(Kind.TEXT, declared)
    if declared.kind is Kind.TIME:
        return _type(Kind.TIME if census.hours == census.texts else Kind.TEXT, declared)
    if declared.kind is Kind.DECIMAL:
        return (
            declared if not census.odd and census.scale <= declared.scale else _type(Kind.DECIMAL, declared)
        )
    if declared.kind in {Kind.INTERVAL, Kind.JSON, Kind.UUID, Kind.ARRAY}:
        return declared
    return _type(Kind.TEXT, declared)


def _is_decimal(declared: Type) -> bool:
    name = declared.native.upper()
    return name.startswith(("DEC", "NUM", "MONEY", "TEXT_DECIMAL"))


def _type(kind: Kind, declared: Type, bits: int = 0) -> Type:
    digits = MICROSECONDS if kind in {Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ} else 0
    return Type(kind, declared.native, PRODUCT, bits=bits, precision=digits)
