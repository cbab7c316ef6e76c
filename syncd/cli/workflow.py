"""`syncd workflow`: the callables of `syncd.workflow` for shells and schedulers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.address import config_option, json_option
from syncd.cli.delta import FILE, export_words

if TYPE_CHECKING:
    from syncd.workflow import Result


@click.group()
def workflow() -> None:
    """Synchronise repositories by their URLs, as Workflow Manager does.

    The exit code is 0 when the status is 0, else 1.
    """


@workflow.command()
@click.argument("parent_url")
@click.argument("parent_name")
@click.argument("multi")
@click.option(
    "--table", "tables", multiple=True, help="Only this table; for databases that no configuration declares."
)
@config_option
@json_option
def synchronize(
    parent_url: str, parent_name: str, multi: str, tables: tuple[str, ...], config: Path | None, as_json: bool
) -> int:
    """Synchronise the children of a parent.

    \b
    MULTI is "name connected URL time;...", for example
    "Ohio true http://ohio/SO/WMServer 2011-08-08 12:00;AZ true http://az/SO/WMServer"
    """
    from syncd.workflow import SynchronizeJobData

    done = SynchronizeJobData(parent_url, parent_name, multi, tables=tables, config=config)
    return print_result(done, as_json=as_json)


@workflow.command()
@export_words
def export(
    cluster: str, child: str, file: Path, ack_only: bool, only_new: bool, config: Path | None, as_json: bool
) -> int:
    """Write a delta file for a child, or at its site for the parent."""
    from syncd.workflow import ExportJobData

    done = ExportJobData(cluster, child, file, ack_only=ack_only, only_new=only_new, config=config)
    return print_result(done, as_json=as_json)


@workflow.command(name="import")
@click.argument("cluster")
@click.argument("file", type=FILE)
@config_option
@json_option
def import_(cluster: str, file: Path, config: Path | None, as_json: bool) -> int:
    """Apply a delta file."""
    from syncd.workflow import ImportJobData

    return print_result(ImportJobData(cluster, file, config=config), as_json=as_json)


def print_result(done: "Result", *, as_json: bool) -> int:
    """Say what a call gave; the exit code."""
    if as_json:
        from syncd.cli.control import print_json

        table = [row._asdict() for row in done.last_sync]
        print_json(
            {
                "status": done.status,
                "last_sync": table,
                "messages": list(done.messages),
                "warnings": list(done.warnings),
            }
        )
    else:
        for message in done.messages:
            click.echo(message)
        for row in done.last_sync:
            said = f"  {row.message}" if row.message else ""
            click.echo(
                f"{row.child}  {row.last_sync_time or '-'}  up {row.up}  down {row.down}"
                f"  conflicts {row.conflicts}  skipped {row.skipped}{said}"
            )
        click.echo(f"status {done.status}")
    return 0 if done.status == 0 else 1
