"""`syncd run` is the daemon; `syncd reload` makes it take changed files."""

import os
from pathlib import Path
from typing import Any, Final

import click

from syncd.cli.address import address_options, config_option, json_option, load, state_folder

RELOAD_SECONDS: Final = 120.0


@click.command()
@config_option
def run(config: Path | None) -> None:
    """Be the daemon: keep everything in sync on time, until SIGTERM or Ctrl-C.

    SIGHUP, or syncd reload, makes it take the changed configuration.
    """
    import asyncio

    from syncd.daemon.process import Daemon, live_in_utc

    # Runs and the commands of their events are in the machine's zone; only this process, which keeps time, is not.
    environ = dict(os.environ)
    live_in_utc()
    configuration = load(config)

    async def live() -> None:
        await Daemon(lambda: load(config), environ).run(configuration)

    asyncio.run(live())


@click.command()
@address_options
@json_option
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def reload(config: Path | None, state: Path | None, as_json: bool, quiet: bool) -> None:
    """Let the daemon take the changed configuration, and wait for its verdict.

    Exits with 78 when the files are wrong and with 5 when the change needs a restart; then nothing was changed.
    """
    from syncd.control.client import call

    answer = call(state_folder(config, state), "reload", wait_seconds=RELOAD_SECONDS)
    if as_json:
        from syncd.cli.control import print_json

        print_json(answer)
    elif not quiet:
        click.echo("\n".join(_difference(answer)))


def _difference(answer: dict[str, Any]) -> list[str]:
    generation = answer["generation"]
    lines = [
        f"{sign} {name}"
        for sign, kind in (("+", "added"), ("~", "changed"), ("-", "removed"))
        for name in answer[kind]
    ]
    if not lines:
        return [f"nothing changed: generation {generation} stays in force"]
    return [*lines, f"generation {generation} is in force"]
