"""Schema, typed definitions, examples and documentation say the same."""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from syncd.config.document import parse_document
from syncd.config.load import load_configuration
from syncd.config.merge import NAMED
from syncd.config.message import NOT_BUILT
from syncd.config.placeholder import SHARED_OPTIONS
from syncd.config.reference import reference_text
from syncd.config.schema import base_schema, full_schema, options_schema
from syncd.model.definitions import (
    Configuration,
    Connection,
    History,
    Limits,
    Logs,
    Replication,
    Retry,
    Schedule,
    State,
)
from syncd.registry import connector, connector_types
from syncd.service import checkers

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))
GOOD = sorted(Path(__file__).parent.glob("*.good.yaml"))
DEFINITIONS: dict[str, tuple[type, dict[str, str], set[str]]] = {
    # schema definition: its dataclass, keys that are called otherwise there, fields that no key sets
    "state": (State, {}, set()),
    "logs": (Logs, {}, set()),
    "limits": (Limits, {}, set()),
    "connection": (Connection, {}, {"name", "options", "origin"}),
    "job": (Replication, {}, {"name", "origin"}),
    "schedule": (Schedule, {"every": "every_seconds"}, set()),
    "retry": (Retry, {}, set()),
}
KINDS: dict[type, set[str]] = {
    str: {"string"},
    int: {"integer"},
    float: {"number", "string"},  # a duration is written as text
    bool: {"boolean"},
    tuple: {"array", "string"},
    datetime: {"string"},
}


def schema() -> dict[str, Any]:
    return full_schema(connector(kind) for kind in connector_types())


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = base_schema()["$defs"][part["$ref"].split("/")[-1]] if "$ref" in part else part
    return found


def every_key(part: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, declared in part.get("properties", {}).items():
        yield f"{path}{key}", resolved(declared)
        yield from every_key(resolved(declared), f"{path}{key}.")
    entries = part.get("additionalProperties")
    if isinstance(entries, dict):
        yield from every_key(resolved(entries), f"{path}*.")


def every_option() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in connector_types():
        for key, declared in options_schema(connector(kind))["properties"].items():
            yield f"{kind}.{key}", declared


KEYS = [*every_key(dict(base_schema()), ""), *every_option()]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_keys(name: str) -> None:
    kind, renamed, unset = DEFINITIONS[name]
    fields = {field.name for field in dataclasses.fields(kind)} - unset

    keys = {renamed.get(key, key) for key in resolved({"$ref": name})["properties"]}

    assert keys == fields


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_defaults(name: str) -> None:
    kind, renamed, _ = DEFINITIONS[name]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    definition = resolved({"$ref": name})

    for key, declared in definition["properties"].items():
        field = fields[renamed.get(key, key)]
        default = resolved(declared).get("default")
        if default == {}:
            assert field.default_factory in {Retry, History}
        elif field.default is dataclasses.MISSING:
            assert key in definition.get("required", ()) or key == "path"
        else:
            assert (list(field.default) if isinstance(field.default, tuple) else field.default) == default


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_types(name: str) -> None:
    kind, renamed, _ = DEFINITIONS[name]
    hints = typing.get_type_hints(kind)

    for key, declared in resolved({"$ref": name})["properties"].items():
        part = resolved(declared)
        hint = hints[renamed.get(key, key)]
        variants = [entry for entry in typing.get_args(hint) if entry is not type(None)]
        plain = variants[0] if isinstance(hint, types.UnionType) else hint
        plain = typing.get_origin(plain) or plain
        if isinstance(plain, type) and issubclass(plain, enum.Enum):
            assert part["enum"] == [entry.value for entry in plain]
        elif dataclasses.is_dataclass(plain):
            assert part["type"] == "object"
        else:
            declared_types = {part["type"]} if isinstance(part["type"], str) else set(part["type"])
            assert declared_types <= KINDS[plain]


def test_history_is_the_dataclass_of_its_section() -> None:
    section = resolved({"$ref": "state"})["properties"]["history"]["properties"]

    assert {key: part["default"] for key, part in section.items()} == dataclasses.asdict(History())


def test_sections_are_the_fields_of_a_configuration() -> None:
    fields = {field.name for field in dataclasses.fields(Configuration)} - {"files", "digest"}

    assert set(base_schema()["properties"]) == fields
    assert not NOT_BUILT & fields


def test_names_written_in_code_are_those_of_the_schema() -> None:
    spread = {name for name, part in base_schema()["properties"].items() if "propertyNames" in part}

    assert set(resolved({"$ref": "connection"})["properties"]) == SHARED_OPTIONS
    assert set(NAMED) == spread


@pytest.mark.parametrize(("path", "part"), KEYS, ids=[path for path, _ in KEYS])
def test_every_key_has_a_description_and_an_example_that_fits(path: str, part: dict[str, Any]) -> None:
    validator = Draft202012Validator({**part, "$defs": schema()["$defs"]})

    assert part["description"].endswith(".")
    assert part["examples"]
    for value in [*part["examples"], *([part["default"]] if "default" in part else [])]:
        validator.validate(value)


def test_schemas_are_valid_schemas() -> None:
    Draft202012Validator.check_schema(dict(base_schema()))
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", [*EXAMPLES, *GOOD], ids=lambda path: path.name)
def test_good_files_fit_the_schema_that_editors_use(path: Path) -> None:
    root = parse_document(path.read_bytes().decode().removeprefix("\ufeff"), str(path)).root

    assert list(Draft202012Validator(schema()).iter_errors(root)) == []


def test_editor_schema_knows_the_options_of_each_type() -> None:
    validator = Draft202012Validator(schema())
    wrong = {"connections": {"crm": {"type": "sqlite", "path": "a.db", "port": 1}}}

    assert [error.message for error in validator.iter_errors(wrong)] == [
        "Additional properties are not allowed ('port' was unexpected)"
    ]


def test_documentation_is_what_the_schema_says() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert written == reference_text(schema()), "run: syncd schema --markdown > docs/configuration.md"


def test_shipped_schema_is_written_neatly() -> None:
    text = (ROOT / "syncd" / "config" / "schema.json").read_text(encoding="utf-8")

    assert json.loads(text) == base_schema()
    assert text.endswith("}\n")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_passes_the_check_with_nothing_set(path: Path) -> None:
    configuration = load_configuration(path, checkers(), {"STATE_DIRECTORY": "/nonexistent"})

    assert configuration.jobs


def test_full_example_has_every_key() -> None:
    data = yaml.safe_load((ROOT / "config" / "full.yaml").read_text(encoding="utf-8"))
    used = set(paths_of(data, ""))
    options = {
        f"{value['type']}.{key}" for value in data["connections"].values() for key in value if key != "<<"
    }

    missing = {path for path, _ in every_key(dict(base_schema()), "")} - used
    missing |= {path for path, _ in every_option()} - options - {"sqlite.max_runs", "sqlite.type"}

    assert missing == set()


def paths_of(data: object, path: str) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            named = path in {"connections.", "jobs."}
            below = f"{path}{'*' if named else key}"
            yield below
            yield from paths_of(value, f"{below}.")
