"""The rules of connections: a type that exists, and the options that its connector knows."""

import re
from pathlib import Path
from typing import Final, cast

from syncd.config.checkers import Checkers
from syncd.config.place import Resolved, Table, Unknown
from syncd.config.placeholder import SHARED_OPTIONS
from syncd.config.report import Report
from syncd.config.schema import CONNECTION, Schema, options_schema
from syncd.config.validate import Checked, checked, section
from syncd.errors import NotFoundError, SyncdError
from syncd.model.definitions import OptionValue
from syncd.model.secret import Secret
from syncd.ports import Connector

_TYPE: Final = re.compile(r"[\w.+-]{1,64}")
HOLDS_PASSWORD: Final = re.compile(
    r"://[^/\s@]*:[^\s@]*@|(^|[?&;\s])(password|passwd|pwd)\s*=", re.IGNORECASE
)

_LONGEST: Final = 10_000
"""A longer text is taken for secret without a look, as the search for a password in it may take long."""


class Connectors:
    """The connectors that a configuration uses, each asked for once."""

    def __init__(self, checkers: Checkers) -> None:
        self._checkers = checkers
        self._schemas: dict[str, tuple[Connector, Schema, Checked] | SyncdError] = {}

    def connector(self, kind: object) -> Connector | None:
        """The connector of that type, None when there is none."""
        found = self._find(kind) if isinstance(kind, str) else None
        return None if found is None or isinstance(found, SyncdError) else found[0]

    def check(self, report: Report) -> None:
        """Check every connection of the report's tree."""
        for name, value in section(report.root, "connections").items():
            self._check(report, ("connections", name), value)

    def options(self, kind: str, values: Table) -> dict[str, OptionValue]:
        """The options of a checked connection, secrets wrapped.

        Secret is what came from outside the file, what the connector's schema marks ``writeOnly``, and a URL with a
        password in it. An option of ``"format": "path"`` is made relative to the file that it stands in.
        """
        found = self._find(kind)
        schema = {} if isinstance(found, SyncdError) else found[1]["properties"]
        return {
            key: _wrapped(value, schema.get(key, {}), Path(values.values_at[key].file).parent)
            for key, value in values.items()
            if key not in SHARED_OPTIONS
        }

    def _find(self, kind: str) -> tuple[Connector, Schema, Checked] | SyncdError:
        if kind not in self._schemas:
            try:
                connector = self._checkers.connector(kind)
            except SyncdError as error:
                self._schemas[kind] = error
            else:
                schema = options_schema(connector)
                self._schemas[kind] = connector, schema, Checked(schema)
        return self._schemas[kind]

    def _check(self, report: Report, path: tuple[str, str], value: object) -> None:
        kind = value.get("type") if isinstance(value, Table) else None
        if not isinstance(kind, str) or isinstance(kind, Unknown) or not kind:
            checked(CONNECTION).check(report, path, value)
            return
        found = self._find(str(kind))
        if not isinstance(found, SyncdError):
            found[2].check(report, path, value)
            return
        checked(CONNECTION).check(report, path, value)
        shown = _TYPE.fullmatch(kind) and not isinstance(kind, Resolved)
        absent = isinstance(found, NotFoundError) and not shown
        message = "there is no connector of this type" if absent else found.message
        report.at_value((*path, "type"), message, "" if absent else found.hint)


def _wrapped(value: object, schema: Schema, folder: Path) -> OptionValue:
    secret = bool(schema.get("writeOnly"))
    if isinstance(value, str):
        text = str(folder.absolute() / value) if schema.get("format") == "path" else str(value)
        if secret or isinstance(value, Resolved) or len(text) > _LONGEST or HOLDS_PASSWORD.search(text):
            return Secret(text)
        return text
    if isinstance(value, bool | int | float) and secret:
        return Secret(str(value))
    return cast("OptionValue", value)
