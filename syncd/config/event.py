"""The rules of events: where their SQL runs, and no password in their addresses; and what they mean."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from syncd.config.connection import HOLDS_PASSWORD, Connectors
from syncd.config.place import Path, Resolved, Table, Unknown
from syncd.config.report import Report
from syncd.config.suggestion import suggest
from syncd.model.definitions import Events

HOOKS: Final = ("pre", "post")


def check_events(
    report: Report,
    path: Path,
    events: object,
    connections: Mapping[str, object] | None,
    connectors: Connectors,
) -> None:
    """Report what the schema cannot say about the events of one job.

    `connections` is None when not all of them are known.
    """
    for name in HOOKS if isinstance(events, Table) else ():
        hook = events.get(name) if isinstance(events, Table) else None
        if not isinstance(hook, Table):
            continue
        url = hook.get("url")
        if isinstance(url, str) and HOLDS_PASSWORD.search(url):
            hint = "send it in headers: {Authorization: ${credential:NAME}}"
            report.at_value((*path, name, "url"), "holds a password", hint)
        connection = hook.get("connection")
        if connections is not None and isinstance(connection, str) and connection:
            check_connection(
                report, (*path, name, "connection"), connection, "destination", connections, connectors
            )


def check_connection(
    report: Report,
    path: Path,
    name: str,
    role: str,
    connections: Mapping[str, object],
    connectors: Connectors,
) -> None:
    """Report a name that is no connection's, or that of one which cannot play its role."""
    if isinstance(name, Unknown):
        return
    if name not in connections:
        known = "there is no such connection"
        message = known if isinstance(name, Resolved) else f"there is no connection '{name}'"
        report.at_value(path, message, suggest(name, connections, "connections"))
        return
    connection = connections[name]
    kind = connection.get("type") if isinstance(connection, Table) else None
    connector = connectors.connector(kind)
    if connector is not None and role not in connector.roles:
        report.at_value(path, f"connection '{name}' of type '{kind}' cannot be a {role}")


def events_of(data: dict[str, Any]) -> Events:
    """The events of a checked job; values of headers become secrets."""
    return msgspec.convert(data, Events, dec_hook=lambda kind, value: kind(value))
