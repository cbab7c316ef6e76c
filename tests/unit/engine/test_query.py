"""REPLICATE statements: what is accepted and how it is read, what is refused and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.query import Query, check_query, digest_of, parse_query
from syncd.errors import QueryError
from syncd.model.table import TableName

T = TableName("t")
ACCEPTED: dict[str, Query] = {
    "REPLICATE t": Query(T, T),
    "replicate t": Query(T, T),
    "Replicate t;": Query(T, T),
    "REPLICATE t ;  ": Query(T, T),
    "  REPLICATE\n\tt": Query(T, T),
    "REPLICATE [t]": Query(T, T),
    'REPLICATE "t"': Query(T, T),
    "REPLICATE `t`": Query(T, T),
    "REPLICATE INTO t": Query(T, T),
    "REPLICATE [a b]": Query(TableName("a b"), TableName("a b")),
    "REPLICATE [a]]b]": Query(TableName("a]b"), TableName("a]b")),
    'REPLICATE "a""b"': Query(TableName('a"b'), TableName('a"b')),
    "REPLICATE `a``b`": Query(TableName("a`b"), TableName("a`b")),
    "REPLICATE s.t": Query(TableName("t", "s"), TableName("t", "s")),
    "REPLICATE [s].[t]": Query(TableName("t", "s"), TableName("t", "s")),
    'REPLICATE s."t"': Query(TableName("t", "s"), TableName("t", "s")),
    "REPLICATE [s] . [t]": Query(TableName("t", "s"), TableName("t", "s")),
    "REPLICATE d FROM t": Query(TableName("d"), T),
    "REPLICATE [d] [t]": Query(TableName("d"), T),
    'REPLICATE [d] "s"."t"': Query(TableName("d"), TableName("t", "s")),
    "REPLICATE INTO d FROM s.t": Query(TableName("d"), TableName("t", "s")),
    "REPLICATE [FROM]": Query(TableName("FROM"), TableName("FROM")),
    "REPLICATE [select]": Query(TableName("select"), TableName("select")),
    "REPLICATE Größe": Query(TableName("Größe"), TableName("Größe")),
    "REPLICATE [表]": Query(TableName("表"), TableName("表")),
    "REPLICATE t$1": Query(TableName("t$1"), TableName("t$1")),
    "REPLICATE _t": Query(TableName("_t"), TableName("_t")),
    "REPLICATE t -- why": Query(T, T),
    "REPLICATE /* why */ t": Query(T, T),
    "REPLICATE/**/t": Query(T, T),
    "REPLICATE t WITH IncrementalCheckColumns='u'": Query(T, T, check_columns=("u",)),
    "REPLICATE t with incrementalcheckcolumns = 'u'": Query(T, T, check_columns=("u",)),
    "REPLICATE t WITH IncrementalCheckColumns='u, v'": Query(T, T, check_columns=("u", "v")),
    "REPLICATE t WITH IncrementalCheckColumns=u": Query(T, T, check_columns=("u",)),
    "REPLICATE t WITH IncrementalCheckColumns=[u v]": Query(T, T, check_columns=("u v",)),
    "REPLICATE d FROM t WITH IncrementalCheckColumns='u'": Query(TableName("d"), T, check_columns=("u",)),
    "REPLICATE d WITH IncrementalCheckColumns='u' FROM t": Query(TableName("d"), T, check_columns=("u",)),
    "REPLICATE d SELECT * FROM t": Query(TableName("d"), None, "SELECT * FROM t", 12),
    "REPLICATE d SELECT * FROM t;": Query(TableName("d"), None, "SELECT * FROM t", 12),
    "REPLICATE [d] select a, b from t where c = ';'": Query(
        TableName("d"), None, "select a, b from t where c = ';'", 14
    ),
    "REPLICATE d WITH IncrementalCheckColumns='u' SELECT a FROM t": Query(
        TableName("d"), None, "SELECT a FROM t", 45, ("u",)
    ),
    "REPLICATE d WITH c AS (SELECT 1 AS a) SELECT a FROM c": Query(
        TableName("d"), None, "WITH c AS (SELECT 1 AS a) SELECT a FROM c", 12
    ),
    "REPLICATE d WITH c (a) AS (SELECT 1) SELECT a FROM c": Query(
        TableName("d"), None, "WITH c (a) AS (SELECT 1) SELECT a FROM c", 12
    ),
    "REPLICATE d WITH RECURSIVE c(a) AS (SELECT 1) SELECT a FROM c": Query(
        TableName("d"), None, "WITH RECURSIVE c(a) AS (SELECT 1) SELECT a FROM c", 12
    ),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_statement_is_read(text: str) -> None:
    assert parse_query(text) == ACCEPTED[text]
    check_query(text)


REFUSED: dict[str, tuple[int, str]] = {
    "": (0, "empty"),
    "   ": (0, "empty"),
    "-- only a comment": (17, "empty"),
    "SELECT * FROM t": (0, "'SELECT' is not REPLICATE"),
    "REPLICAT t": (0, "'REPLICAT' is not REPLICATE"),
    "INSERT INTO t VALUES (1)": (0, "INSERT"),
    "DROP TABLE t": (0, "DROP"),
    "DELETE FROM t": (0, "DELETE"),
    "TRUNCATE t": (0, "TRUNCATE"),
    "CHECKCACHE t": (0, "CHECKCACHE"),
    "REPLICATE": (9, "destination table"),
    "REPLICATE INTO": (14, "destination table"),
    "REPLICATE ;": (10, "found ';'"),
    "REPLICATE 't'": (10, "is a text, not a name"),
    "REPLICATE 5": (10, "found '5'"),
    "REPLICATE *": (10, "wildcards"),
    "REPLICATE [sales*]": (10, "wildcards"),
    "REPLICATE []": (10, "empty name"),
    'REPLICATE ""': (10, "empty name"),
    "REPLICATE [ ]": (10, "empty name"),
    "REPLICATE [t": (10, "never closed"),
    'REPLICATE "t': (10, "never closed"),
    "REPLICATE `t": (10, "never closed"),
    "REPLICATE t /* x": (12, "comment is opened"),
    "REPLICATE t SELECT 'x": (19, "never closed"),
    "REPLICATE a.b.c": (14, "more than a schema"),
    "REPLICATE a.": (12, "after the dot"),
    "REPLICATE .t": (10, "found '.'"),
    "REPLICATE t FROM": (16, "source table"),
    "REPLICATE t FROM s u": (19, "unexpected 'u'"),
    "REPLICATE t s": (12, "unexpected 's'"),
    "REPLICATE t SELCT * FROM t": (12, "unexpected 'SELCT'"),
    "REPLICATE t WHERE a = 1": (12, "unexpected 'WHERE'"),
    "REPLICATE t (a int)": (12, "column definitions"),
    "REPLICATE t INCLUDE (a)": (12, "INCLUDE"),
    "REPLICATE t EXCLUDE (a)": (12, "EXCLUDE"),
    "REPLICATE t; REPLICATE u": (13, "second statement"),
    "REPLICATE t SELECT 1; SELECT 2": (22, "second statement"),
    "REPLICATE t WITH": (16, "name of an option"),
    "REPLICATE t WITH Foo=1": (17, "'Foo'"),
    "REPLICATE t WITH IncrementalCheckColumns": (40, "'=' is missing"),
    "REPLICATE t WITH IncrementalCheckColumns=": (41, "value"),
    "REPLICATE t WITH IncrementalCheckColumns=''": (41, "empty column name"),
    "REPLICATE t WITH IncrementalCheckColumns='a,'": (41, "empty column name"),
    "REPLICATE t WITH IncrementalCheckColumns='a', Foo=1": (46, "'Foo'"),
    "REPLICATE t WITH IncrementalCheckColumns='a' WHERE": (45, "unexpected"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_statement_is_refused_at_its_mistake(text: str) -> None:
    offset, said = REFUSED[text]

    with pytest.raises(QueryError) as caught:
        check_query(text)

    assert said in caught.value.message
    assert caught.value.offset == offset


REFUSED_SELECTS = [
    "SELECT",
    "SELECT FROM t",
    "SELECT * FROM",
    "SELECT a INTO b FROM t",
    "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
    "SELECT a FROM t WHERE (a = 1",
]


@pytest.mark.parametrize("select", REFUSED_SELECTS)
def test_select_that_is_none_or_does_more_is_refused(select: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_query(f"REPLICATE t {select}")

    assert caught.value.offset >= 12


SAME_MEANING = [
    ("REPLICATE [t]", "replicate  t ;"),
    ("REPLICATE t", 'REPLICATE "t"'),
    ("REPLICATE t", "REPLICATE `t` -- comment"),
    ("REPLICATE t; -- comment", "REPLICATE t"),
    ("REPLICATE d SELECT a FROM t", "REPLICATE [d]\nselect /* x */ a\nfrom t"),
    ("REPLICATE [Accounts]", "REPLICATE Accounts"),
]
OTHER_MEANING = [
    ("REPLICATE t", "REPLICATE u"),
    ("REPLICATE d SELECT a FROM t", "REPLICATE d SELECT b FROM t"),
    ("REPLICATE d SELECT 'a' FROM t", "REPLICATE d SELECT a FROM t"),
    ("REPLICATE d SELECT 'a' FROM t", "REPLICATE d SELECT 'A' FROM t"),
    ("REPLICATE d SELECT a FROM t", 'REPLICATE d SELECT "A" FROM t'),
    ("REPLICATE d SELECT a FROM t WHERE b = 1", "REPLICATE d SELECT a FROM t WHERE b = 11"),
    ("REPLICATE d SELECT a.b FROM a", "REPLICATE d SELECT a b FROM a"),
    ("REPLICATE t", "REPLICATE t WITH IncrementalCheckColumns='u'"),
]


@pytest.mark.parametrize(("one", "other"), SAME_MEANING)
def test_digest_is_of_the_meaning(one: str, other: str) -> None:
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER_MEANING)
def test_digest_tells_meanings_apart(one: str, other: str) -> None:
    assert digest_of(one) != digest_of(other)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    try:
        named, offset = parse_query(text).destination.name, 0
    except QueryError as error:
        named, offset = "refused", error.offset

    assert named
    assert 0 <= offset <= len(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20))
def test_any_name_in_brackets_is_that_name(name: str) -> None:
    quoted = "[" + name.replace("]", "]]") + "]"
    if not name.strip() or name.endswith("*"):
        with pytest.raises(QueryError):
            parse_query(f"REPLICATE {quoted}")
    else:
        assert parse_query(f"REPLICATE {quoted}").destination.name == name
