"""The connector `postgresql`: servers from version 12 on, through psycopg 3."""

from collections.abc import Mapping
from typing import Any, Final

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
            "examples": ["postgresql://reader@db.internal:5432/crm"],
        },
        "host": {
            **_TEXT,
            "description": "Host name, address, or the folder of a Unix socket. Without it: the local socket.",
            "examples": ["db.internal"],
        },
        "port": {
            "type": "integer",
            "minimum": 1,
            "maximum": 65535,
            "default": 5432,
            "description": "The server's port.",
            "examples": [5432],
        },
        "database": {**_TEXT, "description": "The database's name.", "examples": ["crm"]},
        "user": {**_TEXT, "description": "The role to log in as.", "examples": ["reader"]},
        "password": {
            "type": "string",
            "writeOnly": True,
            "description": "The role's password; better a reference than the password itself.",
            "examples": ["${credential:crm}", "${env:CRM_PASSWORD}"],
        },
        "schema": {
            **_TEXT,
            "description": "Where tables without a schema are looked up and created. Without it: the role's search path.",
            "examples": ["sales"],
        },
        "sslmode": {
            "enum": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            "default": "prefer",
            "description": "How far the connection must be encrypted and the server's certificate be checked.",
            "examples": ["verify-full"],
        },
        "sslrootcert": {
            **_TEXT,
            "format": "path",
            "description": "File with the certificates of the authorities that may vouch for the server.",
            "examples": ["/etc/ssl/certs/ca-certificates.crt"],
        },
        "sslcert": {
            **_TEXT,
            "format": "path",
            "description": "File with our own certificate.",
            "examples": ["/etc/syncd/client.crt"],
        },
        "sslkey": {
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
        "application_name": {
            **_TEXT,
            "default": "syncd",
            "description": "The name under which the server lists our connections.",
            "examples": ["syncd-nightly"],
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

CONNECTION_KEYS: Final = {
    "host": "host",
    "port": "port",
    "database": "dbname",
    "user": "user",
    "password": "password",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "connect_timeout_seconds": "connect_timeout",
    "application_name": "application_name",
}
"""Our option -> libpq's keyword."""


class PostgresqlConnector:
    """Opens PostgreSQL databases; psycopg is imported when the first one is opened."""

    type = "postgresql"
    roles = frozenset({"source", "destination", "repository"})
    dialect = "postgres"
    options_schema: Mapping[str, object] = OPTIONS_SCHEMA
    url_schemes = ("postgresql", "postgres")

    def options_from_url(self, url: str) -> dict[str, OptionValue]:
        """The URL as libpq takes it; it may hold a password."""
        return {"url": Secret(url)}

    def open_source(self, options: Mapping[str, OptionValue]) -> Source:
        """Connect for reading.

        Raises:
            TransientError: the server does not answer now.
            FatalError: it refuses us.
        """
        _require_driver()
        from syncd.connectors.postgresql.session import Session
        from syncd.connectors.postgresql.source import PostgresqlSource
        from syncd.repository.fed import FedSource

        session = Session(parameters(options), _text(options.get("schema")))
        return FedSource(PostgresqlSource(session, _window_rows(options)), lambda: self.open_store(options))

    def open_destination(self, options: Mapping[str, OptionValue]) -> Destination:
        """Connect for writing; raises as `open_source` does."""
        _require_driver()
        from syncd.connectors.postgresql.destination import PostgresqlDestination
        from syncd.connectors.postgresql.session import Session

        return PostgresqlDestination(Session(parameters(options), _text(options.get("schema"))))

    def open_store(self, options: Mapping[str, OptionValue]) -> Store:
        """Connect for taking part in clusters; raises as `open_source` does."""
        _require_driver()
        from syncd.connectors.postgresql.replica import PostgresqlReplica
        from syncd.connectors.postgresql.session import Session

        return PostgresqlReplica(Session(parameters(options), _text(options.get("schema"))))


def parameters(options: Mapping[str, OptionValue]) -> dict[str, str]:
    """The options as libpq keywords, with texts revealed; hand them to the driver and to nobody else."""
    found = {"application_name": "syncd", "connect_timeout": "10"}
    url = _text(options.get("url"))
    if url:
        found["url"] = url
    for name, keyword in CONNECTION_KEYS.items():
        value = options.get(name)
        if value is not None:
            found[keyword] = _text(value)
    return found


def _text(value: OptionValue) -> str:
    if value is None:
        return ""
    return value.reveal() if isinstance(value, Secret) else str(value)


def _window_rows(options: Mapping[str, OptionValue]) -> int:
    rows = options.get("window_rows")
    return rows if isinstance(rows, int) else WINDOW_ROWS


def _require_driver() -> None:
    try:
        import psycopg  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise FatalError(
            "connections of type 'postgresql' need the driver psycopg, which is not installed",
            hint="pip install 'syncd[postgresql]'",
            code="driver_missing",
        ) from error


PLUGIN: Final = PostgresqlConnector()
