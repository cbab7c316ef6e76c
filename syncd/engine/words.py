"""Cuts a statement into words, each with its place; comments and blanks fall out."""

import re
from dataclasses import dataclass
from typing import Final

from syncd.errors import QueryError

TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<variable>\{env:[^\W\d][\w.-]*\})
      | (?P<bracket>\[(?:[^\]]|\]\])*\])
      | (?P<double>"(?:[^"]|"")*")
      | (?P<tick>`(?:[^`]|``)*`)
      | (?P<string>'(?:[^']|'')*')
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<word>[^\W\d]\w*(?:\$\w*)*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)

QUOTED_KINDS: Final = frozenset(("bracket", "double", "tick"))
NAME_KINDS: Final = QUOTED_KINDS | {"word"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a statement; `text` is what it means (quotes taken off), `kind` the group of TOKEN.

    A variable, written ``{env:Name}``, is a word of its own.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """May it name a table, a column or an option?"""
        return self.kind in NAME_KINDS

    @property
    def keyword(self) -> str:
        """The word in upper case when it is a bare word, else empty."""
        return self.text.upper() if self.kind == "word" else ""


def tokens_of(text: str) -> list[Token]:
    """The words of a statement with their places; comments and blanks are left out.

    Raises:
        QueryError: a quote, bracket or comment is never closed.
    """
    found = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        if kind == "blank":
            continue
        word = match.group()
        if kind == "mark" and word in "['\"`":
            raise QueryError(f"{word} is opened here and never closed", offset=match.start())
        if kind == "mark" and text.startswith("/*", match.start()):
            raise QueryError("a comment is opened here and never closed", offset=match.start())
        if kind in {"bracket", "double", "tick", "string"}:
            close = word[-1]
            word = word[1:-1].replace(close * 2, close)
        found.append(Token(kind, word, match.start(), match.end()))
    return found
