"""Holds data against the schema, part by part."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from syncd.config.merge import NAMED
from syncd.config.message import findings
from syncd.config.number import is_integer, is_number
from syncd.config.place import Path, Table
from syncd.config.placeholder import is_hidden
from syncd.config.proof import Proof, compile_proof
from syncd.config.report import Report
from syncd.config.schema import Schema, base_schema, definition


class Checked:
    """A schema, ready to check many values: proven quickly where possible, judged by jsonschema where not."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator: Any = None
        self._proof: Proof = compile_proof(schema, base_schema()["$defs"])

    def check(self, report: Report, path: Path, value: object) -> bool:
        """Report what does not fit; true when all does."""
        if self._proof(value):
            return True
        clean = True
        self._validator = self._validator or _validator(self._schema)
        for error in self._validator.iter_errors(value):
            clean = False
            shown = not is_hidden((*path, *error.absolute_path))
            for found in findings(error, path, shown):
                (report.at_key if found.on_key else report.at_value)(found.path, found.message, found.hint)
        return clean


def _validator(schema: Schema) -> Any:
    whole = {**schema, "$defs": {**base_schema()["$defs"], **schema.get("$defs", {})}}
    return dialect()(whole)


@cache
def dialect() -> Any:
    """jsonschema's validator of 2020-12, with our stricter numbers."""
    # jsonschema takes a tenth of a second to import, and a configuration that is right does without
    from jsonschema.validators import Draft202012Validator, extend

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, instance: is_integer(instance),
            "number": lambda _, instance: is_number(instance),
        }
    )
    return extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]  # stubs lack it


@cache
def checked(name: str) -> Checked:
    """One of the schema's definitions, compiled once."""
    return Checked(definition(name))


@cache
def _shell() -> Checked:
    """The root without what stands inside connections, jobs and clusters, which is checked one by one."""
    schema = dict(base_schema())
    properties = dict(schema["properties"])
    for section in NAMED:
        properties[section] = {**properties[section], "additionalProperties": True}
    schema["properties"] = properties
    return Checked(schema)


def check_shell(report: Report) -> None:
    """Check everything but the connections, jobs and clusters themselves."""
    _shell().check(report, (), report.root)


def section(root: Table, name: str) -> Mapping[str, object]:
    """The connections, jobs or clusters; empty when they are missing or not a mapping."""
    found = root.get(name)
    return found if isinstance(found, Table) else {}
