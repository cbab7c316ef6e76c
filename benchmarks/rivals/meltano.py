"""Meltano: taps and targets that speak Singer, declared in a `meltano.yml`; PostgreSQL to PostgreSQL here."""

import hashlib
import json
from pathlib import Path
from typing import Final

from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.rivals.environment import environment_of, program, run_installer, settings

VERSION: Final = "4.4.1"
TAP: Final = "meltanolabs-tap-postgres==0.10.0"
TARGET: Final = "meltanolabs-target-postgres==0.8.1"
DRIVER: Final = "psycopg2-binary"


def command(load: Load) -> Command:
    """`meltano run tap target`, with a state of this load's own."""
    meltano = program("meltano", "meltano")
    project = environment_of("meltano") / "project"
    (project / "meltano.yml").write_text(json.dumps(_document(load), indent=1))
    state = hashlib.sha256(str(load.folder).encode()).hexdigest()[:12]
    arguments = [meltano, "run", "--state-id-suffix", state, "tap-postgres", "target-postgres"]
    return Command([arguments], settings(load.folder), project)


def finish(environment: Path) -> None:
    """Install the plug-ins by hand-written addresses: Meltano's list of them need not be reachable."""
    project = environment / "project"
    project.mkdir(exist_ok=True)
    (project / "meltano.yml").write_text(json.dumps(_document(None), indent=1))
    meltano = str(environment / "bin" / "meltano")
    run_installer([meltano, "install"], project, settings(environment))


def _document(load: Load | None) -> dict[str, object]:
    tap: dict[str, object] = {
        "name": "tap-postgres",
        "namespace": "tap_postgres",
        "executable": "tap-postgres",
        "pip_url": f"{TAP} {DRIVER}",
        "capabilities": ["catalog", "discover", "state"],
    }
    target: dict[str, object] = {
        "name": "target-postgres",
        "namespace": "target_postgres",
        "executable": "target-postgres",
        "pip_url": f"{TARGET} {DRIVER}",
    }
    if load:
        how: dict[str, object] = {"replication-method": "FULL_TABLE"}
        if load.check_column:
            how = {"replication-method": "INCREMENTAL", "replication-key": load.check_column}
        tap |= {
            "config": {"sqlalchemy_url": load.source.url(), "filter_schemas": ["public"]},
            "select": [f"public-{table}.*" for table in load.tables],
            "metadata": {"*": how},
        }
        target["config"] = {
            "sqlalchemy_url": load.destination.url("postgresql+psycopg2"),
            "default_target_schema": "public",
            "activate_version": False,
            "add_record_metadata": False,
        }
    return {
        "version": 1,
        "default_environment": "bench",
        "environments": [{"name": "bench"}],
        "project_id": "00000000-0000-0000-0000-000000000000",
        "plugins": {"extractors": [tap], "loaders": [target]},
    }


MELTANO: Final = Tool(
    "meltano",
    command,
    frozenset({("postgresql", "postgresql")}),
    requirements=(f"meltano=={VERSION}",),
    finish=finish,
)
