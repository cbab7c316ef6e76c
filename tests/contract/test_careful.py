"""Careful rows: a batch is written at once, and one that the table refuses leaves no trace."""

from typing import Any

import pytest

from syncd.errors import RowRejectedError
from syncd.model.run import Counters
from syncd.model.writing import Mode
from tests.contract.acts import batch, nothing, target
from tests.contract.subject import Subject

COLUMNS = {"id": "integer!", "name": "text!", "grade": "integer"}
NAMES = ("id", "name", "grade")
BAD = {"rule": (7, "planted", -1), "null": (7, None, 1), "key": (1, "planted", 1)}
"""Rows that the table refuses; the last one only when rows are inserted."""


@pytest.fixture
def careful(subject: Subject, destination: Any) -> Any:
    """A window over a table with a rule and one row."""
    subject.destination.create("t", COLUMNS, ["id"], [(1, "a", 1)], positive="grade")
    writing = destination.begin(target(destination, Mode.MERGE, careful=True), nothing)
    yield writing
    writing.abandon()


def test_applied_batches_add_up(subject: Subject, careful: Any) -> None:
    one = careful.apply(batch([(1, "b", 1), (2, "c", 2)]))
    two = careful.apply(batch([(2, "c", 2), (3, "d", 3)]))
    total = careful.finish()
    careful.commit("c", "m", 3)

    assert one == Counters(read=2, inserted=1, updated=1)
    assert two == Counters(read=2, inserted=1, unchanged=1)
    assert total == one + two
    assert subject.destination.rows("t", NAMES) == [(1, "b", 1), (2, "c", 2), (3, "d", 3)]


@pytest.mark.parametrize("why", ["rule", "null"])
def test_refused_batch_leaves_everything_as_it_was(subject: Subject, careful: Any, why: str) -> None:
    careful.apply(batch([(2, "c", 2)]))
    with pytest.raises(RowRejectedError) as caught:
        careful.apply(batch([(1, "changed", 1), (3, "d", 3), BAD[why]]))
    careful.apply(batch([(4, "e", 4)]))
    total = careful.finish()
    careful.commit("c", "m", 3)

    assert "planted" not in caught.value.message + caught.value.hint
    assert total == Counters(read=2, inserted=2)
    assert subject.destination.rows("t", NAMES) == [(1, "a", 1), (2, "c", 2), (4, "e", 4)]


def test_refusal_names_the_column_or_the_rule(careful: Any) -> None:
    with pytest.raises(RowRejectedError) as caught:
        careful.apply(batch([BAD["null"]]))

    assert "name" in caught.value.message + caught.value.where


@pytest.mark.parametrize("why", list(BAD))
def test_insert_of_a_row_that_is_refused_leaves_everything_as_it_was(
    subject: Subject, destination: Any, why: str
) -> None:
    subject.destination.create("t", COLUMNS, ["id"], [(1, "a", 1)], positive="grade")
    writing = destination.begin(target(destination, Mode.INSERT, careful=True), nothing)
    with pytest.raises(RowRejectedError) as caught:
        writing.apply(batch([(3, "d", 3), BAD[why]]))
    counters = writing.apply(batch([(4, "e", 4)]))
    writing.finish()
    writing.commit("c", "m", 2)

    assert "planted" not in caught.value.message + caught.value.hint
    assert counters == Counters(read=1, inserted=1)
    assert subject.destination.rows("t", NAMES) == [(1, "a", 1), (4, "e", 4)]


def test_refused_row_of_a_history_leaves_everything_as_it_was(subject: Subject, destination: Any) -> None:
    from tests.contract.acts import write

    write(destination, [(1, "a", 1)], Mode.HISTORY, create=True)
    writing = destination.begin(target(destination, Mode.HISTORY, revision=1, careful=True), nothing)
    with pytest.raises(RowRejectedError):
        writing.apply(batch([(1, "changed", 1), (2, None, 2)]))
    writing.apply(batch([(3, "c", 3)]))
    writing.finish()
    writing.commit("c", "m", 2)

    assert subject.destination.rows("t", NAMES) == [(1, "a", 1), (3, "c", 3)]


def test_abandoned_careful_window_leaves_nothing(subject: Subject, careful: Any) -> None:
    careful.apply(batch([(2, "c", 2)]))
    careful.abandon()

    assert subject.destination.rows("t", NAMES) == [(1, "a", 1)]
