"""One field of a cron line: what may stand in it, and which values it means."""

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from syncd.errors import ScheduleError

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Field:
    """A field's name and range. `names` stand for the numbers from `low` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def span(self) -> str:
        """The range as messages show it."""
        return f"{self.low}-{self.high}"


FIELDS: Final = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day-of-month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day-of-week", 0, 7, WEEKDAYS),
)
_BY_NAME: Final = {field.name: field for field in FIELDS}


class _RefusedError(Exception):
    """A mistake inside a field, before its place in the line is known."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def check_field(field: Field, text: str, offset: int) -> str:
    """The field in the form that cronsim reads.

    Raises:
        ScheduleError: what stands there is no value, range, step or list of this field.
    """
    upper = text.upper()
    if upper == "?":
        return "*"
    try:
        return ",".join(_check_term(field, term) for term in upper.split(","))
    except _RefusedError as error:
        raise ScheduleError(str(error), offset=offset, hint=error.hint) from None


@lru_cache(maxsize=4096)
def values(name: str, text: str) -> frozenset[int]:
    """The numbers a checked field without ``L`` and ``#`` means."""
    field = _BY_NAME[name]
    found: set[int] = set()
    for term in text.split(","):
        body, _, step = term.partition("/")
        if body == "*":
            low, high = field.low, field.high
        else:
            left, dash, right = body.partition("-")
            low = _number(field, left)
            high = _number(field, right) if dash else (field.high if step else low)
        found.update(range(low, high + 1, int(step) if step else 1))
    return frozenset(found)


def _check_term(field: Field, term: str) -> str:
    if not term:
        raise _RefusedError(f"{field.name} has an empty entry", "a list looks like 1,15,30")
    if _is_special(field, term):
        return term
    body, slash, step = term.partition("/")
    if slash:
        _check_step(field, term, step)
    if body == "*":
        return term
    left, dash, right = body.partition("-")
    low = _number(field, left)
    high = _number(field, right) if dash else low
    if high < low:
        raise _backwards(field, left, right)
    # cronsim takes a range of one value with a step, 4-4/2, for 4/2, which goes on to the end.
    return str(low) if dash and low == high else term


def _is_special(field: Field, term: str) -> bool:
    """True for a good L, LW, 5L or MON#2; raises for a bad one."""
    if field.name == "day-of-month":
        if term.endswith("W") and term != "LW":
            raise _RefusedError(
                f"day-of-month '{term}' (nearest weekday) is not supported", "LW is the last weekday"
            )
        return term in {"L", "LW"}
    if field.name != "day-of-week":
        return False
    day, hash_sign, nth = term.partition("#")
    if hash_sign:
        _number(field, day)
        if nth not in {"1", "2", "3", "4", "5"}:
            raise _RefusedError(f"day-of-week '{term}' must name week 1-5 after #, not '{nth}'")
        return True
    if term.endswith("L") and term not in field.names:
        if not _NUMBER.fullmatch(term[:-1]):
            hint = "the last Friday of a month is 5L"
            raise _RefusedError(f"day-of-week '{term}' must be a number 0-7 before L", hint)
        _number(field, term[:-1])
        return True
    return False


def _number(field: Field, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if not _NUMBER.fullmatch(text):
        raise _unknown(field, text)
    number = int(text)
    if not field.low <= number <= field.high:
        raise _RefusedError(f"{field.name} must be {field.span}, not {number}")
    return number


def _check_step(field: Field, term: str, step: str) -> None:
    most = field.high - field.low + (field.low == 1)
    if not _NUMBER.fullmatch(step):
        raise _RefusedError(f"{field.name} '{term}' must have a whole number after the slash, not '{step}'")
    if not 1 <= int(step) <= most:
        hint = "for another rhythm write `every:`" if int(step) else "*/1 means every one"
        raise _RefusedError(f"{field.name} step must be 1-{most}, not {int(step)}", hint)


def _unknown(field: Field, text: str) -> _RefusedError:
    if not field.names:
        return _RefusedError(f"{field.name} must be {field.span}, not '{text}'")
    near = difflib.get_close_matches(text[:3], field.names, 3, 0.5)
    near.sort(key=lambda name: name[:1] != text[:1])
    hint = f"did you mean {near[0]}?" if near else f"names are {' '.join(field.names)}"
    return _RefusedError(f"{field.name} must be {field.span} or a name, not '{text}'", hint)


def _backwards(field: Field, left: str, right: str) -> _RefusedError:
    high = 6 if field.name == "day-of-week" else field.high
    low = _number(field, left)
    first = f"{low}-{high}" if low < high else f"{low}"
    end = _number(field, right)
    second = f"{field.low}-{end}" if end > field.low else f"{end}"
    if field.name == "day-of-week" and end == 0:
        return _RefusedError(
            f"{field.name} range {left}-{right} runs backwards", f"write {low}-7, 7 is Sunday too"
        )
    return _RefusedError(f"{field.name} range {left}-{right} runs backwards", f"write {first},{second}")
