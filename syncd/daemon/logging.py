"""Where the daemon's facts are written: its own stream, and one file per run."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Final

from syncd.model.configuration import Configuration
from syncd.model.definitions import Logs
from syncd.model.event import Event
from syncd.observe.logs import Log, configure
from syncd.observe.runlog import RunLogs, verbosity_of
from syncd.observe.scrub import Scrubber
from syncd.ports import Clock
from syncd.worker.foreground import LOGS
from syncd.worker.mask import secrets_of

GLANCE_SECONDS: Final = 0.1


class Logging:
    """The process's log and the runs' files, behind one scrubber that knows every secret seen since the start."""

    def __init__(self, configuration: Configuration, folder: Path, clock: Clock, stream: BinaryIO) -> None:
        self._clock = clock
        self._stream = stream
        self._scrubber = Scrubber()
        self._secrets: set[str] = set()
        self.learn(configuration)
        self._settings = configuration.logs
        self._log = self._configured(configuration.logs)
        self._runs = RunLogs(folder / LOGS, configuration.logs, self._scrubber, clock)
        self._runs.change(configuration.logs, verbosity_of(configuration))

    def write(self, event: Event) -> None:
        """Write the event wherever it belongs."""
        self._log.write(event)
        self._runs.write(event)

    def learn(self, configuration: Configuration) -> None:
        """Know its secrets, beside the older ones: runs that began with those may go on."""
        self._secrets |= secrets_of(configuration)
        self._scrubber.learn(self._secrets)

    def change(self, configuration: Configuration) -> None:
        """Follow a configuration that was put in force."""
        self._runs.change(configuration.logs, verbosity_of(configuration))
        if configuration.logs != self._settings:
            self._settings = configuration.logs
            self._log = self._configured(configuration.logs)

    def log_file(self, run: str, job: str) -> str:
        """Where the log of a run that goes on is written."""
        return os.fspath(self._runs.expected(run, job))

    async def lines(self, run: str, more: Callable[[], bool]) -> AsyncIterator[str]:
        """The lines of a run's file, and those to come while `more` says so.

        Raises:
            NotFoundError: there is no such file.
        """
        offset, again = 0, True
        while again:
            again = more()
            found, offset = self._runs.lines_after(run, offset)
            for text in found:
                yield text
            if again:
                await asyncio.sleep(GLANCE_SECONDS)

    def _configured(self, settings: Logs) -> Log:
        return configure(settings, self._stream, self._scrubber, self._clock)
