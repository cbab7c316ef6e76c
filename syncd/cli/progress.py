"""One line on a terminal that says where a run is; nothing when nobody looks."""

import sys
import time
from typing import Any, Final

from syncd.cli.table import grouped

REDRAW_SECONDS: Final = 0.1
WIDTH: Final = 100


class Progress:
    """Keeps the line up to date with what it hears."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._drawn = False
        self._began: dict[str, float] = {}
        self._estimates: dict[str, int | None] = {}
        self._next = 0.0

    def hear(self, event: dict[str, Any]) -> None:
        """Take one event of a run, as plain values."""
        if not self._shown:
            return
        kind, step = event["event"], event.get("step", "")
        if kind == "StepStarted":
            self._began[step] = time.monotonic()
            self._estimates[step] = event.get("rows_estimated")
            self._draw(f"{event['job']} {step}: {event['mode']} ...", force=True)
        elif kind == "StepProgressed":
            self._draw(self._moving(event["job"], step, event["rows"]))
        elif kind == "RetryPlanned":
            self._draw(f"{event['job']}: waits for attempt {event['attempt']} ...", force=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def _moving(self, job: str, step: str, rows: int) -> str:
        seconds = time.monotonic() - self._began.get(step, time.monotonic())
        rate = f", {grouped(round(rows / seconds))} rows/s" if seconds > REDRAW_SECONDS else ""
        estimate = self._estimates.get(step)
        of = f" of about {grouped(estimate)}" if estimate and estimate >= rows else ""
        return f"{job} {step}: {grouped(rows)}{of} rows{rate}"

    def _draw(self, text: str, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now >= self._next:
            self._next = now + REDRAW_SECONDS
            sys.stderr.write(f"\r{text[:WIDTH]}\x1b[K")
            sys.stderr.flush()
            self._drawn = True
