"""The JSON Schema of the configuration, with or without the options of the installed connectors."""

import copy
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from syncd.ports import Connector

Schema = Mapping[str, Any]

CONNECTION: Final = "connection"
FILE_NAME: Final = "syncd.schema.json"
"""What the schema is called where `syncd init` puts it."""


@cache
def base_schema() -> Schema:
    """The schema as shipped; a connection's own options are not in it. Do not change what it returns."""
    text = (files("syncd.config") / "schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def definition(name: str) -> Schema:
    """One of the schema's definitions: job, schedule, connection, ..."""
    schema: Schema = base_schema()["$defs"][name]
    return schema


def options_schema(connector: Connector) -> Schema:
    """The whole schema of a connection of this type: its own options and those that all connections share."""
    fragment: dict[str, Any] = copy.deepcopy(dict(connector.options_schema))
    fragment.setdefault("type", "object")
    fragment.setdefault("additionalProperties", False)
    shared = definition(CONNECTION)
    fragment["properties"] = {**shared["properties"], **fragment.get("properties", {})}
    fragment["required"] = [*shared["required"], *fragment.get("required", [])]
    return fragment


def full_schema(connectors: Iterable[Connector]) -> dict[str, Any]:
    """The schema that editors complete from: which options a connection has follows from its type."""
    schema = copy.deepcopy(dict(base_schema()))
    connection = schema["$defs"][CONNECTION]
    branches = []
    types = []
    for connector in connectors:
        name = f"{CONNECTION}-{connector.type}"
        types.append(connector.type)
        schema["$defs"][name] = options_schema(connector)
        condition = {"required": ["type"], "properties": {"type": {"const": connector.type}}}
        branches.append({"if": condition, "then": {"$ref": f"#/$defs/{name}"}})
    if types:
        connection["properties"]["type"]["enum"] = types
        connection["allOf"] = branches
    return schema
