"""Bucardo: triggers in PostgreSQL and a daemon in Perl that keeps several sources equal."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.cell import Stage
from benchmarks.cluster_node import TABLE
from benchmarks.cluster_race import Keeper, Running
from benchmarks.measure import FailedError, family
from benchmarks.rivals.environment import run_installer, settings
from benchmarks.store import PASSWORD, USER, Store
from tests.servers import postgres_programs

NAME: Final = "bucardo"
CONTROL: Final = "bucardo"
"""The database with its own tables; its scripts know no other name."""
SYNC: Final = "workload"
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.1
PID_FILE: Final = "bucardo.mcp.pid"
LOG_FILE: Final = "log.bucardo"
READY: Final = "New kid, sync"
SQL_FILES: Final = ("warning_file", "reason_file", "log_conflict_file")
"""Settings that hold a path, which would be the machine's own otherwise."""


def install() -> str:
    """Get the program and PostgreSQL's Perl from Debian: what came of it, in a line."""
    missing = _missing()
    if not missing:
        return "is there"
    command = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"failed: run as root: {' '.join(command)}"
    try:
        run_installer(["apt-get", "-qq", "update"])
        run_installer(command, more={"DEBIAN_FRONTEND": "noninteractive"})
    except FailedError as error:
        return f"failed: {error}"
    return "installed"


def _missing() -> list[str]:
    """The packages that are not there; the language's has the version of the server, which is never replaced."""
    programs = postgres_programs()
    wanted = [] if shutil.which("bucardo") else ["bucardo"]
    if not (programs.parent / "lib" / "plperl.so").exists():
        version = _package_version(f"postgresql-{programs.parent.name}")
        wanted.append(f"postgresql-plperl-{programs.parent.name}{version}")
    return wanted


def _package_version(package: str) -> str:
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    return f"={found}" if found else ""


@contextmanager
def start(stage: Stage, stores: Sequence[Store], folder: Path) -> Iterator[Running]:
    """A private Bucardo with one sync in which every store is a source; stopped and forgotten at the end.

    Raises:
        FailedError: it is not installed, or one of its commands failed.
    """
    if _missing():
        raise FailedError("not installed: run python -m benchmarks.run rivals --install")
    server = stage.postgres
    stage.empty_store("postgresql", CONTROL)
    with contextlib.suppress(Exception):
        server.execute(f"CREATE ROLE {CONTROL} SUPERUSER LOGIN")
    tool = _Program(folder, server.port, str(server.programs))
    tool.run("install", "--batch")
    for name in SQL_FILES:
        tool.run("set", f"{name}={folder}/{name}")
    names = [f"node{number}" for number in range(len(stores))]
    for name, store in zip(names, stores, strict=True):
        place = [f"dbname={store.database}", "host=127.0.0.1", f"port={store.port}"]
        tool.run("add", "database", name, *place, f"user={USER}", f"pass={PASSWORD}")
    tool.run("add", "table", f"public.{TABLE}", f"db={names[0]}", f"relgroup={SYNC}")
    tool.run("add", "dbgroup", SYNC, *(f"{name}:source" for name in names))
    tool.run("add", "sync", SYNC, f"relgroup={SYNC}", f"dbs={SYNC}")
    tool.run("start", f"--log-destination={folder}")
    try:
        yield Running([tool.await_ready()])
    finally:
        tool.stop()
        server.drop_database(CONTROL)


class _Program:
    """Bucardo's command with its own folder for everything that it writes."""

    def __init__(self, folder: Path, port: int, programs: str) -> None:
        self._folder = folder
        self._options = [
            "--no-bucardorc", f"--dbname={CONTROL}", "--dbhost=127.0.0.1", f"--dbport={port}", f"--dbuser={CONTROL}",
            f"--piddir={folder}",
        ]  # fmt: skip
        self._environment = {**os.environ, **settings(folder, {"PGBINDIR": programs})}

    def run(self, *words: str) -> None:
        """One command, to its end.

        Raises:
            FailedError: with what it said.
        """
        # A daemon keeps its output open: a pipe would wait for it.
        with (self._folder / "said").open("w+") as said:
            done = subprocess.run(
                ["bucardo", *self._options, *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self._folder,
                env=self._environment,
                timeout=READY_SECONDS,
                check=False,
            )
            said.seek(0)
            if done.returncode:
                raise FailedError(f"bucardo {words[0]} ended with {done.returncode}: {said.read()[-2000:]}")

    def await_ready(self) -> int:
        """The process id of the daemon, when its worker waits for changes.

        Raises:
            FailedError: it does not.
        """
        deadline = time.monotonic() + READY_SECONDS
        log, pid_file = self._folder / LOG_FILE, self._folder / PID_FILE
        while time.monotonic() < deadline:
            if pid_file.exists() and log.exists() and READY in log.read_text(errors="replace"):
                return int(pid_file.read_text().split()[0])
            time.sleep(LOOK_SECONDS)
        raise FailedError(f"bucardo did not get ready: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End the daemon in order, and by force what is left of it."""
        pid_file = self._folder / PID_FILE
        if not pid_file.exists():
            return
        processes = family(int(pid_file.read_text().split()[0]))
        self.run("stop")
        deadline = time.monotonic() + STOP_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in processes):
            if time.monotonic() > deadline:
                for pid in processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            time.sleep(LOOK_SECONDS)


BUCARDO: Final = Keeper(NAME, start, rival=True)
