"""Writes to the state that outlive a full disk: they wait in memory, in order, and are made later."""

from collections import deque
from collections.abc import Callable

from syncd.errors import TransientError


class Backlog:
    """Makes writes in the order in which they were asked for."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why writes wait at this moment; empty when none does."""
        self._waiting: deque[Callable[[], object]] = deque()

    def write(self, action: Callable[[], object]) -> None:
        """Make the write now if that is possible, else later."""
        self._waiting.append(action)
        self.flush()

    def flush(self) -> None:
        """Try what waits.

        Raises:
            FatalError: the state cannot be written, and waiting will not help.
        """
        while self._waiting:
            try:
                self._waiting[0]()
            except TransientError as error:
                self.trouble = error.message
                return
            except BaseException:
                # It would fail for ever, and nothing behind it would be written any more.
                self._waiting.popleft()
                raise
            self._waiting.popleft()
        self.trouble = ""
