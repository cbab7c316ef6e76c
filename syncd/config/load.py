"""Reads configuration files into a checked, typed Configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from syncd.config.checkers import Checkers as Checkers
from syncd.config.find import find_configuration as find_configuration
from syncd.model.definitions import Configuration, Connection, Replication, Schedule, State


def load_configuration(path: Path | None, checkers: Checkers, environ: Mapping[str, str]) -> Configuration:
    """Everything the files at `path` (a file, a folder, or None for the usual places) declare, ready to apply.

    Raises:
        ConfigError: with every problem of every file, in order of place.
        NotFoundError: there is no such file.
    """
    file = find_configuration(path, environ)
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    connections = {
        name: Connection(name, options.pop("type"), options) for name, options in data["connections"].items()
    }
    jobs = {name: _job(name, dict(job)) for name, job in data["jobs"].items()}
    state = State(path=data.get("state", {}).get("path", "/var/lib/syncd"))
    return Configuration(state=state, connections=connections, jobs=jobs, files=(str(file),))


def _job(name: str, job: dict[str, Any]) -> Replication:
    schedule = job.pop("schedule", None)
    return Replication(
        name=name,
        queries=tuple(job.pop("queries")),
        schedule=Schedule(**schedule) if schedule else None,
        **job,
    )
