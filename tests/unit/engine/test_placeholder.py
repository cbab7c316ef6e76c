"""Marks and variables in a SELECT: where they are put, and that no value of a variable can become SQL."""

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.compile import compile_job
from syncd.engine.select import compile_select
from syncd.errors import QueryError
from syncd.model.definitions import Replication
from syncd.model.plan import LAST_MARK, NEXT_MARK

WRITTEN = [
    # text, dialect, variables, what the source runs
    (
        "SELECT a FROM t WHERE b >= REPLICATE_LASTMODTIME() AND b < replicate_nextinterval ( )",
        "postgres",
        {},
        f"SELECT a FROM t WHERE b >= {LAST_MARK} AND b < {NEXT_MARK}",
    ),
    (
        "SELECT 'REPLICATE_LASTMODTIME()' AS a FROM t -- REPLICATE_LASTMODTIME()",
        "postgres",
        {},
        "SELECT 'REPLICATE_LASTMODTIME()' AS a FROM t -- REPLICATE_LASTMODTIME()",
    ),
    (
        "SELECT TOP 5 a FROM t WHERE b > REPLICATE_LASTMODTIME() AND c = {env:C} AND d = '{env:C}'",
        "sqlite",
        {"C": "x"},
        f"SELECT a FROM t WHERE b > {LAST_MARK} AND c = 'x' AND d = 'x' LIMIT 5",
    ),
    ("SELECT a FROM t WHERE b = {env:B}", "postgres", {"B": "it's"}, "SELECT a FROM t WHERE b = 'it''s'"),
    ("SELECT a FROM t WHERE b = '{env:B}'", "postgres", {"B": "5"}, "SELECT a FROM t WHERE b = '5'"),
    (
        "SELECT a FROM t WHERE b > date '{env:B}'",
        "postgres",
        {"B": "5"},
        "SELECT a FROM t WHERE b > date '5'",
    ),
    ("SELECT [a] FROM t WHERE b = {env:B}", "mysql", {"B": r"\'"}, r"SELECT `a` FROM t WHERE b = '\\'''"),
    ("SELECT a /* {env:B} */ FROM t WHERE b={env:B}", "sqlite", {"B": "5"}, "SELECT a FROM t WHERE b='5'"),
    ("SELECT a FROM t WHERE b = {env:B} -- '", "sqlite", {"B": "5"}, "SELECT a FROM t WHERE b = '5'"),
]


@pytest.mark.parametrize(("text", "dialect", "variables", "own"), WRITTEN)
def test_marks_and_variables_are_put_into_the_select(
    text: str, dialect: str, variables: dict[str, str], own: str
) -> None:
    assert compile_select(text, dialect, variables=variables).select == own


def test_select_with_a_mark_says_that_it_is_bounded() -> None:
    bounded = compile_select("SELECT a FROM t WHERE b > REPLICATE_LASTMODTIME()", "postgres")
    plain = compile_select("SELECT 'REPLICATE_LASTMODTIME()' AS a FROM t", "postgres")

    assert (bounded.bounded, plain.bounded) == (True, False)


def test_function_that_stands_for_a_mark_is_no_column() -> None:
    relation = compile_select("SELECT a, REPLICATE_LASTMODTIME() AS m FROM t", "postgres")

    assert relation.outputs == (("a", "a"),)


@pytest.mark.parametrize(
    "query", ["REPLICATE t SELECT {env:Nope} AS a FROM t", "CHECKCACHE t START {env:Nope}"]
)
def test_variable_that_is_not_set_is_refused_by_name(query: str) -> None:
    with pytest.raises(QueryError, match=r"\{env:Nope\} is not set"):
        compile_job(Replication("j", "a", "b", (query,)), "postgres", variables={"Other": "1"})


@pytest.mark.parametrize("value", ["\x00", "a\nb", "\x1b"])
def test_value_with_a_control_character_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(QueryError) as caught:
        compile_select("SELECT {env:A} AS a FROM t", "postgres", variables={"A": f"secret{value}"})

    assert "control character" in caught.value.message
    assert "secret" not in caught.value.message


def test_bound_that_is_no_date_is_refused_without_showing_it() -> None:
    declared = Replication("j", "a", "b", ("CHECKCACHE t START {env:A}",))

    with pytest.raises(QueryError) as caught:
        compile_job(declared, "sqlite", variables={"A": "secret"})

    assert caught.value.offset == 13
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("dialect", ["postgres", "sqlite", "mysql"])
@given(value=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12))
def test_value_of_a_variable_is_one_literal_whatever_it_holds(dialect: str, value: str) -> None:
    relation = compile_select("SELECT a FROM t WHERE b = {env:V}", dialect, variables={"V": value})

    condition = sqlglot.parse_one(relation.select or "", dialect=dialect).args["where"].this
    assert condition.expression.is_string
    assert condition.expression.this == value
