"""Mode RECREATE: a new table takes the old one's place when all rows have arrived."""

from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import FatalError, SyncdError
from syncd.model.run import Counters
from syncd.model.table import Column, TableName
from syncd.model.writing import Mode, StepKey
from tests.contract.acts import KEY, SHAPE, TEXT, batch, nothing, target, write
from tests.contract.subject import ROWS, Subject

NAMES = ("id", "name", "grade")
WIDER = replace(SHAPE, columns=(*SHAPE.columns, Column("note", TEXT)))


def test_new_table_has_the_present_columns_and_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    counters, revision = write(
        destination, [(1, "a", 1, "new"), (2, "b", None, None)], Mode.RECREATE, revision=1, shape=WIDER
    )

    table = destination.table(TableName("t"))
    assert counters == Counters(read=2, inserted=2)
    assert revision == 2
    assert subject.destination.rows("t", (*NAMES, "note")) == [(1, "a", 1, "new"), (2, "b", None, None)]
    assert table.column_names == (*NAMES, "note")
    assert table.key == ("id",)
    assert not table.column("name").nullable


def test_new_table_keeps_its_key_when_rows_come_again(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)
    write(destination, ROWS, Mode.RECREATE, revision=1)

    assert destination.survey([KEY])[0].reset == ""
    with pytest.raises(SyncdError) as caught:
        write(destination, ROWS[:1], Mode.INSERT, revision=2)
    assert caught.value.code == "key_exists"
    assert write(destination, ROWS, Mode.MERGE, revision=2)[0].unchanged == 50


def test_readers_see_the_old_rows_until_the_new_ones_are_complete(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    writing = destination.begin(target(destination, Mode.RECREATE, revision=1), nothing)
    writing.write(batch(ROWS[3:9]))
    writing.finish()

    seen = subject.destination.rows("t", NAMES)
    writing.commit("c", "m", 6)
    writing.abandon()

    assert seen == ROWS[:3]
    assert subject.destination.rows("t", NAMES) == ROWS[3:9]


def test_failed_recreation_leaves_the_old_table_and_the_next_one_works(
    subject: Subject, destination: Any
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    for _ in range(2):
        writing = destination.begin(target(destination, Mode.RECREATE, revision=1, shape=WIDER), nothing)
        writing.write(batch([(1, "a", 1, "x")]))
        writing.abandon()

    assert subject.destination.rows("t", NAMES) == ROWS[:3]
    assert write(destination, ROWS, Mode.RECREATE, revision=1)[0].inserted == 50
    assert subject.destination.rows("t", NAMES) == ROWS


def test_repeated_key_is_refused_and_the_old_table_stays(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(FatalError) as caught:
        write(destination, [(9, "a", 1), (9, "b", 1)], Mode.RECREATE, revision=1)

    assert caught.value.code in {"duplicate_key", "key_exists"}
    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def test_table_that_a_view_reads_is_not_replaced(subject: Subject, destination: Any) -> None:
    """Not said by the port: the code is table_in_use. Nothing is dropped along with a table."""
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    subject.destination.watch("t")

    with pytest.raises(FatalError) as caught:
        write(destination, ROWS, Mode.RECREATE, revision=1)

    assert caught.value.code == "table_in_use"
    assert "t" in caught.value.message
    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def test_others_who_filled_the_old_table_begin_anew(destination: Any) -> None:
    other = StepKey("other job", "t", TableName("t"))
    write(destination, ROWS[:3], Mode.INSERT, create=True, key=other)

    write(destination, ROWS, Mode.RECREATE)

    standing = destination.survey([other])[0]
    assert standing.cursor is None or standing.reset
    assert destination.survey([KEY])[0].reset == ""


def test_recreation_of_a_table_that_is_not_there_creates_it(subject: Subject, destination: Any) -> None:
    counters, _ = write(destination, ROWS, Mode.RECREATE, create=True)

    assert counters.inserted == 50
    assert subject.destination.rows("t", NAMES) == ROWS
    assert destination.survey([KEY])[0].reset == ""
