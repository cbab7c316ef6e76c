"""Opens connections to MariaDB and MySQL with what the options say about TLS."""

import socket
import ssl
from typing import Any, Final

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.converters import encoders

from syncd.connectors.mysql.failure import connecting, parts_of
from syncd.connectors.mysql.parameters import Parameters
from syncd.errors import FatalError

SILENCE: Final = {
    socket.TCP_KEEPIDLE: 30,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 60_000,
}


def open_connection(parameters: Parameters, timeout_seconds: int = 0) -> "Connection[Any]":
    """A connection in autocommit whose values are the texts that the server sends.

    Raises:
        TransientError: the server does not answer now, within `timeout_seconds` (0: what the options say).
        FatalError: it refuses us.
    """
    try:
        return _open(parameters, _context(parameters), timeout_seconds or parameters.connect_timeout_seconds)
    except pymysql.Error as error:
        if parameters.ssl == "prefer" and parts_of(error)[0] == 2026:
            try:
                return _open(parameters, None, timeout_seconds or parameters.connect_timeout_seconds)
            except pymysql.Error as second:
                raise connecting(second, parameters.place) from second
        raise connecting(error, parameters.place) from error
    except (OSError, UnicodeError, RuntimeError, ValueError) as error:
        raise FatalError(
            f"cannot connect to {parameters.place}: a file or name of the connection cannot be used",
            hint="check `host`, `ssl_ca`, `ssl_cert` and `ssl_key`",
            code="connection_refused",
        ) from error


def _open(parameters: Parameters, context: ssl.SSLContext | None, timeout_seconds: int) -> "Connection[Any]":
    connection = pymysql.connect(
        host=parameters.host,
        port=parameters.port,
        unix_socket=parameters.unix_socket or None,
        user=parameters.user or None,
        password=parameters.password,
        database=parameters.database,
        charset="utf8mb4",
        autocommit=True,
        # Values come as the texts that the server sends: exact, and the same for every driver.
        conv=dict(encoders),
        client_flag=CLIENT.LOCAL_FILES,
        connect_timeout=timeout_seconds,
        program_name="syncd",
        ssl=context,
        ssl_disabled=context is None,
    )
    if not parameters.unix_socket:
        _notice_silence(connection._sock)
    return connection


def _notice_silence(link: socket.socket) -> None:
    """A peer that is gone without a word is noticed within a minute, as it is on connections to PostgreSQL."""
    for option, value in SILENCE.items():
        link.setsockopt(socket.IPPROTO_TCP, option, value)


def _context(parameters: Parameters) -> ssl.SSLContext | None:
    if parameters.ssl == "disable" or parameters.unix_socket:
        return None
    context = ssl.create_default_context(cafile=parameters.ssl_ca or None)
    # The certificates that these servers make for themselves do not pass the strictest check.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = parameters.ssl == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if parameters.ssl.startswith("verify") else ssl.CERT_NONE
    if parameters.ssl_cert:
        context.load_cert_chain(parameters.ssl_cert, parameters.ssl_key or None)
    return context
