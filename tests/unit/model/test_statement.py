"""Statements are told without the values in them."""

import pytest

from syncd.model.statement import without_texts


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1", "SELECT 1"),
        ("a = 'x' AND b = 2", "a = ? AND b = 2"),
        ("a = 'it''s', '' , 'x'", "a = ?, ? , ?"),
        ("a = 'never closed", "a = ?"),
        ("a -- don't\n = 'x'", "a  \n = ?"),
        ("a /* don't */ = 'x'", "a   = ?"),
    ],
)
def test_texts_are_hidden_and_numbers_are_not(dialect, sql, told):
    assert without_texts(sql, dialect) == told


@pytest.mark.parametrize(
    ("dialect", "sql", "told"),
    [
        ("sqlite", """"it's" = 'x' """, """"it's" = ? """),
        ("sqlite", "[it's] = 'x\\'", "[it's] = ?"),
        ("sqlite", "X'00'", "X?"),
        ("postgresql", """"it's" = E'x\\'y' """, """"it's" = ? """),
        ("postgresql", "a = 'x\\' AND b = 'y'", "a = ? AND b = ?"),
        ("postgresql", "a = $$it's$$ AND b = $q$ $$ $q$, $1", "a = ? AND b = ?, $1"),
        ("mysql", "`it's` = 'x\\'y'", "`it's` = ?"),
        ("mysql", "a = \"it's\" AND b = 'y'", "a = ? AND b = ?"),
        ("mysql", "a = 1--'x' # don't\n, 'y'", "a = 1--?  \n, ?"),
    ],
)
def test_each_dialect_has_its_own_quotes(dialect, sql, told):
    assert without_texts(sql, dialect) == told
