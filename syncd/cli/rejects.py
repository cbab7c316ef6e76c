"""`syncd rejects` shows the rows that a destination refused and that were set aside."""

from pathlib import Path

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.ends import ends_of
from syncd.cli.sync import refuse_unknown, run_jobs
from syncd.cli.table import columns, short_moment
from syncd.model.writing import Reject, StepKey


@click.group()
def rejects() -> None:
    """Rows that a destination refused; every run tries them again, as the source has them then."""


@rejects.command()
@click.argument("job")
@config_option
@json_option
def retry(job: str, config: Path | None, as_json: bool) -> int:
    """Try the rows again that a job has set aside, as the source has them now.

    Runs the queries that have such rows. Exits with 0 when all of them went in, 1 when rows are still set aside.
    """
    configuration = load(config)
    refuse_unknown(configuration, (job,))
    with ends_of(configuration, job) as ends:
        waiting = tuple(
            step.name
            for step in ends.plan.steps
            if ends.destination.rejects(StepKey(job, step.name, step.target))
        )
    if waiting:
        return run_jobs(configuration, (job,), waiting, full=False, as_json=as_json)
    if not as_json:
        click.echo(f"{job}: no row is set aside")
    return 0


@rejects.command("list")
@click.argument("job")
@click.option("--values", is_flag=True, help="Show the rows themselves, not only their keys.")
@config_option
@json_option
def listed(job: str, values: bool, config: Path | None, as_json: bool) -> None:
    """Show what a job has set aside, and why."""
    configuration = load(config)
    refuse_unknown(configuration, (job,))
    with ends_of(configuration, job) as ends:
        found = [
            (step.name, reject)
            for step in ends.plan.steps
            for reject in ends.destination.rejects(StepKey(job, step.name, step.target))
        ]
    if as_json:
        from syncd.cli.control import print_json

        print_json([_plain(step, reject, values=values) for step, reject in found])
        return
    if not found:
        click.echo(f"{job}: no row is set aside")
        return
    rows = (
        (
            step,
            reject.values if values else reject.key,
            str(reject.attempts),
            short_moment(reject.at),
            reject.reason,
        )
        for step, reject in found
    )
    click.echo("\n".join(columns(("step", "row" if values else "key", "tried", "since", "why"), rows)))


def _plain(step: str, reject: Reject, *, values: bool) -> dict[str, object]:
    facts: dict[str, object] = {"step": step, "key": reject.key, "reason": reject.reason}
    facts |= {"attempts": reject.attempts, "at": reject.at}
    return facts | ({"names": reject.names, "row": reject.values} if values else {})
