"""Writes the reference documentation from the schema, so that no option is described twice."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from syncd.config.schema import CONNECTION, Schema

_INTRODUCTION: Final = """\
# Configuration

<!-- Made by `syncd schema --markdown`; change syncd/config/schema.json or the connector instead. -->

A configuration is one YAML file, `syncd.yaml`, and the `*.yaml` files in a folder `conf.d` beside it, in the order of
their names. Connections, jobs and clusters may be spread over files; every other section stands in one. `-c PATH` names another
file, or a folder whose `*.yaml` are read; without it syncd looks at `$SYNCD_CONFIG`, `./syncd.yaml` and
`/etc/syncd/syncd.yaml`. `syncd check` finds every mistake, `syncd init` writes a file to begin with, and `syncd schema`
prints the JSON Schema that editors complete from. Jobs that are made through syncd itself stand in the folder `managed.d`
of its state, in files of the same kind.

The YAML is version 1.2: `yes`, `no`, `on` and `off` are texts, `010` is ten. A key that stands twice, a tag, an unknown
key are mistakes. Anchors and merge keys (`<<: *defaults`) work, and top-level keys that begin with `x-` are a place for them.

Texts may hold references, as a whole or in part. `$${` stands for `${` itself.

| reference | gives | may stand in |
|---|---|---|
| `${env:NAME}` | an environment variable | every text |
| `${file:PATH}` | a file's text without the newline at its end; the path is relative to the file that names it | options of a connection, headers of an event, a cluster's signing_key |
| `${credential:NAME}` | the file NAME in `$CREDENTIALS_DIRECTORY`, where systemd's LoadCredential puts it | options of a connection, headers of an event, a cluster's signing_key |

What a reference gives in the options of a connection is a secret: no log, message or listing shows it. So are options
marked *secret* below, URLs with a password in them, the headers of events, and the keys that sign delta files.

Lengths of time are written `30 seconds`, `15 minutes`, `1 hour`, `2 days`, `90s`, `1h30m` or `PT15M`. Dates and times are
ISO 8601, such as `2026-01-31` or `2026-01-31T06:00:00+01:00`.
"""

_KINDS: Final = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def reference_text(schema: Schema) -> str:
    """The reference as Markdown, each part of it once; `schema` is the full one, with the options of connectors."""
    parts = [_INTRODUCTION]
    shown: dict[str, str] = {}
    for name, section in schema["properties"].items():
        parts += _section(name, name, _resolved(section, schema), schema, shown)
    return "\n".join(parts)


def _section(title: str, path: str, section: Schema, schema: Schema, shown: dict[str, str]) -> Iterator[str]:
    yield f"## `{title}`\n" if title == path else f"### `{path}`\n"
    # What several sections share has one description, and is written once.
    first = shown.setdefault(section["description"], path)
    if first != path:
        yield f"As `{first}`.\n"
        return
    yield f"{section['description']}\n"
    if "oneOf" in section:
        yield f"Needs {_alternatives(section['oneOf'])}, one of them only.\n"
    entries = section.get("additionalProperties")
    if isinstance(entries, Mapping):
        entry = _resolved(entries, schema)
        yield f"Each name leads to a mapping. {entry['description']}\n"
        yield from _keys(f"{path}.NAME", entry, schema, shown)
        if path == "connections":
            yield from _connectors(schema, shown)
    else:
        yield from _keys(path, section, schema, shown)


def _connectors(schema: Schema, shown: dict[str, str]) -> Iterator[str]:
    prefix = f"{CONNECTION}-"
    shared = schema["$defs"][CONNECTION]["properties"]
    for name, options in schema["$defs"].items():
        if name.startswith(prefix):
            kind = name.removeprefix(prefix)
            own = {key: part for key, part in options["properties"].items() if key not in shared}
            yield f"### `connections.NAME` of type `{kind}`\n"
            if "anyOf" in options:
                yield f"Needs {_alternatives(options['anyOf'])}.\n"
            yield from _keys("", {**options, "properties": own}, schema, shown)


def _alternatives(branches: Sequence[Schema]) -> str:
    return " or ".join(" and ".join(f"`{key}`" for key in branch.get("required", ())) for branch in branches)


def _keys(path: str, section: Schema, schema: Schema, shown: dict[str, str]) -> Iterator[str]:
    required = section.get("required", ())
    nested: list[tuple[str, Schema]] = []
    rows = ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
    for key, declared in section["properties"].items():
        part = _resolved(declared, schema)
        rows.append(_row(key, part, key in required))
        if "properties" in part:
            nested.append((f"{path}.{key}", part))
        entry = _resolved(part.get("items", {}), schema)
        if "properties" in entry:
            nested.append((f"{path}.{key}[]", entry))
    yield "\n".join(rows) + "\n"
    for below, part in nested:
        yield from _section("", below, part, schema, shown)


def _row(key: str, part: Schema, required: bool) -> str:
    default = "**required**" if required else f"`{_yaml(part['default'])}`" if "default" in part else ""
    secret = " *Secret.*" if part.get("writeOnly") else ""
    examples = ", ".join(f"`{_yaml(example)}`" for example in part.get("examples", ())[:2])
    cells = (f"`{key}`", _value(part), default, part["description"] + secret, examples)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(part: Schema) -> str:
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    if "anyOf" in part:
        return " or ".join(_value(branch) for branch in part["anyOf"])
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    text = " or ".join(_KINDS[kind] for kind in kinds)
    lowest, highest = part.get("minimum"), part.get("maximum")
    if "exclusiveMinimum" in part:
        text += f", more than {part['exclusiveMinimum']}"
    elif lowest is not None:
        text += f", {lowest} or more" if highest is None else f", {lowest} to {highest}"
    return text


def _resolved(part: Schema, schema: Schema) -> Schema:
    if "$ref" not in part:
        return part
    found: Schema = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return found


def _yaml(value: Any) -> str:
    """The value as a person would write it in one line."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
