"""Finds the state folder, and with it the daemon, from what a command was given."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from syncd.errors import ConfigError
from syncd.model.configuration import Configuration


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``-c PATH``."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        help="The configuration: a file or a folder.  [default: $SYNCD_CONFIG, ./syncd.yaml, /etc/syncd/syncd.yaml]",
    )(command)


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``-c PATH`` and ``--state FOLDER``."""
    state = click.option(
        "--state",
        type=click.Path(path_type=Path),
        help="The state folder of the daemon to talk to, instead of the one that the configuration names.",
    )
    return config_option(state(command))


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def load(config: Path | None) -> Configuration:
    """The configuration, checked whole.

    Raises:
        ConfigError: with every problem.
        NotFoundError: there is none.
    """
    from syncd.config.load import load_configuration
    from syncd.worker.judge import checkers

    return load_configuration(config, checkers(), os.environ)


def state_folder(config: Path | None, state: Path | None) -> Path:
    """The state folder that is meant. A configuration with mistakes elsewhere still tells.

    Raises:
        ConfigError: it cannot be told.
        NotFoundError: there is no configuration.
    """
    if state is not None:
        return state
    try:
        return Path(load(config).state.path)
    except ConfigError:
        found = _told_anyway(config)
        if found is None:
            raise
        return found


def _told_anyway(config: Path | None) -> Path | None:
    """The state folder by the plain words of files that have mistakes; None when those words do not say it."""
    from syncd.config.document import parse_document
    from syncd.config.find import default_state_path, files_of, find_configuration

    for path in files_of(find_configuration(config, os.environ)).read:
        root = parse_document(path.read_text(encoding="utf-8", errors="replace"), str(path)).root
        if root is None:
            return None
        state = root.get("state")
        named = state.get("path") if isinstance(state, dict) else None
        if isinstance(named, str):
            # What stands for another text is not looked up here.
            return None if "${" in named else Path(os.path.normpath(path.absolute().parent / named))
    return Path(default_state_path(os.environ, os.geteuid() == 0))
