"""The commands `init`, `check` and `schema`: write a configuration, find its mistakes, complete it in an editor."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from syncd.config.find import MAIN_NAME
from syncd.config.load import load_configuration
from syncd.config.place import path_text
from syncd.config.reference import reference_text
from syncd.config.report import ordered
from syncd.config.schema import full_schema
from syncd.config.starter import write_starter
from syncd.errors import ConfigError, FatalError, Problem, SyncdError
from syncd.model.configuration import Configuration
from syncd.model.definitions import Connection
from syncd.model.secret import Secret
from syncd.ports import Connector
from syncd.registry import connector, connector_types
from syncd.worker.judge import checkers

ROLES: Final = ("source", "destination", "repository")
"""What a connection is opened as, in this order; a repository is looked at as a source is."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path(MAIN_NAME))
def init(path: Path) -> None:
    """Write a starter configuration to PATH (./syncd.yaml), and its schema beside it.

    Nothing that exists is overwritten.
    """
    for written in write_starter(path, _schema()):
        click.echo(f"wrote {written}")


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference documentation instead.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of the configuration, with the options of all installed connectors."""
    text = (
        reference_text(_schema()) if markdown else json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"
    )
    click.echo(text, nl=False)


@click.command()
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The file or folder to check.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("--connect", is_flag=True, help="Open every connection, too.")
@click.pass_context
def check(ctx: click.Context, config: Path | None, as_json: bool, connect: bool) -> None:
    """Find every mistake in a configuration; ends with 0 when there is none, else with 78."""
    try:
        configuration = load_configuration(config, checkers(), os.environ)
        problems = list(_connection_problems(configuration)) if connect else []
        if problems:
            raise ConfigError(ordered(problems, configuration.files, _secrets(configuration)))
    except ConfigError as error:
        if not as_json:
            raise
        found = [asdict(problem) for problem in error.problems]
        click.echo(json.dumps({"ok": False, "problems": found}, indent=2, ensure_ascii=False))
        ctx.exit(error.exit_code)
    if as_json:
        click.echo(json.dumps({"ok": True, "problems": []}, indent=2))
    else:
        click.echo(_summary(configuration))


def _schema() -> dict[str, Any]:
    return full_schema(_connectors())


def _connectors() -> Iterator[Connector]:
    for kind in connector_types():
        try:
            yield connector(kind)
        except FatalError as error:
            click.echo(f"warning: the options of '{kind}' are left out: {error.message}", err=True)


def _summary(configuration: Configuration) -> str:
    declared = [_count("job", configuration.jobs)]
    if configuration.clusters:
        declared.append(_count("cluster", configuration.clusters))
    declared.append(_count("connection", configuration.connections))
    return f"ok: {', '.join(declared)} in {_count('file', configuration.files)}"


def _count(noun: str, found: Sized) -> str:
    return f"{len(found)} {noun}" if len(found) == 1 else f"{len(found)} {noun}s"


def _connection_problems(configuration: Configuration) -> Iterator[Problem]:
    """What goes wrong when each connection is opened the way its jobs and clusters use it."""
    jobs = configuration.jobs.values()
    used = {("source", job.source) for job in jobs} | {("destination", job.destination) for job in jobs}
    clusters = configuration.clusters.values()
    used |= {("repository", name) for cluster in clusters for name in cluster.connections}
    for name, connection in configuration.connections.items():
        roles = [role for role in ROLES if (role, name) in used]
        for role in roles or _any_role(connection):
            try:
                _open(connection, role)
            except SyncdError as error:
                yield _problem(connection, role, error)
                break


def _any_role(connection: Connection) -> Sequence[str]:
    return [role for role in ROLES if role in connector(connection.type).roles][:1]


def _open(connection: Connection, role: str) -> None:
    plug_in = connector(connection.type)
    opened = (
        plug_in.open_destination(connection.options)
        if role == "destination"
        else plug_in.open_source(connection.options)
    )
    opened.close()


def _problem(connection: Connection, role: str, error: SyncdError) -> Problem:
    origin = connection.origin
    file, line, column = (origin.file, origin.line, origin.column) if origin else ("", 0, 0)
    path = path_text(("connections", connection.name))
    return Problem(file, line, column, path, f"cannot be opened as a {role}: {error.message}", error.hint)


def _secrets(configuration: Configuration) -> Iterator[str]:
    values: Mapping[str, object]
    for connection in configuration.connections.values():
        values = connection.options
        yield from (value.reveal() for value in values.values() if isinstance(value, Secret))
