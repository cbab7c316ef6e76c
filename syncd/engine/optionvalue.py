"""Reads the values of options that stand as text: in WITH, in other_options, and in the Job Management API.

Each reader takes a text and gives the typed value.

Raises, each of them:
    QueryError: the text does not fit; the message goes on after the option's name, as in "must be true or false".
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from syncd.engine.words import tokens_of
from syncd.errors import QueryError, ScheduleError
from syncd.model.bound import parse_bound
from syncd.model.duration import parse_duration, parse_interval
from syncd.model.options import Interval

Reader = Callable[[str], object]

_TRUTH: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
_SHOWN: Final = 60
_Choice = TypeVar("_Choice", bound=StrEnum)


def truth(text: str) -> bool:
    """True or false, in any of the words people use."""
    if text.strip().lower() not in _TRUTH:
        raise _refusal("must be true or false", text)
    return _TRUTH[text.strip().lower()]


def words(text: str) -> str:
    """The text as it is; it must not be empty."""
    if not text.strip():
        raise QueryError("must not be empty")
    return text.strip()


def names(text: str) -> tuple[str, ...]:
    """Names between commas, each as it is or in brackets or quotes."""
    found: list[str] = []
    start = 0
    for part in _parts(text):
        found.append(_name(text[start:part]))
        start = part + 1
    return tuple(found)


def _parts(text: str) -> list[int]:
    """Where the commas between names stand, and the end; a text with an open quote has no quotes."""
    try:
        commas = [token.start for token in tokens_of(text) if token.kind == "mark" and token.text == ","]
    except QueryError:
        commas = [place for place, sign in enumerate(text) if sign == ","]
    return [*commas, len(text)]


def _name(text: str) -> str:
    """One name: what stands in its quotes when it is quoted as a whole, else everything."""
    try:
        tokens = tokens_of(text)
    except QueryError:
        tokens = []
    name = tokens[0].text if len(tokens) == 1 else text.strip()
    if not name.strip():
        raise QueryError("has an empty column name")
    return name


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers between two bounds, both of which belong to it."""
    limits = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def read(text: str) -> int:
        plain = text.strip()
        if (
            not _WHOLE.fullmatch(plain)
            or int(plain) < lowest
            or (highest is not None and int(plain) > highest)
        ):
            raise _refusal(f"must be a whole number {limits}", text)
        return int(plain)

    return read


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """A reader of numbers, with or without a point, between two bounds, both of which belong to it."""

    def read(text: str) -> float:
        plain = text.strip()
        if not _NUMBER.fullmatch(plain) or not lowest <= float(plain) <= highest:
            raise _refusal(f"must be a number from {lowest:g} to {highest:g}", text)
        return float(plain)

    return read


def seconds(longest: float) -> Callable[[str], float]:
    """A reader of lengths of time, as a number of seconds or as ``10 minutes``."""

    def read(text: str) -> float:
        if _NUMBER.fullmatch(text.strip()):
            return number(0, longest)(text)
        return number(0, longest)(str(_scheduled(parse_duration, text)))

    return read


def choice(kind: type[_Choice], **others: _Choice) -> Callable[[str], _Choice]:
    """A reader of the words of an enumeration, and of `others` that mean the same as one of them."""
    known = {entry.value: entry for entry in kind} | others

    def read(text: str) -> _Choice:
        plain = text.strip().lower()
        if plain not in known:
            near = get_close_matches(plain, list(known), 1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise _refusal(f"must be one of {', '.join(known)}", text, hint)
        return known[plain]

    return read


def bound(text: str) -> str | int:
    """A date, a date and time or a whole number."""
    return _scheduled(parse_bound, text)


def interval(text: str) -> Interval:
    """A length of time by the calendar or exact."""
    return _scheduled(parse_interval, text)


_Result = TypeVar("_Result")


def _scheduled(parse: Callable[[str], _Result], text: str) -> _Result:
    try:
        return parse(text.strip())
    except ScheduleError as error:
        raise QueryError(f"does not fit: {error.message}", hint=error.hint) from error


def _refusal(message: str, text: str, hint: str = "") -> QueryError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return QueryError(f"{message}, not '{shown}'" if text.strip() else f"{message}: it is empty", hint=hint)
