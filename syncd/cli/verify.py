"""`syncd verify` compares what a job has copied with its source, and mends it when asked to."""

from pathlib import Path

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.clustertable import comparison_table
from syncd.cli.progress import Progress
from syncd.cli.sync import exit_code, refuse_unknown, running
from syncd.cli.table import closing_table
from syncd.model.configuration import Configuration


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@click.option(
    "--query", "queries", multiple=True, help="Only this query of the job, as written or by its table."
)
@click.option(
    "--repair", is_flag=True, help="Insert what is missing, update what differs, delete what is too much."
)
@config_option
@json_option
def verify(
    jobs: tuple[str, ...], queries: tuple[str, ...], repair: bool, config: Path | None, as_json: bool
) -> int:
    """Compare both sides of a job, row by row where checksums differ. Only the destination is ever changed.

    A cluster is compared as by: syncd cluster verify.

    Exits with 0 when both sides hold the same (after --repair: now), with 1 when they differ.
    """
    configuration = load(config)
    refuse_unknown(configuration, jobs, clusters=not queries)
    return verify_work(configuration, jobs, queries, repair=repair, as_json=as_json)


def verify_work(
    configuration: Configuration,
    jobs: tuple[str, ...],
    queries: tuple[str, ...],
    *,
    repair: bool,
    as_json: bool,
) -> int:
    """Compare jobs and clusters one after the other, and print what was found; the exit code for all of them."""
    progress = Progress(shown=not as_json)
    how = "repair" if repair else "check"
    done = []
    with running(configuration, queries, progress, verify=how) as run:
        for job in jobs:
            done.append(run(job))
            progress.clear()
            if not as_json:
                shape = comparison_table if job in configuration.clusters else closing_table
                click.echo("\n".join(shape(done[-1])))
                for step in done[-1]["steps"]:
                    for key in (step.get("verdict") or {}).get("examples", ())[:10]:
                        click.echo(f"  differs: {step['step']} {key}")
    if as_json:
        from syncd.cli.control import print_json

        print_json(done)
    return exit_code(done)
