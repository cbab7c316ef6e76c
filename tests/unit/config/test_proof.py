"""The quick proof of a schema gives the verdict of jsonschema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.proof import compile_proof
from syncd.config.schema import base_schema, definition, options_schema
from syncd.config.validate import dialect
from syncd.registry import connector, connector_types

DEFINITIONS: dict[str, Any] = base_schema()["$defs"]
SCHEMAS: dict[str, Any] = {
    **{name: definition(name) for name in DEFINITIONS},
    "whole": base_schema(),
    **{kind: options_schema(connector(kind)) for kind in connector_types()},
    "sizes": {"items": {"type": "string"}, "minItems": 1, "maxItems": 2, "maxLength": 3, "maximum": 5},
    "alternatives": {
        "allOf": [{"type": ["string", "null"]}, {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}]
    },
    "patterns": {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
    "always": {"properties": {"a": True, "b": False}},
    "exclusive": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 5, 65536, 0.5, 4.0, float("inf"), float("nan")]),
    st.sampled_from(["", "a", "sqlite", "a b", " a", "x" * 129, "info", "latest", "15 minutes", "\n"]),
)


def resolved(schema: Any) -> Any:
    if isinstance(schema, bool):
        return {}
    return DEFINITIONS[schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def objects(schema: Any) -> st.SearchStrategy[Any]:
    """Mappings whose keys are mostly those of the schema, with values that may or may not fit."""
    part = resolved(schema)
    known = part.get("properties", {})
    if not known:
        entries = part.get("additionalProperties")
        inner = objects(entries) if isinstance(entries, dict) else VALUES
        return st.dictionaries(st.sampled_from(["a", "x1", " b", ""]), inner | VALUES, max_size=3)
    fitting = {key: st.sampled_from(examples_of(declared)) for key, declared in known.items()}
    some = st.fixed_dictionaries(
        {}, optional={key: objects(declared) | VALUES for key, declared in known.items()}
    )
    right = st.fixed_dictionaries({}, optional=fitting)
    extra = st.dictionaries(st.sampled_from(["x-a", "other", "type"]), VALUES, max_size=1)
    return st.builds(
        lambda one, two, three: {**one, **two, **three}, right, some | st.just({}), extra | st.just({})
    )


def examples_of(schema: Any) -> list[Any]:
    part = resolved(schema)
    examples: list[Any] = part.get("examples", [None])
    return examples


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
def test_proof_is_the_verdict_of_jsonschema(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    value = data.draw(objects(schema) | VALUES | st.lists(VALUES, max_size=3))

    verdict = dialect()({**schema, "$defs": DEFINITIONS}).is_valid(value)

    assert compile_proof(schema, DEFINITIONS)(value) == verdict


@pytest.mark.parametrize("name", [*sorted(connector_types()), "job", "connection", "state", "logs", "limits"])
def test_proof_of_a_shipped_schema_is_compiled(name: str) -> None:
    schema = SCHEMAS[name]
    good = (
        {"path": "a", "type": "sqlite"}
        if name == "sqlite"
        else schema["examples"][0]
        if "examples" in schema
        else {}
    )
    if name in {"postgresql", "mysql"}:
        good = {"type": name, "database": "crm"}

    assert compile_proof(schema, DEFINITIONS)(good)


@pytest.mark.parametrize("schema", [{"not": {"type": "null"}}, {"enum": [1]}, {"$ref": "urn:x"}])
def test_schema_with_an_unknown_keyword_is_never_proven(schema: dict[str, Any]) -> None:
    proof = compile_proof({"properties": {"a": schema}}, DEFINITIONS)

    assert not proof({})
