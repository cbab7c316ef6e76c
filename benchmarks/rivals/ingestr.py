"""ingestr: one Go program, two addresses and flags; one run for each table."""

import shlex
from typing import Final

from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.rivals.environment import program, settings
from benchmarks.store import Store

VERSION: Final = "0.15.9"
"""Newer wheels fetch their program when they are first used."""


def command(load: Load) -> Command:
    """`truncate+insert` keeps the table that is there; `merge` with an incremental key takes what is new by it."""
    commands = [_ingest(load, table) for table in load.tables]
    environment = settings(load.folder)
    if len(commands) == 1:
        return Command(commands, environment, load.folder)
    script = " && ".join(shlex.join(one) for one in commands)
    return Command([["sh", "-c", script]], environment, load.folder)


def _ingest(load: Load, table: str) -> list[str]:
    if load.check_column:
        how = ["--incremental-strategy", "merge", "--incremental-key", load.check_column]
    elif load.keyed:
        how = ["--incremental-strategy", "truncate+insert"]
    else:
        how = ["--incremental-strategy", "replace"]
    keys = [part for name in load.key for part in ("--primary-key", name)]
    return [
        program("ingestr", "ingestr"), "ingest", "--yes", "--progress", "log",
        "--source-uri", _address(load.source), "--source-table", f"{load.source.schema}.{table}",
        "--dest-uri", _address(load.destination), "--dest-table", f"{load.destination.schema}.{table}",
        "--pipelines-dir", str(load.folder), *how, *keys,
    ]  # fmt: skip


def _address(store: Store) -> str:
    match store.kind:
        case "postgresql":
            return store.url(query="?sslmode=disable")
        case _:
            return store.url()


INGESTR: Final = Tool(
    "ingestr",
    command,
    frozenset(
        {
            ("postgresql", "postgresql"),
            ("postgresql", "sqlite"),
            ("sqlite", "postgresql"),
            ("mariadb", "postgresql"),
            ("postgresql", "mariadb"),
        }
    ),
    requirements=(f"ingestr=={VERSION}",),
)
