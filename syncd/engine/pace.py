"""Keeps a run below the rates that its connections allow."""

import threading
import time
from collections.abc import Callable
from typing import Final

from syncd.ports import Check, Clock

NAP_SECONDS: Final = 0.2


class Pace:
    """Counts what moved and waits when it was too much; None is no limit.

    Rates are kept on average since the first block, so that a slow source may not be followed by a burst of more
    than one second's worth. Lanes of one run share it: `_lock` guards `_free_at`.
    """

    def __init__(
        self,
        clock: Clock,
        rows_per_second: float | None = None,
        bytes_per_second: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._limits = (rows_per_second, bytes_per_second)
        self._sleep = sleep
        self._free_at = 0.0
        self._lock = threading.Lock()

    def moved(self, rows: int, size_bytes: int, check: Check) -> None:
        """So much has moved just now: wait until more may."""
        seconds = max(
            (amount / limit for amount, limit in zip((rows, size_bytes), self._limits, strict=True) if limit),
            default=0.0,
        )
        if not seconds:
            return
        now = self._clock.monotonic()
        with self._lock:
            # What was not used for longer than a second is lost.
            free_at = self._free_at = max(self._free_at, now - 1.0) + seconds
        while (left := free_at - self._clock.monotonic()) > 0:
            check()
            self._sleep(min(left, NAP_SECONDS))
