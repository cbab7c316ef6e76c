"""Rows that are set aside: kept with their reasons, and forgotten when newer ones arrive."""

from dataclasses import replace
from typing import Any

from syncd.model.table import TableName
from syncd.model.writing import Mode, Reject, StepKey
from tests.contract.acts import KEY, nothing, target, write
from tests.contract.subject import ROWS

ONE = Reject("[1]", ("id", "name"), '[1, "it\'s a \\"row\\""]', "a rule of column name refuses a row")
TWO = Reject("[2]", ("id", "name"), '[2, "b"]', "too long", "2026-01-31T10:00:00Z", 3)


def aside(
    port: Any,
    *rejects: Reject,
    let_go: tuple[str, ...] = (),
    revision: int = 1,
    key: StepKey = KEY,
    commit: bool = True,
) -> None:
    """A window that sets rows aside."""
    writing = port.begin(target(port, Mode.MERGE, revision=revision, key=key), nothing)
    try:
        writing.finish()
        writing.set_aside(rejects)
        writing.let_go(let_go)
        if commit:
            writing.commit("c", "m", 0)
    finally:
        writing.abandon()


def test_rows_that_were_set_aside_are_told_oldest_first(destination: Any) -> None:
    write(destination, ROWS[:1], Mode.INSERT, create=True)

    aside(destination, ONE, TWO)

    first, second = destination.rejects(KEY)
    assert first.key == "[2]"
    assert (first.names, first.values, first.reason, first.attempts) == (TWO.names, TWO.values, TWO.reason, 3)
    assert first.at.startswith("2026-01-31")
    assert replace(second, at="") == ONE
    assert second.at


def test_newer_row_takes_the_place_of_the_older_one(destination: Any) -> None:
    """The time stays that of the first; the attempts add up."""
    write(destination, ROWS[:1], Mode.INSERT, create=True)
    aside(destination, TWO)

    aside(destination, replace(TWO, values='[2, "c"]', reason="still", at="", attempts=1), revision=2)

    (found,) = destination.rejects(KEY)
    assert (found.values, found.reason, found.attempts) == ('[2, "c"]', "still", 4)
    assert found.at.startswith("2026-01-31")


def test_rows_that_are_let_go_are_forgotten(destination: Any) -> None:
    write(destination, ROWS[:1], Mode.INSERT, create=True)
    aside(destination, ONE, TWO)

    aside(destination, let_go=("[1]", "[99]"), revision=2)

    assert [reject.key for reject in destination.rejects(KEY)] == ["[2]"]


def test_steps_do_not_see_each_others_rows(destination: Any) -> None:
    other = StepKey("job", "other", TableName("t"))
    write(destination, ROWS[:1], Mode.INSERT, create=True)
    aside(destination, ONE)
    aside(destination, TWO, revision=0, key=other)

    assert [reject.key for reject in destination.rejects(KEY)] == ["[1]"]
    assert [reject.key for reject in destination.rejects(other)] == ["[2]"]


def test_abandoned_window_sets_nothing_aside(destination: Any) -> None:
    write(destination, ROWS[:1], Mode.INSERT, create=True)
    aside(destination, ONE)

    aside(destination, TWO, let_go=("[1]",), revision=2, commit=False)

    assert [reject.key for reject in destination.rejects(KEY)] == ["[1]"]


def test_letting_go_where_nothing_was_set_aside_is_nothing(destination: Any) -> None:
    write(destination, ROWS[:1], Mode.INSERT, create=True)

    aside(destination, let_go=("[1]",))

    assert destination.rejects(KEY) == []


def test_many_rows_may_be_set_aside_and_let_go_at_once(destination: Any) -> None:
    write(destination, ROWS[:1], Mode.INSERT, create=True)
    many = [replace(ONE, key=f"[{n}]") for n in range(2_500)]

    aside(destination, *many)
    told = len(destination.rejects(KEY))
    aside(destination, let_go=tuple(reject.key for reject in many[10:]), revision=2)

    assert told == 2_500
    assert len(destination.rejects(KEY)) == 10
