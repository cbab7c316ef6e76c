"""The commands that talk to a running daemon."""

import sys
from pathlib import Path
from typing import Any

import click

from syncd.cli.address import address_options, json_option, state_folder
from syncd.cli.clustertable import ending_lines
from syncd.cli.table import columns, grouped, short_moment


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    import json

    click.echo(json.dumps(value, indent=2, default=str))


def _call(config: Path | None, state: Path | None, called: str, **arguments: object) -> Any:
    from syncd.control.client import call

    return call(state_folder(config, state), called, arguments)


@click.command()
@click.argument("job", required=False)
@click.option("--wait", is_flag=True, help="Wait up to 15 seconds for a daemon that is just starting.")
@address_options
@json_option
def status(config: Path | None, state: Path | None, as_json: bool, wait: bool, job: str | None) -> None:
    """Show the daemon, its jobs and their last runs."""
    if wait:
        from syncd.control.client import wait_for_daemon

        wait_for_daemon(state_folder(config, state))
    answer = _call(config, state, "status", job=job)
    if as_json:
        print_json(answer)
        return
    if job is None:
        daemon = answer["daemon"]
        click.echo(
            f"syncd {daemon['version']}, process {daemon['pid']}, since {short_moment(daemon['since'])},"
            f" generation {daemon['generation']}: {daemon['jobs']} jobs, {daemon['running']} running,"
            f" {daemon['waiting']} waiting"
        )
        if daemon["trouble"]:
            click.echo(f"warning: {daemon['trouble']}")
    click.echo(
        "\n".join(columns(("job", "status", "last run", "rows", "next due"), map(_job_row, answer["jobs"])))
    )
    if job is not None and "parent" in answer["jobs"][0]:
        click.echo("\n".join(_cluster_lines(answer["jobs"][0])))
    if job is not None and answer["cursors"]:
        rows = (
            (
                one["step"],
                one["mark"] or "-",
                _count(one["rows"]),
                "not tracked" if one["deletes"] == "off" else one["deletes"],
                _verified(one["verdict"]),
            )
            for one in answer["cursors"]
        )
        click.echo("\n".join(columns(("step", "mark", "rows known", "deletes", "verified"), rows)))


def _cluster_lines(view: dict[str, Any]) -> list[str]:
    """What there is to say of a cluster besides its last run."""
    from syncd.cli.clustertable import decided_sentence

    children = ", ".join(
        child["repository"] + ("" if child["connected"] else " (left out)") for child in view["children"]
    )
    lines = [f"parent {view['parent']}, children {children}"]
    last = view["last"] or {}
    lines += [f"warning: {text}" for text in last.get("warnings", ())]
    if decided := decided_sentence([last]):
        lines.append(f"last run: {decided}")
    return [*lines, f"how each of them stands: syncd cluster status {view['job']}"]


def _count(number: int | None) -> str:
    return "" if number is None else grouped(number)


def _verified(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "never"
    differ = verdict["missing"] + verdict["different"] + verdict["surplus"] - verdict["repaired"]
    said = "equal" if not differ else f"differs in {grouped(differ)} keys"
    return f"{short_moment(verdict['at'])}: {said}"


def _job_row(job: dict[str, Any]) -> tuple[str, ...]:
    last = job["last"]
    rows = ""
    if last:
        counters = last["counters"]
        rows = grouped(counters["inserted"] + counters["updated"] + counters["deleted"])
    marks = [mark for mark, there in (("paused", job["paused"]), ("disabled", not job["enabled"])) if there]
    return (
        job["job"],
        ", ".join([job["status"], *marks]),
        short_moment(last["ended"]) if last else "",
        rows,
        short_moment(job["retry_at"] or job["next_due"]),
    )


@click.command()
@click.argument("job")
@click.option(
    "--query", "queries", multiple=True, help="Only this query of the job, as written or by its table."
)
@click.option("--full", is_flag=True, help="Read everything again, whatever the cursors say.")
@click.option("--wait", is_flag=True, help="Wait for the outcome.")
@address_options
@json_option
def start(
    config: Path | None,
    state: Path | None,
    as_json: bool,
    job: str,
    queries: tuple[str, ...],
    full: bool,
    wait: bool,
) -> int:
    """Start a job through the daemon."""
    folder = state_folder(config, state)
    from syncd.control.client import call

    arguments = {"job": job, "queries": queries, "full": full, "wait": wait}
    run = call(folder, "start", arguments, wait_seconds=None)
    if as_json:
        print_json(run)
    elif wait:
        click.echo("\n".join(ending_lines(run)))
    else:
        click.echo(f"{job}: run {run['id']} is {run['status']}")
    return 0 if run["status"] in {"ok", "queued", "running"} else 130 if run["status"] == "cancelled" else 1


@click.command()
@click.argument("name")
@address_options
@json_option
def cancel(config: Path | None, state: Path | None, as_json: bool, name: str) -> None:
    """Stop the run of that id, or whatever of that job is running."""
    run = _call(config, state, "cancel", name=name)
    if as_json:
        print_json(run)
    else:
        click.echo(f"{run['job']}: run {run['id']} is {run['status']}")


@click.command()
@click.argument("job")
@address_options
@json_option
def pause(config: Path | None, state: Path | None, as_json: bool, job: str) -> None:
    """Let a job's schedule rest; runs by hand stay possible."""
    answer = _call(config, state, "pause", job=job)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{job} is paused")


@click.command()
@click.argument("job")
@address_options
@json_option
def resume(config: Path | None, state: Path | None, as_json: bool, job: str) -> None:
    """Let a paused job be scheduled again; what it missed meanwhile is not made up for."""
    answer = _call(config, state, "resume", job=job)
    if as_json:
        print_json(answer)
    else:
        due = answer["next_due"]
        click.echo(f"{job} goes on" + (f", next at {short_moment(due)}" if due else ""))


@click.command()
@click.argument("job", required=False)
@click.option("-n", "--limit", default=20, show_default=True, help="How many, the newest first.")
@address_options
@json_option
def runs(config: Path | None, state: Path | None, as_json: bool, job: str | None, limit: int) -> None:
    """List past runs; without a daemon, from the state folder itself."""
    folder = state_folder(config, state)
    from syncd.control.client import call, daemon_socket
    from syncd.control.past import past_runs

    if daemon_socket(folder) is None:
        answer = past_runs(folder, job, limit)
    else:
        answer = call(folder, "runs", {"job": job, "limit": limit})
    if as_json:
        print_json(answer)
        return
    heads = ("run", "job", "trigger", "status", "seconds", "read", "inserted", "updated", "why")
    click.echo("\n".join(columns(heads, map(_run_row, answer))))


def _run_row(run: dict[str, Any]) -> tuple[str, ...]:
    counters, failure = run["counters"], run["failure"]
    seconds = "" if run["seconds"] is None else f"{run['seconds']:.2f}"
    return (
        *(run["id"], run["job"], run["trigger"], run["status"], seconds),
        *(str(counters[name]) for name in ("read", "inserted", "updated")),
        failure["message"] if failure else "",
    )


@click.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@address_options
@json_option
def logs(config: Path | None, state: Path | None, as_json: bool, name: str, follow: bool) -> None:
    """Show the log of a run, or of a job's newest run; without a daemon, from the state folder itself."""
    folder = state_folder(config, state)
    from syncd.control.client import call, daemon_socket
    from syncd.control.past import past_log

    each = click.echo if as_json else _show_record
    if daemon_socket(folder) is None:
        for line in past_log(folder, name):
            each(line)
        return
    call(folder, "logs", {"name": name, "follow": follow}, each=each, wait_seconds=None)


def _show_record(text: str) -> None:
    import json

    from syncd.observe.render import console_line

    click.echo(console_line(json.loads(text), colour=sys.stdout.isatty()), nl=False)


@click.command(name="next")
@click.argument("job", required=False)
@click.option("-n", "--limit", default=10, show_default=True, help="How many.")
@address_options
@json_option
def next_(config: Path | None, state: Path | None, as_json: bool, job: str | None, limit: int) -> None:
    """Show when jobs will be due, in the time zone of each."""
    answer = _call(config, state, "next", job=job, limit=limit)
    if as_json:
        print_json(answer)
        return
    known = _call(config, state, "status")["jobs"]
    watched = [
        one["job"] for one in known if one.get("watch") and one["enabled"] and job in {None, one["job"]}
    ]
    if watched:
        click.echo(f"as soon as a repository is edited: {', '.join(watched)}")
    if not answer:
        click.echo("nothing will be due by a schedule" if watched else "nothing will be due")
        return
    rows = ((short_moment(one["due"], one["timezone"]), one["timezone"], one["job"]) for one in answer)
    click.echo("\n".join(columns(("due", "zone", "job"), rows)))


next = next_  # noqa: A001  # the group looks a command up by its own name


@click.command()
@click.argument("job")
@address_options
@json_option
def why(config: Path | None, state: Path | None, as_json: bool, job: str) -> None:
    """Say why the last expected run did or did not happen."""
    answer = _call(config, state, "why", job=job)
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(answer["sentences"]))
