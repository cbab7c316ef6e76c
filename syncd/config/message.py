"""Turns what jsonschema found into sentences for people, at the place where they mend it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from syncd.config.location import belongs
from syncd.config.number import is_number
from syncd.config.place import Path, Resolved, Unknown
from syncd.config.reader import kind_of
from syncd.config.scalar import OTHER_BOOLEANS
from syncd.config.suggestion import nearest, suggest

SchemaError: TypeAlias = Any
"""jsonschema's ValidationError; its stubs say that any field may be unset, which never holds for a finished one."""

NOT_BUILT: Final = frozenset(("tasks", "services", "api", "notifications"))
"""Sections that a later version will have."""

_KINDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_SIZES: Final = {
    "minLength": ("at least", "character"),
    "maxLength": ("at most", "character"),
    "minItems": ("at least", "entry"),
    "maxItems": ("at most", "entry"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one path; `on_key` when the key is the place to look at, not the value."""

    path: Path
    message: str
    hint: str = ""
    on_key: bool = False


def findings(error: SchemaError, prefix: Path, shown: bool) -> Iterator[Finding]:
    """What one error of jsonschema means. `prefix` leads to the value that was validated; `shown` allows its echo."""
    path: Path = (*prefix, *error.absolute_path)
    value = error.instance
    if isinstance(value, Unknown):
        return
    if "propertyNames" in error.absolute_schema_path:
        yield Finding((*path, str(value)), _sentence(error.schema) or "this name is not allowed", "", True)
        return
    shown = shown and not isinstance(value, Resolved)
    argument: Any = error.validator_value
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_keys(error, path)
        case "required":
            yield from _missing(value, argument, error.schema, path)
        case "dependentRequired":
            for key, needed in argument.items():
                for name in needed if key in value else ():
                    if name not in value:
                        yield Finding((*path, key), f"needs '{name}' beside it", "", True)
        case "type" if "enum" in error.schema:
            return  # what is wanted is said better there
        case "oneOf" | "anyOf":
            yield from _alternatives(error, prefix, path, shown)
        case "not":
            yield _forbidden(argument, value, path)
        case _:
            yield _wrong_value(error, path, shown)


def _wrong_value(error: SchemaError, path: Path, shown: bool) -> Finding:
    value, argument, keyword = error.instance, error.validator_value, str(error.validator)
    if keyword == "type":
        return _wrong_type(value, argument, error.schema, path, shown)
    tail = f", not {_quoted(value)}" if shown else ""
    if keyword in _BOUNDS:
        return Finding(path, f"must be {_BOUNDS[keyword]} {argument}{tail}")
    if keyword in _SIZES:
        return _wrong_size(keyword, value, argument, error.schema, path)
    if keyword == "enum":
        choices = ", ".join(_plain(choice) for choice in argument)
        tail = ", but nothing stands here" if value is None else tail
        near = nearest(str(value), [str(choice) for choice in argument])
        return Finding(path, f"must be one of {choices}{tail}", f"did you mean '{near}'?" if near else "")
    if keyword == "const":
        return Finding(path, f"must be {_plain(argument)}{tail}")
    if keyword == "uniqueItems":
        return Finding(path, "holds the same entry twice")
    return Finding(path, f"does not fit: {_sentence(error.schema) or keyword}{tail}", _example(error.schema))


def _wrong_type(value: object, expected: Any, schema: Mapping[str, Any], path: Path, shown: bool) -> Finding:
    names = [expected] if isinstance(expected, str) else list(expected)
    wanted = " or ".join(_KINDS[name] for name in names)
    if value is None:
        return Finding(path, f"must be {wanted}, but nothing stands here", _example(schema))
    shown = shown and isinstance(value, str | int | float) and "object" not in names
    found = f"{_noun(value)}{_quoted(value)}" if shown else kind_of(value)
    if isinstance(value, float) and not is_number(value):
        found = ".inf or .nan"
    hint = _type_hint(value, names, path, shown) or _example(schema)
    return Finding(path, f"must be {wanted}, not {found}", hint)


def _type_hint(value: object, names: Sequence[str], path: Path, shown: bool) -> str:
    if isinstance(value, Resolved):
        return "a reference gives a text, so it cannot stand here"
    if isinstance(value, str):
        return _text_hint(value.strip(), names, path, shown)
    if "string" in names and isinstance(value, int | float) and "schedule" not in path:
        return "put it in quotes"
    if "integer" in names and isinstance(value, float):
        return "write it without a point"
    return ""


def _text_hint(value: str, names: Sequence[str], path: Path, shown: bool) -> str:
    if "boolean" in names:
        if value.lower() in OTHER_BOOLEANS:
            meant = OTHER_BOOLEANS[value.lower()]
            return f"in YAML 1.2 '{value}' is a text; write {meant}" if shown else "write true or false"
        return "remove the quotes" if value in {"true", "false"} else "write true or false"
    if "integer" in names or "number" in names:
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "remove the quotes"
        unit = re.search(r"_(seconds|days|megabytes)$", str(path[-1]) if path else "")
        return f"write the number of {unit.group(1)} alone" if unit else ""
    return ""


def _wrong_size(keyword: str, value: Any, argument: int, schema: Mapping[str, Any], path: Path) -> Finding:
    if argument == 1 and keyword in {"minLength", "minItems"}:
        return Finding(path, "must not be empty", _example(schema))
    words, noun = _SIZES[keyword]
    plural = {"character": "characters", "entry": "entries"}[noun]
    return Finding(
        path, f"must have {words} {argument} {noun if argument == 1 else plural}, not {len(value)}"
    )


def _unknown_keys(error: SchemaError, path: Path) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        if not path and key in NOT_BUILT:
            yield Finding((key,), "this version of syncd does not have this section", "remove it", True)
            continue
        hint = belongs(key, path, known) or suggest(key, known)
        yield Finding((*path, key), "unknown key", hint, True)


def _missing(value: Any, names: Sequence[str], schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    meant = _meant(value, schema)
    for name in names:
        if name not in value and name not in meant:
            yield Finding(path, f"'{name}' is missing", _missing_hint(name, value, schema), True)


def _meant(value: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str | None]:
    """The known keys that unknown ones were probably meant to be: these are named there and not missed as well."""
    known = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        return set()
    return {nearest(key, known) for key in value if key not in known}


def _missing_hint(name: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if any(key.startswith(f"{name}:") for key in value):
        return f"put a blank after '{name}:'"
    return _example(schema.get("properties", {}).get(name, {}), name)


def _alternatives(error: SchemaError, prefix: Path, path: Path, shown: bool) -> Iterator[Finding]:
    value: Any = error.instance
    branches: list[Any] = list(error.validator_value)
    if all(branch.keys() == {"required"} for branch in branches):
        if not isinstance(value, dict):
            return
        present = [
            branch["required"] for branch in branches if all(name in value for name in branch["required"])
        ]
        if not present and not _meant(value, error.schema).isdisjoint(
            name for branch in branches for name in branch["required"]
        ):
            return
        if not present:
            needed = " or ".join(_listed(branch["required"]) for branch in branches)
            yield Finding(path, f"needs {needed}", "", True)
            return
        order = list(value)
        first, second = sorted((names[0] for names in present[:2]), key=order.index)
        yield Finding((*path, second), f"cannot stand together with '{first}'", "remove one of them", True)
        return
    by_branch: dict[object, list[SchemaError]] = {}
    for inner in error.context or ():
        by_branch.setdefault(inner.schema_path[0], []).append(inner)
    if not by_branch:
        yield Finding(path, "fits more than one alternative")
        return
    best = min(
        by_branch.values(),
        key=lambda found: (any(e.validator == "type" and not e.path for e in found), len(found)),
    )
    for inner in best:
        yield from findings(inner, prefix, shown)


def _forbidden(argument: Mapping[str, Any], value: Any, path: Path) -> Finding:
    names = argument.get("required", ())
    if isinstance(value, dict) and names:
        last = max(names, key=list(value).index)
        others = _listed([name for name in names if name != last])
        tail = f" together with {others}" if others else ""
        return Finding(
            (*path, last), f"cannot stand here{tail}", "remove one of them" if others else "", True
        )
    return Finding(path, f"is not allowed: {_sentence(argument) or 'this value'}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _sentence(schema: Any) -> str:
    """A schema's description, first letter small and without the dot, as the end of a sentence."""
    text = schema.get("description", "") if isinstance(schema, Mapping) else ""
    return text[:1].lower() + text[1:].split("; ")[0].rstrip(".") if text else ""


def _example(schema: Any, key: str = "") -> str:
    examples = schema.get("examples") if isinstance(schema, Mapping) else None
    if not examples:
        return ""
    text = _plain(examples[0])
    return f"for example {key}: {text}" if key else f"for example {text}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _noun(value: object) -> str:
    return "the text " if isinstance(value, str) else ""


def _quoted(value: object) -> str:
    if isinstance(value, str):
        return repr(str(value) if len(value) <= 60 else f"{value[:57]}...")
    return json.dumps(value) if is_number(value) or isinstance(value, bool) else kind_of(value)
