"""The command line: one click group whose commands are loaded when they are called."""

import click

from syncd.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="syncd")
def main() -> None:
    """Keep data in sync, as YAML declares it."""
