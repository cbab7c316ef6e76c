"""Puts marks and variables into a SELECT: the marks as signs for the source, the variables as literals.

A variable is a value and never SQL: where the text could make something else of it, it is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from syncd.engine.words import Token, tokens_of
from syncd.errors import QueryError
from syncd.model.plan import LAST_MARK, NEXT_MARK

MARKS: Final = {"REPLICATE_LASTMODTIME": LAST_MARK, "REPLICATE_NEXTINTERVAL": NEXT_MARK}
"""Functions that stand for marks."""

_VARIABLE: Final = re.compile(r"\{env:([^\W\d][\w.-]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def check_placeholders(text: str, offset: int = 0) -> None:
    """Refuse marks and variables in places where they cannot stand.

    Raises:
        QueryError: `offset` is added to the place of the mistake.
    """
    for _ in _found(tokens_of(text), offset):
        pass


def for_parser(text: str) -> str:
    """The text with every bare variable as a string of the same length, so that places stay."""
    pieces = list(text)
    for token in tokens_of(text):
        if token.kind == "variable":
            pieces[token.start] = pieces[token.end - 1] = "'"
    return "".join(pieces)


def quote_variables(text: str) -> str:
    """The text with every bare variable in quotes, as it stands in a text that another program rewrites."""
    pieces: list[str] = []
    last = 0
    for token in tokens_of(text):
        if token.kind == "variable":
            pieces += [text[last : token.start], f"'{token.text}'"]
            last = token.end
    return "".join((*pieces, text[last:]))


def fill(text: str, variables: Mapping[str, str], dialect: str, offset: int = 0) -> str:
    """The text with marks for their functions and literals for its variables.

    With variables, comments become blanks: what one store takes for the end of a comment another does not.

    Raises:
        QueryError: a variable is not set, or stands where it could become SQL.
    """
    tokens = tokens_of(text)
    found = list(_found(tokens, offset))
    with_variables = any(name for _, _, name in found)
    pieces: list[str] = []
    last = 0
    replaced = {start: (end, _stand_in(name, sign, variables, dialect)) for (start, end), sign, name in found}
    for token in tokens:
        if token.start < last:
            continue
        gap = text[last : token.start]
        pieces.append(" " if with_variables and gap and not gap.isspace() else gap)
        last, piece = replaced.get(token.start, (token.end, text[token.start : token.end]))
        pieces.append(piece)
    rest = text[last:]
    return "".join((*pieces, "" if with_variables else rest))


def variable_value(text: str, variables: Mapping[str, str], offset: int = 0) -> str:
    """The value of a variable, given as ``{env:Name}``.

    Raises:
        QueryError: it is not set.
    """
    match = _VARIABLE.fullmatch(text)
    name = match.group(1) if match else text
    if name not in variables:
        raise QueryError(
            f"the variable {{env:{name}}} is not set",
            offset=offset,
            hint=f"let the pre-event print env:{name}=...",
        )
    return variables[name]


def _found(tokens: list[Token], offset: int) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Each placeholder: where it stands, and either the sign of a mark or the name of a variable."""
    names = []
    for number, token in enumerate(tokens):
        if token.keyword in MARKS:
            closing = _empty_call(tokens, number, offset)
            yield (token.start, closing.end), MARKS[token.keyword], ""
        elif token.kind == "variable" or _VARIABLE.search(token.text):
            before = tokens[number - 1] if number else None
            yield (token.start, token.end), "", _name_of(token, before, offset)
            names.append(token)
    if names:
        _refuse_escapes(tokens, names[0], offset)


def _empty_call(tokens: list[Token], number: int, offset: int) -> Token:
    rest = [token.text if token.kind == "mark" else "" for token in tokens[number + 1 : number + 3]]
    if rest != ["(", ")"]:
        name = tokens[number].keyword
        raise QueryError(
            f"{name} takes no arguments", offset=offset + tokens[number].start, hint=f"write {name}()"
        )
    return tokens[number + 2]


def _name_of(token: Token, before: Token | None, offset: int) -> str:
    match = _VARIABLE.fullmatch(token.text)
    if token.kind not in {"variable", "string"}:
        raise QueryError(
            "a variable is a value, never a name", offset=offset + token.start, hint="write the name itself"
        )
    if match is None:
        raise QueryError(
            "a variable stands alone, not inside a text",
            offset=offset + token.start,
            hint="join them: 'text' || {env:Name}",
        )
    if before is not None and before.kind == "word" and before.end == token.start:
        raise QueryError("a blank is missing before the variable", offset=offset + token.start)
    return match.group(1)


def _refuse_escapes(tokens: list[Token], variable: Token, offset: int) -> None:
    """Backslashes and dollar signs end texts in some stores and not in others, so nobody knows where a text ends."""
    for token in tokens:
        in_text = token.kind in {"string", "double", "tick"} and "\\" in token.text
        if in_text or (token.kind == "mark" and token.text in {"\\", "$"}):
            raise QueryError(
                "a SELECT with variables can have neither backslashes nor dollar quotes",
                offset=offset + variable.start,
            )


def _stand_in(name: str, sign: str, variables: Mapping[str, str], dialect: str) -> str:
    if sign:
        return sign
    value = variable_value(f"{{env:{name}}}", variables)
    if _CONTROL.search(value):
        raise QueryError(f"the value of {{env:{name}}} holds a control character")
    quoted = value.replace("'", "''")
    return "'" + (quoted.replace("\\", "\\\\") if dialect == "mysql" else quoted) + "'"
