"""syncd as a contestant: one job in one file, run as a whole process."""

import json
from dataclasses import replace
from typing import Final

from benchmarks.load import Load, Tool
from benchmarks.measure import Command, syncd_program
from benchmarks.store import PASSWORD, USER, Store

JOB: Final = "load"
WARM: Final = "warm"
"""A job that moves one row, after which the daemon has a worker."""
KINDS: Final = ("postgresql", "sqlite", "mariadb")


def connection(store: Store) -> dict[str, object]:
    """The store as a connection of the configuration."""
    match store.kind:
        case "postgresql":
            return {"type": "postgresql", "url": store.url()}
        case "mariadb":
            return {
                "type": "mysql",
                "host": "127.0.0.1",
                "port": store.port,
                "user": USER,
                "password": PASSWORD,
                "database": store.database,
            }
        case _:
            return {"type": "sqlite", "path": store.database}


def configuration(load: Load) -> dict[str, object]:
    """The whole configuration, with one job that is called after what it does."""
    job: dict[str, object] = {
        "source": "source",
        "destination": "copy",
        "queries": [f"REPLICATE [{table}]" for table in load.tables],
    }
    if load.check_column:
        job["check_column"] = load.check_column
    if load.deletes:
        job |= {"deletes": "hard", "max_delete_percent": 20}
    return {
        "state": {"path": str(load.folder / "state")},
        "connections": {"source": connection(load.source), "copy": connection(load.destination)},
        "jobs": {JOB: job},
    }


def command(load: Load) -> Command:
    """`syncd sync` of the job."""
    file = load.folder / "syncd.yaml"
    # JSON is YAML too, and needs no library of ours to write it.
    file.write_text(json.dumps(configuration(load), indent=1))
    return Command([[syncd_program(), "sync", "-c", str(file), JOB]])


def write_for_daemon(load: Load) -> None:
    """The configuration with the job that moves one row; its SELECT would cost a program that starts the SQL parser."""
    written = configuration(load)
    warm = {"source": "source", "destination": "copy", "queries": "REPLICATE [warm] SELECT 1 AS id"}
    jobs = {"jobs": {**written["jobs"], WARM: warm}}  # type: ignore[dict-item] # jobs are a mapping
    (load.folder / "syncd.yaml").write_text(json.dumps(written | jobs, indent=1))


def check_column(tool: Tool, column: str) -> str:
    """The column for a first load: only one of our two contestants follows it, for the rivals do not either."""
    return column if tool is SYNCD_CHECK_COLUMN else ""


SYNCD: Final = Tool("syncd", command, frozenset((one, other) for one in KINDS for other in KINDS))
SYNCD_CHECK_COLUMN: Final = replace(SYNCD, name="syncd-check-column")
"""The same, but the job remembers how far the column has come, as one that runs again does."""
SYNCD_KEEPS: Final = replace(SYNCD, name="syncd-keeps")
"""The same without looking for deleted rows, as the rivals do it."""
SYNCD_DAEMON: Final = replace(SYNCD, name="syncd-daemon")
"""The same, but the run is asked of a daemon that is up, as scheduled runs are: no program starts."""
