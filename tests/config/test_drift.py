"""Schema, typed definitions, examples and documentation say the same."""

import collections.abc
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
from syncd.engine.optionname import (
    FIELDS,
    OF_THE_JOB,
    OPTION_NAMES,
    OptionName,
    find_option,
    option_of,
    read_option,
)
from syncd.errors import QueryError
from syncd.model.cluster import Child, Cluster, ClusterTable, ConflictPolicy, Winner
from syncd.model.configuration import Configuration
from syncd.model.definitions import (
    Connection,
    Email,
    Events,
    History,
    Hook,
    Limits,
    Logs,
    Replication,
    Retry,
    Schedule,
    State,
)
from syncd.model.options import Interval, Options
from syncd.model.secret import Secret
from syncd.registry import connector, connector_types
from syncd.worker.judge import checkers

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))
GOOD = sorted(Path(__file__).parent.glob("*.good.yaml"))
DEFINITIONS: dict[str, tuple[type, dict[str, str], set[str]]] = {
    # schema definition: its dataclass, keys that are called otherwise there, fields that no key sets
    "state": (State, {}, set()),
    "logs": (Logs, {}, set()),
    "limits": (Limits, {}, set()),
    "connection": (Connection, {}, {"name", "options", "origin"}),
    "job": (Replication, {"check_column": "check_columns"}, {"name", "origin", "options"}),
    "schedule": (Schedule, {"every": "every_seconds"}, set()),
    "retry": (Retry, {}, set()),
    "events": (Events, {}, set()),
    "hook": (Hook, {}, set()),
    "cluster": (Cluster, {"lease": "lease_days"}, {"name", "origin", "parent_connection", "parent_url"}),
    "child": (Child, {}, set()),
    "table": (ClusterTable, {}, set()),
    "conflict": (ConflictPolicy, {}, set()),
    "email": (Email, {}, set()),
}
MADE: dict[tuple[str, str], str] = {
    ("cluster", "parent"): "its two keys are two fields",
    ("cluster", "lease"): "a length of time, kept in days",
    ("child", "connected"): "a boolean is kept as the text that it is in YAML",
    ("conflict", "winner"): "follows from the other keys when it is missing",
    ("conflict", "then"): "cannot be every winner",
}
"""Keys whose values are not those of their fields, and why; tests of the meaning show what becomes of them."""
TEXT_OF_OPTIONS = "other_options"
"""The key of a job that stands for others, so that it has no field."""
KINDS: dict[type, set[str]] = {
    str: {"string"},
    Secret: {"string"},
    int: {"integer"},
    float: {"number", "string"},  # a duration is written as text
    bool: {"boolean"},
    tuple: {"array", "string"},
    datetime: {"string"},
    Interval: {"string"},
    collections.abc.Mapping: {"object"},
}


def schema() -> dict[str, Any]:
    return full_schema(connector(kind) for kind in connector_types())


def fields_of(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields that keys of a section set: those of a job stand side by side with its options."""
    found = {field.name: field for field in dataclasses.fields(kind)}
    return found | fields_of(Options) if kind is Replication else found


def hints_of(kind: type) -> dict[str, Any]:
    found = typing.get_type_hints(kind)
    return found | typing.get_type_hints(Options) if kind is Replication else found


def keys_of(name: str) -> dict[str, dict[str, Any]]:
    properties = resolved({"$ref": name})["properties"]
    return {key: resolved(part) for key, part in properties.items() if key != TEXT_OF_OPTIONS}


def keys_as_written(name: str) -> dict[str, dict[str, Any]]:
    return {key: part for key, part in keys_of(name).items() if (name, key) not in MADE}


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
    if "items" in part:
        yield from every_key(resolved(part["items"]), f"{path}[].")


def every_option() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in connector_types():
        for key, declared in options_schema(connector(kind))["properties"].items():
            yield f"{kind}.{key}", declared


KEYS = [*every_key(dict(base_schema()), ""), *every_option()]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_keys(name: str) -> None:
    kind, renamed, unset = DEFINITIONS[name]

    keys = {renamed.get(key, key) for key in keys_of(name)}

    assert keys == fields_of(kind).keys() - unset


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_defaults(name: str) -> None:
    kind, renamed, _ = DEFINITIONS[name]
    fields = fields_of(kind)

    for key, declared in keys_as_written(name).items():
        field = fields[renamed.get(key, key)]
        default = declared.get("default")
        if default == {}:
            assert field.default_factory in {Retry, History, Events, Email, dict}
        elif field.default is dataclasses.MISSING:
            bare = key in {"path", "email"} or field.default_factory is ConflictPolicy
            assert bare or key in resolved({"$ref": name}).get("required", ())
        else:
            plain = list(field.default) if isinstance(field.default, tuple) else field.default
            assert (plain or None) == (default or None)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schema_and_dataclass_have_the_same_types(name: str) -> None:
    kind, renamed, _ = DEFINITIONS[name]
    hints = hints_of(kind)

    for key, part in keys_as_written(name).items():
        hint = hints[renamed.get(key, key)]
        variants = [entry for entry in typing.get_args(hint) if entry is not type(None)]
        kinds = variants if isinstance(hint, types.UnionType) else [hint]
        plain = [typing.get_origin(entry) or entry for entry in kinds]
        if isinstance(plain[0], type) and issubclass(plain[0], enum.Enum):
            assert part["enum"] == [entry.value for entry in plain[0]]
        elif plain[0] is ConflictPolicy:
            assert part == resolved({"$ref": "conflict"})
        elif plain[0] is not Interval and dataclasses.is_dataclass(plain[0]):
            assert part["type"] == "object"
        else:
            declared_types = {part["type"]} if isinstance(part["type"], str) else set(part["type"])
            assert declared_types <= set().union(*(KINDS[entry] for entry in plain))


def test_headers_of_an_event_are_secrets() -> None:
    headers = resolved({"$ref": "hook"})["properties"]["headers"]

    assert typing.get_args(hints_of(Hook)["headers"]) == (str, Secret)
    assert headers["additionalProperties"]["writeOnly"] is True


def test_key_that_signs_delta_files_is_a_secret() -> None:
    assert hints_of(Cluster)["signing_key"] == Secret | None
    assert keys_of("cluster")["signing_key"]["writeOnly"] is True


def test_every_way_to_settle_a_conflict_can_be_written() -> None:
    keys = keys_of("conflict")
    words = resolved({"$ref": "conflict"})["anyOf"][0]["enum"]

    assert keys["winner"]["enum"] == [*words, Winner.PRIORITY] == list(Winner)
    assert keys["then"]["enum"] == [winner for winner in Winner if winner is not Winner.MERGE_FIELDS]


def test_lease_is_as_long_as_the_schema_says() -> None:
    assert keys_of("cluster")["lease"]["default"] == f"{fields_of(Cluster)['lease_days'].default} days"


def home_of(path: str) -> dict[str, Any]:
    """The key of a job's YAML at a path such as ``email.to``."""
    part = resolved({"$ref": "job"})
    for key in path.split("."):
        part = resolved(part["properties"][key])
    return part


@pytest.mark.parametrize("option", OPTION_NAMES, ids=lambda option: option.vendor)
def test_every_option_of_the_vendor_has_a_home_or_a_reason(option: OptionName) -> None:
    if option.home:
        assert home_of(option.home)["description"]
        assert not option.reason
    else:
        assert option.reason
        assert option.reads is None


def test_every_field_of_options_may_be_set_by_its_own_name() -> None:
    assert set(FIELDS) == {field.name for field in dataclasses.fields(Options)}
    assert set(OF_THE_JOB) <= fields_of(Replication).keys()
    assert all(find_option(name) is not None for name in (*FIELDS, *OF_THE_JOB, "check_column"))


def reads(field: str, value: object) -> bool:
    try:
        read_option(option_of(field, for_query=False), str(value))
    except QueryError:
        return False
    return True


BOUNDED = {key: part for key, part in keys_of("job").items() if key in FIELDS and "maximum" in part}


@pytest.mark.parametrize("key", BOUNDED)
def test_options_have_the_same_bounds_in_yaml_and_in_with(key: str) -> None:
    lowest, highest = BOUNDED[key]["minimum"], BOUNDED[key]["maximum"]

    assert [reads(key, value) for value in (lowest, highest)] == [True, True]
    assert [reads(key, value) for value in (lowest - 1, highest + 1)] == [False, False]


@pytest.mark.parametrize("key", [key for key in FIELDS if key != "check_columns"])
def test_examples_of_yaml_may_stand_in_with(key: str) -> None:
    for example in keys_of("job")[key]["examples"]:
        text = ",".join(example) if isinstance(example, list) else str(example)
        assert reads(key, text)


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

    # What one event does another cannot do at once: both together show all.
    missing = {path for path, _ in every_key(dict(base_schema()), "") if ".post." not in path}
    missing -= {path.replace(".post.", ".pre.") for path in used}
    # A policy is written in the same way at both places.
    missing -= {path.replace(".tables.[].", ".") for path in used}
    missing = {path for path in missing if ".tables.[].conflict." not in path}
    missing |= {path for path, _ in every_option()} - options
    missing -= {f"sqlite.{key}" for key in SHARED_OPTIONS}

    assert missing == set()


def paths_of(data: object, path: str) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            named = path in {"connections.", "jobs.", "clusters."}
            below = f"{path}{'*' if named else key}"
            yield below
            yield from paths_of(value, f"{below}.")
    for value in data if isinstance(data, list) else ():
        yield from paths_of(value, f"{path}[].")
