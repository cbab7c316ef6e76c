"""Walks over the words of one statement; what all kinds of statements have in common is read here."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NoReturn

from syncd.engine.words import Token, tokens_of
from syncd.errors import QueryError
from syncd.model.table import TableName

SELECT_WORDS: Final = ("SELECT", "WITH")


@dataclass(frozen=True, slots=True)
class TableWords:
    """A table's name as it stands in a statement, from `start` to `end`; with `wildcard` it is a pattern."""

    name: TableName
    wildcard: bool
    start: int
    end: int


class Walker:
    """A place in the words of one statement; `at` is the number of the next word.

    Every method that reads something raises QueryError where it is not there, with its place.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.at = 0

    @property
    def token(self) -> Token:
        """The next word; at the end one of the kind ``end``."""
        return self.peek(0)

    def peek(self, further: int) -> Token:
        """The word after so many others."""
        if self.at + further < len(self.tokens):
            return self.tokens[self.at + further]
        return Token("end", "", len(self.text.rstrip()), len(self.text))

    def refuse(self, message: str, hint: str = "", token: Token | None = None) -> NoReturn:
        """Say what is wrong with a word, the next one unless another is given."""
        raise QueryError(message, offset=(token or self.token).start, hint=hint)

    def is_mark(self, text: str, further: int = 0) -> bool:
        """Is a coming word this sign?"""
        token = self.peek(further)
        return token.kind == "mark" and token.text == text

    def take_mark(self, text: str) -> bool:
        """Go past the sign, if it comes next."""
        found = self.is_mark(text)
        self.at += found
        return found

    def take_word(self, *keywords: str) -> str:
        """Go past a keyword, if one of these comes next; which one, else empty."""
        found = self.token.keyword
        if found not in keywords:
            return ""
        self.at += 1
        return found

    def expect_mark(self, text: str, after: str) -> None:
        """Go past a sign that must come next."""
        if not self.take_mark(text):
            self.refuse(f"'{text}' is missing after {after}: found {self.shown()}")

    def shown(self) -> str:
        """The next word, for a message."""
        return f"'{self.token.text[:40]}'" if self.token.text else "the end of the query"

    def name(self, wanted: str) -> str:
        """A name, bare or in any quotes."""
        token = self.token
        if token.kind == "string":
            self.refuse(f"'{token.text}' is a text, not a name", f"write [{token.text}]")
        if token.kind == "variable":
            self.refuse(f"{token.text} is a value, never a name", "variables may stand in a SELECT")
        if not token.is_name:
            self.refuse(f"{wanted} is missing: found {self.shown()}")
        if not token.text.strip():
            self.refuse("an empty name")
        self.at += 1
        return token.text

    def names(self, after: str) -> list[Token]:
        """Names of columns in brackets, at least one, none twice."""
        self.expect_mark("(", after)
        found: list[Token] = []
        while True:
            token = self.token
            self.name("the name of a column")
            if token.text.lower() in {other.text.lower() for other in found}:
                self.refuse(f"column '{token.text}' is named twice", token=token)
            found.append(token)
            if self.take_mark(")"):
                return found
            self.expect_mark(",", f"'{token.text}'")

    def table(self, wanted: str, *, wildcards: bool = False) -> TableWords:
        """The name of a table, with its schema if that stands before it; a pattern only where `wildcards` allows one."""
        start = self.token.start
        names, pattern = self._parts(wanted, wildcards)
        while self.take_mark("."):
            more, also = self._parts("a name after the dot", wildcards)
            names, pattern = [*names, *more], pattern or also
        last = self.tokens[self.at - 1]
        if len(names) > 2:
            self.refuse(
                f"'{'.'.join(names)}' has more than a schema and a table name",
                "the database belongs into the connection",
                last,
            )
        return TableWords(TableName(names[-1], names[0] if len(names) == 2 else ""), pattern, start, last.end)

    def _parts(self, wanted: str, wildcards: bool) -> tuple[list[str], bool]:
        """One part of a table's name, or both when a pattern in brackets holds a dot; and whether it is a pattern."""
        token = self.token
        star = self.is_mark("*")
        if not star and not (token.kind == "bracket" and "*" in token.text):
            name = self.name(wanted)
            if self.is_mark("*") and self.token.start == token.end:
                self.refuse("a wildcard after a name stands in brackets", f"write [{name}*]")
            return [name], False
        if not wildcards:
            self.refuse("a wildcard cannot stand here", "write one query for each table")
        self.at += 1
        schema, dot, name = token.text.rpartition(".")
        return [schema, name] if dot and schema and name else [token.text], True

    def end(self, hint: str, near: Sequence[str]) -> None:
        """Nothing may follow but a semicolon; `near` are words that might have been meant."""
        if self.take_mark(";") and self.token.kind != "end":
            self.refuse("a second statement follows", "write it as a query of its own")
        if self.token.kind != "end":
            self.unexpected(hint, near)

    def unexpected(self, hint: str, near: Sequence[str]) -> NoReturn:
        """Refuse the next word."""
        word = self.token
        likely = get_close_matches(word.keyword, near, 1, 0.7) if word.keyword else []
        self.refuse(f"unexpected '{word.text[:40]}'", f"did you mean {likely[0]}?" if likely else hint)
