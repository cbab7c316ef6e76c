"""Sling: one Go program and a YAML file of streams."""

import json
from typing import Final

from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.rivals.environment import environment_of, program, settings
from benchmarks.store import Store

VERSION: Final = "1.4.11"
"""Newer wheels hold no program and fetch one when they are first used."""
PROGRAM: Final = "sling_linux_amd64/bin/sling-linux-amd64"


def command(load: Load) -> Command:
    """`truncate` keeps the table that is there; `incremental` merges by key what is new by the check column."""
    program("python", "sling")
    binary = next(environment_of("sling").glob(f"lib/python3*/site-packages/{PROGRAM}"))
    mode = "incremental" if load.check_column else ("truncate" if load.keyed else "full-refresh")
    defaults: dict[str, object] = {
        "mode": mode,
        "object": f"{load.destination.schema}.{{stream_table}}",
        "primary_key": list(load.key),
    }
    if load.check_column:
        defaults["update_key"] = load.check_column
    if load.deletes:
        defaults["target_options"] = {"delete_missing": "hard"}
    streams = {f"{load.source.schema}.{table}": {} for table in load.tables}
    file = load.folder / "sling.yaml"
    file.write_text(
        json.dumps({"source": "SOURCE", "target": "COPY", "defaults": defaults, "streams": streams})
    )
    more = {
        "SOURCE": _address(load.source),
        "COPY": _address(load.destination),
        "SLING_HOME_DIR": str(load.folder),
    }
    return Command([[str(binary), "run", "-r", str(file)]], settings(load.folder, more), load.folder)


def _address(store: Store) -> str:
    match store.kind:
        case "postgresql":
            return store.url(query="?sslmode=disable")
        case "sqlite":
            return f"sqlite://{store.database}"
        case _:
            return store.url()


SLING: Final = Tool(
    "sling",
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
    requirements=(f"sling-linux-amd64=={VERSION}",),
)
