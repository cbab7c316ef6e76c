"""Proves quickly that a value fits a schema, so that jsonschema is asked only about those that may not.

A check of 10 000 jobs by jsonschema takes seconds, and nearly every job is right. A schema is compiled once into
closures; a test holds their verdicts equal to jsonschema's. Schemas with keywords that are not known here are never proven,
so jsonschema judges every value of theirs.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from syncd.config.number import is_integer, is_number

Proof = Callable[[object], bool]
"""True when the value fits the schema, false when it does not."""

_ANNOTATIONS: Final = frozenset(
    (
        "title",
        "description",
        "default",
        "examples",
        "writeOnly",
        "deprecated",
        "$comment",
        "$schema",
        "$id",
        "$defs",
        "format",
    )
)


class _UncompiledError(Exception):
    """The schema has a keyword that is not compiled."""


def compile_proof(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Proof:
    """The check of one schema; `definitions` are what ``#/$defs/...`` refers to. Slow enough to keep the result."""
    try:
        return _compile(schema, definitions)
    except _UncompiledError:
        return lambda value: False


def _compile(schema: Mapping[str, Any] | bool, definitions: Mapping[str, Any]) -> Proof:
    if isinstance(schema, bool):
        verdict = schema
        return lambda value: verdict
    checks: list[Proof] = []
    for keyword, argument in schema.items():
        if keyword in _ANNOTATIONS or keyword in _TOGETHER:
            continue
        if keyword not in _KEYWORDS:
            raise _UncompiledError(keyword)
        checks.append(_KEYWORDS[keyword](argument, definitions))
    if not _TOGETHER.isdisjoint(schema):
        checks.append(_object(schema, definitions))
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


_TYPES: Final[dict[str, Proof]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": is_integer,
    "number": is_number,
}


def _type(argument: Any, definitions: Mapping[str, Any]) -> Proof:
    if isinstance(argument, str):
        return _TYPES[argument]
    kinds = [_TYPES[name] for name in argument]
    return lambda value: any(kind(value) for kind in kinds)


def _ref(argument: str, definitions: Mapping[str, Any]) -> Proof:
    if not argument.startswith("#/$defs/"):
        raise _UncompiledError(argument)
    return _compile(definitions[argument.removeprefix("#/$defs/")], definitions)


def _enum(argument: list[object], definitions: Mapping[str, Any]) -> Proof:
    if not all(isinstance(choice, str) for choice in argument):
        raise _UncompiledError("enum")  # 1, 1.0 and true are equal in Python and differ in JSON
    choices = frozenset(argument)
    return lambda value: isinstance(value, str) and value in choices


def _any_of(argument: list[Any], definitions: Mapping[str, Any]) -> Proof:
    branches = [_compile(branch, definitions) for branch in argument]
    return lambda value: any(branch(value) for branch in branches)


def _all_of(argument: list[Any], definitions: Mapping[str, Any]) -> Proof:
    branches = [_compile(branch, definitions) for branch in argument]
    return lambda value: all(branch(value) for branch in branches)


def _one_of(argument: list[Any], definitions: Mapping[str, Any]) -> Proof:
    branches = [_compile(branch, definitions) for branch in argument]
    return lambda value: sum(branch(value) for branch in branches) == 1


def _required(argument: list[str], definitions: Mapping[str, Any]) -> Proof:
    names = tuple(argument)
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _dependent(argument: Mapping[str, list[str]], definitions: Mapping[str, Any]) -> Proof:
    needs = tuple(argument.items())
    return lambda value: (
        not isinstance(value, dict)
        or all(key not in value or all(name in value for name in names) for key, names in needs)
    )


def _items(argument: Any, definitions: Mapping[str, Any]) -> Proof:
    item = _compile(argument, definitions)
    return lambda value: not isinstance(value, list) or all(item(entry) for entry in value)


def _pattern(argument: str, definitions: Mapping[str, Any]) -> Proof:
    search = re.compile(argument).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _property_names(argument: Any, definitions: Mapping[str, Any]) -> Proof:
    name = _compile(argument, definitions)
    return lambda value: not isinstance(value, dict) or all(name(key) for key in value)


def _measure(
    kind: type[str] | type[list[Any]], fits: Callable[[Any, Any], bool]
) -> Callable[[Any, Mapping[str, Any]], Proof]:
    def build(argument: Any, definitions: Mapping[str, Any]) -> Proof:
        return lambda value: not isinstance(value, kind) or fits(len(value), argument)

    return build


def _bound(fits: Callable[[Any, Any], bool]) -> Callable[[Any, Mapping[str, Any]], Proof]:
    def build(argument: Any, definitions: Mapping[str, Any]) -> Proof:
        return lambda value: not is_number(value) or fits(value, argument)

    return build


def _at_least(value: Any, argument: Any) -> bool:
    return bool(value >= argument)


def _at_most(value: Any, argument: Any) -> bool:
    return bool(value <= argument)


_KEYWORDS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], Proof]]] = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "anyOf": _any_of,
    "allOf": _all_of,
    "oneOf": _one_of,
    "required": _required,
    "dependentRequired": _dependent,
    "items": _items,
    "pattern": _pattern,
    "propertyNames": _property_names,
    "minLength": _measure(str, _at_least),
    "maxLength": _measure(str, _at_most),
    "minItems": _measure(list, _at_least),
    "maxItems": _measure(list, _at_most),
    "minimum": _bound(_at_least),
    "maximum": _bound(_at_most),
    "exclusiveMinimum": _bound(lambda value, argument: bool(value > argument)),
    "exclusiveMaximum": _bound(lambda value, argument: bool(value < argument)),
}

_TOGETHER: Final = frozenset(("properties", "patternProperties", "additionalProperties"))
"""Keywords that read each other."""


def _object(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Proof:
    known = {name: _compile(part, definitions) for name, part in schema.get("properties", {}).items()}
    patterns = [
        (re.compile(pattern).search, _compile(part, definitions))
        for pattern, part in schema.get("patternProperties", {}).items()
    ]
    other = _compile(schema.get("additionalProperties", True), definitions)

    def fits(value: object) -> bool:
        if not isinstance(value, dict):
            return True
        for key, entry in value.items():
            checks = [part for search, part in patterns if search(key)] if patterns else []
            if key in known:
                checks.append(known[key])
            for check in checks or (other,):
                if not check(entry):
                    return False
        return True

    return fits
