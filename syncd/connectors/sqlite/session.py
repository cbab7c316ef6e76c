"""A connection to a SQLite file: opening, waiting for locks, and its errors as ours."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote as quote_url

from syncd.errors import (
    FatalError,
    NotFoundError,
    RowRejectedError,
    RunCancelledError,
    SyncdError,
    TransientError,
)
from syncd.ports import Check

LOCK_SECONDS: Final = 30.0
"""How long to wait for another program's lock in all; the driver itself waits only a moment, so a stop is seen."""
DRIVER_WAIT_SECONDS: Final = 0.1
OPEN_SECONDS: Final = 5.0

STEPS_BETWEEN_LOOKS: Final = 50_000
"""After how many steps of SQLite's machine a running statement looks whether it shall stop."""

Parameters = Sequence[Any] | Mapping[str, Any]


_READERS: Counter[tuple[int, int]] = Counter()
"""Files, by device and number, that this process has open read transactions on."""


def quote(name: str) -> str:
    """An identifier as SQL text."""
    if "\x00" in name:
        raise FatalError(f"the name {name!r} holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


class Session:
    """One connection; `interrupt` may be called from another thread, everything else from one at a time."""

    def __init__(self, path: str, *, write: bool) -> None:
        self.path = path
        self.cancelled = False
        self._reading = False
        self._connection = _open(path, write=write)
        file = Path(path).expanduser().stat()
        self.file = (file.st_dev, file.st_ino)
        # An interruption between two statements is lost; the flag is not.
        self._connection.set_progress_handler(lambda: self.cancelled, STEPS_BETWEEN_LOOKS)

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement; a lock that another program holds raises TransientError at once."""
        self._refuse_after_cancel()
        with self.errors():
            return self._connection.execute(sql, parameters)

    def patient(self, sql: str, check: Check, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement, waiting for a lock up to LOCK_SECONDS in steps in which a stop is seen."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return self.execute(sql, parameters)
            except TransientError:
                check()
                if time.monotonic() > deadline:
                    raise
                time.sleep(DRIVER_WAIT_SECONDS / 2)

    @contextmanager
    def snapshot(self, check: Check = lambda: None) -> Iterator[None]:
        """A read transaction around a block."""
        self.begin_reading(check)
        try:
            yield
        finally:
            self.rollback()

    def begin_reading(self, check: Check) -> None:
        """Begin a read transaction, waiting for a writer that is just committing."""
        self.patient("BEGIN", check)
        # BEGIN alone reads nothing; the snapshot is taken by the first read.
        try:
            self.patient("SELECT 1 FROM sqlite_master LIMIT 1", check).fetchone()
        except BaseException:
            self.rollback()
            raise
        _READERS[self.file] += 1
        self._reading = True

    def begin_writing(self, check: Check) -> None:
        """Take the write lock.

        Raises:
            FatalError: this process reads the same file, which has no write-ahead log: neither could ever go on.
        """
        if _READERS[self.file] > 0 and str(self._journal_mode()).lower() != "wal":
            raise FatalError(
                f"{self.path} is source and destination at once, and its readers keep writers out",
                hint="switch its write-ahead log on: PRAGMA journal_mode=WAL",
                code="same_file",
            )
        self.patient("BEGIN IMMEDIATE", check)

    def _journal_mode(self) -> Any:
        return self.patient("PRAGMA journal_mode", lambda: None).fetchone()[0]

    def _refuse_after_cancel(self) -> None:
        if self.cancelled:
            raise RunCancelledError("the run was stopped")

    def insert(self, sql: str, rows: Sequence[Parameters]) -> None:
        """Run one statement for each row of a batch."""
        self._refuse_after_cancel()
        with self.errors():
            self._connection.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end."""
        return self._connection.in_transaction

    def rollback(self) -> None:
        """End the transaction without a trace; does nothing when there is none."""
        self._end_reading()
        if self._connection.in_transaction:
            with self.errors():
                self._connection.execute("ROLLBACK")

    def interrupt(self) -> None:
        """Make the running statement end; from any thread."""
        self.cancelled = True
        # A connection that was just closed has nothing to interrupt.
        with suppress(sqlite3.ProgrammingError):
            self._connection.interrupt()

    def close(self) -> None:
        """Close; open work is undone."""
        self._end_reading()
        self._connection.close()

    def _end_reading(self) -> None:
        if self._reading:
            self._reading = False
            _READERS[self.file] -= 1

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            if self.cancelled:
                raise RunCancelledError("the run was stopped") from error
            raise translate(error, self.path) from error
        except OverflowError as error:
            raise RowRejectedError(
                "a whole number does not fit into 64 bits",
                where=self.path,
                hint="cast it to TEXT in a SELECT",
            ) from error


def refuse_unwritable(path: str) -> None:
    """Refuse a place where no file can be made; makes nothing.

    Raises:
        FatalError: the nearest folder that exists may not be written, or is no folder.
    """
    folder = Path(path).expanduser().absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise FatalError(
            f"cannot create the SQLite file {path}: {folder} may not be written",
            hint="check `path`, and the folder's owner and mode",
        )


def _open(path: str, *, write: bool) -> sqlite3.Connection:
    file = Path(path).expanduser()
    if file.is_dir():
        raise FatalError(f"cannot open {path}: it is a folder", hint="name the database file itself")
    new = not file.exists()
    if new and not write:
        raise NotFoundError(f"cannot open the SQLite file {path}: it does not exist", hint="check `path`")
    try:
        if new:
            file.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if write else "rw"
        connection = _connect(file, mode)
        _await_reader(connection)
        if not write:
            try:
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            except sqlite3.OperationalError:
                # A file or folder that may only be read: without a write-ahead log that works read-only.
                connection.close()
                connection = _connect(file, "ro")
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            connection.execute("PRAGMA query_only=ON")
        else:
            _prepare_for_writing(connection, new=new)
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error
    return connection


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote_url(str(file.absolute()))}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=DRIVER_WAIT_SECONDS,
        check_same_thread=False,
    )


def _await_reader(connection: sqlite3.Connection) -> None:
    """Wait for a writer that keeps readers out while it commits."""
    deadline = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < deadline:
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                return


def _prepare_for_writing(connection: sqlite3.Connection, *, new: bool) -> None:
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if new:
        # Readers of a new file shall not wait for us; an existing file keeps the mode its owner chose.
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL" if new else "PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-16384")


def translate(error: BaseException, path: str) -> SyncdError:
    """A driver error as one of ours, without a row's values."""
    text = str(error)
    low = text.lower()
    if "locked" in low or "busy" in low:
        return TransientError(
            f"the SQLite file {path} is locked by another program",
            hint="it is tried again; close long transactions",
        )
    return _of_a_row(text, low, path) or _of_the_file(error, text, low, path)


def _of_a_row(text: str, low: str, path: str) -> SyncdError | None:
    """What is wrong with a row; None when the file is to blame."""
    if "unique constraint failed" in low or "primary key must be unique" in low:
        return FatalError(
            f"a row with the same key exists already ({text.rpartition(': ')[2]})",
            hint="a unique rule of the destination forbids it",
            code="key_exists",
            where=path,
        )
    if "constraint failed" in low:
        return RowRejectedError(
            f"a row breaks a rule of the destination: {text}",
            where=path,
            hint="mend the row, or the constraint",
        )
    if "datatype mismatch" in low or "cannot store" in low:
        return RowRejectedError(
            f"a value does not fit its column: {text}",
            where=path,
            hint="mend the value, or give the column a type that takes it",
        )
    if "could not decode" in low:
        column = text.partition("column '")[2].partition("'")[0]
        return RowRejectedError(
            f"the text in column {column or '?'} is not valid UTF-8",
            where=path,
            hint=f"SELECT CAST({column} AS BLOB)",
        )
    return None


def _of_the_file(error: BaseException, text: str, low: str, path: str) -> SyncdError:
    if "disk is full" in low or (isinstance(error, OSError) and error.errno == 28):
        return FatalError(
            f"the disk that holds {path} is full", hint="free space and run again", code="disk_full"
        )
    if "not a database" in low or "malformed" in low:
        return FatalError(
            f"{path} is not a sound SQLite database: {text}", hint="check `path`; restore a backup"
        )
    if "readonly" in low or "unable to open" in low or isinstance(error, PermissionError):
        return FatalError(
            f"cannot open the SQLite file {path}: {text}", hint="check its permissions and its folder's"
        )
    if "interrupted" in low:
        return RunCancelledError("the run was stopped")
    return FatalError(f"{path}: {text}", where=path, hint="check the query and the table")
