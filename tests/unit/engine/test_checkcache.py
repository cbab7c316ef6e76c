"""CHECKCACHE statements: what is accepted and how it is read, what is refused and where."""

import pytest

from syncd.engine.query import check_query, parse_query
from syncd.engine.statement import CacheCheck
from syncd.errors import QueryError
from syncd.model.table import TableName

T = TableName("t")
ACCEPTED: dict[str, CacheCheck] = {
    "CHECKCACHE t": CacheCheck(T, source=T),
    "checkcache [s].[t];": CacheCheck(TableName("t", "s"), source=TableName("t", "s")),
    "CHECKCACHE t AGAINST u": CacheCheck(T, source=TableName("u")),
    "CHECKCACHE t AGAINST s.[u v] WITH REPAIR": CacheCheck(T, source=TableName("u v", "s"), repair=True),
    "CHECKCACHE t WITH REPAIR SKIP DELETED": CacheCheck(T, source=T, repair=True, skip_deleted=True),
    "CHECKCACHE t SKIP MODIFIED": CacheCheck(T, source=T, skip_modified=True),
    "CHECKCACHE t START '2024-01-01' END '2024-02-01T06:00:00Z'": CacheCheck(
        T, source=T, start="2024-01-01", end="2024-02-01T06:00:00Z"
    ),
    "CHECKCACHE t START -5 END 9": CacheCheck(T, source=T, start=-5, end=9),
    "CHECKCACHE t START {env:From} END '{env:To}'": CacheCheck(
        T, source=T, start="{env:From}", end="{env:To}"
    ),
    "CHECKCACHE t AGAINST (SELECT a, (b) FROM u WHERE c IN (1, 2)) WITH REPAIR": CacheCheck(
        T, select="SELECT a, (b) FROM u WHERE c IN (1, 2)", select_offset=22, repair=True
    ),
    "CHECKCACHE t WITH REPAIR, MaxDeletePercent=50, allow_empty": CacheCheck(
        T,
        source=T,
        repair=True,
        settings=(
            ("max_delete_percent", 50.0),
            ("allow_empty", True),
        ),
    ),
    "CHECKCACHE t WITH IncrementalCheckColumns='u' START '2024-01-01'": CacheCheck(
        T, source=T, start="2024-01-01", settings=(("check_columns", ("u",)),)
    ),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_statement_is_read(text: str) -> None:
    settings = check_query(text)

    assert parse_query(text) == ACCEPTED[text]
    assert settings is None


REFUSED: dict[str, tuple[int, str, str]] = {
    "CHECKCACHE": (10, "the table after CHECKCACHE is missing: found the end of the query", ""),
    "CHECKCACHE [t.*]": (11, "a wildcard cannot stand here", "write one query for each table"),
    "CHECKCACHE a.b.c": (
        15,
        "'a.b.c' has more than a schema and a table name",
        "the database belongs into the connection",
    ),
    "CHECKCACHE t FROM u": (
        13,
        "unexpected 'FROM'",
        "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once",
    ),
    "CHECKCACHE t AGAINST": (
        20,
        "a table, or a SELECT in brackets, after AGAINST is missing: found the end of the query",
        "",
    ),
    "CHECKCACHE t AGAINST ()": (22, "a SELECT is missing after '(': found ')'", ""),
    "CHECKCACHE t AGAINST (u)": (22, "a SELECT is missing after '(': found 'u'", ""),
    "CHECKCACHE t AGAINST (SELECT a FROM u": (21, "( is opened here and never closed", ""),
    "CHECKCACHE t AGAINST (SELECT a FROM u; DROP TABLE t)": (
        37,
        "a second statement follows",
        "write it as a query of its own",
    ),
    "CHECKCACHE t AGAINST (SELECT FROM u)": (22, "the SELECT names no columns", ""),
    "CHECKCACHE t AGAINST (DELETE FROM u)": (22, "a SELECT is missing after '(': found 'DELETE'", ""),
    "CHECKCACHE t AGAINST u AGAINST v": (
        23,
        "AGAINST stands here twice",
        "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once",
    ),
    "CHECKCACHE t WITH REPAI": (18, "'REPAI' is no option", "did you mean REPAIR?"),
    "CHECKCACHE t WITH": (17, "the name of an option is missing after WITH", ""),
    "CHECKCACHE t WITH REPAIR WITH REPAIR": (
        25,
        "WITH stands here twice",
        "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once",
    ),
    "CHECKCACHE t SKIP": (17, "MODIFIED or DELETED is missing after SKIP: found the end of the query", ""),
    "CHECKCACHE t SKIP INSERTED": (18, "MODIFIED or DELETED is missing after SKIP: found 'INSERTED'", ""),
    "CHECKCACHE t SKIP MODIFIED SKIP DELETED": (
        27,
        "SKIP stands here twice",
        "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once",
    ),
    "CHECKCACHE t START": (
        18,
        "the value of START is missing: found the end of the query",
        "write a date in quotes: '2026-01-31'",
    ),
    "CHECKCACHE t START yesterday": (
        19,
        "the value of START is missing: found 'yesterday'",
        "write a date in quotes: '2026-01-31'",
    ),
    "CHECKCACHE t START 2026-01-31": (19, "START is no whole number", "write a date in quotes: '2026-01-31'"),
    "CHECKCACHE t START '31.01.2026'": (
        19,
        "START: '31.01.2026' is neither a date, nor a date and time, nor a whole number",
        "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number",
    ),
    "CHECKCACHE t START '2026-02-30'": (
        19,
        "START: there is no such date or time as '2026-02-30'",
        "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number",
    ),
    "CHECKCACHE t END 'x'": (
        17,
        "END: 'x' is neither a date, nor a date and time, nor a whole number",
        "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number",
    ),
    "CHECKCACHE t; CHECKCACHE u": (14, "a second statement follows", "write it as a query of its own"),
    "CHECKCACHE t REPAIR": (
        13,
        "unexpected 'REPAIR'",
        "AGAINST, WITH REPAIR, SKIP, START and END may follow, each once",
    ),
    "CHECKCACHE t START 5 END 5": (21, "END must be above START", ""),
    "CHECKCACHE t START '2024-01-02' END '2024-01-01T00:00:00'": (32, "END must be above START", ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_statement_is_refused_at_its_mistake(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_query(text)

    assert (caught.value.offset, caught.value.message, caught.value.hint) == REFUSED[text]
