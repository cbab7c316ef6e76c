"""Puts values from outside into texts: ``${env:NAME}``, ``${file:PATH}`` and ``${credential:NAME}``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from syncd.config.merge import WORK
from syncd.config.place import Items, Resolved, Table, Unknown, value_place
from syncd.config.report import Report

MAX_FILE_BYTES: Final = 1_000_000

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?:(env|file|credential):([^{}]+)\}|)")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL: Final = re.compile(r"(?!\.{1,2}$)[^/]+")
SHARED_OPTIONS: Final = frozenset(("type", "max_runs", "rows_per_second", "bytes_per_second"))
"""A connection's keys that every type has; a test compares them with the schema."""

_TOLD_OUTSIDE: Final = frozenset(("command", "sql", "url", "headers"))
"""What an event tells other programs, which people give their passwords to."""
_FORMS: Final = "${env:NAME}, ${file:PATH} or ${credential:NAME}"


class _UnresolvedError(Exception):
    """A reference that gives nothing, and why."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(slots=True)
class Resolver:
    """Replaces references in one tree; `secrets` gathers what they stood for, for masking."""

    report: Report
    environ: Mapping[str, str]
    secrets: set[str] = field(default_factory=set)
    _done: set[int] = field(default_factory=set)

    def resolve(self) -> None:
        """Replace the references of all sections, in place; what an alias shares is done once.

        A text with a reference becomes Resolved; where one gives nothing, that is reported and the text Unknown.
        """
        root = self.report.root
        for key, value in list(root.items()):
            if not key.startswith("x-"):
                self._entry(root, key, value, (key,))

    def _entry(
        self, parent: Table | Items, key: str | int, value: object, path: tuple[str | int, ...]
    ) -> None:
        if isinstance(value, str):
            if "${" in value and not isinstance(value, Resolved | Unknown):
                self._replace(parent, key, self._resolved(value, path))
        elif isinstance(value, Table | Items) and id(value) not in self._done:
            self._done.add(id(value))
            entries: list[tuple[str | int, object]] = []
            entries += value.items() if isinstance(value, Table) else enumerate(value)
            for step, entry in entries:
                self._entry(value, step, entry, (*path, step))

    @staticmethod
    def _replace(parent: Table | Items, key: str | int, value: str) -> None:
        if isinstance(parent, Table):
            parent[str(key)] = value
        elif isinstance(key, int):
            parent[key] = value

    def _resolved(self, text: str, path: tuple[str | int, ...]) -> str:
        """The text with its references replaced; a ``$${`` alone leaves it as plain as it was."""
        parts: list[str] = []
        at = 0
        foreign = False
        try:
            for found in _REFERENCE.finditer(text):
                parts.append(text[at : found.start()])
                at = found.end()
                if found.group() == "$${":
                    parts.append("${")
                    continue
                foreign = True
                parts.append(self._value(found.group(1), found.group(2), path))
        except _UnresolvedError as error:
            self.report.at_value(path, error.message, error.hint)
            return Unknown()
        whole = "".join((*parts, text[at:]))
        return Resolved(whole) if foreign else whole

    def _value(self, scheme: str | None, name: str, path: tuple[str | int, ...]) -> str:
        if scheme is None:
            raise _UnresolvedError(
                f"'${{' begins a reference: {_FORMS}", "write '$${' for a '${' that is none"
            )
        if scheme != "env" and not (is_option(path) or is_header(path) or is_signing_key(path)):
            message = (
                f"${{{scheme}:...}} may stand only in the options of a connection, the headers of an event"
                " and the signing_key of a cluster"
            )
            raise _UnresolvedError(message, "use ${env:NAME} here")
        if scheme == "env":
            value = self._variable(name)
        elif scheme == "credential":
            value = self._credential(name)
        else:
            folder = Path(value_place(self.report.root, path).file).parent
            value = _read(folder / name, f"the file '{name}'")
        self.secrets.add(value)
        return value

    def _variable(self, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            raise _UnresolvedError(f"'{name[:60]}' is not the name of an environment variable")
        if name not in self.environ:
            raise _UnresolvedError(f"the environment variable '{name}' is not set")
        return self.environ[name]

    def _credential(self, name: str) -> str:
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        if not _CREDENTIAL.fullmatch(name):
            raise _UnresolvedError(f"'{name[:60]}' is not the name of a credential")
        if not folder:
            hint = f"CREDENTIALS_DIRECTORY is not set; a service gets it by LoadCredential={name}:PATH"
            raise _UnresolvedError(f"there is no credential '{name}'", hint)
        return _read(Path(folder) / name, f"the credential '{name}'")


def is_option(path: tuple[str | int, ...]) -> bool:
    """The path leads to an option of a connection's own type."""
    return len(path) > 2 and path[0] == "connections" and path[2] not in SHARED_OPTIONS


def is_header(path: tuple[str | int, ...]) -> bool:
    """The path leads to the value of a header that an event sends."""
    return len(path) == 6 and path[0] in WORK and path[2] == "events" and path[4] == "headers"


def is_signing_key(path: tuple[str | int, ...]) -> bool:
    """The path leads to the key that signs a cluster's delta files."""
    return len(path) == 3 and path[0] == "clusters" and path[2] == "signing_key"


def is_hidden(path: tuple[str | int, ...]) -> bool:
    """What stands there may be or hold a secret, so no message repeats it: a URL in the place of a connection, too."""
    if path and path[0] in WORK:
        told_outside = len(path) > 4 and path[2] == "events" and path[4] in _TOLD_OUTSIDE
        return told_outside or is_signing_key(path)
    return path[:1] == ("connections",) and not (len(path) == 3 and path[2] in SHARED_OPTIONS)


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError:
        raise _UnresolvedError(f"{what} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad name"
        raise _UnresolvedError(f"cannot read {what}: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise _UnresolvedError(f"{what} is larger than {MAX_FILE_BYTES} bytes")
    return text.removesuffix("\n").removesuffix("\r")
