"""SQLite's session extension through apsw: changes recorded inside the library and applied to other files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.cluster_node import TABLE
from benchmarks.measure import Command
from benchmarks.rivals.environment import Package, program, settings
from benchmarks.store import Store

SESSION: Final = Package("session", ("apsw==3.54.1.0",))
SCRIPT: Final = Path(__file__).parent / "scripts" / "session_changes.py"


def record_command(parent: Store, child: Store, changeset: Path) -> Command:
    """Write what the child lacks to a file."""
    return _command(changeset.parent, "record", parent.database, child.database, TABLE, str(changeset))


def apply_command(changeset: Path, children: Sequence[Store]) -> Command:
    """Bring it to all children, one after the other."""
    return _command(changeset.parent, "apply", str(changeset), *(child.database for child in children))


def _command(folder: Path, *words: str) -> Command:
    return Command([[program("python", SESSION.name), str(SCRIPT), *words]], settings(folder), folder)
