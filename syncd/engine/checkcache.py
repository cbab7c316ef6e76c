"""Reads CHECKCACHE statements: compare a table of the destination with what the source has, and mend it.

Source: Job Management API, CHECKCACHE.
"""

from datetime import datetime
from difflib import get_close_matches
from typing import Final

from syncd.engine.optionname import joined
from syncd.engine.statement import CacheCheck
from syncd.engine.walker import SELECT_WORDS, Walker
from syncd.engine.withoption import read_options
from syncd.engine.words import Token
from syncd.errors import QueryError, ScheduleError
from syncd.model.bound import parse_bound
from syncd.model.table import TableName

_CLAUSES: Final = ("AGAINST", "WITH", "SKIP", "START", "END")
_HINT: Final = "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once"
_DATE: Final = "write a date in quotes: '2026-01-31'"


def read_checkcache(walker: Walker) -> CacheCheck:
    """The rest of a statement after CHECKCACHE.

    Raises:
        QueryError: it is wrong; `offset` says where.
    """
    return _Reader(walker).read()


class _Reader:
    """What was read so far of one statement."""

    def __init__(self, walker: Walker) -> None:
        self.walker = walker
        self.source: TableName | None = None
        self.select: str | None = None
        self.select_offset = 0
        self.repair = False
        self.skipped = ""
        self.bounds: dict[str, str | int] = {}
        self.settings: dict[str, object] = {}
        self.places: dict[str, int] = {}

    def read(self) -> CacheCheck:
        walker = self.walker
        table = walker.table("the table after CHECKCACHE").name
        while (clause := walker.token).keyword in _CLAUSES:
            if clause.keyword in self.places:
                walker.refuse(f"{clause.keyword} stands here twice", _HINT)
            self.places[clause.keyword] = clause.start
            walker.at += 1
            self.clause(clause.keyword)
        walker.end(_HINT, _CLAUSES)
        if _is_backwards(self.bounds.get("START"), self.bounds.get("END")):
            raise QueryError("END must be above START", offset=self.places["END"])
        return CacheCheck(
            table=table,
            source=None if self.select is not None else self.source or table,
            select=self.select,
            select_offset=self.select_offset,
            repair=self.repair,
            skip_modified=self.skipped == "MODIFIED",
            skip_deleted=self.skipped == "DELETED",
            start=self.bounds.get("START"),
            end=self.bounds.get("END"),
            settings=tuple(self.joined().items()),
            places=self.places,
        )

    def clause(self, keyword: str) -> None:
        walker = self.walker
        match keyword:
            case "AGAINST":
                self.against()
            case "WITH":
                self.with_repair()
            case "SKIP":
                self.skipped = walker.take_word("MODIFIED", "DELETED")
                if not self.skipped:
                    walker.refuse(f"MODIFIED or DELETED is missing after SKIP: found {walker.shown()}")
            case _:
                self.bounds[keyword] = self.bound(keyword)

    def against(self) -> None:
        walker = self.walker
        if not walker.is_mark("("):
            self.source = walker.table("a table, or a SELECT in brackets, after AGAINST").name
            return
        opening = walker.token
        walker.at += 1
        first = walker.token
        if first.keyword not in SELECT_WORDS:
            walker.refuse(f"a SELECT is missing after '(': found {walker.shown()}")
        depth = 1
        while depth and walker.token.kind != "end":
            if walker.is_mark(";"):
                walker.refuse("a second statement follows", "write it as a query of its own")
            depth += walker.is_mark("(") - walker.is_mark(")")
            walker.at += 1
        if depth:
            walker.refuse("( is opened here and never closed", token=opening)
        self.select = walker.text[first.start : walker.peek(-1).start].rstrip()
        self.select_offset = first.start

    def with_repair(self) -> None:
        word = self.walker.token
        self.repair = bool(self.walker.take_word("REPAIR"))
        if not self.repair and get_close_matches(word.keyword, ["REPAIR"], 1):
            self.walker.refuse(f"'{word.text[:40]}' is no option", "did you mean REPAIR?", word)
        if not self.repair or self.walker.take_mark(","):
            read_options(self.walker, self.settings, for_query=True)

    def bound(self, keyword: str) -> str | int:
        walker = self.walker
        token = walker.token
        sign = ""
        if token.kind == "mark" and token.text in {"-", "+"}:
            sign = token.text
            walker.at += 1
        value = walker.token
        if value.kind not in {"number", "string", "variable"} or (sign and value.kind != "number"):
            walker.refuse(f"the value of {keyword} is missing: found {walker.shown()}", _DATE)
        walker.at += 1
        if is_variable(value):
            return value.text
        following = walker.token
        if value.kind == "number" and following.kind == "mark" and following.start == value.end:
            walker.refuse(f"{keyword} is no whole number", _DATE, token)
        return _parsed(sign + value.text, keyword, token)

    def joined(self) -> dict[str, object]:
        try:
            return dict(joined(self.settings))
        except QueryError as error:
            raise QueryError(error.message, offset=self.places["WITH"], hint=error.hint) from error


def is_variable(token: Token) -> bool:
    """Is the word a variable, bare or alone in quotes?"""
    return token.kind == "variable" or (
        token.kind == "string" and token.text.startswith("{env:") and token.text.endswith("}")
    )


def _is_backwards(start: str | int | None, end: str | int | None) -> bool:
    """Is nothing between them, as far as that can be told without the column's zone?"""
    if isinstance(start, int) and isinstance(end, int):
        return end <= start
    if not isinstance(start, str) or not isinstance(end, str) or "{" in start + end:
        return False
    low, high = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return (low.tzinfo is None) is (high.tzinfo is None) and high <= low


def _parsed(text: str, keyword: str, token: Token) -> str | int:
    try:
        return parse_bound(text)
    except ScheduleError as error:
        raise QueryError(f"{keyword}: {error.message}", offset=token.start, hint=error.hint) from error
