"""Mode HISTORY: every version of a row, with the time from which and until which it was the present one."""

from itertools import pairwise
from typing import Any

from syncd.model.run import Counters
from syncd.model.table import TableName
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Mode
from tests.contract.acts import batch, nothing, target, write
from tests.contract.subject import ROWS, Subject

VERSION = ("id", "name", SINCE, UNTIL, ACTIVE)


def versions(subject: Subject, identity: int) -> list[tuple[Any, ...]]:
    """Name, since, until and active of one row's versions, oldest first."""
    rows = [row[1:] for row in subject.destination.rows("t", VERSION) if row[0] == identity]
    return sorted(rows, key=lambda row: row[1])


def test_first_load_gives_every_row_an_active_version(subject: Subject, destination: Any) -> None:
    counters, _ = write(destination, ROWS, Mode.HISTORY, create=True)

    rows = subject.destination.rows("t", VERSION)
    assert counters == Counters(read=50, inserted=50)
    assert all(until is None and active for _, _, _, until, active in rows)
    assert len({since for _, _, since, _, _ in rows}) == 1
    assert destination.table(TableName("t")).key == ("id", SINCE)


def test_changed_row_ends_its_version_and_begins_a_new_one(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.HISTORY, create=True)

    counters, _ = write(destination, [ROWS[0], (2, "changed", None), (9, "new", 1)], Mode.HISTORY, revision=1)

    old, new = versions(subject, 2)
    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert (old[0], new[0]) == ("row 2", "changed")
    assert old[2] == new[1]
    assert old[1] < new[1]
    assert (bool(old[3]), bool(new[3]), new[2]) == (False, True, None)
    assert len(versions(subject, 1)) == 1


def test_versions_in_quick_succession_never_meet_or_overlap(subject: Subject, destination: Any) -> None:
    write(destination, [(1, "v0", 0)], Mode.HISTORY, create=True)
    for number in range(1, 6):
        write(destination, [(1, f"v{number}", 0)], Mode.HISTORY, revision=number)

    found = versions(subject, 1)

    assert [row[0] for row in found] == [f"v{number}" for number in range(6)]
    assert all(one[1] < other[1] and one[2] == other[1] for one, other in pairwise(found))
    assert [bool(row[3]) for row in found] == [False] * 5 + [True]


def test_same_rows_again_change_nothing(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.HISTORY, create=True)
    before = subject.destination.rows("t", VERSION)

    counters, _ = write(destination, ROWS, Mode.HISTORY, revision=1)

    assert counters == Counters(read=50, unchanged=50)
    assert subject.destination.rows("t", VERSION) == before


def test_value_that_becomes_null_is_a_change(subject: Subject, destination: Any) -> None:
    write(destination, [(1, "a", 5), (2, "b", None)], Mode.HISTORY, create=True)

    counters, _ = write(destination, [(1, "a", None), (2, "b", 5)], Mode.HISTORY, revision=1)

    assert counters == Counters(read=2, updated=2)
    assert len(versions(subject, 1)) == 2


def test_deleted_row_ends_its_active_version(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.HISTORY, create=True)
    writing = destination.begin(target(destination, Mode.HISTORY, revision=1), nothing)
    writing.finish()
    gone = writing.delete([(1,), (99,)])
    writing.commit("c", "m", 3)
    writing.abandon()

    (ended,) = versions(subject, 1)
    assert gone == 1
    assert ended[2] > ended[1]
    assert not ended[3]


def test_row_that_comes_back_gets_a_new_version(subject: Subject, destination: Any) -> None:
    """Not said by the port: it counts as inserted, since no active version is there."""
    write(destination, [(1, "a", 1)], Mode.HISTORY, create=True)
    writing = destination.begin(target(destination, Mode.HISTORY, revision=1), nothing)
    writing.finish()
    writing.delete([(1,)])
    writing.commit("c", "m", 1)

    counters, _ = write(destination, [(1, "a", 1)], Mode.HISTORY, revision=2)

    assert counters == Counters(read=1, inserted=1)
    assert [bool(row[3]) for row in versions(subject, 1)] == [False, True]


def test_row_that_comes_and_goes_quickly_has_versions_that_do_not_overlap(
    subject: Subject, destination: Any
) -> None:
    write(destination, [(1, "a", 1)], Mode.HISTORY, create=True)
    for revision in range(1, 9, 2):
        writing = destination.begin(target(destination, Mode.HISTORY, revision=revision), nothing)
        writing.finish()
        writing.delete([(1,)])
        writing.commit("c", "m", 1)
        write(destination, [(1, "a", 1)], Mode.HISTORY, revision=revision + 1)

    found = versions(subject, 1)

    assert len(found) == 5
    assert all(one[1] < one[2] <= other[1] for one, other in pairwise(found))


def test_row_that_is_deleted_twice_goes_once(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.HISTORY, create=True)
    writing = destination.begin(target(destination, Mode.HISTORY, revision=1), nothing)
    writing.finish()

    gone = [writing.delete([(1,)]), writing.delete([(1,)])]
    writing.abandon()

    assert gone == [1, 0]


def test_careful_history_keeps_its_counters(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.HISTORY, create=True)
    writing = destination.begin(target(destination, Mode.HISTORY, revision=1, careful=True), nothing)
    writing.apply(batch([ROWS[0], (2, "changed", 1)]))
    writing.apply(batch([(9, "new", 1)]))
    counters = writing.finish()
    writing.commit("c", "m", 4)
    writing.abandon()

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert len(versions(subject, 2)) == 2
