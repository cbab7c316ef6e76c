"""What a command costs: wall time, processor time and memory of its processes and of the servers it uses."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

FIRST_PAUSE_SECONDS: Final = 0.003
LONGEST_PAUSE_SECONDS: Final = 0.1
TICKS: Final = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS: Final = 1_800.0
LAST_WORDS_BYTES: Final = 40_000


@dataclass(frozen=True)
class Command:
    """Programs that read each other's output, and where they run: `environment` is added to this program's own."""

    pipeline: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Sample:
    """One measurement. `facts` are figures that only this cell has, by name; `note` says what came of it."""

    wall_seconds: float
    client_cpu_seconds: float
    server_cpu_seconds: float
    peak_rss_megabytes: float
    facts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class FailedError(Exception):
    """A measured command did not end well."""


def measure(
    command: Command | Sequence[Sequence[str]],
    servers: Sequence[int] = (),
    patience_seconds: float = PATIENCE_SECONDS,
) -> Sample:
    """Run commands, each reading what the one before it writes, to the end of all of them.

    `servers` are the process ids of server parents whose processor time is counted apart.

    Raises:
        FailedError: one of the commands ended with another code than 0, or they took longer than the patience; with
            the last that they said.
    """
    if not isinstance(command, Command):
        command = Command(command)
    before = tree_cpu_seconds(servers)
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        processes = _start(command, said)
        with PeakMemory([process.pid for process in processes]) as peak:
            deadline = threading.Timer(patience_seconds, _stop, [processes])
            deadline.start()
            usages = [_wait(process) for process in processes]
            deadline.cancel()
        wall = time.perf_counter() - begin
        if wall >= patience_seconds:
            raise FailedError(f"stopped after {patience_seconds:.0f} s")
        if any(process.returncode for process in processes):
            raise FailedError(_last_words(command.pipeline, processes, said))
    server = tree_cpu_seconds(servers) - before
    client = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Sample(wall, client, server, peak.megabytes)


def tree_cpu_seconds(pids: Sequence[int]) -> float:
    """The processor time of these processes and all below them, those that have ended included."""
    total = 0.0
    for one in [one for pid in pids for one in family(pid)]:
        with contextlib.suppress(OSError):
            total += _stat_seconds(one)
    return total


def _start(command: Command, said: IO[bytes]) -> list["subprocess.Popen[bytes]"]:
    processes: list[subprocess.Popen[bytes]] = []
    for number, arguments in enumerate(command.pipeline):
        last = number == len(command.pipeline) - 1
        process = subprocess.Popen(
            arguments,
            stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
            stdout=said if last else subprocess.PIPE,
            stderr=said,
            env={**os.environ, **command.environment},
            cwd=command.folder,
            start_new_session=True,
        )
        if processes and processes[-1].stdout:
            processes[-1].stdout.close()
        processes.append(process)
    return processes


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End the programs and all that they started: each leads a session of its own."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _last_words(
    pipeline: Sequence[Sequence[str]], processes: Sequence["subprocess.Popen[bytes]"], said: IO[bytes]
) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - LAST_WORDS_BYTES))
    words = said.read().decode(errors="replace").strip()
    ends = [
        f"{Path(arguments[0]).name} ended with {process.returncode}"
        for arguments, process in zip(pipeline, processes, strict=True)
        if process.returncode
    ]
    return f"{', '.join(ends)}: {words}"


def _wait(process: "subprocess.Popen[bytes]") -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _stat_seconds(pid: int) -> float:
    """User and system time of a process and of the children that it has seen end."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / TICKS


class PeakMemory:
    """Watches the resident memory of processes and all their children together.

    The kernel's own figure at the end of a process is of no use here: it counts this program, which it was forked from.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.megabytes = 0.0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        # Often at first, so that a short command is seen at all; seldom later, to leave the processor to others.
        pause = FIRST_PAUSE_SECONDS
        while not self._over.wait(pause):
            watched = [one for pid in self._pids for one in family(pid)]
            self.megabytes = max(self.megabytes, sum(map(_peak_megabytes, watched)))
            pause = min(pause * 1.2, LONGEST_PAUSE_SECONDS)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def _peak_megabytes(pid: int) -> float:
    """The most memory the process has had since it began its program, in MB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def syncd_program() -> str:
    """The console script of this virtual environment."""
    return str(Path(sys.executable).parent / "syncd")
