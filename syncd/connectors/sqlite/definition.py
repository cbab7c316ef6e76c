"""The text of a CREATE TABLE statement: where its columns, their types and collations stand."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.types import declaration
from syncd.errors import FatalError
from syncd.model.table import Column

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)|(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])"""
    r"""|(?P<word>[^\W\d][\w$]*)|(?P<mark>\d[\w.]*|.)""",
    re.DOTALL,
)
CONSTRAINTS: Final = frozenset(
    [
        "CONSTRAINT",
        "PRIMARY",
        "NOT",
        "NULL",
        "UNIQUE",
        "CHECK",
        "DEFAULT",
        "COLLATE",
        "REFERENCES",
        "GENERATED",
        "AS",
    ]
)
"""Words that end a column's type."""
TABLE_RULES: Final = frozenset(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL that is no blank; `word` is an unquoted word in upper case, else empty."""

    text: str
    word: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Definition:
    """One column: its name, where its type stands, where it ends, and its collation (empty: BINARY)."""

    name: str
    type_begin: int
    type_end: int
    end: int
    collation: str


@dataclass(frozen=True, slots=True)
class Creation:
    """A CREATE TABLE statement whose columns are known by their places in the text."""

    sql: str
    name_begin: int
    name_end: int
    columns: tuple[Definition, ...]
    strict: bool

    def changed(self, name: str, types: Mapping[str, str], added: list[tuple[str, str]]) -> str:
        """The statement for another table name, with other types by column name, and with more columns."""
        edits = [(self.name_begin, self.name_end, quote(name))]
        edits += [
            (c.type_begin, c.type_end, self._between(c, types[c.name]))
            for c in self.columns
            if c.name in types
        ]
        behind = self.columns[-1].end
        edits.append((behind, behind, "".join(f", {quote(column)} {declared}" for column, declared in added)))
        text = self.sql
        for begin, end, new in sorted(edits, reverse=True):
            text = text[:begin] + new + text[end:]
        return text

    def _between(self, column: Definition, declared: str) -> str:
        """A type with the blanks that part it from its neighbours."""
        following = self.sql[column.type_end : column.type_end + 1]
        return f" {declared}" if following.isspace() or following in ",)" else f" {declared} "

    def collation_of(self, name: str) -> str:
        """The collation of a column, empty for BINARY."""
        return next((column.collation for column in self.columns if column.name == name), "")


def read_creation(sql: str) -> Creation:
    """The parts of the statement as SQLite keeps it.

    Raises:
        FatalError: it is no plain CREATE TABLE, as that of a virtual table is.
    """
    tokens = list(tokens_of(sql))
    if [token.word for token in tokens[:2]] != ["CREATE", "TABLE"] or [each.text for each in tokens[3:4]] != [
        "("
    ]:
        raise FatalError("this is no plain table", hint="only tables made by CREATE TABLE can be altered")
    items, behind = _items(tokens, 3)
    columns = [_column(item) for item in items if item[0].word not in TABLE_RULES]
    strict = any(token.word == "STRICT" for token in tokens[behind:])
    return Creation(sql, tokens[2].begin, tokens[2].end, tuple(columns), strict)


@lru_cache(maxsize=1024)
def says(sql: str, first: str, second: str) -> bool:
    """Do these two words in upper case stand side by side in a statement?"""
    return any((one.word, other.word) == (first, second) for one, other in pairwise(tokens_of(sql)))


def collations_of(session: Session, table: str, names: Iterable[str]) -> dict[str, str]:
    """COLLATE clauses of those columns of a table that are not compared byte by byte."""
    row = session.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    if row is None or not str(row[0]).upper().startswith("CREATE TABLE"):
        return {}
    creation = read_creation(str(row[0]))
    found = {name: creation.collation_of(name) for name in names}
    return {name: f" COLLATE {quote(collation)}" for name, collation in found.items() if collation}


def key_columns(session: Session, table: str, columns: Sequence[Column]) -> str:
    """The columns of a key for a table of ours: what the user's table takes for one row is one there too."""
    collations = collations_of(session, table, [column.name for column in columns])
    return ", ".join(
        f"{quote(column.name)} {declaration(column)}{collations.get(column.name, '')}" for column in columns
    )


def strict_type(column: Column) -> str:
    """The declaration of a column in a STRICT table, which knows six types."""
    declared = column.type.native.upper()
    if declared in {"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"}:
        return declared
    return {"integer": "INTEGER", "boolean": "INTEGER", "float": "REAL", "bytes": "BLOB", "any": "ANY"}.get(
        column.type.kind.value, "TEXT"
    )


def tokens_of(sql: str) -> Iterator[Token]:
    """The pieces of a statement, without blanks and comments."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank":
            word = match.group().upper() if match.lastgroup == "word" else ""
            yield Token(match.group(), word, match.start(), match.end())


def _items(tokens: list[Token], opening: int) -> tuple[list[list[Token]], int]:
    """What stands between the outer parentheses, split at its commas, and the place behind them."""
    items: list[list[Token]] = [[]]
    depth = 0
    for place in range(opening, len(tokens)):
        token = tokens[place]
        depth += (token.text == "(") - (token.text == ")")
        if not depth:
            return items, place + 1
        if token.text == "," and depth == 1:
            items.append([])
        elif place != opening:
            items[-1].append(token)
    return items, len(tokens)


def _column(item: list[Token]) -> Definition:
    ends = (place for place, token in enumerate(item) if place and token.word in CONSTRAINTS)
    behind = next(ends, len(item))
    type_end = item[behind - 1].end
    collation = ""
    depth = 0
    for token, following in pairwise(item):
        depth += (token.text == "(") - (token.text == ")")
        if token.word == "COLLATE" and not depth:
            collation = _plain(following.text)
    return Definition(_plain(item[0].text), item[0].end, type_end, item[-1].end, collation)


def _plain(text: str) -> str:
    """A name without its quotes."""
    if text[0] == "[":
        return text[1:-1]
    if text[0] in "\"'`":
        return text[1:-1].replace(text[0] * 2, text[0])
    return text
