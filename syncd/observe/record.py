"""Turns an event into the flat facts of one log record."""

import re
from datetime import UTC, datetime
from typing import Final, assert_never

from syncd.model import event as events
from syncd.model.run import Counters, Failure, Status, StepResult, Verdict

Value = str | int | float | bool | list[str]
Record = dict[str, Value]

NANOSECONDS: Final = 1_000_000_000
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_LEVEL_OF_STATUS: Final = {
    Status.FAILED: "error",
    Status.PARTIAL: "warning",
    Status.CANCELLED: "warning",
    Status.INTERRUPTED: "warning",
}
_OUTCOME_OF_STATUS: Final = {Status.OK: "success", Status.FAILED: "failure"}


def record(event: events.Event) -> Record:
    """The event as a log record: ``log.level``, ``message``, ``event.action`` and its facts under flat dotted keys.

    No key is the prefix of another dotted one. Absent facts have no key. Durations are whole nanoseconds.
    """
    action = _WORD.sub("-", type(event).__name__).lower()
    level, facts = _facts(event)
    if isinstance(event, events.JobPaused) and not event.paused:
        action = "job-resumed"
    found: Record = {"log.level": level, "message": action.replace("-", " "), "event.action": action}
    for name in ("run", "job", "step", "generation"):
        value = getattr(event, name, None)
        if value is not None:
            found[name] = value
    found.update({key: value for key, value in facts.items() if value is not None and value not in ("", [])})
    return found


def level_number(level: str) -> int:
    """How grave a level is: debug 10, info 20, warning 30, error 40."""
    return {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]


def stamp(moment: datetime) -> str:
    """The moment in UTC with six digits and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _facts(event: events.Event) -> tuple[str, dict[str, Value | None]]:
    """The level and the facts beside run, job, step and generation."""
    match event:
        case events.RunQueued():
            due = None if event.due is None else stamp(event.due)
            return "debug", {"trigger": event.trigger.value, "due": due}
        case events.RunStarted():
            return "info", {"attempt": event.attempt}
        case (
            events.StepStarted()
            | events.StepProgressed()
            | events.WindowCommitted()
            | events.StatementSent()
            | events.HookEnded()
            | events.StateReset()
            | events.StepEnded()
        ):
            return _run_facts(event)
        case events.RunEnded():
            return _LEVEL_OF_STATUS.get(event.status, "info"), {
                **_status(event.status),
                **_rows(event.counters),
                **_failure(event.failure),
                "event.duration": _nanoseconds(event.seconds),
            }
        case events.RunSkipped():
            wanted = event.reason.startswith(("paused", "disabled"))
            return "info" if wanted else "warning", {"due": stamp(event.due), "reason": event.reason}
        case _:
            return _daemon_facts(event)


def _run_facts(event: events.RunEvent) -> tuple[str, dict[str, Value | None]]:
    match event:
        case events.StepStarted():
            facts: dict[str, Value | None] = {"mode": event.mode, "rows.estimated": event.rows_estimated}
            return "debug", facts | {"mark.from": event.mark_from}
        case events.StepProgressed():
            return "debug", {"rows.read": event.rows, "bytes": event.bytes}
        case events.WindowCommitted():
            duration = {"event.duration": _nanoseconds(event.seconds)}
            return "debug", {"window": event.window, **_rows(event.counters), **duration}
        case events.StatementSent():
            return "debug", {"end": event.end, "statement": event.statement}
        case events.HookEnded():
            return _hook(event)
        case events.StateReset():
            return "warning", {"reason": event.reason}
        case events.StepEnded():
            return _step(event.result)
        case _:
            assert_never(event)


def _hook(event: events.HookEnded) -> tuple[str, dict[str, Value | None]]:
    facts: dict[str, Value | None] = {"when": event.when, "veto": event.veto or None}
    duration = {"event.duration": _nanoseconds(event.seconds)}
    return "warning" if event.failure else "info", facts | _failure(event.failure) | duration


def _daemon_facts(
    event: events.ConfigApplied
    | events.ConfigRejected
    | events.DaemonStarted
    | events.DaemonStopped
    | events.JobPaused,
) -> tuple[str, dict[str, Value | None]]:
    match event:
        case events.ConfigApplied():
            return "info", {
                "config.added": list(event.added),
                "config.changed": list(event.changed),
                "config.removed": list(event.removed),
            }
        case events.ConfigRejected():
            return "error", {"config.problems": list(event.problems)}
        case events.DaemonStarted():
            level = "warning" if event.interrupted else "info"
            return level, {"jobs": event.jobs, "interrupted": list(event.interrupted)}
        case events.DaemonStopped():
            return "info", {"reason": event.reason}
        case events.JobPaused():
            return "info", {}
        case _:
            assert_never(event)


def _step(result: StepResult) -> tuple[str, dict[str, Value | None]]:
    level = _LEVEL_OF_STATUS.get(result.status, "warning" if result.warnings else "info")
    return level, {
        "step": result.step,
        **_status(result.status),
        **_rows(result.counters),
        **_failure(result.failure),
        "rows.known": result.rows_known,
        "mark.from": result.mark_from,
        "mark.to": result.mark_to,
        "nothing_to_do": result.nothing_to_do or None,
        "warnings": list(result.warnings),
        "truncated": [f"{column}={count}" for column, count in result.truncated],
        **_verdict(result.verdict),
        "event.duration": _nanoseconds(result.seconds),
    }


def _status(status: Status) -> dict[str, Value | None]:
    return {"status": status.value, "event.outcome": _OUTCOME_OF_STATUS.get(status, "unknown")}


def _rows(counters: Counters) -> dict[str, Value | None]:
    return {
        "rows.read": counters.read,
        "rows.inserted": counters.inserted,
        "rows.updated": counters.updated,
        "rows.unchanged": counters.unchanged,
        "rows.rejected": counters.rejected,
        "rows.deleted": counters.deleted,
    }


def _verdict(verdict: Verdict | None) -> dict[str, Value | None]:
    """What a comparison found, without its examples: these are values of rows."""
    if verdict is None:
        return {}
    return {
        "verdict.method": verdict.method,
        "verdict.rows": verdict.rows,
        "verdict.missing": verdict.missing,
        "verdict.different": verdict.different,
        "verdict.surplus": verdict.surplus,
        "verdict.repaired": verdict.repaired,
    }


def _failure(failure: Failure | None) -> dict[str, Value | None]:
    if failure is None:
        return {}
    return {
        "error.code": failure.code,
        "error.message": failure.message,
        "error.hint": failure.hint,
        "error.where": failure.where,
        "error.transient": failure.transient,
    }


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * NANOSECONDS)
