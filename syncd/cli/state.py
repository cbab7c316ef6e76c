"""`syncd state` shows the marks up to which jobs have read, and moves them."""

from collections.abc import Callable
from pathlib import Path

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.ends import destination_of
from syncd.cli.sync import refuse_unknown
from syncd.cli.table import columns, grouped, short_moment
from syncd.errors import NotFoundError
from syncd.model.configuration import Configuration
from syncd.model.writing import StoredCursor
from syncd.ports import Destination


@click.group()
def state() -> None:
    """The cursors of jobs: they live in the destinations, beside the rows that they stand for."""


@state.command()
@click.argument("job")
@config_option
@json_option
def show(job: str, config: Path | None, as_json: bool) -> None:
    """Show how far each query of a job has come."""
    with destination_of(_checked(config, job), job) as destination:
        found = destination.cursors(job)
    if as_json:
        import msgspec

        from syncd.cli.control import print_json

        print_json(msgspec.to_builtins(found))
        return
    rows = (
        (
            one.key.step,
            str(one.key.target),
            one.mark or "-",
            grouped(one.rows),
            str(one.revision),
            short_moment(one.updated),
        )
        for one in found
    )
    click.echo("\n".join(columns(("step", "table", "mark", "rows known", "moves", "last moved"), rows)))


@state.command("set")
@click.argument("job")
@click.argument("step")
@click.argument("mark")
@config_option
def set_mark(job: str, step: str, mark: str, config: Path | None) -> None:
    """Let the next run of a query read from MARK on, a value of its check column."""
    from syncd.model.cursor import at_mark

    with destination_of(_checked(config, job), job) as destination:
        _move(destination, _stored(destination, job, step), lambda one: at_mark(one.cursor, mark))


@state.command()
@click.argument("job")
@click.argument("step")
@click.argument("by")
@config_option
def rewind(job: str, step: str, by: str, config: Path | None) -> None:
    """Let the next run of a query read again what lies BY behind its mark: 2 days, 90s, or a number."""
    from syncd.model.cursor import rewound
    from syncd.model.duration import parse_duration

    seconds = float(by) if by.replace(".", "", 1).isdigit() else parse_duration(by)
    with destination_of(_checked(config, job), job) as destination:
        _move(destination, _stored(destination, job, step), lambda one: rewound(one.cursor, seconds))


@state.command()
@click.argument("job")
@click.argument("step", required=False)
@config_option
def reset(job: str, step: str | None, config: Path | None) -> None:
    """Forget how far a job, or one of its queries, has come: its next run reads everything and merges it."""
    with destination_of(_checked(config, job), job) as destination:
        found = [_stored(destination, job, step)] if step else destination.cursors(job)
        for one in found:
            destination.put_cursor(one, None, None)
            click.echo(f"{job} {one.key.step}: forgotten; its next run reads everything")
        if not found:
            click.echo(f"{job}: nothing to forget")


def _checked(config: Path | None, job: str) -> Configuration:
    configuration = load(config)
    refuse_unknown(configuration, (job,))
    return configuration


def _stored(destination: Destination, job: str, step: str) -> StoredCursor:
    found = destination.cursors(job)
    for one in found:
        if step.lower() in {one.key.step.lower(), str(one.key.target).lower()}:
            return one
    known = ", ".join(one.key.step for one in found)
    raise NotFoundError(
        f"job '{job}' keeps no cursor for '{step}'",
        hint=f"it keeps: {known}" if known else "run the job first",
    )


def _move(
    destination: Destination, stored: StoredCursor, move: Callable[[StoredCursor], tuple[str, str]]
) -> None:
    cursor, mark = move(stored)
    destination.put_cursor(stored, cursor, mark)
    click.echo(f"{stored.key.job} {stored.key.step}: mark {stored.mark or '-'} -> {mark}")
