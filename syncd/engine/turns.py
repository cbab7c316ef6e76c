"""Lets windows that are written side by side commit one after another, in their order."""

import threading
from dataclasses import dataclass, field
from typing import Final

from syncd.errors import FatalError
from syncd.ports import Check

GLANCE_SECONDS: Final = 0.1
GIVEN_UP: Final = "given_up"


@dataclass(slots=True)
class Turns:
    """Whose turn it is to commit, and what the commits before have left.

    `revision`, `cursor` and `rows_known` are those of the last commit. `_changed` guards all of it.
    """

    number: int
    revision: int
    cursor: str | None
    rows_known: int
    failed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number: int, check: Check) -> None:
        """Return when all windows before this one are committed.

        Raises:
            FatalError: one of them failed (code ``given_up``); the window must not be kept.
        """
        while True:
            with self._changed:
                if self.failed:
                    raise FatalError("another window failed", code=GIVEN_UP)
                if self.number == number:
                    return
                self._changed.wait(GLANCE_SECONDS)
            check()

    def committed(self, revision: int, cursor: str | None, rows_known: int) -> None:
        """The window whose turn it was is durable: the next one may."""
        with self._changed:
            self.number += 1
            self.revision, self.cursor, self.rows_known = revision, cursor, rows_known
            self._changed.notify_all()

    def give_up(self) -> None:
        """A window failed: those after it must not be kept."""
        with self._changed:
            self.failed = True
            self._changed.notify_all()
