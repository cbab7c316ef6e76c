"""Asks the judges about texts, and reports what they say without a word that came from outside the file."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from syncd.config.place import Path, Resolved
from syncd.config.report import Report
from syncd.errors import QueryError, ScheduleError

_Result = TypeVar("_Result")


class Fault(NamedTuple):
    """What is wrong with a text, and at which character of it."""

    message: str
    hint: str
    offset: int | None


class Judgement(NamedTuple):
    """What a judge found wrong with a text, or what it read in it; one of them is None."""

    fault: Fault | None
    result: object


@lru_cache(maxsize=65_536)
def judged(check: Callable[..., object], *texts: str) -> Judgement:
    """What a checker says about these texts.

    Remembered, because a reload asks again about thousands of texts of which few are new.
    """
    try:
        return Judgement(None, check(*texts))
    except (QueryError, ScheduleError) as error:
        offset = error.offset if isinstance(error, QueryError) else None
        return Judgement(Fault(error.message, error.hint, offset), None)


def tell_fault(report: Report, path: Path, text: object, found: Fault) -> None:
    """Report it, without a word of a text that came from outside the file."""
    if isinstance(text, Resolved):
        report.at_value(path, "what its reference gives does not fit here")
    else:
        report.at_value(path, found.message, found.hint, found.offset)


def read_text_at(
    report: Report, path: Path, text: str | None, parse: Callable[[str], _Result]
) -> _Result | None:
    """What a text means, None when there is none or it was wrong, which is then reported."""
    if not text:
        return None
    try:
        return parse(text)
    except ScheduleError as error:
        tell_fault(report, path, text, Fault(error.message, error.hint, None))
        return None
