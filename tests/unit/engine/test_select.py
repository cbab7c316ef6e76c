"""SELECTs: names in brackets, other dialects, and what is known of the one table that is read."""

import pytest

from syncd.engine.select import compile_select, quote_brackets
from syncd.errors import QueryError
from syncd.model.table import TableName

T = TableName("t")


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("SELECT [a b] FROM [t]", 'SELECT "a b" FROM "t"'),
        ("SELECT [a]]b] FROM t", 'SELECT "a]b" FROM t'),
        ('SELECT [a"b] FROM t', 'SELECT "a""b" FROM t'),
        ("SELECT a[1] FROM t", "SELECT a[1] FROM t"),
        ("SELECT f(x)[1] FROM t", "SELECT f(x)[1] FROM t"),
        ("SELECT a[1][2] FROM t", "SELECT a[1][2] FROM t"),
        ("SELECT ARRAY[1, 2] AS a FROM t", "SELECT ARRAY[1, 2] AS a FROM t"),
        ("SELECT ARRAY [1, 2] AS a FROM t", "SELECT ARRAY [1, 2] AS a FROM t"),
        ("SELECT '[x]' AS a FROM t", "SELECT '[x]' AS a FROM t"),
        ("SELECT x::int[] FROM t -- [c]", "SELECT x::int[] FROM t -- [c]"),
        ("SELECT [s].[t].[a] FROM [s].[t]", 'SELECT "s"."t"."a" FROM "s"."t"'),
    ],
)
def test_names_in_brackets_are_quoted_and_subscripts_stay(text: str, own: str) -> None:
    assert quote_brackets(text) == own


def test_text_in_the_sources_own_dialect_stays_as_it_is() -> None:
    text = "SELECT a,  b::text  AS c FROM t WHERE a ~ '^x'"

    assert compile_select(text, "postgres").select == text


@pytest.mark.parametrize(
    ("text", "dialect", "own"),
    [
        ("SELECT a FROM t WHERE b < GetDate( )", "postgres", "SELECT a FROM t WHERE b < CURRENT_TIMESTAMP"),
        ("SELECT GETDATE() AS n FROM t", "mysql", "SELECT CURRENT_TIMESTAMP() AS n FROM t"),
        ("SELECT ISNULL(f(a, 1), b) AS c FROM t", "postgres", "SELECT COALESCE(f(a, 1), b) AS c FROM t"),
        (
            "SELECT NVL(isnull(a, b), c) AS c FROM t",
            "sqlite",
            "SELECT COALESCE(COALESCE(a, b), c) AS c FROM t",
        ),
        ("SELECT IFNULL(a, 0) AS c FROM t", "postgres", "SELECT COALESCE(a, 0) AS c FROM t"),
        ("SELECT IFNULL(a, 0) AS c FROM t", "mysql", "SELECT IFNULL(a, 0) AS c FROM t"),
        ("SELECT ISNULL(a) AS c FROM t", "mysql", "SELECT ISNULL(a) AS c FROM t"),
        ("SELECT a FROM t WHERE a ISNULL", "sqlite", "SELECT a FROM t WHERE a ISNULL"),
        ("SELECT own.nvl(a, b) AS c FROM t", "postgres", "SELECT own.nvl(a, b) AS c FROM t"),
        ('SELECT "nvl"(a, b) AS c FROM t', "postgres", 'SELECT "nvl"(a, b) AS c FROM t'),
        ("SELECT nvl FROM t -- NVL(a, b)", "postgres", "SELECT nvl FROM t -- NVL(a, b)"),
        ("SELECT 'NVL(a, b)' AS c FROM t", "postgres", "SELECT 'NVL(a, b)' AS c FROM t"),
    ],
)
def test_functions_of_other_products_become_the_sources_own(text: str, dialect: str, own: str) -> None:
    assert compile_select(text, dialect).select == own


@pytest.mark.parametrize("dialect", ["postgres", "sqlite"])
def test_tsql_top_becomes_a_limit(dialect: str) -> None:
    relation = compile_select("SELECT TOP 5 [a] FROM [t] ORDER BY [a]", dialect)

    assert relation.select is not None
    assert "LIMIT 5" in relation.select
    assert "TOP" not in relation.select


@pytest.mark.parametrize(
    ("text", "table", "outputs", "star"),
    [
        ("SELECT * FROM t", T, (), True),
        ("SELECT t.* FROM t", T, (), True),
        ("SELECT a, b AS c FROM t", T, (("a", "a"), ("b", "c")), False),
        ("SELECT x.a FROM s.t AS x", TableName("t", "s"), (("a", "a"),), False),
        ("SELECT a + 1 AS a FROM t", T, (), False),
        ("SELECT a FROM t WHERE b > 1 ORDER BY a", T, (("a", "a"),), False),
        ("SELECT a FROM t JOIN u ON t.a = u.a", None, (), False),
        ("SELECT a FROM t, u", None, (), False),
        ("SELECT DISTINCT a FROM t", None, (), False),
        ("SELECT a FROM t GROUP BY a", None, (), False),
        ("SELECT a FROM t LIMIT 5", None, (), False),
        ("SELECT a FROM t UNION ALL SELECT a FROM t", None, (), False),
        ("WITH t AS (SELECT 1 AS a) SELECT a FROM t", None, (), False),
        ("SELECT a FROM (SELECT a FROM t) AS x", None, (), False),
        ("SELECT 1 AS a", None, (), False),
    ],
)
def test_one_plain_table_is_recognised(
    text: str, table: TableName | None, outputs: tuple[tuple[str, str], ...], star: bool
) -> None:
    relation = compile_select(text, "postgres")

    assert (relation.table, relation.outputs, relation.star) == (table, outputs, star)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t SELECT 1",
        "DELETE FROM t",
        "SELECT a INTO b FROM t",
        "SELECT 1; SELECT 2",
        "DROP TABLE t",
        "SELECT 'a",
    ],
)
def test_anything_but_one_reading_select_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        compile_select(text, "postgres", 7)

    assert caught.value.offset >= 7
