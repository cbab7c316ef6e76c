"""A connection to a PostgreSQL database: opening, statements, COPY in both directions, stopping."""

import contextlib
import select
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from syncd.connectors.postgresql.binding import encoded
from syncd.connectors.postgresql.failure import connecting, place_of, running, timed_out
from syncd.connectors.postgresql.setting import SETTINGS
from syncd.errors import FatalError, RunCancelledError, SyncdError, TransientError
from syncd.model.reading import Trace, Tuning
from syncd.model.statement import without_texts
from syncd.ports import Check

BLOCK_BYTES: Final = 256 * 1024
LEAVE_SECONDS: Final = 3.0
"""How long a COPY that nobody wants any more may take to end."""
WAIT_MILLISECONDS: Final = 200
"""How long a wait for the server lasts before the run looks whether it shall stop."""
CLOCK_SECONDS: Final = 0.05
"""By how much the server's measure of time may differ from ours."""

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
        self._busy = False
        self._copying_in = False
        self._trace: Trace | None = None
        self._timeout_seconds = 0.0
        self._quiet_seconds = 0.0
        self._notices = 0
        self._began = time.monotonic()
        keywords = {name: value for name, value in parameters.items() if name != "url"}
        keywords |= {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
        keywords |= {"tcp_user_timeout": "60000", "client_encoding": "UTF8"}
        try:
            conninfo = psycopg.conninfo.make_conninfo(parameters.get("url", ""), **keywords)
            self._connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise connecting(error, parameters) from error
        self._connection.add_notify_handler(self._take_notice)
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

    def tune(self, tuning: Tuning) -> None:
        """Set the limit for statements without progress, and who hears of each statement."""
        self._trace = None
        if tuning.command_timeout_seconds != self._timeout_seconds:
            self._timeout_seconds = tuning.command_timeout_seconds
            self._limit(self._timeout_seconds)
        self._trace = tuning.trace

    @property
    def encoding(self) -> str:
        """How the database keeps its texts, for example UTF8."""
        return self._connection.info.parameter_status("server_encoding") or ""

    def execute(self, sql: str, parameters: Parameters | None = None) -> psycopg.Cursor[TupleRow]:
        """Run one statement and fetch its result."""
        self._announce(sql)
        try:
            return self._connection.execute(sql, parameters)
        except psycopg.Error as error:
            raise self.failed(error) from error

    def _go_on(self) -> None:
        if self.cancelled:
            # The server forgets a wish to stop that finds it idle.
            raise RunCancelledError("the run was stopped")

    def _announce(self, sql: str) -> None:
        self._go_on()
        if self._trace is not None:
            self._trace(without_texts(sql, "postgresql"))
        self._began = time.monotonic()

    def _take_notice(self, _notice: psycopg.Notify) -> None:
        self._notices += 1

    def _limit(self, seconds: float) -> None:
        """Tell the server how long a statement may take; it forgets what an undone transaction said."""
        try:
            self._connection.execute(
                "SELECT set_config('statement_timeout', %s, false)", [str(round(seconds * 1000))]
            )
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
        if (
            error.sqlstate == "57014"
            and 0 < self._timeout_seconds <= time.monotonic() - self._began + CLOCK_SECONDS
        ):
            return timed_out(self.place, self._timeout_seconds)
        return running(error, self.place)

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end, also after an error."""
        return self._connection.info.transaction_status != pq.TransactionStatus.IDLE

    def rollback(self) -> None:
        """End the transaction without a trace, and a COPY in the middle of it."""
        if self._busy and not self._connection.closed:
            self._leave()
        if not self._connection.closed and self.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                # The server undoes it when the connection goes.
                self._connection.close()

    def return_to(self, savepoint: str) -> None:
        """Leave a COPY, and go back to a savepoint of the transaction; silent when the connection is lost."""
        if self._busy and not self._connection.closed:
            self._leave()
        if not self._connection.closed:
            with contextlib.suppress(psycopg.Error):
                self._connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")

    def _leave(self) -> None:
        """End a COPY or a query without taking or giving the rest; a connection that does not come free soon is closed."""
        pgconn = self._connection.pgconn
        deadline = time.monotonic() + LEAVE_SECONDS
        self._quiet_seconds = 0.0

        def check() -> None:
            if time.monotonic() > deadline:
                raise TransientError(f"{self.place}: the statement does not end")

        try:
            if pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                if not self._copying_in:
                    self._connection.cancel_safe(timeout=LEAVE_SECONDS)
                self._drain(check)
        except (psycopg.Error, SyncdError):
            self._connection.close()
        finally:
            self._busy = self._copying_in = False

    def _drain(self, check: Check) -> None:
        """Take what is left of a statement; the server's word that it was ended is what was asked for."""
        pgconn = self._connection.pgconn
        if self._copying_in:
            pgconn.put_copy_end(b"abandoned")
            self._flush(check)
        while True:
            while pgconn.is_busy():
                self._wait(select.POLLIN, check)
            result = pgconn.get_result()
            if result is None:
                return
            if result.status == pq.ExecStatus.COPY_IN and not self._copying_in:
                self._copying_in = True
                pgconn.put_copy_end(b"abandoned")
                self._flush(check)
            elif result.status == pq.ExecStatus.COPY_OUT:
                while (count := pgconn.get_copy_data(1)[0]) >= 0:
                    if count == 0:
                        self._wait(select.POLLIN, check)

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

    def copy_out(
        self, sql: str, check: Check, block_rows: int = 0, block_bytes: int = 0
    ) -> Generator[tuple[bytes, int]]:
        """COPY TO STDOUT as blocks of whole protocol rows with their count; the sum of the counts is exact.

        A block has at most `block_rows` rows (0: any number) and ends with the row that reaches `block_bytes` (0: 256 KB).
        `sql` holds no placeholders. The wait for the server never holds the interpreter, so a stop comes through.
        """
        pgconn = self._connection.pgconn
        most_rows, most_bytes = block_rows or sys.maxsize, block_bytes or BLOCK_BYTES
        self._begin_copy(sql, pq.ExecStatus.COPY_OUT, check)
        pieces: list[bytes] = []
        size = rows = told = 0
        look = BLOCK_BYTES
        while True:
            count, data = pgconn.get_copy_data(1)
            if count > 0:
                # A full block waits for the next row: the trailer of the binary format is one, and does not count.
                if size >= most_bytes or rows >= most_rows:
                    check()
                    yield b"".join(pieces), rows
                    told += rows
                    pieces, size, rows, look = [], 0, 0, BLOCK_BYTES
                elif size >= look:
                    check()
                    look += BLOCK_BYTES
                pieces.append(bytes(data))
                size += count
                rows += 1
            elif count == 0:
                self._wait(select.POLLIN, check)
            else:
                break
        result = self._result(check)
        self._ended_copy()
        yield b"".join(pieces), (result.command_tuples or 0) - told

    def begin_copy_in(self, sql: str, check: Check) -> None:
        """Start COPY FROM STDIN; `send` and `end_copy_in` go on with it."""
        self._begin_copy(sql, pq.ExecStatus.COPY_IN, check)

    def query(self, sql: str, check: Check) -> Generator[pq.abc.PGresult]:
        """Run exactly one statement without placeholders; its results as they come, one row each, then the end."""
        pgconn = self._connection.pgconn
        self._send_query(sql, check, alone=True)
        pgconn.set_single_row_mode()
        while (result := self._next_result(check)) is not None:
            if result.status in {pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT}:
                self._copying_in = result.status == pq.ExecStatus.COPY_IN
                raise FatalError(f"{self.place}: COPY cannot be used here", hint="use INSERT or SELECT")
            if result.status == pq.ExecStatus.FATAL_ERROR:
                self._result(check, result)
            yield result
        self._busy = False

    def run(self, sql: str, check: Check, values: Sequence[object] = ()) -> pq.abc.PGresult:
        """Run exactly one statement with ``$1`` and so on for the values (None, int, str, bytes); its whole result as texts."""
        self._send_query(sql, check, alone=True, values=values)
        found = None
        while (result := self._next_result(check)) is not None:
            found = found or result
        self._busy = False
        if found is None or found.status != pq.ExecStatus.TUPLES_OK:
            return self._result(check, found)
        return found

    def noticed(self, seconds: float) -> bool:
        """Was a channel notified that this session listens to, since it was asked last? Wait for it at most so long."""
        deadline = time.monotonic() + seconds
        while True:
            self._go_on()
            while self._connection.pgconn.notifies() is not None:
                self._notices += 1
            left = deadline - time.monotonic()
            if self._notices or left <= 0:
                found, self._notices = self._notices > 0, 0
                return found
            self._wait(select.POLLIN, self._go_on, min(WAIT_MILLISECONDS, round(left * 1000) + 1))

    def _send_query(
        self, sql: str, check: Check, *, alone: bool = False, values: Sequence[object] = ()
    ) -> None:
        """Send a statement; `alone` refuses several in one text."""
        self._announce(sql)
        pgconn = self._connection.pgconn
        try:
            if alone:
                pgconn.send_query_params(sql.encode(), *encoded(values))
            else:
                pgconn.send_query(sql.encode())
            self._busy, self._copying_in, self._quiet_seconds = True, False, 0.0
            self._flush(check)
        except psycopg.Error as error:
            raise self.failed(error) from error

    def _next_result(self, check: Check) -> pq.abc.PGresult | None:
        pgconn = self._connection.pgconn
        while pgconn.is_busy():
            self._wait(select.POLLIN, check)
        return pgconn.get_result()

    def _begin_copy(self, sql: str, wanted: pq.ExecStatus, check: Check) -> None:
        if self._timeout_seconds:
            # A COPY is watched from here, by its progress; the server would count its whole length.
            self._limit(0)
        self._send_query(sql, check)
        result = self._next_result(check)
        if result is None or result.status != wanted:
            self._result(check, result)
            raise TransientError(f"{self.place}: the COPY did not begin", hint="it is tried again")
        self._copying_in = wanted is pq.ExecStatus.COPY_IN

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
        self._ended_copy()
        return result.command_tuples or 0

    def _ended_copy(self) -> None:
        if self._timeout_seconds:
            self._limit(self._timeout_seconds)

    def _flush(self, check: Check) -> None:
        pgconn = self._connection.pgconn
        while pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT, check)

    def _result(self, check: Check, found: pq.abc.PGresult | None = None) -> pq.abc.PGresult:
        """Wait for the end of a COPY and drain the connection, which takes no next command before."""
        while (result := self._next_result(check)) is not None:
            found = found or result
        self._busy = self._copying_in = False
        if found is None:
            raise TransientError(f"{self.place}: the connection was lost", hint="it is tried again")
        if found.status != pq.ExecStatus.COMMAND_OK:
            raise self.failed(psycopg.errors.error_from_result(found))
        return found

    def _wait(self, events: int, check: Check, milliseconds: int = WAIT_MILLISECONDS) -> None:
        pgconn = self._connection.pgconn
        poller = select.poll()
        poller.register(pgconn.socket, events)
        found = poller.poll(milliseconds)
        for _, ready in found:
            if ready & ~select.POLLOUT:
                try:
                    pgconn.consume_input()
                except psycopg.Error as error:
                    raise self.failed(error) from error
        check()
        self._quiet_seconds = 0.0 if found else self._quiet_seconds + milliseconds / 1000
        if 0 < self._timeout_seconds <= self._quiet_seconds:
            raise timed_out(self.place, self._timeout_seconds)
