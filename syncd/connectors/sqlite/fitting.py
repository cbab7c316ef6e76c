"""The canonical type that fits the values of a SQLite column."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from syncd.connectors.sqlite.census import Census
from syncd.connectors.sqlite.types import PRODUCT
from syncd.errors import RowRejectedError
from syncd.model.table import Column, Kind, Type

MICROSECONDS: Final = 6

Form = Callable[[bytes], object]

_TOO_FINE: Final = re.compile(rb"\.0{7}")
"""Strict stores keep microseconds: a time with more digits stays text."""
_DAY: Final = re.compile(rb"0000-00-00")
_CLOCK: Final = re.compile(rb"0000-00-00[ T]00:00[0:.]*")
"""Nothing but a time of day behind the date: a strict store would drop a zone's name, or take PM into account."""
_ZONED: Final = re.compile(rb"0000-00-00[ T]00:00[-+0:.Zz]*?(?:[Zz]|[-+]00(?::?00)?)")
_HOURS: Final = re.compile(rb"00:00[0:.]*")
_PLAIN: Final = re.compile(rb"[-0.]*|NaN")
_SPECIAL: Final = re.compile(rb"NaN|-?Infinity")


def promised(declared: Type, *, vacant: bool) -> Type:
    """The type of a column that holds nothing but what its declaration promises, or nothing at all."""
    if vacant:
        return replace(declared, vacant=True)
    match declared.kind:
        case Kind.INTEGER | Kind.FLOAT:
            return _type(declared.kind, declared, bits=64)
        case Kind.BOOLEAN | Kind.TEXT | Kind.BYTES | Kind.DATE:
            return _type(declared.kind, declared)
        case _:
            return declared


def fitting(column: Column, census: Census, table: str) -> Type:
    """The type that holds all values of a column unchanged.

    Raises:
        RowRejectedError: there is none.
    """
    declared = column.type
    numbers, texts, blobs = census.numbers, census.classes["text"], census.classes["blob"]
    if declared.kind is Kind.FLOAT and texts and not blobs and _all(census, _SPECIAL.fullmatch):
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


def is_decimal(declared: Type) -> bool:
    """Is the column declared for exact decimals, of which SQLite makes numbers?"""
    return declared.native.upper().startswith(("DEC", "NUM", "MONEY", "TEXT_DECIMAL"))


def _for_numbers(declared: Type, census: Census) -> Type:
    if declared.kind is Kind.BOOLEAN and census.bits:
        return _type(Kind.BOOLEAN, declared)
    if is_decimal(declared):
        return _decimal(declared, census)
    if not census.classes["real"]:
        return _type(Kind.INTEGER, declared, bits=64)
    if not census.classes["integer"]:
        return _type(Kind.FLOAT, declared, bits=64)
    # Whole numbers beside fractions: a decimal without limit holds both exactly.
    return _type(Kind.DECIMAL, declared)


def _decimal(declared: Type, census: Census) -> Type:
    """A decimal with the digits that the numbers have.

    Its bits say that the numbers are no decimals themselves: the next ones may have more digits.
    """
    if census.digits is None:
        return _type(Kind.DECIMAL, declared)
    whole, scale = census.digits
    return replace(_type(Kind.DECIMAL, declared, bits=64), precision=whole + scale, scale=scale)


def _for_texts(declared: Type, census: Census) -> Type:
    if declared.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}:
        if _all(census, _DAY.fullmatch):
            return _type(Kind.DATE if declared.kind is Kind.DATE else Kind.TIMESTAMP, declared)
        if _all(census, _fine(_ZONED)):
            return _type(Kind.TIMESTAMPTZ, declared)
        if _all(census, lambda form: _DAY.fullmatch(form) or _fine(_CLOCK)(form)):
            return _type(Kind.TIMESTAMP, declared)
        return _type(Kind.TEXT, declared)
    if declared.kind is Kind.TIME:
        return _type(Kind.TIME if _all(census, _fine(_HOURS)) else Kind.TEXT, declared)
    if declared.kind is Kind.DECIMAL:
        fits = _all(census, lambda form: _PLAIN.fullmatch(form) and _scale(form) <= declared.scale)
        return declared if fits else _type(Kind.DECIMAL, declared)
    if declared.kind in {Kind.INTERVAL, Kind.JSON, Kind.UUID, Kind.ARRAY}:
        return declared
    return _type(Kind.TEXT, declared)


def _all(census: Census, accepts: Form) -> bool:
    return census.forms is not None and all(accepts(form) for form in census.forms)


def _fine(pattern: "re.Pattern[bytes]") -> Form:
    return lambda form: pattern.fullmatch(form) and not _TOO_FINE.search(form)


def _scale(form: bytes) -> int:
    """Digits after the point; a strict store rounds what is too much for its column."""
    return len(form.partition(b".")[2])


def _type(kind: Kind, declared: Type, bits: int = 0) -> Type:
    digits = MICROSECONDS if kind in {Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ} else 0
    return Type(kind, declared.native, PRODUCT, bits=bits, precision=digits)
