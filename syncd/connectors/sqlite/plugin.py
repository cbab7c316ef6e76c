"""The connector `sqlite`: files as sources and destinations."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from syncd.errors import FatalError
from syncd.model.definitions import OptionValue
from syncd.model.secret import Secret
from syncd.ports import Destination, Source
from syncd.repository.store import Store

WINDOW_ROWS: Final = 2_000_000

OPTIONS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "format": "path",
            "description": (
                "The database file, relative to the configuration. A destination's file is created by its first run."
            ),
            "examples": ["/var/lib/app/app.db", "./data.gpkg"],
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


class SqliteConnector:
    """Opens SQLite files; the driver is Python's own."""

    type = "sqlite"
    roles = frozenset({"source", "destination", "repository"})
    dialect = "sqlite"
    options_schema: Mapping[str, object] = OPTIONS_SCHEMA
    url_schemes = ("sqlite",)

    def options_from_url(self, url: str) -> dict[str, OptionValue]:
        """``sqlite:///relative.db`` and ``sqlite:////absolute.db``."""
        parts = urlsplit(url)
        path = unquote(parts.netloc + parts.path)
        return {"path": path.removeprefix("/") if url.startswith("sqlite:///") else path}

    def open_source(self, options: Mapping[str, OptionValue]) -> Source:
        """Open the file for reading.

        Raises:
            NotFoundError: there is no such file.
            FatalError: it is no SQLite database, or cannot be read.
        """
        from syncd.connectors.sqlite.source import SqliteSource
        from syncd.repository.fed import FedSource

        return FedSource(
            SqliteSource(_path(options), _window_rows(options)), lambda: self.open_store(options)
        )

    def open_destination(self, options: Mapping[str, OptionValue]) -> Destination:
        """Open the file for writing; it is created with its folder when it does not exist.

        Raises:
            FatalError: it is no SQLite database, or cannot be written.
        """
        from syncd.connectors.sqlite.destination import SqliteDestination

        return SqliteDestination(_path(options))

    def open_store(self, options: Mapping[str, OptionValue]) -> Store:
        """Open the file as a node of a cluster.

        Raises:
            NotFoundError: there is no such file.
            FatalError: it is no SQLite database, or cannot be written.
        """
        from syncd.connectors.sqlite.replica import SqliteStore

        return SqliteStore(_path(options))


def _path(options: Mapping[str, OptionValue]) -> str:
    option = options["path"]
    path = option.reveal() if isinstance(option, Secret) else str(option)
    if path.endswith(":memory:"):
        raise FatalError(
            "a database in memory cannot be kept in sync: it is gone after the run", hint="name a file"
        )
    return path


def _window_rows(options: Mapping[str, OptionValue]) -> int:
    rows = options.get("window_rows")
    return rows if isinstance(rows, int) else WINDOW_ROWS


PLUGIN: Final = SqliteConnector()
