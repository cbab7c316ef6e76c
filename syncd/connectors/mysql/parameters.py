"""What the options of a connection say: how to reach a database."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from syncd.errors import FatalError
from syncd.model.definitions import OptionValue
from syncd.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Parameters:
    """How to reach a database; `password` is revealed, so hand this to the driver and to nobody else."""

    host: str = "127.0.0.1"
    port: int = 3306
    unix_socket: str = ""
    database: str = ""
    user: str = ""
    password: str = ""
    ssl: str = "prefer"
    ssl_ca: str = ""
    ssl_cert: str = ""
    ssl_key: str = ""
    connect_timeout_seconds: int = 10

    def __repr__(self) -> str:
        return f"Parameters({self.place})"

    @property
    def place(self) -> str:
        """The server and database, for messages: ``host:port/database``."""
        return f"{self.unix_socket or f'{self.host}:{self.port}'}/{self.database}"


def parameters(options: Mapping[str, OptionValue]) -> Parameters:
    """The options with texts revealed, over what the URL says.

    Raises:
        FatalError: the URL is not well-formed, or nothing names the database.
    """
    url = _text(options.get("url"))
    found = _from_url(url) if url else Parameters()
    given = {
        name: int(_text(value)) if name in {"port", "connect_timeout_seconds"} else _text(value)
        for name, value in options.items()
        if value is not None and name in Parameters.__slots__
    }
    found = replace(found, **given)  # type: ignore[arg-type] # texts and whole numbers, as sorted above
    if not found.database:
        raise FatalError(
            f"no database is named for {found.place.rstrip('/')}", hint="set `database`", code="not_found"
        )
    return found


def _from_url(url: str) -> Parameters:
    try:
        parts = urlsplit(url)
        more = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        unknown = set(more) - {"unix_socket", "ssl", "ssl_ca", "ssl_cert", "ssl_key"}
        port = parts.port or 3306
    except ValueError:
        unknown, parts, more, port = {""}, urlsplit(""), {}, 0
    if unknown or parts.scheme not in {"mysql", "mariadb"} or parts.fragment:
        # The text itself may hold a password.
        raise FatalError(
            "the url of a mysql connection is not well-formed",
            hint="check `url`: mysql://user@host:3306/database?ssl=require",
        )
    return Parameters(
        host=parts.hostname or "127.0.0.1",
        port=port,
        database=unquote(parts.path.lstrip("/")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        unix_socket=more.get("unix_socket", ""),
        ssl=more.get("ssl", "prefer"),
        ssl_ca=more.get("ssl_ca", ""),
        ssl_cert=more.get("ssl_cert", ""),
        ssl_key=more.get("ssl_key", ""),
    )


def _text(value: OptionValue) -> str:
    if value is None:
        return ""
    return value.reveal() if isinstance(value, Secret) else str(value)
