"""A file per run with everything that happened in it, kept for a while."""

import errno
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from syncd.errors import NotFoundError
from syncd.model.configuration import Configuration
from syncd.model.definitions import Logs
from syncd.model.event import (
    Event,
    RunEnded,
    RunEvent,
    RunQueued,
    RunStarted,
    StatementSent,
    StepEnded,
    StepProgressed,
)
from syncd.observe.record import record, stamp
from syncd.observe.render import json_line
from syncd.observe.scrub import Scrubber
from syncd.ports import Clock

DEFAULT_VERBOSITY: Final = 2
LONGEST_NAME: Final = 120
MEGABYTE: Final = 1_000_000
BETWEEN_CLEANINGS: Final = timedelta(hours=1)
_STARTED: Final = "%Y%m%dT%H%M%SZ"
_FILE: Final = re.compile(r"\d{8}T\d{6}Z-(?P<run>.+)\.jsonl")

_log = logging.getLogger(__name__)


class RunLogs:
    """Writes ``<folder>/<job>/<started>-<run>.jsonl``, readable by its owner only, and reads it back.

    A disk that is full or gone never fails a run: lines are dropped and counted, and the first of a run that is
    dropped is a warning. Used from one thread only.
    """

    def __init__(self, folder: Path, settings: Logs, scrubber: Scrubber, clock: Clock) -> None:
        self._folder = folder
        self._settings = settings
        self._scrubber = scrubber
        self._clock = clock
        self._verbosity: Mapping[str, int] = {}
        self._files: dict[str, Path] = {}
        self._warned: set[str] = set()
        self._cleaned: datetime | None = None
        self.dropped = 0

    def change(self, settings: Logs, verbosity: Mapping[str, int]) -> None:
        """Follow a new configuration; `verbosity` is by job."""
        self._settings = settings
        self._verbosity = verbosity

    def write(self, event: Event) -> None:
        """Write what belongs to a run into its file. Subscribe this to the bus."""
        if not isinstance(event, RunQueued | RunStarted | RunEnded | RunEvent):
            return
        if not self._wanted(event):
            return
        now = self._clock.now()
        line = json_line({"@timestamp": stamp(now), **self._scrubber.record(record(event))})
        try:
            # A run that was queued just now has no file; any other may have one of the process before this.
            _append(self._file(event.run, event.job, now, fresh=isinstance(event, RunQueued)), line)
        except OSError as error:
            self._drop(event.run, error)
        if isinstance(event, RunEnded):
            self._files.pop(event.run, None)
            self._warned.discard(event.run)
            self._clean_now_and_then(now)

    def _wanted(self, event: RunQueued | RunStarted | RunEnded | RunEvent) -> bool:
        """Does the job's verbosity ask for it: 1 errors and outcomes, 2 windows too, 3 statements, 5 progress?"""
        verbosity = self._verbosity.get(event.job, DEFAULT_VERBOSITY)
        if isinstance(event, StepProgressed):
            return verbosity >= 5 or self._settings.level == "debug"
        if isinstance(event, StatementSent):
            return verbosity >= 3
        return verbosity > 1 or isinstance(event, StepEnded | RunEnded)

    def expected(self, run: str, job: str) -> Path:
        """The file of a run that goes on, although nothing may be written to it yet."""
        return self._file(run, job, self._clock.now()).absolute()

    def path(self, run: str) -> Path:
        """The file of a run.

        Raises:
            NotFoundError: there is none (any more).
        """
        known = self._files.get(run) or _find(self._folder.glob("*/*.jsonl"), run)
        if known is None or not known.exists():
            hint = f"logs are kept {self._settings.max_age_days} days, {self._settings.max_total_megabytes} MB in all"
            raise NotFoundError(f"there is no log of run '{run}'", hint=hint)
        return known

    def lines(self, run: str) -> Iterator[str]:
        """The records of a run, one line of JSON each, oldest first. Raises NotFoundError."""
        with self.path(run).open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.rstrip("\n")

    def lines_after(self, run: str, offset: int) -> tuple[list[str], int]:
        """The whole lines after a byte offset (0 at first) and the offset to ask with next time. Raises NotFoundError."""
        with self.path(run).open("rb") as file:
            file.seek(offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        return whole.decode("utf-8").split("\n") if newline else [], offset + len(whole) + len(newline)

    def clean(self) -> int:
        """Remove files that are too old, then the oldest until the rest is small enough; how many went.

        Files of runs that have not ended stay.
        """
        now = self._clock.now()
        self._cleaned = now
        limit = now - timedelta(days=self._settings.max_age_days)
        room = self._settings.max_total_megabytes * MEGABYTE
        live = set(self._files.values())
        gone = 0
        for modified, size, path in sorted(self._every_file(), reverse=True):
            room -= size
            if path not in live and (modified < limit.timestamp() or room < 0):
                path.unlink(missing_ok=True)
                gone += 1
        for folder in self._folder.glob("*/"):
            if not any(folder.iterdir()):
                folder.rmdir()
        return gone

    def _every_file(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("*/*.jsonl"):
            found = path.stat()
            yield found.st_mtime, found.st_size, path

    def _file(self, run: str, job: str, now: datetime, *, fresh: bool = False) -> Path:
        known = self._files.get(run)
        if known is None:
            folder = self._folder / file_name(job)
            old = None if fresh else _find(folder.glob("*.jsonl"), run)
            known = self._files[run] = old or folder / f"{now.strftime(_STARTED)}-{file_name(run)}.jsonl"
        return known

    def _drop(self, run: str, error: OSError) -> None:
        self.dropped += 1
        if run not in self._warned:
            self._warned.add(run)
            facts = {"run": run, "error.message": str(error)}
            _log.warning("the log file of a run cannot be written; lines are dropped", extra={"facts": facts})

    def _clean_now_and_then(self, now: datetime) -> None:
        if self._cleaned is not None and now - self._cleaned < BETWEEN_CLEANINGS:
            return
        try:
            self.clean()
        except OSError as error:
            facts = {"error.message": str(error)}
            _log.warning("old log files cannot be removed", extra={"facts": facts})


def verbosity_of(configuration: Configuration) -> dict[str, int]:
    """How much each job and cluster wants in the logs of its runs."""
    return {job.name: job.verbosity for job in configuration.work.values()}


def file_name(text: str) -> str:
    """A name for a file or folder that stands for the text: readable, safe, different for different texts."""
    safe = quote(text, safe=" ")
    if safe.startswith("."):
        safe = f"%2E{safe[1:]}"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{safe[:LONGEST_NAME]}~{digest}"


def _find(paths: Iterable[Path], run: str) -> Path | None:
    wanted = file_name(run)
    for path in paths:
        match = _FILE.fullmatch(path.name)
        if match is not None and match["run"] == wanted:
            return path
    return None


def _append(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
