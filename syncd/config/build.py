"""Makes typed definitions from data that passed every check."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from syncd.config.checkers import Checkers
from syncd.config.cluster import connected_text, parse_lease
from syncd.config.connection import Connectors
from syncd.config.event import events_of
from syncd.config.moment import parse_moment, parse_zone
from syncd.config.option import LISTS, options_of
from syncd.config.place import Mark, Table
from syncd.config.placeholder import SHARED_OPTIONS
from syncd.config.policy import policy_of
from syncd.config.validate import section
from syncd.model.cluster import CONNECTED, Cluster
from syncd.model.configuration import Configuration
from syncd.model.definitions import (
    Connection,
    Email,
    Limits,
    Logs,
    Origin,
    Replication,
    Schedule,
    State,
)
from syncd.model.duration import parse_duration
from syncd.model.secret import Secret

MOST_VERBOSE: Final = 5
"""The level below it, which other programs send, means the same."""


def build(
    root: Table, checkers: Checkers, connectors: Connectors, state_path: str, files: tuple[str, ...]
) -> Configuration:
    """The configuration that checked data declares; defaults come from the definitions themselves."""
    connections = {
        name: _connection(name, value, _origin(root, "connections", name), connectors)
        for name, value in section(root, "connections").items()
        if isinstance(value, Table)
    }
    jobs = {
        name: _job(name, value, _origin(root, "jobs", name), checkers)
        for name, value in section(root, "jobs").items()
        if isinstance(value, Table)
    }
    clusters = {
        name: _cluster(name, value, _origin(root, "clusters", name))
        for name, value in section(root, "clusters").items()
        if isinstance(value, Table)
    }
    configuration = Configuration(
        state=msgspec.convert({**_plain(root.get("state", {})), "path": state_path}, State),
        connections=connections,
        jobs=jobs,
        clusters=clusters,
        logs=msgspec.convert(_plain(root.get("logs", {})), Logs),
        limits=msgspec.convert(_plain(root.get("limits", {})), Limits),
        files=files,
    )
    return replace(configuration, digest=digest_of(configuration))


def digest_of(configuration: Configuration) -> str:
    """A hash of what the configuration means; where and in which order it is written does not count."""
    meaning = replace(
        configuration,
        connections={name: replace(value, origin=None) for name, value in configuration.connections.items()},
        jobs={name: replace(value, origin=None) for name, value in configuration.jobs.items()},
        clusters={name: replace(value, origin=None) for name, value in configuration.clusters.items()},
        files=(),
        digest="",
    )
    encoded = msgspec.json.encode(meaning, order="deterministic", enc_hook=_reveal)
    return hashlib.sha256(encoded).hexdigest()


def _reveal(value: object) -> object:
    if isinstance(value, Secret):
        return ["secret", value.reveal()]
    raise TypeError(type(value).__name__)


def _origin(root: Table, name: str, entry: str) -> Origin:
    holder = root[name]
    mark = holder.keys_at[entry] if isinstance(holder, Table) else Mark("", 0, 0)
    return Origin(mark.file, mark.line, mark.column)


def _connection(name: str, value: Table, origin: Origin, connectors: Connectors) -> Connection:
    kind = str(value["type"])
    limits: dict[str, Any] = {key: value.get(key) for key in SHARED_OPTIONS - {"type"}}
    return Connection(name, kind, connectors.options(kind, value), **limits, origin=origin)


def _job(name: str, value: Table, origin: Origin, checkers: Checkers) -> Replication:
    data = _listed(_plain(value), LISTS)
    shared = _shared(data, origin)
    options, whole = options_of(data, checkers)
    job = msgspec.convert({**data, **whole, "name": name}, Replication)
    return replace(job, options=options, verbosity=_verbosity(job.verbosity), **shared)


def _cluster(name: str, value: Table, origin: Origin) -> Cluster:
    data = _listed(_plain(value), ("tables", "exclude", "after"))
    shared = _shared(data, origin)
    parent, key = data.pop("parent"), data.pop("signing_key", None)
    if "lease" in data:
        data["lease_days"] = parse_lease(data.pop("lease"))
    if "conflict" in data:
        data["conflict"] = policy_of(data["conflict"])
    names = {
        "name": name,
        "parent": parent["repository"],
        "parent_connection": parent.get("connection", ""),
        "parent_url": parent.get("url", ""),
    }
    cluster = msgspec.convert(
        {
            **data,
            **names,
            "children": [_child(child) for child in data["children"]],
            "tables": [_table(entry) for entry in data["tables"]],
        },
        Cluster,
    )
    return replace(
        cluster,
        signing_key=None if key is None else Secret(key),
        verbosity=_verbosity(cluster.verbosity),
        **shared,
    )


def _child(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "connected": connected_text(data.get("connected", CONNECTED))}


def _table(data: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(data, str):
        return {"name": data}
    entry = _listed(data, ("key",))
    return {**entry, "conflict": policy_of(entry["conflict"])} if "conflict" in entry else entry


def _listed(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The data with lists of one for the single texts under these keys."""
    return {**data, **{key: [data[key]] for key in keys if isinstance(data.get(key), str)}}


def _shared(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Fields of jobs and clusters that are made from parts of `data`, which are taken out of it."""
    made: dict[str, Any] = {"origin": origin}
    for key, make in (("schedule", _schedule), ("events", events_of), ("email", _email)):
        part = data.pop(key, None)
        if part:
            made[key] = make(part)
    return made


def _verbosity(written: int) -> int:
    return MOST_VERBOSE if written == MOST_VERBOSE - 1 else written


def _email(data: dict[str, Any]) -> Email:
    to = data["to"]
    return msgspec.convert({**data, "to": [to] if isinstance(to, str) else to}, Email)


def _schedule(data: dict[str, Any]) -> Schedule:
    zone = parse_zone(data.get("timezone", "UTC"))
    for key in ("start", "end"):
        if key in data:
            data[key] = parse_moment(data[key], zone)
    if "every" in data:
        data["every_seconds"] = parse_duration(data.pop("every"))
    return msgspec.convert(data, Schedule)


def _plain(value: object) -> Any:
    """The value without places, in the built-in types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, str) else value
