"""`syncd copy SOURCE_URL::table DEST_URL::table` needs no configuration and prints the one to keep."""

import tempfile
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import click

from syncd.cli.sync import exit_code
from syncd.cli.table import closing_table
from syncd.model.configuration import Configuration
from syncd.model.definitions import OptionValue, Replication, State
from syncd.model.options import Options
from syncd.model.secret import Secret
from syncd.model.table import TableName

JOB: Final = "copy"


@click.command(name="copy")
@click.argument("source")
@click.argument("destination")
@click.option("--check-column", help="Follow this column, so that a later run reads only what changed.")
@click.option("--quiet", is_flag=True, help="Do not print the YAML to keep.")
def copy(source: str, destination: str, check_column: str | None, quiet: bool) -> int:
    """Copy one table from SOURCE to DESTINATION, each written URL::table.

    \b
    syncd copy sqlite:///app.db::accounts postgresql://loader@dw/dw::accounts
    syncd copy postgresql://reader@db/crm::sales.orders sqlite:///orders.db::orders

    The destination may leave out ::table; then the source's name is used.
    """
    from syncd.registry import connection_from_url

    from_url, from_table = split_address(source)
    to_url, to_table = split_address(destination, _default_target(destination, from_table))
    job = Replication(
        JOB,
        "source",
        "destination",
        (_query(from_table, to_table),),
        Options(check_columns=(check_column,) if check_column else ()),
    )
    with tempfile.TemporaryDirectory(prefix="syncd-copy-") as folder:
        configuration = Configuration(
            state=State(folder),
            connections={
                "source": connection_from_url("source", from_url),
                "destination": connection_from_url("destination", to_url),
            },
            jobs={JOB: job},
        )
        code = _run(configuration)
    if code == 0 and not quiet:
        click.echo(
            "\n".join(["", "To keep it in sync, put this into syncd.yaml:", "", *yaml_lines(configuration)])
        )
    return code


def split_address(text: str, default: TableName | None = None) -> tuple[str, TableName]:
    """URL and table of ``URL::table`` or ``URL::schema.table``.

    Raises:
        click.UsageError: the table is missing, or there is no URL.
    """
    url, mark, table = text.rpartition("::")
    if not mark:
        url, table = text, ""
    if "://" not in url:
        raise click.UsageError(
            f"'{_masked(text)}' is no URL::table; write for example sqlite:///app.db::accounts"
        )
    if not mark and default is not None:
        return url, default
    if not table:
        raise click.UsageError(f"'{_masked(text)}' names no table; write {_masked(url)}::accounts")
    schema, _, name = table.rpartition(".")
    return url, TableName(name, schema)


def yaml_lines(configuration: Configuration) -> list[str]:
    """The configuration that does the same again, with passwords left out."""
    lines = ["connections:"]
    for connection in configuration.connections.values():
        options = ", ".join(f"{name}: {_scalar(value)}" for name, value in connection.options.items())
        lines.append(f"  {connection.name}: {{type: {connection.type}, {options}}}")
        if any(
            isinstance(value, Secret) and _has_password(value.reveal())
            for value in connection.options.values()
        ):
            lines[-1] = (
                lines[-1].removesuffix("}") + f', password: "${{env:{connection.name.upper()}_PASSWORD}}"}}'
            )
    job = configuration.jobs[JOB]
    lines += ["jobs:", f"  {JOB}:", "    source: source", "    destination: destination"]
    lines.append(f'    queries: ["{job.queries[0]}"]')
    lines += [f"    check_column: {_scalar(column)}" for column in job.options.check_columns]
    return [*lines, "    schedule: {every: 15 minutes}"]


def _run(configuration: Configuration) -> int:
    import msgspec

    from syncd.cli.progress import Progress
    from syncd.control.views import run_view
    from syncd.worker.foreground import Foreground

    progress = Progress(shown=True)
    with Foreground.open(configuration, "syncd copy") as foreground:
        run = foreground.run(
            JOB,
            (),
            lambda event: progress.hear({"event": type(event).__name__, **msgspec.to_builtins(event)}),
        )
    progress.clear()
    view = run_view(run)
    click.echo("\n".join(closing_table(view)))
    return exit_code([view])


def _default_target(url: str, table: TableName) -> TableName:
    """The source's name, without its schema where the destination has none."""
    return TableName(table.name) if url.startswith("sqlite:") else table


def _query(source: TableName, target: TableName) -> str:
    from syncd.engine.statement import in_brackets

    if source == target:
        return f"REPLICATE {in_brackets(source)}"
    return f"REPLICATE {in_brackets(target)} FROM {in_brackets(source)}"


def _scalar(value: OptionValue) -> str:
    if isinstance(value, Secret):
        value = _masked(value.reveal())
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


def _masked(url: str) -> str:
    """The URL without its password."""
    try:
        parts = urlsplit(url)
        if not parts.password:
            return url
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}@{place}"))
    except ValueError:
        return url.partition("://")[0] + "://***"
