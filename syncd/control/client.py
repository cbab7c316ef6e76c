"""Talks to the daemon that owns a state folder."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from syncd.control.protocol import MAX_ANSWER_BYTES, Answer, Request, error_of
from syncd.errors import BusyError, NotFoundError, SyncdError, TransientError
from syncd.state.owner import OwnerNote, living_owner

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 10.0
STARTING_SECONDS: Final = 3.0
GLANCE_SECONDS: Final = 0.02
DAEMON: Final = "syncd run"
"""How a daemon calls itself in the note that it leaves in the state folder."""
START_SECONDS: Final = 15.0

_ANSWERS: Final = msgspec.json.Decoder(Answer)


def call(
    state: Path,
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    each: Callable[[Any], None] | None = None,
    wait_seconds: float | None = ANSWER_SECONDS,
) -> Any:
    """Ask the daemon and give its answer; `each` hears every item that comes before it.

    `wait_seconds` is the longest silence, None for no limit.

    Raises:
        NotFoundError: no daemon runs on this state folder.
        TransientError: it went away, or does not answer.
        SyncdError: what the daemon answers.
    """
    with _connected(state) as link:
        link.sendall(msgspec.json.encode(Request(name, dict(arguments or {}))) + b"\n")
        link.settimeout(wait_seconds)
        for answer in _answers(link):
            if answer.error is not None:
                raise error_of(answer.error)
            if answer.answer:
                return msgspec.json.decode(answer.answer)
            if each is not None:
                each(msgspec.json.decode(answer.item))
    raise TransientError(
        "the daemon went away before it answered", hint="syncd status shows whether it is back"
    )


def wait_for_daemon(state: Path, seconds: float = START_SECONDS) -> None:
    """Return when the daemon of this state folder answers, or when it did not for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            _connected(state).close()
        except SyncdError:
            time.sleep(GLANCE_SECONDS)
        else:
            return


def daemon_socket(state: Path) -> str | None:
    """Where the daemon of this state folder listens; None when nobody owns the folder.

    Raises:
        BusyError: somebody else owns it, who takes no calls.
    """
    deadline = time.monotonic() + STARTING_SECONDS
    while (note := living_owner(state)) is not None:
        if note.socket:
            return note.socket
        if time.monotonic() > deadline or note.command not in {"", DAEMON}:
            raise _deaf(state, note)
        # A daemon that has just begun opens its door in a moment.
        time.sleep(GLANCE_SECONDS)
    return None


def _deaf(state: Path, note: OwnerNote) -> BusyError:
    who = f"process {note.pid} ({note.command})" if note.pid else "another process"
    return BusyError(
        f"the state folder {state} belongs to {who}, which takes no calls",
        hint="wait until it ends",
        code="state_owned",
    )


def _connected(state: Path) -> socket.socket:
    path = daemon_socket(state)
    if path is None:
        raise NotFoundError(
            f"no daemon runs on the state folder {state}",
            hint="syncd run; after a change of state.path, name the old folder with --state",
            code="no_daemon",
        )
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(CONNECT_SECONDS)
    try:
        link.connect(path)
    except OSError as error:
        link.close()
        raise TransientError(
            f"cannot reach the daemon at {path}: {error.strerror or error}",
            hint="ask as the user that the daemon runs as, or look whether it is just starting",
            code="unreachable",
        ) from error
    return link


def _answers(link: socket.socket) -> Iterator[Answer]:
    buffered = bytearray()
    while len(buffered) <= MAX_ANSWER_BYTES:
        try:
            block = link.recv(65536)
        except TimeoutError as error:
            raise TransientError("the daemon does not answer", hint="see its log", code="silent") from error
        except OSError as error:
            raise TransientError(f"lost the daemon: {error.strerror}", code="unreachable") from error
        if not block:
            return
        buffered += block
        while (end := buffered.find(b"\n")) >= 0:
            yield _decoded(bytes(buffered[:end]))
            del buffered[: end + 1]


def _decoded(text: bytes) -> Answer:
    try:
        return _ANSWERS.decode(text)
    except msgspec.MsgspecError as error:
        raise SyncdError(
            f"the daemon answers in a way that this client does not know: {error}",
            hint="use the client of the daemon's version",
            code="protocol",
        ) from error
