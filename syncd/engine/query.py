"""Reads REPLICATE statements: the head by a parser of our own, with positions; the SELECT is left as text.

Source: Job Management API, Query#; the grammar's remaining parts (column definitions, CHECKCACHE, ...) are refused
by name until they are built.
"""

import hashlib
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NoReturn

from syncd.engine.words import Token, tokens_of
from syncd.errors import QueryError
from syncd.model.table import TableName

OPTIONS: Final = {"incrementalcheckcolumns": "check_columns"}
"""Names in WITH that this version understands, in lower case."""

KEYWORDS: Final = frozenset(
    [
        "REPLICATE",
        "INTO",
        "FROM",
        "SELECT",
        "WITH",
        "INCREMENTALCHECKCOLUMNS",
        "RECURSIVE",
        "DISTINCT",
        "ALL",
        "TOP",
        "AS",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "NULL",
        "IS",
        "IN",
        "LIKE",
        "BETWEEN",
        "EXISTS",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "CAST",
        "JOIN",
        "LEFT",
        "RIGHT",
        "INNER",
        "OUTER",
        "FULL",
        "CROSS",
        "ON",
        "USING",
        "GROUP",
        "BY",
        "ORDER",
        "ASC",
        "DESC",
        "HAVING",
        "LIMIT",
        "OFFSET",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "TRUE",
        "FALSE",
    ]
)
"""Words whose case means nothing, unless they are quoted."""

SELECT_WORDS: Final = ("SELECT", "WITH")
FOREIGN: Final = ("INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "TRUNCATE", "CREATE", "MERGE", "SELECT")


@dataclass(frozen=True, slots=True)
class Query:
    """A REPLICATE statement: rows of `source` or of `select` into `destination`.

    `select` is text as the user wrote it, `select_offset` where it stands; exactly one of `source` and `select` is
    set. `check_columns` comes from IncrementalCheckColumns.
    """

    destination: TableName
    source: TableName | None = None
    select: str | None = None
    select_offset: int = 0
    check_columns: tuple[str, ...] = field(default=())


def digest_of(text: str) -> str:
    """A short hash of what a statement means: blanks, comments, keyword case and quote style do not count.

    The case of names counts, since it does in some stores. Two spellings of one meaning may get two hashes, which
    costs a reading; two meanings never get one.
    """
    tokens = tokens_of(text)
    while tokens and (tokens[-1].kind, tokens[-1].text) == ("mark", ";"):
        tokens.pop()
    parts = [
        f"{_family(token)}{token.keyword if token.keyword in KEYWORDS else token.text}" for token in tokens
    ]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def parse_query(text: str) -> Query:
    """Read one REPLICATE statement.

    Raises:
        QueryError: it is empty, more than one, not a REPLICATE, or its head is wrong; `offset` says where.
    """
    return _Parser(text).parse()


def check_query(text: str) -> None:
    """Refuse a text that is not one single REPLICATE statement.

    Raises:
        QueryError: with the offset of the mistake, counted in characters from 0.
    """
    query = parse_query(text)
    if query.select is not None:
        from syncd.engine.select import check_select

        check_select(query.select, query.select_offset)


def _family(token: Token) -> str:
    # A bare word and a quoted one may be the same name; a string is never a name.
    return "n:" if token.kind in {"word", "bracket", "double", "tick"} else f"{token.kind}:"


class _Parser:
    """Walks over the tokens of one statement."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.at = 0

    @property
    def token(self) -> Token:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return Token("end", "", len(self.text.rstrip()), len(self.text))

    def refuse(self, message: str, hint: str = "", token: Token | None = None) -> NoReturn:
        raise QueryError(message, offset=(token or self.token).start, hint=hint)

    def parse(self) -> Query:
        self.head()
        destination = self.table("the destination table after REPLICATE")
        if self.token.kind == "mark" and self.token.text == "(":
            self.refuse("column definitions after the table name are not available in this version")
        if self.token.keyword in {"INCLUDE", "EXCLUDE"}:
            self.refuse(
                f"{self.token.keyword} is not available in this version", "list the columns in a SELECT"
            )
        columns = self.options() if self.is_options() else ()
        if self.token.keyword in SELECT_WORDS:
            return self.select(destination, columns)
        source = destination
        if self.token.keyword == "FROM":
            self.at += 1
            source = self.table("the source table after FROM")
        elif self.token.kind in {"word", "bracket", "double", "tick"}:
            source = self.bare_source()
        if self.is_options():
            columns = self.options()
        self.end()
        return Query(destination, source=source, check_columns=columns)

    def head(self) -> None:
        first = self.token
        if first.kind == "end":
            self.refuse("the query is empty", "write for example: REPLICATE [accounts]")
        if first.keyword == "CHECKCACHE":
            self.refuse("CHECKCACHE is not available in this version")
        if first.keyword != "REPLICATE":
            shown = first.text[:40]
            near = get_close_matches(first.keyword, ["REPLICATE"], 1)
            hint = "did you mean REPLICATE?" if near else "a query begins with REPLICATE [table]"
            if first.keyword in FOREIGN:
                hint = f"a query copies rows: REPLICATE [table]{' SELECT ...' if first.keyword == 'SELECT' else ''}"
            self.refuse(f"'{shown}' is not REPLICATE", hint)
        self.at += 1
        if self.token.keyword == "INTO":
            self.at += 1

    def bare_source(self) -> TableName:
        word = self.token
        if word.kind == "word":
            self.unexpected(word)
        return self.table("a table")

    def table(self, wanted: str) -> TableName:
        names = [self.name(wanted)]
        while self.token.kind == "mark" and self.token.text == ".":
            self.at += 1
            names.append(self.name("a name after the dot"))
        if len(names) > 2:
            self.refuse(
                f"'{'.'.join(names)}' has more than a schema and a table name",
                "the database belongs into the connection",
                self.tokens[self.at - 1],
            )
        return TableName(names[-1], names[0] if len(names) == 2 else "")

    def name(self, wanted: str) -> str:
        token = self.token
        if token.kind == "string":
            self.refuse(f"'{token.text}' is a text, not a name", f"write [{token.text}]")
        if token.kind == "mark" and token.text == "*":
            self.refuse("wildcards are not available in this version", "write one query for each table")
        if token.kind not in {"word", "bracket", "double", "tick"}:
            got = f"'{token.text}'" if token.text else "the end of the query"
            self.refuse(f"{wanted} is missing: found {got}")
        if not token.text.strip():
            self.refuse("an empty name")
        if token.kind == "bracket" and token.text.endswith("*"):
            self.refuse("wildcards are not available in this version", "write one query for each table")
        self.at += 1
        return token.text

    def is_options(self) -> bool:
        # WITH opens options when NAME = follows, or a common table expression when NAME AS or NAME ( does.
        if self.token.keyword != "WITH":
            return False
        rest = self.tokens[self.at + 1 : self.at + 3]
        named = len(rest) == 2 and (rest[1].keyword == "AS" or rest[1].text == "(")
        return not named and not (rest and rest[0].keyword == "RECURSIVE")

    def options(self) -> tuple[str, ...]:
        self.at += 1
        columns: tuple[str, ...] = ()
        while True:
            name = self.token
            if name.kind not in {"word", "bracket", "double", "tick"}:
                self.refuse("the name of an option is missing after WITH")
            if name.text.lower() not in OPTIONS:
                near = get_close_matches(name.text.lower(), list(OPTIONS), 1, 0.8)
                self.refuse(
                    f"the option '{name.text}' is not available in this version",
                    "did you mean IncrementalCheckColumns?"
                    if near
                    else "this version knows IncrementalCheckColumns",
                )
            self.at += 1
            columns = self.value(name)
            if not (self.token.kind == "mark" and self.token.text == ","):
                return columns
            self.at += 1

    def value(self, name: Token) -> tuple[str, ...]:
        if not (self.token.kind == "mark" and self.token.text == "="):
            self.refuse(f"'=' is missing after {name.text}")
        self.at += 1
        token = self.token
        if token.kind not in {"string", "word", "bracket", "double", "tick"}:
            self.refuse(f"the value of {name.text} is missing", f"write {name.text}='updated'")
        self.at += 1
        columns = tuple(part.strip() for part in token.text.split(","))
        if not all(columns):
            self.refuse(f"{name.text} has an empty column name", token=token)
        return columns

    def select(self, destination: TableName, columns: tuple[str, ...]) -> Query:
        start = self.token.start
        text = self.text[start:].rstrip()
        last = self.tokens[-1]
        for token in self.tokens[self.at :]:
            if token.kind == "mark" and token.text == ";" and token is not last:
                following = self.tokens[self.tokens.index(token) + 1]
                self.refuse("a second statement follows", "write it as a query of its own", following)
        if last.kind == "mark" and last.text == ";":
            text = self.text[start : last.start].rstrip()
        return Query(destination, select=text, select_offset=start, check_columns=columns)

    def end(self) -> None:
        if self.token.kind == "mark" and self.token.text == ";":
            self.at += 1
            if self.token.kind != "end":
                self.refuse("a second statement follows", "write it as a query of its own")
        if self.token.kind != "end":
            self.unexpected(self.token)

    def unexpected(self, word: Token) -> NoReturn:
        near = get_close_matches(word.keyword, ["SELECT", "FROM", "WITH"], 1, 0.7) if word.keyword else []
        hint = f"did you mean {near[0]}?" if near else "a SELECT, FROM or WITH may follow the table name"
        if word.keyword == "WHERE":
            hint = "a condition needs a SELECT: REPLICATE [t] SELECT * FROM [t] WHERE ..."
        self.refuse(f"unexpected '{word.text}'", hint, word)
