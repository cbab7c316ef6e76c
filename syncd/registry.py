"""Opens plug-ins by name; the only way to one."""

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from syncd.errors import FatalError, NotFoundError
from syncd.model.definitions import Connection
from syncd.ports import Connector

CONNECTORS = "syncd.connectors"


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def connector_types() -> tuple[str, ...]:
    """The names that `type:` of a connection may have, sorted."""
    return tuple(sorted(_entry_points(CONNECTORS)))


@cache
def connector(name: str) -> Connector:
    """The connector of that type.

    Raises:
        NotFoundError: nobody provides it; the hint names the nearest.
        FatalError: it is there but cannot be loaded.
    """
    entry = _entry_points(CONNECTORS).get(name)
    if entry is None:
        near = difflib.get_close_matches(name, connector_types(), 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known types: {', '.join(connector_types())}"
        raise NotFoundError(f"there is no connector of type '{name}'", hint=hint)
    try:
        return cast("Connector", entry.load())
    except ImportError as error:
        raise FatalError(
            f"cannot load connector '{name}': {error}", hint=f"install it: pip install 'syncd[{name}]'"
        ) from error


def connector_of_url(url: str) -> Connector | None:
    """The connector that opens URLs of this scheme, None when there is none."""
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    known = (connector(kind) for kind in connector_types())
    return next((plugin for plugin in known if scheme in plugin.url_schemes), None)


def connection_from_url(name: str, url: str) -> Connection:
    """The connection that a URL alone describes.

    Raises:
        NotFoundError: no connector has such URLs.
    """
    plugin = connector_of_url(url)
    if plugin is None:
        known = sorted(scheme for kind in connector_types() for scheme in connector(kind).url_schemes)
        raise NotFoundError(
            f"there is no connector for URLs that begin with {url.partition('://')[0]}://",
            hint=f"known: {', '.join(known)}",
        )
    return Connection(name, plugin.type, plugin.options_from_url(url))
