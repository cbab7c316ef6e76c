"""dlt: a Python library; the script that a user writes is `scripts/dlt_pipeline.py`."""

import json
from pathlib import Path
from typing import Final

from benchmarks.digest import Place
from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.rivals.environment import program, settings
from benchmarks.store import Store

SCRIPT: Final = Path(__file__).parent / "scripts" / "dlt_pipeline.py"
DATASET: Final = "dlt_copy"
"""dlt wants a schema of its own in PostgreSQL and makes the tables in it."""
DRIVERS: Final = {"postgresql": "postgresql+psycopg2", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}


def command(load: Load) -> Command:
    """Arrow batches, loaded as CSV where the destination takes it: the fastest that was found."""
    wanted = {
        "source": load.source.url(DRIVERS[load.source.kind]),
        "schema": None if load.source.kind == "sqlite" else load.source.schema,
        "kind": load.destination.kind,
        "destination": _address(load.destination),
        "dataset": dataset(load),
        "tables": list(load.tables),
        "key": list(load.key),
        "check_column": load.check_column,
        "folder": str(load.folder),
    }
    arguments = [program("python", "dlt"), str(SCRIPT), json.dumps(wanted)]
    return Command([arguments], settings(load.folder), load.folder)


def dataset(load: Load) -> str:
    """The schema that dlt is told to fill."""
    return {"postgresql": DATASET, "sqlite": "main", "mariadb": load.destination.database}[
        load.destination.kind
    ]


def place(load: Load, table: str) -> Place:
    """The table under its own name in dlt's schema."""
    return Place(load.destination, dataset(load), table)


def _address(store: Store) -> str:
    return store.url() if store.kind == "postgresql" else store.url(DRIVERS[store.kind])


DLT: Final = Tool(
    "dlt",
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
    place,
    requirements=("dlt[postgres,sqlalchemy]==1.31.0", "pyarrow", "psycopg2-binary", "pymysql"),
)
