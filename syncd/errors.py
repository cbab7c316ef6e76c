"""Every error that syncd raises on purpose; the class says what the caller does next.

=====================  ============================  ====  ====
class                  next step                     HTTP  exit
=====================  ============================  ====  ====
ConfigError            the user edits a file         400   78
NotFoundError          check the name                404   3
BusyError              wait, or look who is running  409   4
RestartNeededError     the daemon is started anew    409   5
TransientError         the engine tries again        503   75
FatalError             the step fails                500   1
RowRejectedError       the row is recorded           -     1
RunCancelledError      the run ends as cancelled     200   130
=====================  ============================  ====  ====
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration, at the place where the user mends it.

    `line` and `column` start at 1; 0 means that the problem has no place in a file.
    `path` is the JSON path as people write it, for example ``jobs.accounts.schedule.cron``.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f"{self.path}: " if self.path else ""
        tail = f" ({self.hint})" if self.hint else ""
        return f"{place}: {subject}{self.message}{tail}"


class SyncdError(Exception):
    """What failed, on what and why; `hint` says what to try, `where` names the object.

    `code` is a stable lower-case word for programs. None of the texts may hold a secret.
    """

    code = "error"
    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", where: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        if code:
            self.code = code


class ConfigError(SyncdError):
    """The configuration is wrong; carries every problem that was found."""

    code = "bad_configuration"
    exit_code = 78
    http_status = 400

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class QueryError(SyncdError):
    """A query does not say one single thing that syncd can do; `offset` counts characters from 0."""

    code = "bad_query"
    exit_code = 78
    http_status = 400

    def __init__(self, message: str, *, offset: int = 0, hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.offset = offset


class ScheduleError(SyncdError):
    """A cron line, interval or zone that cannot be meant; `offset` counts characters from 0."""

    code = "bad_schedule"
    exit_code = 78
    http_status = 400

    def __init__(self, message: str, *, offset: int = 0, hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.offset = offset


class NotFoundError(SyncdError):
    """A name, table, file or daemon that should be there is not."""

    code = "not_found"
    exit_code = 3
    http_status = 404


class BusyError(SyncdError):
    """Somebody else holds what is needed: a running job, a state folder, a cursor."""

    code = "busy"
    exit_code = 4
    http_status = 409


class RestartNeededError(SyncdError):
    """A setting that a running daemon cannot change was changed; nothing was applied."""

    code = "needs_restart"
    exit_code = 5
    http_status = 409


class TransientError(SyncdError):
    """May pass by itself: a server that restarts, a deadlock, a lost connection. Tried again with back-off."""

    code = "unavailable"
    exit_code = 75
    http_status = 503


class FatalError(SyncdError):
    """Trying again as it is will not help: the step fails."""

    code = "failed"


class RowRejectedError(FatalError):
    """One row cannot be written as it is; `where` names table and column."""

    code = "row_rejected"


class RunCancelledError(SyncdError):
    """Somebody asked the run to stop, or its time was over."""

    code = "cancelled"
    exit_code = 130
    http_status = 200
