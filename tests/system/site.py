"""A folder with a configuration and databases, and the real program at work in it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from syncd.control.client import call
from syncd.state.owner import living_owner

PATIENCE_SECONDS = 20.0
STEP_SECONDS = 0.01


class Daemon:
    """A daemon process of a site."""

    def __init__(self, site: "Site", process: "subprocess.Popen[bytes]") -> None:
        self.site = site
        self.process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def call(self, called: str, **arguments: object) -> Any:
        """Ask it over its control socket."""
        return call(self.site.state, called, arguments, wait_seconds=PATIENCE_SECONDS)

    def workers(self) -> list[int]:
        """The worker processes that it knows."""
        found: list[int] = self.call("status")["daemon"]["workers"]
        return found

    def running(self, job: str) -> bool:
        """Has a worker begun the job, so that at least its first step is announced?"""
        found = self.call("status", job=job)["jobs"][0]
        return found["status"] == "running"

    def kill(self) -> None:
        """Let it die without a last word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """Ask it to end, and wait: its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


class Site:
    """The folder. Commands run in it with an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.environ = {**os.environ, "PYTHONWARNINGS": "error"}
        for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET"):
            self.environ.pop(name, None)
        self._daemons: list[Daemon] = []

    def write(self, text: str, name: str = "syncd.yaml") -> None:
        """Write the configuration."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def jobs(self, jobs: str, connections: str = "", extra: str = "") -> None:
        """Write a configuration with the connections `src` and `dst` (SQLite) and these jobs."""
        self.write(
            "state: {path: ./state}\n"
            f"{extra}"
            "connections:\n"
            "  src: {type: sqlite, path: src.db}\n"
            "  dst: {type: sqlite, path: dst.db}\n"
            f"{connections}"
            f"jobs:\n{jobs}"
        )

    def table(self, name: str, rows: int, database: str = "src.db") -> None:
        """Make a table with that many rows."""
        with closing(sqlite3.connect(self.folder / database)) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT, updated INTEGER NOT NULL)"
            )
            connection.execute(f"CREATE INDEX {name}_updated ON {name} (updated)")
            connection.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows})"
                f" INSERT INTO {name} SELECT i, 'name ' || i, i FROM n"
            )

    def rows(self, table: str, database: str = "dst.db") -> list[tuple[Any, ...]]:
        """The rows of a table in order; none when the table is not there yet."""
        with closing(sqlite3.connect(self.folder / database, timeout=10)) as connection:
            try:
                return connection.execute(f"SELECT id, name, updated FROM {table} ORDER BY id").fetchall()
            except sqlite3.OperationalError:
                return []

    def syncd(self, *words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "syncd", *words],
            cwd=self.folder,
            env={**self.environ, **more.pop("environ", {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **more,
        )

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        """Begin a command."""
        log = (self.folder / "log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "syncd", *words],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def daemon(self) -> Daemon:
        """A daemon that is ready."""
        daemon = Daemon(self, self.begin("run"))
        self._daemons.append(daemon)

        def ready() -> bool:
            assert daemon.process.poll() is None, self.log()
            note = living_owner(self.state)
            return note is not None and note.pid == daemon.pid and bool(note.socket)

        expect_soon(ready)
        return daemon

    def log(self) -> str:
        """What the begun commands wrote."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def history(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the state database, which nobody may be writing at this moment."""
        with closing(sqlite3.connect(self.state / "state.db")) as connection:
            return connection.execute(sql).fetchall()

    def close(self) -> None:
        """End what still runs."""
        for daemon in self._daemons:
            if daemon.process.poll() is None:
                daemon.kill()


def expect_soon(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(STEP_SECONDS)


def alive(pid: int) -> bool:
    """Does the process run (and is not just a name that nobody has asked after)?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the one writer's place of a SQLite database meanwhile."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines, decoded."""
    return [json.loads(line) for line in text.splitlines()]
