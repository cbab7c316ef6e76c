"""Reads values at which a check column begins or ends, as people write them."""

import re
from datetime import datetime
from typing import Final

from syncd.errors import ScheduleError

MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII
)
"""How a date, or a date and time, is written."""

_NUMBER: Final = re.compile(r"[+-]?\d{1,38}", re.ASCII)
_HINT: Final = "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number"


def parse_bound(text: str) -> str | int:
    """The bound that a text means: a whole number, or the date or date-time as it is written.

    A time without an offset is meant in the zone of the column that it is compared with.

    Raises:
        ScheduleError: it is written otherwise, or there is no such day or time.
    """
    plain = text.strip()
    if _NUMBER.fullmatch(plain):
        return int(plain)
    if not MOMENT.fullmatch(plain):
        raise ScheduleError(
            f"'{text[:60]}' is neither a date, nor a date and time, nor a whole number", hint=_HINT
        )
    try:
        datetime.fromisoformat(plain)
    except ValueError:
        raise ScheduleError(f"there is no such date or time as '{plain}'", hint=_HINT) from None
    return plain
