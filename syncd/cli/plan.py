"""`syncd plan` connects and shows what a run would do; it writes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.clusterplan import cluster_lines, preview_cluster
from syncd.cli.sync import refuse_unknown
from syncd.cli.table import columns, grouped
from syncd.engine.preview import StepPreview
from syncd.model.configuration import Configuration
from syncd.worker.foresight import ClusterForecast

HOW: Final = {
    "insert": "rows go straight into the empty table",
    "merge": "rows are matched by key",
    "append": "a new version of a row is added beside the others",
    "history": "every version is kept, with the time from and until which it was the present one",
    "drop": "a new table is filled beside this one and takes its place in the end",
    "replace": "all rows are replaced in one transaction",
    "compare": "both sides are compared, and nothing is changed",
    "repair": "both sides are compared, and the destination is mended",
}

UNKNOWN_VARIABLES: Final = (
    "the pre-event gives the variables when the job runs; the rows are not known before"
)

DELETES: Final = {
    "off": "not tracked: rows that vanish at the source stay at the destination",
    "hard": "rows that vanish at the source are deleted, found by comparing keys",
    "soft": "rows that vanish at the source stay and are marked, found by comparing keys",
}
CAPTURED_DELETES: Final = {
    "off": "known and not carried out: rows that vanish at the source stay (deletes: hard or soft)",
    "hard": "rows that vanish at the source are deleted, as they were captured",
    "soft": "rows that vanish at the source stay and are marked, as they were captured",
}


@click.command()
@click.argument("jobs", nargs=-1)
@config_option
@json_option
def plan(jobs: tuple[str, ...], config: Path | None, as_json: bool) -> int:
    """Connect and show what a run would do: SQL, tables to create, types, windows, rows. Changes nothing.

    Of a cluster: rows up and down for each child and table, conflicts to be expected, triggers to be made.

    Exits with 0 when everything could run, else with 1.
    """
    configuration = load(config)
    refuse_unknown(configuration, jobs, clusters=True)
    found: dict[str, Sequence[StepPreview] | ClusterForecast] = {}
    possible = True
    for job in jobs or _all(configuration):
        if job in configuration.clusters:
            forecast = preview_cluster(configuration, configuration.clusters[job])
            found[job], possible = forecast, possible and forecast.possible
            lines = cluster_lines(forecast)
        else:
            steps = preview_job(configuration, job)
            found[job], possible = steps, possible and not any(step.failure for step in steps)
            lines = job_lines(configuration, job, steps)
        if not as_json:
            click.echo("\n".join(lines))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    return 0 if possible else 1


def _all(configuration: Configuration) -> tuple[str, ...]:
    """All jobs, and the clusters whose parent is here."""
    clusters = (name for name, cluster in configuration.clusters.items() if cluster.can_run)
    return (*configuration.jobs, *clusters)


def preview_job(configuration: Configuration, name: str) -> Sequence[StepPreview]:
    """Open both connections of a job, ask them, and close them.

    Raises:
        SyncdError: a connection cannot be opened.
    """
    from syncd.cli.ends import ends_of
    from syncd.engine.preview import preview

    with ends_of(configuration, name) as ends:
        steps = preview(ends.plan, ends.source, ends.destination, ends.mirror)
    return [
        replace(step, warnings=(*step.warnings, UNKNOWN_VARIABLES)) if "{env:" in step.query else step
        for step in steps
    ]


def job_lines(configuration: Configuration, name: str, steps: Sequence[StepPreview]) -> list[str]:
    """A job's preview as text."""
    job = configuration.jobs[name]
    lines = [f"job {name}: {job.source} -> {job.destination}"]
    for number, step in enumerate(steps, 1):
        lines += ["", f"step {number}: {step.query}"]
        lines += [f"  {line}" for line in step_lines(step)]
    return [*lines, ""]


def step_lines(step: StepPreview) -> list[str]:
    """One step of a preview as text."""
    lines = []
    if step.reset:
        lines.append(f"starts anew:  {step.reset}")
    if step.mode:
        lines += _reading_lines(step)
    elif step.sql:
        lines.append(f"sql:          {' '.join(step.sql.split())}")
    if step.source_rows is not None and step.target_rows is not None:
        lines.append(f"source:       {step.source}, {grouped(step.source_rows)} rows")
        lines.append(f"destination:  {step.target}, {grouped(step.target_rows)} rows")
        lines.append(f"key:          {', '.join(step.key)}")
    if step.write:
        said = HOW[step.write] + ("" if step.key or step.write != "replace" else ", because there is no key")
        form = f", format {step.format}" if step.format else ""
        lines.append(f"write:        {step.write} into {step.target}: {said}{form}")
    if step.columns:
        rows = [
            (
                column.source,
                column.source_type or "any",
                column.target,
                column.target_type or "any",
                column.loss or "-",
            )
            for column in step.columns
        ]
        lines += [
            "columns:",
            *(f"  {line}" for line in columns(("source", "type", "target", "type", "loses"), rows)),
        ]
    for statement in step.statements:
        lines += ["statement:", *(f"  {line}" for line in statement.splitlines())]
    lines += [f"warning:      {text}" for text in step.warnings]
    if step.failure:
        lines.append(f"would fail:   {step.failure.message}")
        if step.failure.hint:
            lines.append(f"try:          {step.failure.hint}")
    return lines


def _reading_lines(step: StepPreview) -> list[str]:
    rows = "an unknown number of" if step.rows_estimated is None else f"about {grouped(step.rows_estimated)}"
    lines = [f"read:         {step.mode}, {rows} rows in {len(step.windows)} window(s)"]
    if step.nothing_to_do:
        lines = [f"read:         nothing to do: nothing changed since mark {step.mark_from or '-'}"]
    lines.append(f"sql:          {' '.join(step.sql.split())}")
    if len(step.windows) > 1:
        lines += [f"window:       {text}" for text in step.windows[:5]]
        if len(step.windows) > 5:
            lines.append(f"              ... and {len(step.windows) - 5} more")
    if step.check_column:
        index = "has an index" if step.indexed else "has no index: every run scans the table"
        mark = f", mark {step.mark_from}" if step.mark_from else ""
        lines.append(f"check column: {step.check_column} ({index}){mark}")
        lines.append(
            f"              {step.null_rows} rows without a value, {step.future_rows} dated in the future"
        )
    elif step.captured:
        since = f", generation {step.mark_from}" if step.mark_from else ""
        lines.append(f"captured:     by cluster {step.captured}: runs read only what changed{since}")
    else:
        lines.append("check column: none: every run reads all rows and compares them")
    if step.not_captured:
        lines.append(f"not captured: {step.not_captured}")
    lines.append(f"key:          {', '.join(step.key) or 'none'}")
    if step.key:
        said = CAPTURED_DELETES if step.captured else DELETES
        lines.append(f"deletes:      {said[step.deletes]}")
    return lines
