"""Reads lists of options: WITH of a query, and the text of other_options."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from syncd.engine.optionname import (
    OptionName,
    Settings,
    find_option,
    joined,
    option_of,
    read_option,
    takes_names,
)
from syncd.engine.walker import Walker
from syncd.engine.words import QUOTED_KINDS, Token
from syncd.errors import QueryError

_Result = TypeVar("_Result")


def opens_options(walker: Walker, further: int = 0) -> bool:
    """Does WITH, as a coming word, begin options? A common table expression goes on with NAME AS or NAME (."""
    if walker.peek(further).keyword != "WITH":
        return False
    name, after = walker.peek(further + 1), walker.peek(further + 2)
    named = after.keyword == "AS" or (after.kind == "mark" and after.text == "(")
    return not named and name.keyword != "RECURSIVE"


def closes_select(walker: Walker, further: int) -> bool:
    """Does WITH, as a coming word inside a SELECT, begin options? ``WITH TIES`` or ``with time zone`` does not."""
    if not opens_options(walker, further):
        return False
    name = walker.peek(further + 1)
    return name.is_name and (find_option(name.text) is not None or walker.is_mark("=", further + 2))


def read_options(walker: Walker, given: dict[str, object], *, for_query: bool) -> None:
    """Add to `given` what a list of options sets; the walker stands at the first name.

    Raises:
        QueryError: an option is unknown, has a wrong value or is given twice.
    """
    while True:
        name = walker.token
        if not name.is_name:
            walker.refuse("the name of an option is missing" + (" after WITH" if for_query else ""))
        option = _placed(name, partial(option_of, name.text, for_query=for_query))
        walker.at += 1
        value = _value(walker, name) if walker.take_mark("=") else None
        settings = _placed(value or walker.token, partial(read_option, option, _text(option, value)))
        for field in settings:
            if field in given:
                walker.refuse(f"{name.text} is given twice", "another option may set the same", name)
        given.update(settings)
        if not walker.take_mark(","):
            return


def read_other_options(text: str) -> Settings:
    """What ``k=v,k='a,b'`` sets: fields of Options, and of Replication for the whole job.

    Raises:
        QueryError: as for WITH; `offset` counts in this text.
    """
    walker = Walker(text)
    given: dict[str, object] = {}
    if walker.token.kind == "end":
        return given
    read_options(walker, given, for_query=False)
    if walker.token.kind != "end":
        walker.refuse(f"unexpected '{walker.token.text[:40]}'", "put values with blanks or commas in quotes")
    return joined(given)


def _value(walker: Walker, name: Token) -> Token:
    token = walker.token
    if token.kind == "mark" and token.text in {"-", "+"} and walker.peek(1).kind == "number":
        walker.at += 2
        digits = walker.peek(-1)
        return Token("number", token.text + digits.text, token.start, digits.end)
    if token.kind not in {"string", "number"} and not token.is_name:
        walker.refuse(f"the value of {name.text} is missing: found {walker.shown()}")
    walker.at += 1
    return token


def _text(option: OptionName, value: Token | None) -> str | None:
    """The value as its reader takes it; a quoted name stays one name, whatever is in it."""
    if value is not None and value.kind in QUOTED_KINDS and takes_names(option):
        return "[" + value.text.replace("]", "]]") + "]"
    return value.text if value is not None else None


def _placed(token: Token, read: Callable[[], _Result]) -> _Result:
    """What is read, or a refusal that says where."""
    try:
        return read()
    except QueryError as error:
        raise QueryError(error.message, offset=token.start, hint=error.hint) from error
