"""A connection to a SQLite file: opening, waiting for locks, and its errors as ours."""

import math
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote as quote_url

from syncd.connectors.sqlite.failure import translate
from syncd.connectors.sqlite.geopackage import register
from syncd.errors import (
    FatalError,
    NotFoundError,
    RowRejectedError,
    RunCancelledError,
    TransientError,
)
from syncd.model.reading import Tuning
from syncd.model.statement import without_texts
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

    def __init__(self, path: str, *, write: bool, lock_seconds: float = math.inf) -> None:
        """`lock_seconds`: how long a lock is waited for where LOCK_SECONDS are too long."""
        self.path = path
        self._lock_seconds = lock_seconds
        self.cancelled = False
        self._tuning = Tuning()
        self._deadline: float | None = None
        self._overdue = False
        self._reading = False
        self._connection = _open(path, write=write)
        file = Path(path).expanduser().stat()
        self.file = (file.st_dev, file.st_ino)
        # An interruption between two statements is lost; the flag is not.
        self._connection.set_progress_handler(self._shall_stop, STEPS_BETWEEN_LOOKS)
        register(self._connection)
        self._connection.create_function("syncd_text", 1, _exact_text, deterministic=True)
        self._connection.create_function("syncd_negative", 1, _is_negative, deterministic=True)

    def tune(self, tuning: Tuning) -> None:
        """From now on: how long a statement may go without progress, and who hears the statements."""
        self._tuning = tuning

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement; a lock that another program holds raises TransientError at once."""
        self._refuse_after_cancel()
        self._tell(sql)
        with self.errors():
            return self._connection.execute(sql, parameters)

    def patient(self, sql: str, check: Check, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement, waiting for a lock up to `lock_seconds`, at most LOCK_SECONDS, in steps in which a stop is seen.

        A shorter command timeout ends the wait, and the error then has its code.
        """
        most = min(self._lock_seconds, LOCK_SECONDS)
        limit = self._tuning.command_timeout_seconds or most
        deadline = time.monotonic() + min(limit, most)
        while True:
            try:
                return self.execute(sql, parameters)
            except TransientError as error:
                if error.code == "timeout":
                    raise
                check()
                if time.monotonic() > deadline:
                    raise (self._timeout(error.message) if limit < most else error) from error
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

    @contextmanager
    def changing(self, check: Check) -> Iterator[None]:
        """A write transaction around a block: durable when the block ends well, without a trace otherwise."""
        self.begin_writing(check)
        try:
            yield
            self.patient("COMMIT", check)
        finally:
            self.rollback()

    def _journal_mode(self) -> Any:
        return self.patient("PRAGMA journal_mode", lambda: None).fetchone()[0]

    def _tell(self, sql: str) -> None:
        if self._tuning.trace is not None:
            self._tuning.trace(without_texts(sql, "sqlite"))

    def _shall_stop(self) -> bool:
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._overdue = True
        return self.cancelled or self._overdue

    def _timeout(self, what: str) -> TransientError:
        seconds = self._tuning.command_timeout_seconds
        return TransientError(
            f"{what}: no progress for {seconds:g} seconds",
            hint="it is tried again; give a longer command timeout, or help the query with an index",
            code="timeout",
        )

    def _refuse_after_cancel(self) -> None:
        if self.cancelled:
            raise RunCancelledError("the run was stopped")

    def collect(self, table: str, width: int, rows: Sequence[Parameters]) -> None:
        """Keep rows in a temporary table with the columns c0, c1, ... without types, numbered from 1 by their rowid."""
        names = ", ".join(f"c{number}" for number in range(width))
        slots = ", ".join("?" * width)
        self.execute("PRAGMA query_only=OFF")
        try:
            self.execute(f"DROP TABLE IF EXISTS temp.{table}")
            self.execute(f"CREATE TEMP TABLE {table} ({names})")
            self.insert(f"INSERT INTO temp.{table} VALUES ({slots})", rows)
        finally:
            self.execute("PRAGMA query_only=ON")

    def insert(self, sql: str, rows: Sequence[Parameters]) -> None:
        """Run one statement for each row of a batch; outside of a transaction the batch is one of its own."""
        self._refuse_after_cancel()
        self._tell(sql)
        with self.errors():
            if self._connection.in_transaction:
                self._connection.executemany(sql, rows)
                return
            # A transaction for each row would write a journal for each row.
            self._connection.execute("BEGIN")
            try:
                self._connection.executemany(sql, rows)
                self._connection.execute("COMMIT")
            finally:
                self.rollback()

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end."""
        return self._connection.in_transaction

    @contextmanager
    def stray_texts(self) -> Iterator[None]:
        """Read texts that are no valid UTF-8 too, with surrogates in place of their bytes."""
        self._connection.text_factory = _decoded
        try:
            yield
        finally:
            self._connection.text_factory = str

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
        """Turn the driver's errors into ours, and end a statement that takes too long."""
        seconds = self._tuning.command_timeout_seconds
        self._overdue = False
        self._deadline = time.monotonic() + seconds if seconds else None
        try:
            yield
        # Several statements in one text are only a Warning of the driver, before Python 3.12.
        except (sqlite3.Error, sqlite3.Warning) as error:
            if self.cancelled:
                raise RunCancelledError("the run was stopped") from error
            if self._overdue:
                raise self._timeout(f"a statement on {self.path} was ended") from error
            raise translate(error, self.path) from error
        except OverflowError as error:
            raise RowRejectedError(
                "a whole number does not fit into 64 bits",
                where=self.path,
                hint="cast it to TEXT in a SELECT",
            ) from error
        except UnicodeEncodeError as error:
            raise RowRejectedError(
                "a text holds half of a character, which UTF-8 cannot hold",
                where=self.path,
                hint="mend the text",
            ) from error
        finally:
            self._deadline = None


def _exact_text(value: Any) -> Any:
    """A fraction as the shortest text that means it; SQLite's own cast keeps 15 digits."""
    return repr(value) if isinstance(value, float) else value


def _decoded(text: bytes) -> str:
    """A text, whatever its bytes."""
    return text.decode("utf-8", "surrogateescape")


def _is_negative(value: Any) -> bool:
    """Has a fraction a minus sign, also when it is zero? SQLite's comparisons do not tell -0.0 from 0.0."""
    return isinstance(value, float) and math.copysign(1.0, value) < 0


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
