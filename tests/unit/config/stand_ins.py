"""Small judges for tests of the configuration that must not depend on the engine or on plug-ins."""

from typing import Any

from syncd.config.checkers import Checkers
from syncd.errors import NotFoundError, QueryError, ScheduleError
from syncd.model.options import QueryFacts
from syncd.model.table import TableName

OPTIONS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["url"]}, {"required": ["host", "database"]}],
    "dependentRequired": {"certificate": ["key"]},
    "not": {"required": ["url", "host"]},
    "properties": {
        "url": {"type": "string", "minLength": 1},
        "host": {"type": "string"},
        "database": {"type": "string"},
        "port": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 65536},
        "password": {"type": "string", "writeOnly": True},
        "pin": {"type": "integer", "writeOnly": True},
        "certificate": {"type": "string", "format": "path"},
        "key": {
            "type": "string",
            "maxLength": 8,
            "pattern": "^k",
            "description": "A name that begins with k.",
        },
        "protocol": {"const": 3},
        "tables": {"type": "array", "maxItems": 2, "uniqueItems": True},
        "size": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+MB$"}]},
    },
}


class StandIn:
    """A connector of a made-up store."""

    dialect = "none"
    url_schemes = ()

    def __init__(self, kind: str, *roles: str) -> None:
        self.type = kind
        self.roles = frozenset(roles)
        self.options_schema = OPTIONS if kind == "server" else {"properties": {"path": {"type": "string"}}}

    def options_from_url(self, url: str) -> Any:
        """Not asked for here."""
        raise NotImplementedError(url)

    open_source = open_destination = options_from_url


CONNECTORS = {
    "server": StandIn("server", "source", "destination"),
    "feed": StandIn("feed", "source"),
    "sink": StandIn("sink", "destination"),
    "store": StandIn("store", "source", "destination", "repository"),
}


def connector(kind: str) -> Any:
    """The stand-in of that type."""
    if kind not in CONNECTORS:
        raise NotFoundError(
            f"there is no connector of type '{kind}'", hint="known types: feed, server, sink, store"
        )
    return CONNECTORS[kind]


def check_query(text: str) -> QueryFacts:
    """Only COPY and a name is a query."""
    if not text.startswith("COPY "):
        raise QueryError("no COPY", offset=len(text) - len(text.lstrip("COPY ")))
    return QueryFacts({}, TableName(text))


def check_options(text: str) -> dict[str, object]:
    """Only `truncate` is an option."""
    if text != "truncate":
        raise QueryError("no such option", offset=2)
    return {"truncate": True}


def check_condition(text: str) -> None:
    """Only `true` is a condition."""
    if text != "true":
        raise QueryError("no condition", offset=1)


def check_cron(text: str, zone: str) -> None:
    """Only `always` is a cron line."""
    if text != "always":
        raise ScheduleError(f"'{text}' is not always, in {zone}", offset=3)


def checkers() -> Checkers:
    """The judges, as the loader takes them."""
    types = lambda: tuple(sorted(CONNECTORS))  # noqa: E731
    return Checkers(check_query, check_cron, connector, types, check_options, check_condition)
