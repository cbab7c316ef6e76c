"""Who owns a state folder: one process at a time, by locks that the kernel frees when it dies."""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from syncd.errors import BusyError, FatalError

OWNER_FILE: Final = "owner.lock"
WORKERS_FILE: Final = "workers.lock"
WAIT_SECONDS: Final = 10.0
GLANCE_SECONDS: Final = 0.2
"""Longer than somebody who only looks holds the first lock."""
STEP_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class OwnerNote:
    """What an owner tells about itself. `socket` is empty when nobody answers there."""

    pid: int = 0
    socket: str = ""
    since: str = ""
    command: str = ""


class Owner:
    """The right to write a state folder, from `take` to `release`.

    Workers hold a shared lock on a second file while they live. A new owner waits until the workers of a dead one
    are gone, so that nobody writes a destination behind its back.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self._descriptor: int | None = descriptor

    @classmethod
    def take(
        cls, folder: Path, *, command: str, now: datetime, wait_seconds: float = WAIT_SECONDS
    ) -> "Owner":
        """Become the owner.

        Raises:
            BusyError: somebody else lives there, or a dead owner's worker does not end.
            FatalError: the folder cannot be made or written.
        """
        descriptor = _open(_made(folder) / OWNER_FILE)
        if not _locked(descriptor, GLANCE_SECONDS):
            os.close(descriptor)
            raise _taken(folder, owner_note(folder))
        owner = cls(folder, descriptor)
        try:
            owner._await_workers(wait_seconds)
        except BaseException:
            owner.release()
            raise
        owner.note(OwnerNote(pid=os.getpid(), since=now.isoformat(timespec="seconds"), command=command))
        return owner

    def note(self, note: OwnerNote) -> None:
        """Tell others about this owner; kept inside the lock file itself."""
        if self._descriptor is None:
            return
        text = json.dumps(
            {"pid": note.pid, "socket": note.socket, "since": note.since, "command": note.command}
        ).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text + b"\n", 0)

    def release(self) -> None:
        """Give the folder back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _await_workers(self, wait_seconds: float) -> None:
        descriptor = _open(self.folder / WORKERS_FILE)
        try:
            if not _locked(descriptor, wait_seconds):
                raise BusyError(
                    f"workers of an earlier syncd still run on the state folder {self.folder}",
                    hint=f"find them with: fuser {self.folder / WORKERS_FILE}",
                    code="workers_alive",
                )
        finally:
            os.close(descriptor)


def living_owner(folder: Path) -> OwnerNote | None:
    """Who owns the folder at this moment, or None. Takes nothing and changes nothing."""
    try:
        descriptor = os.open(folder / OWNER_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise FatalError(
            f"cannot look into the state folder {folder}: {error.strerror}",
            hint="ask as the user that the daemon runs as",
            code="state_unreachable",
        ) from error
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner_note(folder)
    else:
        return None
    finally:
        os.close(descriptor)


def owner_note(folder: Path) -> OwnerNote:
    """What stands in the lock file, whether its writer lives or not."""
    try:
        found = json.loads((folder / OWNER_FILE).read_bytes())
        return OwnerNote(int(found["pid"]), str(found["socket"]), str(found["since"]), str(found["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return OwnerNote()


def join_workers(folder: Path) -> int:
    """Hold a worker's share of the second lock until the process ends; the descriptor."""
    descriptor = _open(folder / WORKERS_FILE)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _locked(descriptor: int, wait_seconds: float) -> bool:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(STEP_SECONDS)
        else:
            return True


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(
            f"cannot make the state folder {folder}: {error.strerror}",
            hint="set state.path to a folder that this user may write",
            code="state_unreachable",
        ) from error
    return folder


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FatalError(
            f"cannot write in the state folder {path.parent}: {error.strerror}",
            hint="check its owner and mode, or set state.path to a folder that this user may write",
            code="state_unreachable",
        ) from error


def _taken(folder: Path, note: OwnerNote) -> BusyError:
    who = f"process {note.pid} ({note.command})" if note.pid else "another process"
    since = f" since {note.since}" if note.since else ""
    return BusyError(
        f"the state folder {folder} belongs to {who}{since}",
        hint="wait until it ends, or give this one another state.path",
        code="state_owned",
    )
