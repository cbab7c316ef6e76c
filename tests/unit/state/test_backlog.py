"""Writes that wait while the disk is full."""

import pytest

from syncd.errors import FatalError, TransientError
from syncd.state.backlog import Backlog


def test_writes_wait_in_order_and_are_made_when_there_is_room():
    full, made = [True], []

    def write(name: str) -> None:
        if full[0]:
            raise TransientError("the disk is full")
        made.append(name)

    backlog = Backlog()
    backlog.write(lambda: write("first"))
    backlog.write(lambda: write("second"))
    assert (made, backlog.trouble) == ([], "the disk is full")

    full[0] = False
    backlog.flush()

    assert (made, backlog.trouble) == (["first", "second"], "")


def test_what_waiting_cannot_help_is_raised_once_and_blocks_nothing():
    made = []

    def damaged() -> None:
        raise FatalError("damaged")

    backlog = Backlog()
    with pytest.raises(FatalError):
        backlog.write(damaged)
    backlog.write(lambda: made.append("next"))

    assert made == ["next"]
