"""Reads REPLICATE statements: the head word by word, the SELECT as text.

Source: Job Management API, Query#; INTO, INCLUDE and EXCLUDE are conveniences of ours.
"""

from typing import Final

from syncd.engine.optionname import joined
from syncd.engine.statement import Query
from syncd.engine.walker import SELECT_WORDS, TableWords, Walker
from syncd.engine.withoption import closes_select, opens_options, read_options
from syncd.engine.words import Token
from syncd.errors import QueryError
from syncd.model.plan import ColumnDefinition
from syncd.model.table import TableName

TYPE_WORDS: Final = frozenset(
    [
        "PRECISION",
        "VARYING",
        "LARGE",
        "OBJECT",
        "UNSIGNED",
        "ZEROFILL",
        "WITH",
        "WITHOUT",
        "LOCAL",
        "TIME",
        "ZONE",
        "YEAR",
        "MONTH",
        "DAY",
        "HOUR",
        "MINUTE",
        "SECOND",
        "TO",
    ]
)
"""What may stand behind the first word of a type: ``double precision``, ``timestamp(3) with time zone``."""

_BODY: Final = "a SELECT, FROM or WITH may follow the table name"
_NEAR: Final = ("SELECT", "FROM", "WITH", "INCLUDE", "EXCLUDE")


def read_replicate(walker: Walker) -> Query:
    """The rest of a statement after REPLICATE.

    Raises:
        QueryError: its head is wrong; `offset` says where.
    """
    walker.take_word("INTO")
    return _Reader(walker).read()


class _Reader:
    """What was read so far of one statement."""

    def __init__(self, walker: Walker) -> None:
        self.walker = walker
        self.settings: dict[str, object] = {}
        self.options_at: Token | None = None
        self.columns: list[ColumnDefinition] = []
        self.key: tuple[str, ...] = ()
        self.chosen: dict[str, tuple[str, ...]] = {"INCLUDE": (), "EXCLUDE": ()}
        self.places: dict[str, int] = {}

    def read(self) -> Query:
        walker = self.walker
        target = walker.table("the destination table after REPLICATE", wildcards=True)
        if walker.is_mark("("):
            self.definitions(target)
        choice = walker.token
        word = walker.take_word("INCLUDE", "EXCLUDE")
        if word:
            self.choose(word, choice)
        if opens_options(walker):
            self.options()
        if walker.token.keyword in SELECT_WORDS:
            if target.wildcard:
                walker.refuse("a wildcard copies whole tables and takes no SELECT")
            return self.select(target)
        source = self.source(target)
        if opens_options(walker):
            self.options()
        hint = _BODY
        if walker.token.keyword == "WHERE":
            hint = "a condition needs a SELECT: REPLICATE [t] SELECT * FROM [t] WHERE ..."
        walker.end(hint, _NEAR)
        return self.query(target, source=source)

    def source(self, target: TableWords) -> TableName:
        walker = self.walker
        first = walker.token
        if walker.take_word("FROM"):
            found = walker.table("the source table after FROM")
        elif first.is_name and first.kind != "word":
            found = walker.table("a table")
        else:
            return target.name
        if target.wildcard:
            walker.refuse("tables that a wildcard finds keep their names", "leave the second name out", first)
        return found.name

    def choose(self, word: str, at: Token) -> None:
        found = self.walker.names(word)
        chosen = tuple(token.text for token in found)
        self.chosen[word] = chosen
        self.places[word] = at.start
        if self.walker.token.keyword in {"INCLUDE", "EXCLUDE"}:
            self.walker.refuse("INCLUDE and EXCLUDE cannot stand together", "INCLUDE alone says all")
        lowered = {name.lower() for name in chosen}
        for column in self.columns:
            if (column.name.lower() in lowered) is (word == "EXCLUDE"):
                raise QueryError(
                    f"column '{column.name}' is defined here and left out by {word}",
                    offset=self.places[column.name.lower()],
                )

    def options(self) -> None:
        self.options_at = self.options_at or self.walker.token
        self.walker.at += 1
        read_options(self.walker, self.settings, for_query=True)

    def select(self, target: TableWords) -> Query:
        """The SELECT up to the statement's end, or to options that close it."""
        walker = self.walker
        start, depth, end = walker.token.start, 0, len(walker.text.rstrip())
        while walker.token.kind != "end":
            walker.at += 1
            depth += walker.is_mark("(") - walker.is_mark(")")
            if walker.is_mark(";"):
                end = min(end, walker.token.start)
                break
            if depth == 0 and closes_select(walker, 0):
                end = walker.token.start
                self.options()
                break
        walker.end("nothing may follow the options after a SELECT", ())
        text = walker.text[start:end].rstrip()
        return self.query(target, select=text, select_offset=start)

    def query(
        self,
        target: TableWords,
        *,
        source: TableName | None = None,
        select: str | None = None,
        select_offset: int = 0,
    ) -> Query:
        try:
            settings = joined(self.settings)
        except QueryError as error:
            place = self.options_at.start if self.options_at else 0
            raise QueryError(error.message, offset=place, hint=error.hint) from error
        if self.key and "key" in settings:
            self.walker.refuse("the key is given twice", "PRIMARY KEY says it already", self.options_at)
        return Query(
            destination=target.name,
            source=source,
            select=select,
            select_offset=select_offset,
            settings=tuple(settings.items()),
            columns=tuple(self.columns),
            key=self.key,
            include=self.chosen["INCLUDE"],
            exclude=self.chosen["EXCLUDE"],
            wildcard=target.wildcard,
            places=self.places,
            name_start=target.start,
            name_end=target.end,
        )

    def definitions(self, target: TableWords) -> None:
        walker = self.walker
        if target.wildcard:
            walker.refuse("a wildcard takes no column definitions")
        if walker.peek(1).keyword == "SELECT":
            walker.refuse("a SELECT stands here without brackets around it")
        walker.at += 1
        while True:
            if walker.token.keyword == "PRIMARY" and walker.peek(1).keyword == "KEY":
                self.table_key()
                return
            self.definition()
            if walker.take_mark(")"):
                return
            if not walker.take_mark(","):
                walker.refuse(
                    f"',' or ')' is missing after column '{self.columns[-1].name}': found {walker.shown()}",
                    "a definition holds a name, a type and PRIMARY KEY",
                )

    def definition(self) -> None:
        walker = self.walker
        token = walker.token
        name = walker.name("the name of a column")
        if name.lower() in self.places:
            walker.refuse(f"column '{name}' is defined twice", token=token)
        self.places[name.lower()] = token.start
        self.columns.append(ColumnDefinition(name, self.type_of(name)))
        if walker.token.keyword != "PRIMARY":
            return
        if self.key:
            both = ", ".join((*self.key, name))
            walker.refuse("a second PRIMARY KEY", f"write PRIMARY KEY ({both}) after the last column")
        walker.at += 1
        self.key_word()
        self.key = (name,)

    def type_of(self, column: str) -> str:
        """The type's words and its numbers, with blanks as they belong: ``decimal(10,2)``, ``double precision``."""
        walker = self.walker
        parts: list[str] = []
        while walker.token.keyword in TYPE_WORDS or (
            walker.token.keyword not in {"", "PRIMARY"} and not parts
        ):
            parts.append(walker.token.text)
            walker.at += 1
            if walker.is_mark("("):
                parts[-1] += self.numbers(column)
        if not parts:
            walker.refuse(f"the type of column '{column}' is missing: found {walker.shown()}")
        return " ".join(parts)

    def numbers(self, column: str) -> str:
        walker = self.walker
        walker.at += 1
        found: list[str] = []
        while True:
            token = walker.token
            if token.kind != "number" or not token.text.isdigit() or len(found) == 2:
                walker.refuse(
                    f"a whole number is missing in the type of column '{column}': found {walker.shown()}",
                    "write for example varchar(40) or decimal(10,2)",
                )
            found.append(token.text)
            walker.at += 1
            if walker.take_mark(")"):
                return f"({','.join(found)})"
            walker.expect_mark(",", f"'{token.text}'")

    def table_key(self) -> None:
        walker = self.walker
        first = walker.token
        if self.key:
            walker.refuse(
                "a second PRIMARY KEY", f"leave PRIMARY KEY out beside column '{self.key[0]}'", first
            )
        walker.at += 1
        self.key_word()
        found = walker.names("PRIMARY KEY")
        self.key = tuple(token.text for token in found)
        for token in found:
            self.places.setdefault(token.text.lower(), token.start)
        walker.expect_mark(")", "the PRIMARY KEY, which comes last")

    def key_word(self) -> None:
        if not self.walker.take_word("KEY"):
            self.walker.refuse(f"KEY is missing after PRIMARY: found {self.walker.shown()}")
