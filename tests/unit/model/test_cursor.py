"""Marks are moved by hand without touching the rest of a cursor."""

import pytest

from syncd.errors import FatalError
from syncd.model.cursor import Cursor, Pending, Seen, at_mark, cursor_from_text, cursor_to_text, rewound


def text(mark, **more) -> str:
    return cursor_to_text(Cursor("i", "updated", mark=mark, columns="abc", **more))


@pytest.mark.parametrize(
    ("mark", "by", "lower"),
    [
        ("2024-01-31 12:00:00+00", 86400, "2024-01-30 12:00:00+00:00"),
        ("2024-01-31T12:00:00.5", 0.25, "2024-01-31T12:00:00.250000"),
        ("2024-03-01", 86400, "2024-02-29"),
        (1000, 10, "990"),
        ("1000", 10, "990"),
        (1.5, 1, "0.5"),
    ],
)
def test_a_mark_is_rewound_in_its_own_form(mark, by, lower):
    moved, shown = rewound(text(mark), by)

    assert shown == lower
    assert str(cursor_from_text(moved).mark) == lower


def test_a_date_goes_back_at_least_one_whole_day():
    assert [rewound(text("2024-03-01"), by)[1] for by in (3600, 86400, 86401)] == [
        "2024-02-29",
        "2024-02-29",
        "2024-02-28",
    ]


def test_moving_a_mark_forgets_what_was_seen_and_what_waited():
    before = text(5, pending=Pending(9, ("1",)), seen=Seen(1, "2"))

    moved = cursor_from_text(at_mark(before, "3")[0])

    assert (moved.mark, moved.pending, moved.seen, moved.columns) == (3, None, None, "abc")


def test_a_word_is_no_mark_of_a_number_column():
    with pytest.raises(FatalError, match="is no number"):
        at_mark(text(5), "yesterday")


@pytest.mark.parametrize("mark", ["yesterday", "5", "", "2024-13-01"])
def test_mark_of_a_column_of_times_is_a_time(mark: str) -> None:
    with pytest.raises(FatalError, match="holds times"):
        at_mark(cursor_to_text(Cursor("i", "u", mark="2024-01-31 10:00:00+00")), mark)


def test_mark_of_a_column_of_texts_is_any_text() -> None:
    assert at_mark(cursor_to_text(Cursor("i", "u", mark="20240131")), "5")[1] == "5"
    assert at_mark(cursor_to_text(Cursor("i", "u", mark="a-b")), "c")[1] == "c"
    assert at_mark(cursor_to_text(Cursor("i", "u", mark="2024-01-31")), "2023-12-31T10:00")[1]


def test_a_cursor_without_check_column_has_no_mark():
    with pytest.raises(FatalError, match="follows no check column"):
        at_mark(cursor_to_text(Cursor("i", None)), "3")


def test_a_mark_that_is_no_time_cannot_be_rewound():
    with pytest.raises(FatalError, match="no time and no number"):
        rewound(text("abc"), 5)
