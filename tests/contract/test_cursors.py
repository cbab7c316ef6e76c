"""Cursors as a destination keeps them: surveyed, listed, moved by hand, and never moved by two at once."""

from typing import Any

import pytest

from syncd.errors import BusyError, FatalError, SyncdError
from syncd.model.reading import Tuning
from syncd.model.table import TableName
from syncd.model.writing import Mode, StepKey
from tests.contract.acts import KEY, nothing, write
from tests.contract.subject import ROWS, Subject

NAMES = ("id", "name", "grade")


def test_standing_tells_what_was_committed(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True, cursor="where I was")

    standing = destination.survey([KEY, StepKey("job", "other", TableName("other"))])

    first = standing[0]
    assert (first.revision, first.cursor, first.mark, first.digest) == (1, "where I was", "mark", "digest")
    assert (first.rows, first.exists, first.empty, first.reset) == (50, True, False, "")
    assert (standing[1].revision, standing[1].exists) == (0, False)


def test_second_writer_of_one_cursor_is_refused_and_changes_nothing(
    subject: Subject, destination: Any
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    write(destination, ROWS[3:4], Mode.MERGE, revision=1)

    with pytest.raises(BusyError):
        write(destination, ROWS[4:9], Mode.MERGE, revision=1)

    assert subject.destination.rows("t", NAMES) == ROWS[:4]
    assert destination.survey([KEY])[0].revision == 2


def test_lost_rows_and_tables_reset_the_cursor(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)
    subject.destination.remove("t", 7)
    lost = destination.survey([KEY])[0].reset
    for number in range(1, 51):
        subject.destination.remove("t", number)
    emptied = destination.survey([KEY])[0].reset
    subject.destination.drop("t")

    assert "deleted" in lost
    assert "emptied" in emptied
    assert "missing" in destination.survey([KEY])[0].reset


def test_cursors_of_a_job_are_listed_by_step(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True, cursor="here")
    write(destination, ROWS[3:5], Mode.MERGE, key=StepKey("job", "a", TableName("t")))
    write(destination, ROWS[5:6], Mode.MERGE, key=StepKey("other", "t", TableName("t")))

    found = destination.cursors("job")

    assert [stored.key.step for stored in found] == ["a", "t"]
    assert (found[1].key.job, found[1].key.target.name) == ("job", "t")
    assert (found[1].cursor, found[1].mark, found[1].digest) == ("here", "mark", "digest")
    assert (found[1].revision, found[1].rows) == (1, 3)
    assert found[1].updated


def test_untouched_store_lists_no_cursors_and_stays_untouched(destination: Any) -> None:
    assert destination.cursors("job") == []
    assert destination.table(TableName("syncd_cursors")) is None


def test_cursor_may_be_moved_by_hand(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    (stored,) = destination.cursors("job")

    destination.put_cursor(stored, "elsewhere", "another mark")

    standing = destination.survey([KEY])[0]
    assert (standing.cursor, standing.mark, standing.rows, standing.reset) == (
        "elsewhere",
        "another mark",
        3,
        "",
    )
    assert standing.revision > stored.revision


def test_cursor_may_be_forgotten_by_hand(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    (stored,) = destination.cursors("job")

    destination.put_cursor(stored, None, None)

    assert destination.cursors("job") == []
    assert destination.survey([KEY])[0].cursor is None


@pytest.mark.parametrize("cursor", ["elsewhere", None])
def test_cursor_that_moved_meanwhile_is_left_alone(destination: Any, cursor: str | None) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    (stored,) = destination.cursors("job")
    write(destination, ROWS[3:5], Mode.MERGE, revision=1, cursor="newer")

    with pytest.raises(BusyError):
        destination.put_cursor(stored, cursor, None)

    assert destination.survey([KEY])[0].cursor == "newer"


def test_run_that_began_before_a_cursor_was_moved_cannot_commit(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    (stored,) = destination.cursors("job")
    destination.put_cursor(stored, "elsewhere", None)

    with pytest.raises(BusyError):
        write(destination, ROWS[3:5], Mode.MERGE, revision=1)

    assert subject.destination.rows("t", NAMES) == ROWS[:3]


def execute(subject: Subject, port: Any, statement: str) -> list[tuple[Any, ...]] | None:
    """The rows of a statement; None from a store that runs no SQL and says so."""
    if subject.endless:
        return [tuple(row) for row in port.execute(statement, nothing)]
    with pytest.raises(FatalError) as caught:
        port.execute(statement, nothing)
    assert caught.value.code == "no_select"
    return None


def test_statement_gives_its_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    assert execute(subject, destination, "SELECT id, name FROM t ORDER BY id") in (
        None,
        [row[:2] for row in ROWS],
    )


def test_statement_gives_at_most_a_thousand_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    rows = execute(subject, destination, "SELECT a.id FROM t a, t b")

    assert rows is None or len(rows) == 1_000


def test_statement_is_durable_and_the_port_usable_after_it(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    rows = execute(subject, destination, "UPDATE t SET grade = 9 WHERE id = 2")

    assert rows is None or rows == []
    assert subject.destination.rows("t", NAMES)[1] == ((2, "row 2", 9) if subject.endless else ROWS[1])
    assert write(destination, ROWS[3:5], Mode.MERGE, revision=1)[0].inserted == 2


def test_statement_that_fails_changes_nothing_and_leaves_the_port_usable(
    subject: Subject, destination: Any
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(SyncdError):
        destination.execute("UPDATE nowhere SET grade = 9", nothing)

    assert write(destination, ROWS[3:5], Mode.MERGE, revision=1)[0].inserted == 2


def test_trace_of_a_destination_hears_statements_without_values(destination: Any) -> None:
    heard: list[str] = []
    destination.tune(Tuning(trace=heard.append))

    write(destination, [(1, "planted", 1)], Mode.MERGE, create=True)

    assert heard
    assert not any("planted" in text for text in heard)
