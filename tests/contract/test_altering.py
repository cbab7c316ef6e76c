"""Tables that get more columns or wider ones, and what keeps: rows, rules, and the cursors of all jobs."""

from typing import Any

import pytest

from syncd.errors import FatalError, SyncdError
from syncd.model.table import Column, Kind, TableName
from syncd.model.writing import Mode, StepKey
from tests.contract.acts import KEY, nothing, write
from tests.contract.subject import ROWS, Subject

OTHER = StepKey("other job", "t", TableName("t"))
COLUMNS = {"id": "integer!", "name": "text!", "grade": "integer"}


@pytest.fixture
def filled(subject: Subject, destination: Any) -> Any:
    """A destination whose table t two jobs have filled."""
    subject.destination.create("t", COLUMNS, ["id"], positive="grade")
    write(destination, ROWS[:5], Mode.INSERT)
    write(destination, ROWS[5:9], Mode.INSERT, key=OTHER)
    return destination


def wider(subject: Subject, port: Any) -> Column:
    """The column grade as a text."""
    return Column("grade", port.type_of(subject.destination.declares["text"]))


def note(subject: Subject, port: Any) -> Column:
    """A column that the table does not have."""
    return Column("note", port.type_of(subject.destination.declares["timestamp"]))


def test_alteration_says_what_would_be_done_and_does_nothing(subject: Subject, filled: Any) -> None:
    table = filled.table(TableName("t"))

    said = filled.alteration(table, [note(subject, filled)], [wider(subject, filled)])

    assert any("note" in statement for statement in said)
    assert filled.table(TableName("t")) == table


def test_columns_are_added_behind_the_others_and_take_null(subject: Subject, filled: Any) -> None:
    filled.alter(filled.table(TableName("t")), [note(subject, filled)], [], nothing)

    added = filled.table(TableName("t")).columns[-1]
    assert (added.name, added.type.kind, added.nullable) == ("note", Kind.TIMESTAMP, True)
    assert subject.destination.rows("t", ("id", "note"))[0] == (1, None)


def test_columns_become_wider_and_their_values_stay(subject: Subject, filled: Any) -> None:
    subject.destination.put("t", [(99, "z", None)])

    filled.alter(
        filled.table(TableName("t")), [], [Column("name", filled.type_of(subject.destination.declares["text"]))], nothing
    )  # fmt: skip

    table = filled.table(TableName("t"))
    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]
    assert subject.destination.rows("t", ("id", "name", "grade")) == [*ROWS[:9], (99, "z", None)]


def test_number_becomes_a_text_of_the_same_digits(subject: Subject, destination: Any) -> None:
    subject.destination.create("t", COLUMNS, ["id"], ROWS[:9])

    destination.alter(destination.table(TableName("t")), [], [wider(subject, destination)], nothing)

    column = destination.table(TableName("t")).column("grade")
    assert (column.type.kind, column.nullable) == (Kind.TEXT, True)
    assert subject.destination.rows("t", ("id", "grade")) == [(row[0], str(row[2])) for row in ROWS[:9]]


def test_rules_of_the_table_stay(subject: Subject, filled: Any) -> None:
    table = filled.table(TableName("t"))
    text = Column("name", filled.type_of(subject.destination.declares["text"]))

    filled.alter(table, [note(subject, filled)], [text], nothing)

    for row in ((50, "z", -1), (50, None, 1), (1, "z", 1)):
        with pytest.raises(SyncdError):
            write(filled, [row], Mode.INSERT, revision=1)
    assert len(subject.destination.rows("t", ("id",))) == 9


def test_known_cursors_of_all_jobs_stay_good(subject: Subject, filled: Any) -> None:
    text = Column("name", filled.type_of(subject.destination.declares["text"]))

    filled.alter(filled.table(TableName("t")), [note(subject, filled)], [text], nothing)

    standings = filled.survey([KEY, OTHER])
    assert [(standing.revision, standing.reset) for standing in standings] == [(1, ""), (1, "")]
    assert write(filled, ROWS[9:12], Mode.MERGE, revision=1, columns=("id", "name", "grade"))[1] == 2


def test_alteration_that_fails_changes_nothing(subject: Subject, filled: Any) -> None:
    table = filled.table(TableName("t"))

    with pytest.raises(SyncdError):
        filled.alter(table, [note(subject, filled), Column("id", table.columns[0].type)], [], nothing)

    assert filled.table(TableName("t")) == table
    assert [standing.reset for standing in filled.survey([KEY, OTHER])] == ["", ""]


def test_type_of_a_declaration_is_the_type_of_such_a_column(subject: Subject, destination: Any) -> None:
    declares = subject.destination.declares
    subject.destination.create("t", {"id": "integer!", "a": "text", "b": "timestamp", "c": "float"}, ["id"])

    table = destination.table(TableName("t"))

    assert [column.type for column in table.columns] == [
        destination.type_of(declares[word]) for word in ("integer", "text", "timestamp", "float")
    ]


@pytest.mark.parametrize("declaration", ["no such type", "", "text); DROP TABLE t; --"])
def test_unknown_type_is_refused(destination: Any, declaration: str) -> None:
    with pytest.raises(FatalError) as caught:
        destination.type_of(declaration)

    assert caught.value.message
