"""How rows meet those that a table holds already: insert, append, merge and replace."""

import math
import threading
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import FatalError, SyncdError
from syncd.model.run import Counters
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Mode
from tests.contract.acts import SHAPE, TEXT, batch, nothing, target, write
from tests.contract.subject import ROWS, Subject

NAMES = ("id", "name", "grade")
KEYLESS = replace(SHAPE, key=())


def test_survey_of_an_untouched_store_writes_nothing(destination: Any) -> None:
    from tests.contract.acts import KEY

    standing = destination.survey([KEY])[0]

    assert (standing.revision, standing.cursor, standing.exists, standing.empty) == (0, None, False, True)
    assert destination.table(TableName("t")) is None
    assert destination.table(TableName("syncd_cursors")) is None
    assert destination.rejects(KEY) == []
    assert destination.table(TableName("syncd_rejects")) is None


def test_created_table_carries_key_and_not_null(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    table = destination.table(TableName("t"))

    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]


@pytest.mark.parametrize("mode", list(Mode))
def test_rows_of_a_new_table_are_counted_and_kept(subject: Subject, destination: Any, mode: Mode) -> None:
    counters, revision = write(destination, ROWS, mode, create=True)

    assert counters == Counters(read=50, inserted=50)
    assert revision == 1
    assert subject.destination.rows("t", NAMES) == ROWS


def test_merge_tells_new_changed_and_equal_rows_apart(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:10], Mode.INSERT, create=True)
    changed = [ROWS[0], (2, "changed", None), (99, "new", 1)]

    counters, _ = write(destination, changed, Mode.MERGE, revision=1)

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert subject.destination.rows("t", NAMES) == [ROWS[0], changed[1], *ROWS[2:10], changed[2]]


def test_merge_without_match_goes_by_the_tables_key(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:2], Mode.INSERT, create=True)

    counters, _ = write(destination, [(2, "changed", 0)], Mode.MERGE, revision=1, match=())

    assert counters == Counters(read=1, updated=1)
    assert subject.destination.rows("t", NAMES) == [ROWS[0], (2, "changed", 0)]


@pytest.mark.parametrize("key", [["id"], []], ids=["other-key", "no-key"])
def test_merge_goes_by_the_columns_that_match_names(
    subject: Subject, destination: Any, key: list[str]
) -> None:
    columns = {"id": "integer!", "name": "text!", "grade": "integer"}
    subject.destination.create("t", columns, key, [(1, "a", 1), (2, "b", 2)])

    counters, _ = write(destination, [(1, "a", 9), (2, "b", 2), (3, "c", 3)], Mode.MERGE, match=("name",))

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert subject.destination.rows("t", NAMES) == [(1, "a", 9), (2, "b", 2), (3, "c", 3)]


def test_merge_leaves_columns_alone_that_do_not_come(subject: Subject, destination: Any) -> None:
    columns = {"id": "integer!", "name": "text!", "grade": "integer", "note": "text"}
    subject.destination.create("t", columns, ["id"], [(1, "a", 1, "mine"), (2, "b", 2, "mine")])

    counters, _ = write(destination, [(1, "a", 9), (2, "b", 2), (3, "c", 3)], Mode.MERGE)

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert subject.destination.rows("t", (*NAMES, "note")) == [
        (1, "a", 9, "mine"),
        (2, "b", 2, "mine"),
        (3, "c", 3, None),
    ]


def test_columns_may_come_in_another_order(subject: Subject, destination: Any) -> None:
    columns = {"grade": "integer", "id": "integer!", "name": "text!"}
    subject.destination.create("t", columns, ["id"], [(1, 1, "a")])

    counters, _ = write(destination, [(1, "b", 1), (2, "c", None)], Mode.MERGE)

    assert counters == Counters(read=2, inserted=1, updated=1)
    assert subject.destination.rows("t", NAMES) == [(1, "b", 1), (2, "c", None)]


def test_row_that_arrives_is_marked_as_deleted_no_longer(subject: Subject, destination: Any) -> None:
    columns = {"id": "integer!", "name": "text!", "grade": "integer", "gone": "text"}
    rows = [(1, "a", 1, "since then"), (2, "b", 2, None), (3, "c", 3, "since then")]
    subject.destination.create("t", columns, ["id"], rows)

    counters, _ = write(destination, [(1, "a", 1), (2, "b", 2), (4, "d", 4)], Mode.MERGE, revive="gone")

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert [row[1] for row in subject.destination.rows("t", ("id", "gone"))] == [
        None,
        None,
        "since then",
        None,
    ]


def test_rows_without_key_are_appended(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True, shape=KEYLESS)

    counters, _ = write(destination, ROWS[:3], Mode.INSERT, shape=KEYLESS, revision=1)

    assert counters == Counters(read=3, inserted=3)
    assert len(subject.destination.rows("t", NAMES)) == 6


def test_replace_leaves_only_the_new_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    counters, _ = write(destination, ROWS[:3], Mode.REPLACE, revision=1)

    assert (counters.read, counters.inserted) == (3, 3)
    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def test_nothing_to_write_is_a_window_too(subject: Subject, destination: Any) -> None:
    counters, _ = write(destination, [], Mode.INSERT, create=True)

    assert counters == Counters()
    assert subject.destination.rows("t", NAMES) == []


def test_insert_of_a_known_key_says_key_exists(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(SyncdError) as caught:
        write(destination, ROWS[2:5], Mode.INSERT, revision=1)

    assert caught.value.code == "key_exists"
    assert subject.destination.rows("t", NAMES) == ROWS[:3]
    assert write(destination, ROWS[2:5], Mode.MERGE, revision=1)[0].inserted == 2, "the port is unusable"


def test_merge_of_a_repeated_key_is_refused(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(SyncdError) as caught:
        write(destination, [(9, "a", 1), (9, "b", 1)], Mode.MERGE, revision=1)

    assert caught.value.code == "duplicate_key"
    assert "t" in caught.value.message


@pytest.mark.parametrize("mode", [Mode.INSERT, Mode.MERGE])
@pytest.mark.parametrize(
    "text", ["abcdef", "abcde ", "     x"], ids=["longer", "blank-behind", "blanks-before"]
)
def test_text_that_is_too_long_is_never_cut_silently(
    subject: Subject, destination: Any, mode: Mode, text: str
) -> None:
    """A store that keeps longer texts than were declared may do so; the others name column and length, no value."""
    subject.destination.create("t", {"id": "integer!", "name": "short!", "grade": "integer"}, ["id"])

    rows = [(1, "abcde", 1), (2, text, 1)]
    error = refusal(destination, rows, mode)

    assert subject.destination.rows("t", NAMES) == ([] if error else rows)
    assert error is None or "name" in error.message + error.where
    assert error is None or "abcde" not in error.message


@pytest.mark.parametrize("mode", [Mode.INSERT, Mode.MERGE])
def test_negative_zero_stays_what_it_is_or_is_refused(subject: Subject, destination: Any, mode: Mode) -> None:
    shape = Table(
        TableName("t"),
        (Column("id", SHAPE.columns[0].type, False), Column("v", Type(Kind.FLOAT, bits=64))),
        ("id",),
    )
    subject.destination.create("t", {"id": "integer!", "v": "float"}, ["id"], [(1, 0.0)])

    error = refusal(destination, [(2 if mode is Mode.INSERT else 1, -0.0)], mode, shape=shape)

    kept = subject.destination.rows("t", ("id", "v"))[-1][1]
    assert "v" in error.message + error.where if error else math.copysign(1, kept) == -1


def refusal(port: Any, rows: list[Any], mode: Mode, **more: Any) -> FatalError | None:
    """Why these rows are refused; None when they were written."""
    try:
        write(port, rows, mode, **more)
    except FatalError as error:
        return error
    return None


@pytest.mark.parametrize("moment", ["begun", "written", "finished"])
@pytest.mark.parametrize("mode", [Mode.MERGE, Mode.REPLACE, Mode.RECREATE])
def test_abandoned_window_leaves_nothing_and_the_port_usable(
    subject: Subject, destination: Any, moment: str, mode: Mode
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    writing = destination.begin(target(destination, mode, revision=1), nothing)
    if moment != "begun":
        writing.write(batch(ROWS[3:9]))
    if moment == "finished":
        writing.finish()
    writing.abandon()
    writing.abandon()

    assert subject.destination.rows("t", NAMES) == ROWS[:3]
    assert write(destination, ROWS[3:4], Mode.MERGE, revision=1)[1] == 2


def test_abandon_after_commit_does_nothing(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def test_cancelled_destination_takes_nothing(subject: Subject) -> None:
    port = subject.open_destination()
    write(port, ROWS[:3], Mode.INSERT, create=True)
    thread = threading.Thread(target=port.cancel)
    thread.start()
    thread.join()

    with pytest.raises(SyncdError) as caught:
        write(port, ROWS[3:9], Mode.MERGE, revision=1)
    port.close()

    assert caught.value.code == "cancelled"
    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def test_texts_arrive_as_they_are(subject: Subject, destination: Any) -> None:
    texts = ["", " ", "a\tb\nc\r\\N", "\\", "it''s", 'q"', "%s {} ?", "é\u0301 \U0001f600", "NULL", "x" * 199]
    rows = [(number, text, None) for number, text in enumerate(texts)]
    write(destination, [], Mode.INSERT, create=True)

    write(destination, rows, Mode.MERGE, revision=1)
    counters, _ = write(destination, rows, Mode.MERGE, revision=2)

    assert TEXT.kind is Kind.TEXT
    assert subject.destination.rows("t", NAMES) == rows
    assert counters.unchanged == len(rows)
