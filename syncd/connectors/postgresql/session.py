"""A connection to a PostgreSQL database: opening, statements, COPY in both directions, stopping."""

import contextlib
import select
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from syncd.connectors.postgresql.failure import connecting, place_of, running
from syncd.errors import FatalError, RunCancelledError, SyncdError, TransientError
from syncd.ports import Check

BLOCK_BYTES: Final = 256 * 1024
LEAVE_SECONDS: Final = 3.0
"""How long a COPY that nobody wants any more may take to end."""
WAIT_MILLISECONDS: Final = 200
"""How long a wait for the server lasts before the run looks whether it shall stop."""

SETTINGS: Final = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "error",
    "search_path": "",
}
"""Texts must be exact and the same on both ends, whatever the role's defaults are."""

Parameters = Sequence[Any]


def quote(name: str) -> str:
    """An identifier as SQL text."""
    if "\x00" in name:
        raise FatalError(f"the name {name!r} holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


class Session:
    """One connection in autocommit; `cancel` may be called from another thread, the rest from one at a time."""

    def __init__(self, parameters: Mapping[str, str], schema: str = "") -> None:
        self.schema = schema
        self.place = place_of(parameters)
        self.cancelled = False
        self._copying = False
        self._copying_in = False
        keywords = {name: value for name, value in parameters.items() if name != "url"}
        keywords |= {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
        keywords |= {"tcp_user_timeout": "60000", "client_encoding": "UTF8"}
        try:
            conninfo = psycopg.conninfo.make_conninfo(parameters.get("url", ""), **keywords)
            self._connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise connecting(error, parameters) from error
        try:
            self.server_zone = self._settle(schema)
        except BaseException:
            self._connection.close()
            raise

    def _settle(self, schema: str) -> str:
        """Set what exact texts need, and give back the zone that the server would have used."""
        calls = []
        values: list[str] = []
        for name, value in SETTINGS.items():
            if name == "search_path":
                if not schema:
                    continue
                value = quote(schema)
            calls.append("set_config(%s, %s, false)")
            values += [name, value]
        row = self.execute(f"SELECT current_setting('TimeZone'), {', '.join(calls)}", values).fetchone()
        return str(row[0]) if row else "UTC"

    def execute(self, sql: str, parameters: Parameters | None = None) -> psycopg.Cursor[TupleRow]:
        """Run one statement and fetch its result."""
        if self.cancelled:
            # The server forgets a wish to stop that finds it idle.
            raise RunCancelledError("the run was stopped")
        try:
            return self._connection.execute(sql, parameters)
        except psycopg.Error as error:
            raise self.failed(error) from error

    def value(self, sql: str, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, None when there is none."""
        row = self.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def failed(self, error: psycopg.Error) -> Exception:
        """What to raise for a driver's error."""
        if self.cancelled:
            return RunCancelledError("the run was stopped")
        return running(error, self.place)

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end, also after an error."""
        return self._connection.info.transaction_status != pq.TransactionStatus.IDLE

    def rollback(self) -> None:
        """End the transaction without a trace, and a COPY in the middle of it."""
        if self._copying and not self._connection.closed:
            self._leave_copy()
        if not self._connection.closed and self.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                # The server undoes it when the connection goes.
                self._connection.close()

    def return_to(self, savepoint: str) -> None:
        """Leave a COPY, and go back to a savepoint of the transaction; silent when the connection is lost."""
        if self._copying and not self._connection.closed:
            self._leave_copy()
        if not self._connection.closed:
            with contextlib.suppress(psycopg.Error):
                self._connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")

    def _leave_copy(self) -> None:
        """End a COPY without taking or giving the rest; a connection that does not come free soon is closed."""
        pgconn = self._connection.pgconn
        deadline = time.monotonic() + LEAVE_SECONDS

        def check() -> None:
            if time.monotonic() > deadline:
                raise TransientError(f"{self.place}: the COPY does not end")

        try:
            if pgconn.transaction_status == pq.TransactionStatus.ACTIVE and self._copying_in:
                pgconn.put_copy_end(b"abandoned")
                self._flush(check)
            else:
                self._connection.cancel_safe(timeout=LEAVE_SECONDS)
                self._drain_copy_out(check)
            self._result(check)
        except (psycopg.Error, TransientError):
            self._connection.close()
        except SyncdError:
            # The server's word that the COPY was ended, as it was asked to.
            pass
        finally:
            self._copying = False

    def _drain_copy_out(self, check: Check) -> None:
        pgconn = self._connection.pgconn
        while True:
            count, _ = pgconn.get_copy_data(1)
            if count == 0:
                self._wait(select.POLLIN, check)
            elif count < 0:
                return

    def cancel(self) -> None:
        """Ask the server to stop the running statement."""
        self.cancelled = True
        if not self._connection.closed:
            try:
                self._connection.cancel_safe(timeout=2.0)
            except psycopg.Error:
                self._connection.close()

    def close(self) -> None:
        """Close; open work is undone by the server."""
        self._connection.close()

    @property
    def alive(self) -> bool:
        """False when the connection is known to be lost."""
        return not self._connection.closed and not self._connection.broken

    def copy_out(self, sql: str, check: Check) -> Generator[tuple[bytes, int]]:
        """COPY TO STDOUT as blocks of whole protocol rows with their count; the sum of the counts is exact.

        `sql` holds no placeholders. The wait for the server never holds the interpreter, so a stop comes through.
        """
        pgconn = self._connection.pgconn
        self._begin_copy(sql, pq.ExecStatus.COPY_OUT)
        pieces: list[bytes] = []
        size = rows = told = 0
        while True:
            count, data = pgconn.get_copy_data(1)
            if count > 0:
                piece = bytes(data)
                pieces.append(piece)
                size += count
                rows += 1
                if size >= BLOCK_BYTES:
                    check()
                    yield b"".join(pieces), rows
                    told += rows
                    pieces, size, rows = [], 0, 0
            elif count == 0:
                self._wait(select.POLLIN, check)
            else:
                break
        result = self._result(check)
        self._copying = False
        # Header and trailer of the binary format are protocol rows too: the last block sets the count right.
        yield b"".join(pieces), (result.command_tuples or 0) - told

    def copy_in(self, sql: str, check: Check) -> "CopyIn":
        """Start COPY FROM STDIN."""
        self._begin_copy(sql, pq.ExecStatus.COPY_IN)
        return CopyIn(self, check)

    def copy_rows(self, sql: str) -> Any:
        """psycopg's own COPY FROM STDIN, which writes tuples; use as a context manager."""
        return self._connection.cursor().copy(sql)

    def _begin_copy(self, sql: str, wanted: pq.ExecStatus) -> None:
        if self.cancelled:
            raise RunCancelledError("the run was stopped")
        pgconn = self._connection.pgconn
        try:
            result = pgconn.exec_(sql.encode())
        except psycopg.Error as error:
            raise self.failed(error) from error
        if result.status != wanted:
            raise self.failed(psycopg.errors.error_from_result(result))
        self._copying = True
        self._copying_in = wanted is pq.ExecStatus.COPY_IN
        pgconn.nonblocking = 1

    def send(self, data: bytes, check: Check) -> None:
        """Hand bytes of a COPY to the server; returns when all have left, so that memory stays bounded."""
        pgconn = self._connection.pgconn
        try:
            pgconn.put_copy_data(data)
            self._flush(check)
        except psycopg.Error as error:
            raise self.failed(error) from error

    def end_copy_in(self, check: Check) -> int:
        """End COPY FROM STDIN; how many rows the server took."""
        pgconn = self._connection.pgconn
        try:
            pgconn.put_copy_end()
            self._flush(check)
        except psycopg.Error as error:
            raise self.failed(error) from error
        result = self._result(check)
        self._copying = False
        return result.command_tuples or 0

    def _flush(self, check: Check) -> None:
        pgconn = self._connection.pgconn
        while pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT, check)

    def _result(self, check: Check) -> pq.abc.PGresult:
        """Wait for the end of a COPY and drain the connection, which takes no next command before."""
        pgconn = self._connection.pgconn
        found: pq.abc.PGresult | None = None
        while True:
            while pgconn.is_busy():
                self._wait(select.POLLIN, check)
            result = pgconn.get_result()
            if result is None:
                break
            found = found or result
        if found is None or found.status != pq.ExecStatus.COMMAND_OK:
            self._copying = False
            if found is None:
                raise TransientError(f"{self.place}: the connection was lost", hint="it is tried again")
            raise self.failed(psycopg.errors.error_from_result(found))
        return found

    def _wait(self, events: int, check: Check) -> None:
        pgconn = self._connection.pgconn
        poller = select.poll()
        poller.register(pgconn.socket, events)
        for _, ready in poller.poll(WAIT_MILLISECONDS):
            if ready & ~select.POLLOUT:
                try:
                    pgconn.consume_input()
                except psycopg.Error as error:
                    raise self.failed(error) from error
        check()


class CopyIn:
    """An open COPY FROM STDIN that takes bytes."""

    def __init__(self, session: Session, check: Check) -> None:
        self._session = session
        self._check = check

    def write(self, data: bytes) -> None:
        """Send one block."""
        self._session.send(data, self._check)

    def end(self) -> int:
        """How many rows the server took in all."""
        return self._session.end_copy_in(self._check)
