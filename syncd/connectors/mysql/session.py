"""A connection to a MariaDB or MySQL database: opening, statements, streams in both directions, stopping."""

import contextlib
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND
from pymysql.converters import escape_string
from pymysql.protocol import MysqlPacket, OKPacketWrapper

from syncd.connectors.mysql.connection import open_connection
from syncd.connectors.mysql.failure import LOCAL_REFUSED, parts_of, running
from syncd.connectors.mysql.parameters import Parameters
from syncd.connectors.mysql.wire import Wire
from syncd.errors import FatalError, RunCancelledError, SyncdError
from syncd.model.reading import Tuning
from syncd.model.statement import without_texts
from syncd.ports import Check

LOAD_BYTES: Final = 1 << 20
"""How much one packet of LOAD DATA carries at most; servers take no larger one than max_allowed_packet."""
CANCEL_SECONDS: Final = 2
DRAIN_SECONDS: Final = 10.0
"""How long the rest of a stream may take to arrive that nobody wants any more; then the connection is closed."""
STOP_SECONDS: Final = 0.5
"""The same after a stop, when the connection will hardly be asked for anything else."""

SETTINGS: Final = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',"
    " innodb_lock_wait_timeout = 60, lock_wait_timeout = 60, net_write_timeout = 3600, net_read_timeout = 3600,"
    " wait_timeout = 86400, max_error_count = 64, sql_notes = 1, sql_auto_is_null = 0, foreign_key_checks = 1,"
    " unique_checks = 1"
)
"""Values must be exact and mean the same on both ends, whatever the server's defaults are; a slow other end is no error."""
ISOLATION: Final = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
FACTS: Final = "SELECT VERSION(), DATABASE(), CONNECTION_ID(), @@max_allowed_packet, @@lower_case_table_names, @@hostname, @@port"


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: rows of texts, how many rows it changed, and how many warnings there are."""

    rows: Sequence[tuple[Any, ...]]
    changed: int
    warnings: int
    fields: Sequence[Any] = ()


def quote(name: str) -> str:
    """An identifier as SQL text."""
    if "\x00" in name:
        raise FatalError(f"the name {name!r} holds a NUL character")
    return "`" + name.replace("`", "``") + "`"


def literal(value: object) -> str:
    """A value as SQL text: NULL, a number, a text or bytes."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"X'{value.hex()}'"
        case int():
            return str(int(value))
        case float():
            return f"{value!r}e0" if "e" not in repr(value) else repr(value)
        case _:
            return f"'{escape_string(str(value))}'"


class Session:
    """One connection in autocommit; `cancel` may be called from another thread, the rest from one at a time."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.place = parameters.place
        self.cancelled = False
        self.tuning = Tuning()
        self.in_transaction = False
        self._load: Load | None = None
        self.fields: Sequence[Any] = ()
        self._connection = open_connection(parameters)
        self._wire = Wire(self._connection._sock, self.place, self._interrupt)
        self._connection._sock = self._connection._rfile = self._wire
        try:
            self._settle()
        except BaseException:
            self.close()
            raise

    def _settle(self) -> None:
        version, database, number, packet, folded, host, port = self.execute(FACTS).rows[0]
        self.version = str(version)
        self.maria = "mariadb" in self.version.lower()
        self.schema = str(database)
        self.server = f"{host}:{port}"
        self._number = int(number)
        self._load_bytes = min(LOAD_BYTES, int(packet) - 1024)
        self.folded = int(folded) != 0
        self.execute(SETTINGS)
        self.execute(ISOLATION)
        self.execute(f"SET SESSION {'max_statement_time' if self.maria else 'max_execution_time'} = 0")

    @property
    def release(self) -> tuple[int, int]:
        """The server's version: major and minor number."""
        match = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", self.version)
        return (int(match.group(1)), int(match.group(2))) if match else (0, 0)

    def execute(self, sql: str, values: Sequence[object] = (), check: Check | None = None) -> Result:
        """Run one statement and fetch its result; `%s` stands for each of `values`.

        With values, a percent sign of the statement itself is written twice.
        """
        if self.cancelled:
            raise RunCancelledError("the run was stopped")
        self._tell(sql)
        text = sql % tuple(literal(value) for value in values) if values else sql
        self._wire.begin()
        self._wire.check = check
        try:
            self._connection.query(text)
        except pymysql.Error as error:
            raise self.failed(error) from error
        except UnicodeEncodeError as error:
            raise FatalError(f"{self.place}: a text is not valid Unicode", code="row_rejected") from error
        finally:
            self._wire.check = None
        self._raise_stop()
        result = self._connection._result
        rows = result.rows or ()
        return Result(rows, result.affected_rows or 0, result.warning_count, getattr(result, "fields", ()))

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row as text, None when there is none."""
        rows = self.execute(sql, values).rows
        return rows[0][0] if rows else None

    def warnings(self) -> list[tuple[int, str]]:
        """Number and words of the last statement's warnings, at most 64."""
        return [(int(number), str(text)) for _, number, text in self.execute("SHOW WARNINGS").rows]

    def begin(self, how: str = "START TRANSACTION") -> None:
        """Begin a transaction."""
        self.execute(how)
        self.in_transaction = True

    def commit(self) -> None:
        """End the transaction and keep it."""
        self.execute("COMMIT")
        self.in_transaction = False

    def rollback(self) -> None:
        """End the transaction without a trace, and a stream in the middle of it; silent when the connection is lost."""
        self.leave()
        if self.in_transaction and self._connection.open:
            self.in_transaction = False
            self._quietly("ROLLBACK")

    def return_to(self, savepoint: str) -> None:
        """Leave a stream, and go back to a savepoint of the transaction."""
        self.leave()
        if self._connection.open:
            self._quietly(f"ROLLBACK TO SAVEPOINT {savepoint}")

    def leave(self, seconds: float = DRAIN_SECONDS) -> None:
        """End a stream without taking or giving the rest; a connection that does not come free soon is closed."""
        if self._load is not None:
            load, self._load = self._load, None
            # A connection that was cut while rows were sent is closed already.
            if self._connection.open:
                with contextlib.suppress(SyncdError, pymysql.Error, OSError):
                    load.abandon()
        if self._wire.streaming and self._connection.open:
            try:
                self._wire.drain(STOP_SECONDS if self.cancelled else seconds)
            except (SyncdError, OSError):
                self._connection._force_close()
            # The wish may have come after the end of the stream: it then hits this statement.
            self._quietly("DO 0")

    def clean(self, *statements: str) -> None:
        """Run statements that clean up, also after a stop; silent when the connection is lost."""
        for statement in statements:
            if self._connection.open:
                self._quietly(statement)

    def aside(self, sql: str) -> None:
        """Run one statement through a connection of its own, outside the open transaction."""
        other = open_connection(self._parameters)
        try:
            other.query(sql)
        except pymysql.Error as error:
            raise self.failed(error) from error
        finally:
            other.close()

    def _quietly(self, sql: str) -> None:
        """Run a statement that cleans up, also after a stop."""
        stopping, self._wire.stopping = self._wire.stopping, False
        self._wire.begin()
        self._wire.stopped = None
        try:
            self._connection.query(sql)
        except pymysql.Error as error:
            if parts_of(error)[0] != 1317:
                self._connection._force_close()
            elif sql != "DO 0":
                self._quietly(sql)
        finally:
            self._wire.stopping = stopping

    def failed(self, error: pymysql.Error) -> BaseException:
        """What to raise for a driver's error."""
        stopped, self._wire.stopped = self._wire.stopped, None
        if stopped is not None:
            return stopped
        if self.cancelled:
            return RunCancelledError("the run was stopped")
        return running(error, self.place)

    def _raise_stop(self) -> None:
        """A stop that the server's answer outran still counts."""
        stopped, self._wire.stopped = self._wire.stopped, None
        if stopped is not None:
            raise stopped
        if self.cancelled:
            raise RunCancelledError("the run was stopped")

    def tune(self, tuning: Tuning) -> None:
        """Behave so until told otherwise."""
        self.tuning = tuning
        self._wire.limit_seconds = tuning.command_timeout_seconds

    def _tell(self, sql: str) -> None:
        if self.tuning.trace is not None:
            self.tuning.trace(without_texts(sql, "mysql"))

    def cancel(self) -> None:
        """Ask the server to stop the running statement."""
        self.cancelled = True
        self._wire.stopping = True
        self._interrupt()

    def _interrupt(self) -> None:
        """End the running statement through a connection of its own; the server forgets it when none runs."""
        if not self._connection.open:
            return
        try:
            other = open_connection(self._parameters, CANCEL_SECONDS)
        except SyncdError:
            return
        try:
            other.query(f"KILL QUERY {self._number}")
        except pymysql.Error:
            # It has gone already.
            return
        finally:
            with contextlib.suppress(pymysql.Error):
                other.close()

    def close(self) -> None:
        """Close; open work is undone by the server. May be called more than once."""
        if self._connection.open:
            with contextlib.suppress(pymysql.Error):
                self._connection.close()

    @property
    def alive(self) -> bool:
        """False when the connection is known to be lost."""
        return bool(self._connection.open)

    def stream(self, sql: str, check: Check) -> Generator[list[bytes]]:
        """The rows of a SELECT as packets, in blocks as they arrive; see the module `packet`.

        `sql` holds no placeholders. A stop comes through while the server is silent.
        """
        if self.cancelled:
            raise RunCancelledError("the run was stopped")
        self._tell(sql)
        connection = self._connection
        self._wire.begin()
        self._wire.check = check
        try:
            connection._execute_command(COMMAND.COM_QUERY, sql)
            result = MySQLResult(connection)
            result.init_unbuffered_query()
            # Its rows are taken from the wire, not from this object.
            result.unbuffered_active = False
            if not result.field_count:
                self._raise_stop()
                return
            self.fields = result.fields
            for block in self._wire.blocks():
                if block[0][:1] == b"\xff":
                    MysqlPacket(block[0], connection.encoding).raise_for_error()
                check()
                yield block
        except pymysql.Error as error:
            raise self.failed(error) from error
        finally:
            self._wire.check = None
        self._raise_stop()

    def load(self, sql: str, check: Check) -> "Load | None":
        """Start LOAD DATA LOCAL; None when the server takes none.

        The name of the file in `sql` means nothing: the rows come through `Load.write`.
        """
        if self.cancelled:
            raise RunCancelledError("the run was stopped")
        self._tell(sql)
        self._wire.begin()
        try:
            self._connection._execute_command(COMMAND.COM_QUERY, sql)
            packet = self._connection._read_packet()
        except pymysql.Error as error:
            if parts_of(error)[0] in LOCAL_REFUSED:
                return None
            raise self.failed(error) from error
        if not packet.is_load_local_packet():
            raise FatalError(f"{self.place}: the server does not ask for the rows", code="bad_protocol")
        self._load = Load(self, self._connection, self._wire, self._load_bytes, check)
        return self._load

    def loaded(self) -> None:
        """The load has ended, one way or the other."""
        self._load = None
        self._raise_stop()


class Load:
    """An open LOAD DATA LOCAL that takes lines."""

    def __init__(
        self, session: Session, connection: "Connection[Any]", wire: Wire, packet_bytes: int, check: Check
    ) -> None:
        self._session = session
        self._connection = connection
        self._wire = wire
        self._packet_bytes = packet_bytes
        self._check = check

    def write(self, data: bytes) -> None:
        """Send one block."""
        if self._session.cancelled:
            raise RunCancelledError("the run was stopped")
        self._wire.check = self._check
        try:
            for start in range(0, len(data), self._packet_bytes):
                self._connection.write_packet(data[start : start + self._packet_bytes])
        except pymysql.Error as error:
            raise self._session.failed(error) from error
        finally:
            self._wire.check = None
        if self._wire.stopped is not None:
            stopped, self._wire.stopped = self._wire.stopped, None
            raise stopped

    def end(self) -> tuple[int, int]:
        """How many rows the server took in all, and how many warnings it has."""
        self._wire.check = self._check
        try:
            self._connection.write_packet(b"")
            packet = OKPacketWrapper(self._connection._read_packet())
        except pymysql.Error as error:
            self._session._load = None
            raise self._session.failed(error) from error
        finally:
            self._wire.check = None
        self._session.loaded()
        return int(packet.affected_rows), int(packet.warning_count)

    def abandon(self) -> None:
        """End it; its rows are undone by the transaction's end."""
        self._connection.write_packet(b"")
        self._connection._read_packet()
