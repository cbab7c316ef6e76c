"""The connector `mysql`: MariaDB from 10.5 and MySQL from 8.0 on, through PyMySQL."""

from collections.abc import Mapping
from typing import Any, Final

from syncd.connectors.mysql.parameters import parameters
from syncd.errors import FatalError
from syncd.model.definitions import OptionValue
from syncd.model.secret import Secret
from syncd.ports import Destination, Source
from syncd.repository.store import Store

WINDOW_ROWS: Final = 2_000_000

_TEXT: Final = {"type": "string", "minLength": 1}
OPTIONS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["url"]}, {"required": ["database"]}],
    "properties": {
        "url": {
            **_TEXT,
            "description": "The server and database as a URL; the other keys win over its parts.",
            "examples": ["mysql://reader@db.internal:3306/shop", "mariadb://reader@db.internal/shop"],
        },
        "host": {
            **_TEXT,
            "default": "127.0.0.1",
            "description": "Host name or address.",
            "examples": ["db.internal"],
        },
        "port": {
            "type": "integer",
            "minimum": 1,
            "maximum": 65535,
            "default": 3306,
            "description": "The server's port.",
            "examples": [3306],
        },
        "unix_socket": {
            **_TEXT,
            "format": "path",
            "description": "The server's Unix socket, in place of host and port.",
            "examples": ["/run/mysqld/mysqld.sock"],
        },
        "database": {**_TEXT, "description": "The database's name.", "examples": ["shop"]},
        "user": {**_TEXT, "description": "The user to log in as.", "examples": ["reader"]},
        "password": {
            "type": "string",
            "writeOnly": True,
            "description": "The user's password; better a reference than the password itself.",
            "examples": ["${credential:shop}", "${env:SHOP_PASSWORD}"],
        },
        "ssl": {
            "enum": ["disable", "prefer", "require", "verify-ca", "verify-full"],
            "default": "prefer",
            "description": "How far the connection must be encrypted and the server's certificate be checked.",
            "examples": ["verify-full"],
        },
        "ssl_ca": {
            **_TEXT,
            "format": "path",
            "description": "File with the certificates of the authorities that may vouch for the server.",
            "examples": ["/etc/ssl/certs/ca-certificates.crt"],
        },
        "ssl_cert": {
            **_TEXT,
            "format": "path",
            "description": "File with our own certificate.",
            "examples": ["/etc/syncd/client.crt"],
        },
        "ssl_key": {
            **_TEXT,
            "format": "path",
            "description": "File with our certificate's key.",
            "examples": ["/etc/syncd/client.key"],
        },
        "connect_timeout_seconds": {
            "type": "integer",
            "minimum": 1,
            "default": 10,
            "description": "How long to wait for the server to answer when connecting.",
            "examples": [5],
        },
        "window_rows": {
            "type": "integer",
            "minimum": 1,
            "default": WINDOW_ROWS,
            "description": (
                "About how many rows a first load makes durable at a time. An interrupted load goes on after the "
                "last of them."
            ),
            "examples": [500_000],
        },
    },
}


class MysqlConnector:
    """Opens MariaDB and MySQL databases; PyMySQL is imported when the first one is opened."""

    type = "mysql"
    roles = frozenset({"source", "destination", "repository"})
    dialect = "mysql"
    options_schema: Mapping[str, object] = OPTIONS_SCHEMA
    url_schemes = ("mysql", "mariadb")

    def options_from_url(self, url: str) -> dict[str, OptionValue]:
        """The URL as it is; it may hold a password."""
        return {"url": Secret(url)}

    def open_source(self, options: Mapping[str, OptionValue]) -> Source:
        """Connect for reading.

        Raises:
            TransientError: the server does not answer now.
            FatalError: it refuses us.
        """
        _require_driver()
        from syncd.connectors.mysql.session import Session
        from syncd.connectors.mysql.source import MysqlSource
        from syncd.repository.fed import FedSource

        source = MysqlSource(Session(parameters(options)), _window_rows(options))
        return FedSource(source, lambda: self.open_store(options))

    def open_destination(self, options: Mapping[str, OptionValue]) -> Destination:
        """Connect for writing; raises as `open_source` does."""
        _require_driver()
        from syncd.connectors.mysql.destination import MysqlDestination
        from syncd.connectors.mysql.session import Session

        return MysqlDestination(Session(parameters(options)))

    def open_store(self, options: Mapping[str, OptionValue]) -> Store:
        """Connect for taking part in clusters; raises as `open_source` does."""
        _require_driver()
        from syncd.connectors.mysql.replica import MysqlStore
        from syncd.connectors.mysql.session import Session

        return MysqlStore(Session(parameters(options)))


def _window_rows(options: Mapping[str, OptionValue]) -> int:
    rows = options.get("window_rows")
    return rows if isinstance(rows, int) else WINDOW_ROWS


def _require_driver() -> None:
    try:
        import pymysql  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise FatalError(
            "connections of type 'mysql' need the driver PyMySQL, which is not installed",
            hint="pip install 'syncd[mysql]'",
            code="driver_missing",
        ) from error


PLUGIN: Final = MysqlConnector()
