"""Values that are bound to PostgreSQL's statements."""

import pytest

from syncd.connectors.postgresql.binding import encoded, numbered


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT ? + ?", "SELECT $1 + $2"),
        ("SELECT '?', \"a?b\", ?", "SELECT '?', \"a?b\", $1"),
        ("SELECT 'it''s ?', \"a\"\"?\", ?, '?'", "SELECT 'it''s ?', \"a\"\"?\", $1, '?'"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_question_marks_outside_of_texts_and_names_are_numbered(sql: str, wanted: str) -> None:
    assert numbered(sql) == wanted


def test_each_value_has_the_type_that_its_place_can_take() -> None:
    values, types, formats = encoded((None, 2**40, "é", b"\x00", True))

    assert values == [None, b"1099511627776", "é".encode(), b"\x00", b"1"]
    assert types == [0, 20, 0, 17, 20]
    assert formats == [0, 0, 0, 1, 0]
