"""Readings of the rows with certain keys."""

from typing import Any

from syncd.model.plan import Relation
from syncd.model.table import TableName
from tests.contract.acts import extract, read_windows
from tests.contract.subject import ROWS, Subject


def test_only_rows_with_these_keys_are_read(source: Any) -> None:
    windows, reading = read_windows(source, extract(keys=((3,), (47,), (1_000,))))

    assert (reading.mode, reading.check_column) == ("keys", None)
    assert [sorted(rows) for rows in windows] == [[ROWS[2], ROWS[46]]]


def test_window_holds_at_most_a_thousand_keys(subject: Subject, source: Any) -> None:
    subject.source.create("many", {"id": "integer!"}, ["id"], [(n,) for n in range(3_000)])
    keys = tuple((n,) for n in range(0, 2_500))

    windows, _ = read_windows(source, extract(None, relation=Relation(TableName("many")), keys=keys))

    assert len(windows) == 3
    assert max(len(rows) for rows in windows) <= 1_000
    assert sorted(row for rows in windows for row in rows) == list(keys)


def test_no_keys_are_one_empty_window(source: Any) -> None:
    windows, _ = read_windows(source, extract(keys=()))

    assert windows == [[]]


def test_keys_of_several_columns_are_matched_as_a_whole(subject: Subject, source: Any) -> None:
    rows = [(a, b, f"{a}{b}") for a in range(4) for b in ("x", "y'", 'z"')]
    subject.source.create("pairs", {"a": "integer!", "b": "text!", "v": "text"}, [], rows)

    asked = extract(
        None, relation=Relation(TableName("pairs")), key=("b", "a"), keys=(("y'", 1), ('z"', 3), ("x", 9))
    )
    windows, reading = read_windows(source, asked)

    assert reading.table.key == ("b", "a")
    assert [sorted(rows) for rows in windows] == [[(1, "y'", "1y'"), (3, 'z"', '3z"')]]


def test_keys_do_not_care_for_cursor_and_start(source: Any) -> None:
    windows, _ = read_windows(source, extract(keys=((1,),), start=5))

    assert windows == [[ROWS[0]]]
