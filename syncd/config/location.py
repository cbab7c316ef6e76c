"""Knows under which section each key of the schema belongs, to help those who wrote it elsewhere."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from syncd.config.place import Path
from syncd.config.schema import base_schema

_PHRASES: Final = {
    "": "at the top level",
    "jobs": "in a job",
    "clusters": "in a cluster",
    "connections": "in a connection",
}


def belongs(key: str, path: Path, known: Mapping[str, object]) -> str:
    """A hint for a key that is right elsewhere: "it belongs under 'schedule'"; empty when it is right nowhere."""
    homes = _homes().get(key, ())
    below = [home for home in homes if home in known]
    places = below[:1] or [home for home in homes if len(homes) <= 2 and path[:1] != ("connections",)]
    if not places:
        return ""
    phrases = [_PHRASES.get(home, f"under '{home}'") for home in places]
    return f"it belongs {' or '.join(phrases)}"


@cache
def _homes() -> Mapping[str, tuple[str, ...]]:
    homes: dict[str, list[str]] = {}
    for home, key in _keys(base_schema(), ""):
        homes.setdefault(key, []).append(home)
    return {key: tuple(dict.fromkeys(found)) for key, found in homes.items()}


def _keys(schema: Mapping[str, Any], home: str) -> Iterator[tuple[str, str]]:
    if "$ref" in schema:
        schema = base_schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for key, part in schema.get("properties", {}).items():
        yield home, key
        yield from _keys(part, key)
    for keyword in ("additionalProperties", "items"):
        entries = schema.get(keyword)
        if isinstance(entries, Mapping):
            yield from _keys(entries, home)
