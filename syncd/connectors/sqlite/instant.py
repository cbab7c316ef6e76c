"""DATETIME as a GeoPackage has it: a moment in UTC, as a text of ISO 8601 with Z.

Source: OGC GeoPackage Encoding Standard 1.3, table 1, DATETIME. Texts without a zone, as other programs write them, count as
UTC too. Digits of a second are never cut: there are three, or as many as the moment needs.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from syncd.errors import RowRejectedError

MILLISECONDS: Final = 3
_FORM: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))? ?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.IGNORECASE
)
_ZULU: Final = frozenset({"", "Z", "z", "+00", "+0000", "+00:00"})


def leave(value: Any) -> Any:
    """The moment as it travels, ``2026-11-22 23:44:19.986+00``; what is no moment travels as it is."""
    parts = _parts(value)
    if parts is None:
        return value
    clock, digits = parts
    digits = digits.rstrip("0")
    return f"{clock}{'.' if digits else ''}{digits}+00"


def entry(where: str, *, lenient: bool) -> Callable[[Any], Any]:
    """What brings a value into such a column: ``2026-11-22T23:44:19.986Z``.

    `lenient`: the source is a column declared alike, and what is no moment there stays what it is; from others such a value
    raises RowRejectedError.
    """

    def enter(value: Any) -> Any:
        if value is None:
            return None
        parts = _parts(value)
        if parts is not None:
            clock, digits = parts
            kept = digits[:MILLISECONDS].ljust(MILLISECONDS, "0") + digits[MILLISECONDS:].rstrip("0")
            return f"{clock.replace(' ', 'T')}.{kept}Z"
        if lenient:
            return value
        raise RowRejectedError(
            f"a value for {where} is no moment between the years 1 and 9999, as a GeoPackage's DATETIME has to be",
            where=where,
            hint="change it where it was written, or declare that column TEXT",
            code="time_out_of_range",
        )

    return enter


def _parts(value: Any) -> tuple[str, str] | None:
    """Date and clock in UTC to the second, and all digits of the fraction; None when it is no such moment."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, seconds, digits, zone = (part or "" for part in found.groups())
    text = f"{day} {clock or '00:00'}{seconds or ':00'}"
    try:
        moment = datetime.fromisoformat(text if zone in _ZULU else f"{text}{zone}")
        # An offset has whole minutes, so the fraction stays as it is.
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(sep=" "), digits
