"""Conditions that choose the rows of a child."""

import pytest

from syncd.engine.condition import check_condition, columns_of, render_condition
from syncd.errors import QueryError

RENDERED = {
    # text: in PostgreSQL, SQLite and MySQL, for a child called Ohio
    "region = :child": ("region = 'Ohio'", "region = 'Ohio'", "region = 'Ohio'"),
    "[Region] = :child": ("\"Region\" = 'Ohio'", "\"Region\" = 'Ohio'", "`Region` = 'Ohio'"),
    "a::text = :child": ("CAST(a AS TEXT) = 'Ohio'", "CAST(a AS TEXT) = 'Ohio'", "CAST(a AS CHAR) = 'Ohio'"),
    "a = ':child' -- :child": ("a = ':child'", "a = ':child'", "a = ':child'"),
    "closed OR qty > 5": ("closed OR qty > 5", "closed OR qty > 5", "closed OR qty > 5"),
}


@pytest.mark.parametrize("text", RENDERED)
def test_condition_is_written_in_the_words_of_each_store(text: str) -> None:
    found = tuple(render_condition(text, dialect, "Ohio") for dialect in ("postgres", "sqlite", "mysql"))

    assert found == RENDERED[text]


@pytest.mark.parametrize(
    "child", ["O'Hio", "a\\", "\\' OR 1=1 --", "'; DROP TABLE x; --", ":child", "{env:X}"]
)
def test_name_of_a_child_is_a_text_and_never_sql(child: str) -> None:
    doubled = child.replace("'", "''")

    assert render_condition("r = :child", "postgres", child) == f"r = '{doubled}'"
    assert render_condition("r = :child", "sqlite", child) == f"r = '{doubled}'"
    assert render_condition("r = :child", "mysql", child) == "r = '" + doubled.replace("\\", "\\\\") + "'"


def test_columns_are_named_once_in_their_order() -> None:
    assert columns_of("b = :child AND (a > 1 OR b IS NULL) AND lower(c) = 'x'") == ("b", "a", "c")


REFUSED = {
    # text: the offset of the mistake, and a part of what is said
    "": (0, "empty"),
    " -- nothing": (0, "empty"),
    "region = = 1": (7, "does not parse"),
    "a = 1)": (5, "does not parse"),
    "a = 1) OR (b = 2": (5, "does not parse"),
    "a = 1; DROP TABLE t": (0, "more than one condition"),
    "a = 1 ORDER BY b": (0, "more than one condition"),
    "a = 1 GROUP BY b": (0, "more than one condition"),
    "a = 1 LIMIT 5": (0, "more than one condition"),
    "a = 1 UNION SELECT 2": (0, "more than one condition"),
    "a IN (SELECT b FROM t)": (6, "one table alone"),
    "EXISTS (SELECT 1)": (8, "one table alone"),
    "sum(a) > 1": (0, "one row alone"),
    "row_number() OVER (ORDER BY a) = 1": (0, "one row alone"),
    "a < now()": (0, "the time"),
    "a < CURRENT_TIMESTAMP": (0, "the time"),
    "a < date('now', '-1 day')": (0, "the time"),
    "a < GETDATE()": (0, "the time"),
    "random() < a": (0, "chance"),
    "a = ?": (0, "no other parameter"),
    "a = :other": (0, "no other parameter"),
    "a = @x": (0, "no other parameter"),
    "5": (0, "a value"),
    "'x": (0, "never closed"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_text_that_is_no_condition_over_one_row_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_condition(text)

    offset, said = REFUSED[text]
    assert (caught.value.offset, said in caught.value.message) == (offset, True)


@pytest.mark.parametrize(
    "text", ["a = 'now'", "true", "not a is null", "a LIKE 'x!%' ESCAPE '!'", "a ->> 'b' = 'c'"]
)
def test_condition_over_one_row_is_taken(text: str) -> None:
    assert check_condition(text) is None
