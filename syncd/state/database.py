"""Opens the state database, brings its schema up to date and refuses a damaged file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from syncd.errors import BusyError, FatalError, TransientError

FILE: Final = "state.db"
SCHEMA: Final = Path(__file__).parent / "schema"
BUSY_MILLISECONDS: Final = 250
CHECKED_BYTES: Final = 64 * 1024 * 1024
"""A larger file is not read whole at every start; damage in it shows when the page is met."""


class Database:
    """The one connection to the state. Not for two threads: whoever opened it uses it.

    A commit is not forced to the disk unless it is said to be `durable`: after a power cut the last moments of
    history may be missing, but never half of a transaction, and the rows' own cursors live in the destinations.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        with self._explained():
            self.connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=BUSY_MILLISECONDS / 1000
            )
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Everything inside becomes visible together or not at all; one inside another joins it.

        Raises:
            TransientError: the disk is full, or somebody else holds the file for a while.
            FatalError: the file is damaged.
        """
        if self.connection.in_transaction:
            yield self.connection
            return
        with self._explained(opened=True):
            if durable:
                self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self.connection.execute("PRAGMA synchronous = NORMAL")

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """The answer to a question, whole; ask only for bounded ones."""
        with self._explained(opened=True):
            return self.connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Give the file back; the write-ahead log is folded into it."""
        self.connection.close()

    def _prepare(self) -> None:
        self.path.chmod(0o600)
        if self.path.stat().st_size <= CHECKED_BYTES:
            self._check()
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self._migrate()

    def _check(self) -> None:
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(str(found).splitlines()[-1])

    def _migrate(self) -> None:
        have = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        scripts = migrations()
        if have > len(scripts):
            raise FatalError(
                f"the state database {self.path} was written by a newer syncd (schema {have})",
                hint=f"start that version, or give this one (schema {len(scripts)}) another state folder",
                code="state_too_new",
            )
        for number, script in enumerate(scripts[have:], start=have + 1):
            text = script.read_text(encoding="utf-8")
            # One script, one transaction, version included: a crash leaves the old schema or the new one.
            self.connection.executescript(
                f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    @contextmanager
    def _explained(self, *, opened: bool = False) -> Iterator[None]:
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError):
            # A fault of ours, which says nothing about the file.
            raise
        except sqlite3.Error as error:
            raise _explain(self.path, error, opened) from error
        except OSError as error:
            raise FatalError(
                f"cannot open the state database {self.path}: {error.strerror}",
                hint="check the folder's owner and mode",
                code="state_unreachable",
            ) from error


def migrations() -> list[Path]:
    """The numbered scripts, in order; number n brings the schema from version n-1 to n."""
    return sorted(SCHEMA.glob("*.sql"))


def text_of(moment: datetime | None) -> str | None:
    """A moment as it is stored: ISO 8601, UTC, microseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment_of(text: object) -> datetime | None:
    """A stored moment, aware UTC."""
    return None if text is None else datetime.fromisoformat(str(text)).astimezone(UTC)


def _explain(path: Path, error: sqlite3.Error, opened: bool) -> BusyError | TransientError | FatalError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if opened and name.startswith(("SQLITE_BUSY", "SQLITE_CANTOPEN")):
        # It was ours a moment ago: somebody looks into it, or the process has too many files open.
        return TransientError(f"cannot write the state database {path} now: {error}", code="state_locked")
    if name.startswith("SQLITE_BUSY"):
        return BusyError(
            f"the state database {path} is locked by another program", hint="close what has it open"
        )
    if name.startswith("SQLITE_FULL"):
        return TransientError(
            f"cannot write the state database {path}: the disk is full",
            hint="free some space",
            code="disk_full",
        )
    if name.startswith("SQLITE_IOERR"):
        return TransientError(
            f"cannot write the state database {path}: {error}", hint="check the disk", code="io"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return FatalError(
            f"cannot open the state database {path}: {error}",
            hint="check the folder's owner and mode",
            code="state_unreachable",
        )
    return FatalError(
        f"the state database {path} is damaged: {error}",
        hint=f"put {path.name} and its -wal aside or restore a backup; cursors live in the destinations and stay",
        code="state_damaged",
    )
