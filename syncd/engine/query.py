"""Reads the statements of a job: REPLICATE and CHECKCACHE.

Source: Job Management API, Query#.
"""

import hashlib
from difflib import get_close_matches
from typing import Final

from syncd.engine.checkcache import read_checkcache
from syncd.engine.replicate import read_replicate
from syncd.engine.statement import Query, Statement
from syncd.engine.walker import Walker
from syncd.engine.words import Token, tokens_of
from syncd.errors import QueryError
from syncd.model.options import QueryFacts

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

FOREIGN: Final = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "CREATE",
    "MERGE",
    "GRANT",
    "REVOKE",
    "CALL",
    "EXEC",
    "EXECUTE",
    "VACUUM",
    "ANALYZE",
    "REFRESH",
    "COPY",
    "SET",
)
"""Statements that do something else than copying."""

POST_EVENT: Final = "let an event run it: events: {post: {sql: ...}}"


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


def parse_query(text: str) -> Statement:
    """Read one statement.

    Raises:
        QueryError: it is empty, more than one, none of ours, or its head is wrong; `offset` says where.
    """
    walker = Walker(text)
    match walker.take_word("REPLICATE", "CHECKCACHE"):
        case "REPLICATE":
            return read_replicate(walker)
        case "CHECKCACHE":
            return read_checkcache(walker)
    raise _foreign(walker.token)


def check_query(text: str) -> QueryFacts | None:
    """Refuse a text that is not one single statement; else what a REPLICATE says of itself.

    None for a CHECKCACHE, which moves no rows, so that no option of the job can be in its way.

    Raises:
        QueryError: with the offset of the mistake, counted in characters from 0.
    """
    found = parse_query(text)
    if found.select is not None:
        from syncd.engine.select import check_select, refuse_unknown_columns

        tree = check_select(found.select, found.select_offset)
        if isinstance(found, Query):
            refuse_unknown_columns(found, tree)
    if not isinstance(found, Query):
        return None
    return QueryFacts(dict(found.settings), None if found.wildcard else found.destination)


def _foreign(first: Token) -> QueryError:
    if first.kind == "end":
        return QueryError(
            "the query is empty", offset=first.start, hint="write for example: REPLICATE [accounts]"
        )
    near = get_close_matches(first.keyword, ["REPLICATE", "CHECKCACHE"], 1)
    hint = f"did you mean {near[0]}?" if near else "a query begins with REPLICATE [table]"
    if first.keyword == "SELECT":
        hint = "a query copies rows: REPLICATE [table] SELECT ..."
    elif first.keyword in FOREIGN:
        hint = f"a query copies rows; {POST_EVENT}"
    return QueryError(f"'{first.text[:40]}' is not REPLICATE", offset=first.start, hint=hint)


def _family(token: Token) -> str:
    # A bare word and a quoted one may be the same name; a string is never a name.
    return "n:" if token.is_name else f"{token.kind}:"
