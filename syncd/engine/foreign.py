"""Functions of other products that a SELECT may call, as the source's own that do the same."""

from collections.abc import Sequence
from typing import Final

from syncd.engine.words import Token, tokens_of

NOW: Final = {"postgres": "CURRENT_TIMESTAMP", "sqlite": "CURRENT_TIMESTAMP", "mysql": "CURRENT_TIMESTAMP()"}
"""What GETDATE() is in each dialect."""
SECOND_WHEN_NULL: Final = {
    "postgres": ("ISNULL", "NVL", "IFNULL"),
    "sqlite": ("ISNULL", "NVL"),
    "mysql": ("ISNULL", "NVL"),
}
"""Functions of two arguments that are COALESCE. MySQL's own ISNULL has one."""


def with_own_functions(text: str, dialect: str) -> str:
    """The text with calls of GETDATE, ISNULL, NVL and IFNULL in the source's own words; all else stays as it is.

    A name in quotes or behind a schema is somebody's own function and stays.
    """
    tokens = tokens_of(text)
    pieces: list[str] = []
    last = 0
    for at, token in enumerate(tokens):
        called = token.keyword and not _is_mark(tokens, at - 1, ".") and _is_mark(tokens, at + 1, "(")
        if not called:
            continue
        count, end = _arguments(tokens, at + 1)
        if token.keyword == "GETDATE" and count == 0 and dialect in NOW:
            pieces += [text[last : token.start], NOW[dialect]]
            last = end
        elif token.keyword in SECOND_WHEN_NULL.get(dialect, ()) and count == 2:
            pieces += [text[last : token.start], "COALESCE"]
            last = token.end
    return "".join((*pieces, text[last:]))


def _is_mark(tokens: Sequence[Token], at: int, mark: str) -> bool:
    return 0 <= at < len(tokens) and tokens[at].kind == "mark" and tokens[at].text == mark


def _arguments(tokens: Sequence[Token], opening: int) -> tuple[int, int]:
    """How many arguments stand behind an opening bracket, and where its closing one ends; -1 when there is none."""
    depth, commas = 0, 0
    for at in range(opening, len(tokens)):
        if _is_mark(tokens, at, "("):
            depth += 1
        elif _is_mark(tokens, at, ")"):
            depth -= 1
            if not depth:
                return (0 if at == opening + 1 else commas + 1), tokens[at].end
        elif depth == 1 and _is_mark(tokens, at, ","):
            commas += 1
    return -1, 0
