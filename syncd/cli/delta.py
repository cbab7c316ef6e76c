"""`syncd export` and `syncd import`: children that are not connected take part by files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.address import config_option, json_option, load
from syncd.errors import NotFoundError
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration

if TYPE_CHECKING:
    from syncd.delta.site import Exported, Imported

FILE = click.Path(path_type=Path)

Command = Callable[..., int]


def export_words(command: Command) -> Command:
    """The words that a command takes which writes a delta file."""
    words = (
        click.argument("cluster"),
        click.argument("child"),
        click.argument("file", type=FILE),
        click.option("--ack-only", is_flag=True, help="Only say what was received; carry no rows."),
        click.option(
            "--only-new", is_flag=True, help="Leave out what an earlier file has, trusting that it arrives."
        ),
        config_option,
        json_option,
    )
    for word in reversed(words):
        command = word(command)
    return command


@click.command()
@export_words
def export(
    cluster: str, child: str, file: Path, ack_only: bool, only_new: bool, config: Path | None, as_json: bool
) -> int:
    """Write a delta file: for CHILD at the parent's site, for the parent at CHILD's.

    It holds all changes that the other side has not acknowledged, so a file that is lost costs nothing.
    """
    from syncd.delta.site import Wish
    from syncd.worker.delta import export_file

    configuration = load(config)
    found = cluster_of(configuration, cluster)
    wish = Wish(ack_only=ack_only, only_new=only_new)
    print_exported(export_file(configuration, found, child, file, wish, lambda: None), as_json=as_json)
    return 0


@click.command(name="import")
@click.argument("cluster")
@click.argument("file", type=FILE)
@config_option
@json_option
def import_(cluster: str, file: Path, config: Path | None, as_json: bool) -> int:
    """Apply a delta file. One that was applied before changes nothing."""
    from syncd.worker.delta import import_file

    configuration = load(config)
    done = import_file(configuration, cluster_of(configuration, cluster), file, lambda: None)
    print_imported(done, as_json=as_json)
    return 0


def cluster_of(configuration: Configuration, name: str) -> Cluster:
    """The cluster of that name.

    Raises:
        NotFoundError: there is none.
    """
    found = configuration.clusters.get(name)
    if found is None:
        known = ", ".join(sorted(configuration.clusters)) or "none"
        raise NotFoundError(f"there is no cluster '{name}'", hint=f"clusters: {known}")
    return found


def print_exported(done: "Exported", *, as_json: bool) -> None:
    """Say what a file holds."""
    if as_json:
        _print_json(
            file=str(done.path), kind=done.kind.value, since=done.since.gen, to=done.mark.gen, rows=done.rows
        )
        return
    tables = ", ".join(f"{rows} of {table}" for table, rows in done.rows.items() if rows) or "none"
    click.echo(
        f"{done.path}: {done.kind.value} of generation {done.since.gen}..{done.mark.gen}, rows: {tables}"
    )


def print_imported(done: "Imported", *, as_json: bool) -> None:
    """Say what became of a file."""
    counts = done.counts
    said = {
        "received": counts.received,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "same": counts.same,
        "skipped": counts.skipped,
        "conflicts": counts.conflicts,
        "conflicts_open": counts.opened,
        "held": counts.held,
    }
    if as_json:
        _print_json(
            file=str(done.path),
            kind=done.kind.value,
            sender=done.sender,
            to=done.mark.gen,
            already_applied=done.repeated,
            warnings=list(done.warnings),
            **said,
        )
        return
    if done.repeated:
        click.echo(f"{done.path}: already applied, nothing was written")
        return
    parts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in said.items() if count)
    click.echo(f"{done.path}: {done.kind.value} of '{done.sender}' applied: {parts or 'nothing new'}")
    for warning in done.warnings:
        click.echo(f"  warning: {warning}")


def _print_json(**facts: object) -> None:
    from syncd.cli.control import print_json

    print_json(facts)
