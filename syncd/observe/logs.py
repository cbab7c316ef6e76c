"""Logging of a process: one line per record, scrubbed, to one stream, whoever wrote it.

`configure` is called once at the start of a process and again when the settings change. It takes in three kinds of
records: events (through `Log.write`), debug detail of our own code (``structlog.get_logger()``) and whatever foreign
libraries send to the standard library's logging. structlog is imported here and now only, since it takes long.
"""

import logging
import math
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, BinaryIO, Final

from syncd.model.definitions import Logs
from syncd.model.event import Event
from syncd.observe.record import Record, Value, level_number, record, stamp
from syncd.observe.render import console_line, json_line
from syncd.observe.scrub import Scrubber
from syncd.ports import Clock
from syncd.version import __version__

SERVICE: Final = "syncd"
QUIET: Final = ("httpx", "httpcore", "asyncio", "urllib3", "schedule", "sqlglot", "hpack")
"""Libraries whose info is noise, or names addresses in full."""


class Log:
    """Writes records to a stream. A stream that takes nothing never fails the caller: lines are dropped and counted.

    The lock guards the stream, since drivers log from threads of their own; nothing else is called under it.
    """

    def __init__(self, stream: BinaryIO, settings: Logs, scrubber: Scrubber, clock: Clock) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._scrubber = scrubber
        self._clock = clock
        self.dropped = 0
        self.level = level_number(settings.level)
        self._terminal = _is_terminal(stream)
        self._console = settings.format == "console" or (settings.format == "auto" and self._terminal)

    def write(self, event: Event) -> None:
        """Write the record of an event, when its level is wanted. Subscribe this to the bus."""
        found = record(event)
        if level_number(str(found["log.level"])) >= self.level:
            self.put(found)

    def put(self, found: Record) -> None:
        """Write a record; time, service and version are added."""
        whole: Record = {"@timestamp": stamp(self._clock.now()), **self._scrubber.record(found)}
        if not self._console:
            whole |= {"service.name": SERVICE, "service.version": __version__}
        line = console_line(whole, self._terminal) if self._console else json_line(whole)
        try:
            with self._lock:
                self._stream.write(line)
                self._stream.flush()
        except (OSError, ValueError):
            self.dropped += 1


def configure(settings: Logs, stream: BinaryIO, scrubber: Scrubber, clock: Clock) -> Log:
    """Send everything that this process logs to the stream, from now on; what was configured before ends."""
    log = Log(stream, settings, scrubber, clock)
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(log)]
    root.setLevel(log.level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(log.level, logging.WARNING))
    logging.captureWarnings(True)
    _configure_structlog(log)
    return log


def _configure_structlog(log: Log) -> None:
    import structlog

    def put(_: object, method: str, facts: MutableMapping[str, Any]) -> str:
        log.put(_detail(method, facts))
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, put],
        wrapper_class=structlog.make_filtering_bound_logger(log.level),
        cache_logger_on_first_use=False,
    )


def _detail(method: str, facts: MutableMapping[str, Any]) -> Record:
    """A record from what a structlog call was given."""
    level = {"warn": "warning", "exception": "error", "critical": "error", "msg": "info"}.get(method, method)
    found: Record = {"log.level": level, "message": str(facts.pop("event", ""))}
    error = facts.pop("exc_info", None)
    if isinstance(error, BaseException):
        found |= _error(error)
    elif error:
        found["error.stack_trace"] = traceback.format_exc()
    return found | _flat(facts)


class _Foreign(logging.Handler):
    """Takes the records of the standard library's logging."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, entry: logging.LogRecord) -> None:
        """Write one record; one that cannot be formatted is written as it is."""
        try:
            message = entry.getMessage()
        except (TypeError, ValueError, KeyError):
            message = f"{entry.msg!r} {entry.args!r}"
        level = (
            "debug"
            if entry.levelno < logging.INFO
            else "info"
            if entry.levelno < logging.WARNING
            else "warning"
        )
        level = "error" if entry.levelno >= logging.ERROR else level
        found: Record = {"log.level": level, "message": message, "log.logger": entry.name}
        if entry.exc_info and entry.exc_info[1] is not None:
            found |= _error(entry.exc_info[1])
        self._log.put(found | _flat(getattr(entry, "facts", {})))


def _error(error: BaseException) -> Record:
    stack = "".join(traceback.format_exception(error))
    return {"error.type": type(error).__name__, "error.message": str(error), "error.stack_trace": stack}


def _flat(facts: Mapping[str, Any]) -> Record:
    """Facts as a record's values; whatever is no plain value becomes its text."""
    return {str(key): _value(value) for key, value in facts.items() if value is not None}


def _value(value: object) -> Value:
    if isinstance(value, list | tuple | set | frozenset):
        return [str(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def _is_terminal(stream: BinaryIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError):
        return False
