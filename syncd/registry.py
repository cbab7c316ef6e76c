"""Opens plug-ins by name; the only way to one."""

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from syncd.errors import FatalError, NotFoundError
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
