"""Rows that are gone at the source: they go, or are marked."""

import time
from typing import Any

from syncd.model.table import TableName
from syncd.model.writing import Mode
from tests.contract.acts import KEY, nothing, target, write
from tests.contract.subject import ROWS, Subject

COLUMNS = {"id": "integer!", "name": "text!", "grade": "integer", "gone": "timestamp"}
SECONDS = 10.0
"""How long a block of 10 000 keys may take at most, in a table of twice as many rows; a statement for each takes longer."""


def delete(
    port: Any, keys: list[tuple[Any, ...]], mark: str = "", *, revision: int = 1, rows: int = 0, **more: Any
) -> int:
    """A window that only deletes: how many rows went."""
    writing = port.begin(target(port, Mode.MERGE, revision=revision, **more), nothing)
    try:
        writing.finish()
        gone = writing.delete(keys, mark)
        writing.commit("c", "mark", rows)
    finally:
        writing.abandon()
    assert isinstance(gone, int)
    return gone


def test_rows_with_these_keys_go_and_are_counted(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:5], Mode.INSERT, create=True)

    assert delete(destination, [(2,), (4,), (77,)]) == 2
    assert [row[0] for row in subject.destination.rows("t", ("id",))] == [1, 3, 5]


def test_nothing_to_delete_is_nothing(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:5], Mode.INSERT, create=True)

    assert delete(destination, []) == 0
    assert len(subject.destination.rows("t", ("id",))) == 5


def test_marked_rows_stay_and_count_once(subject: Subject, destination: Any) -> None:
    subject.destination.create("t", COLUMNS, ["id"], [(n, "a", n, None) for n in range(1, 5)])

    first = delete(destination, [(2,), (4,)], "gone", revision=0, rows=4)
    before = subject.destination.rows("t", ("id", "gone"))
    second = delete(destination, [(2,), (3,)], "gone", rows=4)

    marks = subject.destination.rows("t", ("id", "gone"))
    assert (first, second) == (2, 1)
    assert [value is None for _, value in marks] == [True, False, False, False]
    assert marks[1] == before[1]


def test_marked_row_that_arrives_again_is_there_again(subject: Subject, destination: Any) -> None:
    subject.destination.create("t", COLUMNS, ["id"], [(1, "a", 1, None)])
    delete(destination, [(1,)], "gone", revision=0, rows=1)

    counters, _ = write(destination, [(1, "a", 1)], Mode.MERGE, revision=1, revive="gone")

    assert counters.updated == 1
    assert subject.destination.rows("t", ("id", "gone")) == [(1, None)]


def test_keys_of_several_columns_are_matched_as_a_whole(subject: Subject, destination: Any) -> None:
    rows = [(1, "a", 1), (1, "b", 1), (2, "a", 1), (2, "b'", 1)]
    subject.destination.create("t", {"id": "integer!", "name": "text!", "grade": "integer"}, [], rows)

    gone = delete(destination, [("a", 2), ("b'", 2), ("b", 9)], revision=0, match=("name", "id"))

    assert gone == 2
    assert sorted(subject.destination.rows("t", ("id", "name"))) == [(1, "a"), (1, "b")]


def test_window_may_merge_and_delete(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    from tests.contract.acts import batch

    writing = destination.begin(target(destination, Mode.MERGE, revision=1), nothing)
    writing.write(batch(ROWS[3:5]))
    counters = writing.finish()
    gone = writing.delete([(1,), (2,)])
    writing.commit("c", "m", 3)
    writing.abandon()

    assert (counters.inserted, gone) == (2, 2)
    assert [row[0] for row in subject.destination.rows("t", ("id",))] == [3, 4, 5]


def test_abandoned_deletion_leaves_the_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    writing = destination.begin(target(destination, Mode.MERGE, revision=1), nothing)
    writing.finish()
    writing.delete([(1,)])
    writing.abandon()

    assert subject.destination.rows("t", ("id", "name", "grade")) == ROWS[:3]


def test_intended_deletion_does_not_look_like_a_loss(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)
    delete(destination, [(n,) for n in range(1, 11)], rows=40)

    standing = destination.survey([KEY])[0]

    assert (standing.rows, standing.reset) == (40, "")


def test_block_of_ten_thousand_keys_is_fast(subject: Subject, destination: Any) -> None:
    rows = [(n, "a", n) for n in range(20_000)]
    write(destination, rows, Mode.INSERT, create=True)
    began = time.monotonic()

    gone = delete(destination, [(n * 2,) for n in range(10_000)], rows=10_000)

    assert gone == 10_000
    assert time.monotonic() - began < SECONDS
    assert destination.table(TableName("t")) is not None
