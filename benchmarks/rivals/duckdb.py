"""DuckDB: native code with scanners for all three stores; the mark of what one statement can do, not a synchroniser."""

import json
from pathlib import Path
from typing import Final

from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.rivals.environment import program, settings
from benchmarks.store import PASSWORD, USER, Store

VERSION: Final = "1.5.5"
"""The newest whose extensions are wheels; later ones fetch them."""
SCRIPT: Final = Path(__file__).parent / "scripts" / "duckdb_copy.py"


def command(load: Load) -> Command:
    """INSERT .. SELECT into the table that is there, CREATE TABLE .. AS where none is."""
    wanted = {
        "source": _attachment(load.source),
        "destination": _attachment(load.destination),
        "from": load.source.schema,
        "into": load.destination.schema,
        "tables": list(load.tables),
        "keyed": load.keyed,
    }
    arguments = [program("python", "duckdb"), str(SCRIPT), json.dumps(wanted)]
    return Command([arguments], settings(load.folder), load.folder)


def _attachment(store: Store) -> list[str]:
    """The address and type for ATTACH."""
    match store.kind:
        case "postgresql":
            return [store.url(), "postgres"]
        case "mariadb":
            address = f"host=127.0.0.1 port={store.port} user={USER} password={PASSWORD}"
            return [f"{address} database={store.database}", "mysql"]
        case _:
            return [store.database, "sqlite"]


DUCKDB: Final = Tool(
    "duckdb",
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
    follows=False,
    requirements=(
        f"duckdb=={VERSION}",
        *(f"duckdb-extension-{name}-scanner=={VERSION}" for name in ("postgres", "sqlite", "mysql")),
    ),
)
