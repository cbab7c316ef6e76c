"""The command line: one click group whose commands are imported when they are called.

`syncd --help` answers in a fifth of a second because nothing but click is imported for it.
"""

import gc
import importlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from typing import Final, NoReturn

import click

from syncd.errors import ConfigError, SyncdError
from syncd.version import __version__

GARBAGE_THRESHOLD: Final = 20_000
"""After how many more objects the collector looks for garbage; Python's own is 700."""

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("syncd.cli.demo", "Run a small job on an embedded database and show what happens."),
    "init": ("syncd.cli.configuration", "Write a starter configuration."),
    "check": ("syncd.cli.configuration", "Find every mistake in a configuration."),
    "schema": ("syncd.cli.configuration", "Print the JSON Schema of the configuration."),
    "plan": ("syncd.cli.plan", "Connect and show what a run would do; change nothing."),
    "sync": ("syncd.cli.sync", "Run jobs now and wait for the outcome."),
    "verify": ("syncd.cli.verify", "Compare both sides of a job, and mend the destination when asked to."),
    "cluster": ("syncd.cli.cluster", "Show clusters, and add, remove, compare, compact and untrack."),
    "conflicts": ("syncd.cli.conflicts", "Show the conflicts of clusters, and settle them."),
    "copy": ("syncd.cli.copy", "Copy one table from URL to URL without a configuration."),
    "export": ("syncd.cli.delta", "Write a delta file for a site that is not connected."),
    "import": ("syncd.cli.delta", "Apply a delta file."),
    "workflow": ("syncd.cli.workflow", "Synchronise repositories by their URLs, as Workflow Manager does."),
    "run": ("syncd.cli.daemon", "Be the daemon: keep everything in sync on time."),
    "reload": ("syncd.cli.daemon", "Let the daemon take the changed configuration."),
    "status": ("syncd.cli.control", "Show the daemon, its jobs and their last runs."),
    "start": ("syncd.cli.control", "Start a job through the daemon."),
    "cancel": ("syncd.cli.control", "Stop a running job."),
    "pause": ("syncd.cli.control", "Let a job's schedule rest."),
    "resume": ("syncd.cli.control", "Let a paused job be scheduled again."),
    "runs": ("syncd.cli.control", "List past runs."),
    "logs": ("syncd.cli.control", "Show the log of a run."),
    "state": ("syncd.cli.state", "Show and move the marks up to which jobs have read."),
    "rejects": ("syncd.cli.rejects", "Show rows that a destination refused."),
    "next": ("syncd.cli.control", "Show when jobs will be due."),
    "why": ("syncd.cli.control", "Say why the last expected run did or did not happen."),
}
"""Command name -> module that defines it, and its one line of help."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and help, and imports a command to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of a newcomer's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        # A command may have a name that Python keeps for itself.
        command: click.Command = getattr(module, f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and suggest the nearest name for one that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], list(COMMANDS), 1)
            tail = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no command '{args[0]}'.{tail}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="syncd")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Keep data in sync, as YAML declares it."""
    ctx.obj = {"debug": debug}


def error_lines(error: SyncdError) -> list[str]:
    """An error as at most three lines: what failed, on what and why; what to try. A ConfigError has all its problems."""
    if isinstance(error, ConfigError):
        return [str(problem) for problem in error.problems] + ([f"try: {error.hint}"] if error.hint else [])
    lines = [f"error: {' '.join(error.message.split())}"]
    if error.where:
        lines.append(f"where: {error.where}")
    if error.hint:
        lines.append(f"try: {error.hint}")
    return lines


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code; a traceback is shown only with --debug."""
    # Starting makes many objects that stay: looking through them again and again takes a tenth of the start.
    gc.set_threshold(GARBAGE_THRESHOLD)
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        code = cli.main(args=words, prog_name="syncd", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SyncdError as error:
        if debug:
            raise
        click.echo("\n".join(error_lines(error)), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"error: {text}\ntry: the same with --debug, and report what it shows", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
