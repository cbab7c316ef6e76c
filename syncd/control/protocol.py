"""What the daemon and its clients say to each other: one request, then lines of JSON until a last one.

A request is ``{"call": "start", "arguments": {"job": "accounts"}}``. Answers are any number of ``{"item": ...}`` and
then one ``{"answer": ...}`` or ``{"error": {...}}``.
"""

import os
import stat
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from syncd.errors import (
    BusyError,
    FatalError,
    NotFoundError,
    Problem,
    RestartNeededError,
    SyncdError,
    TransientError,
)

SOCKET_FILE: Final = "control.sock"
MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
MAX_SOCKET_PATH_BYTES: Final = 107
"""Linux keeps 108 bytes for the name of a socket, a zero at the end included."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call; the arguments belong to the called one."""

    call: str
    arguments: dict[str, object] = {}


class ErrorText(msgspec.Struct, frozen=True):
    """An error on its way to a client, which leaves with `exit`."""

    code: str
    message: str
    hint: str = ""
    where: str = ""
    exit: int = 1
    problems: tuple[Problem, ...] = ()


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the daemon. Exactly one of the three is set."""

    item: msgspec.Raw = msgspec.Raw(b"")
    answer: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorText | None = None


_KINDS: Final[tuple[type[SyncdError], ...]] = (
    NotFoundError,
    BusyError,
    RestartNeededError,
    TransientError,
    FatalError,
)


def error_text(error: SyncdError) -> ErrorText:
    """The error as it travels."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    return ErrorText(error.code, error.message, error.hint, error.where, error.exit_code, problems)


def error_of(text: ErrorText) -> SyncdError:
    """The error as the client raises it: same class as far as the exit code tells, same words."""
    if text.problems:
        from syncd.errors import ConfigError

        return ConfigError(text.problems, hint=text.hint)
    kind = next((one for one in _KINDS if one.exit_code == text.exit), FatalError)
    return kind(text.message, hint=text.hint, where=text.where, code=text.code)


def socket_path(state: Path, environ: Mapping[str, str]) -> Path:
    """Where the daemon of this state folder listens; the folder is made when it is ours to make.

    The service manager's runtime folder, else the user's, else the state folder; a private folder among the
    temporary files when that name is too long for a socket.
    """
    name = f"{_digest(state)}.sock"
    if environ.get("RUNTIME_DIRECTORY"):
        # The service manager may name several folders; the first is ours.
        path = Path(environ["RUNTIME_DIRECTORY"].partition(":")[0]) / SOCKET_FILE
    elif environ.get("XDG_RUNTIME_DIR") and Path(environ["XDG_RUNTIME_DIR"]).is_dir():
        path = Path(environ["XDG_RUNTIME_DIR"]) / "syncd" / name
    else:
        path = state / SOCKET_FILE
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        path = Path(tempfile.gettempdir()) / f"syncd-{os.getuid()}" / name
    _make_private(path.parent)
    return path


def _digest(state: Path) -> str:
    return blake2b(os.fsencode(state.resolve()), digest_size=8).hexdigest()


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise FatalError(
            f"cannot make the folder {folder} for the control socket: {error.strerror}",
            hint="set RUNTIME_DIRECTORY to a folder that this user may write",
            code="no_socket",
        ) from error
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o002:
        raise FatalError(
            f"the folder {folder} for the control socket belongs to others or is open to them",
            hint="remove it, or set RUNTIME_DIRECTORY to a private folder",
            code="no_socket",
        )
