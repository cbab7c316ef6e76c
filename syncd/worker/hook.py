"""What a job does before its first query and after its last: a command, a statement, a call of a web service."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from syncd.errors import FatalError, SyncdError
from syncd.model.definitions import Hook
from syncd.ports import Check, Destination

MOST_BYTES: Final = 1_000_000
MOST_VARIABLE_BYTES: Final = 8192
GLANCE_SECONDS: Final = 0.05
VETO: Final = "CancelJob"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a hook gave back: variables for the queries, and whether the run shall not take place."""

    variables: Mapping[str, str] = field(default_factory=dict)
    veto: bool = False


def run_hook(
    hook: Hook, facts: Mapping[str, Any], destination: Callable[[str], Destination], check: Check
) -> Reply:
    """Carry out a hook and read its reply.

    `facts` go to a command as environment ``SYNCD_<NAME>`` (those of more than 8 kB do not) and, all of them, as JSON on
    its standard input; to a web service as the JSON body. A command or service replies with lines ``env:name=value`` and ``CancelJob=true``, or with a JSON object;
    a statement with rows of name and value. `destination` opens a connection by name (empty: the job's own).

    Raises:
        SyncdError: it failed, or took longer than its time.
    """
    if hook.command:
        return reply_of(_command(hook, facts, check))
    if hook.sql:
        rows = _statement(hook, destination(hook.connection), check)
        return _of_pairs([(str(row[0]), row[1]) for row in rows if len(row) == 2])
    from syncd.web import call

    headers = {name: value.reveal() for name, value in hook.headers.items()}
    body = json.dumps(facts, default=str).encode()
    answer = call(
        hook.method, hook.url, headers=headers, body=body, timeout_seconds=hook.timeout_seconds, check=check
    )
    return reply_of(answer.text)


def reply_of(text: str) -> Reply:
    """Read a reply: a JSON object (``{"env": {...}, "CancelJob": true}`` or plain names), or lines; other lines are ignored."""
    with contextlib.suppress(ValueError):
        document = json.loads(text)
        if isinstance(document, dict):
            variables = document.get("env", {name: v for name, v in document.items() if name != VETO})
            pairs = list(variables.items()) if isinstance(variables, dict) else []
            return _of_pairs([*pairs, (VETO, document.get(VETO, False))])
    pairs = []
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and (name.startswith("env:") or name == VETO):
            pairs.append((name, value))
    return _of_pairs(pairs)


def _statement(hook: Hook, port: Destination, check: Check) -> Sequence[tuple[object, ...]]:
    """The rows of a statement; a port on which it took too long was told to stop and is of no use any more."""
    ended, overdue = threading.Event(), threading.Event()

    def watch() -> None:
        late = not ended.wait(hook.timeout_seconds)
        while late and not ended.is_set():
            overdue.set()
            # Told again and again: it may just have begun a statement.
            with contextlib.suppress(SyncdError, OSError):
                port.cancel()
            ended.wait(GLANCE_SECONDS)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    rows: Sequence[tuple[object, ...]] = ()
    try:
        rows = port.execute(hook.sql, check)
    except SyncdError:
        if not overdue.is_set():
            raise
    finally:
        ended.set()
        watcher.join()
    if overdue.is_set():
        check()
        raise FatalError(
            f"the statement took longer than {hook.timeout_seconds:g} s",
            hint="raise the event's timeout_seconds",
            code="event_timeout",
        )
    return rows


def _of_pairs(pairs: list[tuple[str, Any]]) -> Reply:
    variables: dict[str, str] = {}
    veto = False
    for name, value in pairs:
        if name == VETO:
            veto = str(value).strip().lower() in {"true", "1", "yes"}
        elif value is not None:
            variables[name.removeprefix("env:")] = str(value)
    return Reply(variables, veto)


def _command(hook: Hook, facts: Mapping[str, Any], check: Check) -> str:
    name = hook.command[0]
    environment = os.environ | _variables(facts)
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as complaints,
    ):
        given.write(json.dumps(facts, default=str).encode())
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603  # an argument list that the user wrote, and no shell
                hook.command,
                stdin=given,
                stdout=output,
                stderr=complaints,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "an argument holds a NUL character"
            raise FatalError(
                f"the command {name} cannot be started: {reason}",
                hint="give its full path, and check that it is executable",
                code="event_failed",
            ) from error
        code = _wait(process, name, hook.timeout_seconds, check)
        if code:
            last = _tail(complaints)
            raise FatalError(
                f"the command {name} ended with exit code {code}{f': {last}' if last else ''}",
                hint="run it by hand with the same environment",
                code="event_failed",
            )
        output.seek(0)
        return output.read(MOST_BYTES).decode("utf-8", "replace")


def _variables(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that a command's environment takes: the kernel refuses to start one with a long variable."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in facts.items()
    }
    return {
        f"SYNCD_{key.upper()}": text.replace("\0", " ")
        for key, text in texts.items()
        if len(text.encode()) <= MOST_VARIABLE_BYTES
    }


def _wait(process: subprocess.Popen[bytes], name: str, timeout_seconds: float, check: Check) -> int:
    deadline = time.monotonic() + timeout_seconds
    try:
        while (code := process.poll()) is None:
            check()
            if time.monotonic() > deadline:
                raise FatalError(
                    f"the command {name} took longer than {timeout_seconds:g} s",
                    hint="raise the event's timeout_seconds",
                    code="event_timeout",
                )
            time.sleep(GLANCE_SECONDS)
    except SyncdError:
        # Its children too: it leads a session of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        raise
    return code


def _tail(file: IO[bytes]) -> str:
    """The last line that says something."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2000))
    lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
