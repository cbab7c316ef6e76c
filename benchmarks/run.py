"""Measures cells and prints a table: ``python -m benchmarks.run [NAME...] [--repeat N] [--rows N] [--write]``."""

import argparse
import compileall
import json
import platform
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from benchmarks import (
    awkward_cells,
    change_cells,
    cluster_capture_cells,
    cluster_cells,
    cluster_cost_cells,
    copy_cells,
    daemon_cells,
    memory_cells,
    messy_cells,
    pair_cells,
    program_cells,
    quiet_cells,
)
from benchmarks.cell import Cell, Stage
from benchmarks.measure import PATIENCE_SECONDS, FailedError
from benchmarks.report import Results, one_line, table, write
from benchmarks.rivals import bucardo
from benchmarks.rivals.all import RIVALS
from benchmarks.rivals.environment import install
from benchmarks.rivals.session import SESSION

MODULES: Final = (
    program_cells,
    daemon_cells,
    quiet_cells,
    copy_cells,
    pair_cells,
    change_cells,
    awkward_cells,
    messy_cells,
    memory_cells,
    cluster_cells,
    cluster_cost_cells,
    cluster_capture_cells,
)
"""Each gives its cells; add yours here."""
PACKAGE: Final = Path(__file__).parent.parent / "syncd"
EXPECTED: Final = (FailedError, psycopg.Error, sqlite3.Error, subprocess.CalledProcessError, OSError)
"""What makes one cell fail and leaves the others alone."""


def all_cells() -> list[Cell]:
    """Every cell that there is."""
    return [cell for module in MODULES for cell in module.cells()]


def choose(cells: Sequence[Cell], names: Sequence[str]) -> list[Cell]:
    """The cells of these names or groups (all, when none is given); unknown names end the program.

    A name that is neither stands for all groups that begin with it and a dash.
    """
    exact = {cell.name for cell in cells} | {cell.group for cell in cells}
    unknown = [name for name in names if not any(_is_of(cell, name, exact) for cell in cells)]
    if unknown:
        sys.exit(f"there is no cell or group {', '.join(unknown)}; there are: {', '.join(sorted(exact))}")
    return [cell for cell in cells if not names or any(_is_of(cell, name, exact) for name in names)]


def _is_of(cell: Cell, name: str, exact: Container[str]) -> bool:
    if name in exact:
        return name in (cell.name, cell.group)
    return cell.group.startswith(f"{name}-")


def measure_group(
    stage: Stage, cells: Sequence[Cell], repeat: int, rival_repeat: int, failures: dict[str, str]
) -> Results:
    """Every cell in turn, so many times over; one that fails is left out from then on."""
    results: Results = {}
    for turn in range(repeat):
        for cell in cells:
            most = min(cell.repeat or repeat, rival_repeat if cell.rival else repeat)
            if cell.name in failures or turn >= most:
                continue
            try:
                cell.prepare(stage)
                sample = cell.run(stage)
            except EXPECTED as error:
                failures[cell.name] = str(error)
                print(f"{cell.name} {turn + 1}: failed: {one_line(str(error))}", file=sys.stderr)
                continue
            results.setdefault(cell.name, []).append(sample)
            print(f"{cell.name} {turn + 1}: {sample.wall_seconds:.3f} s {sample.note}", file=sys.stderr)
    return results


def install_rivals() -> int:
    """Make the environments of all rivals: 0 when all are there."""
    words: dict[str, Callable[[], str]] = {bucardo.NAME: bucardo.install}
    words |= {rival.name: partial(install, rival) for rival in (*RIVALS, SESSION)}
    failed = False
    for name, installed in words.items():
        word = installed()
        failed |= word.startswith("failed")
        print(f"{name}: {word}")
    return int(failed)


def main() -> None:
    """Read the command line, measure, print and write."""
    wanted = command_line()
    if wanted.install:
        sys.exit(install_rivals())
    cells = choose(all_cells(), wanted.names)
    results: Results = {}
    failures: dict[str, str] = {}
    # Installed programs have their bytecode; a checkout may not.
    compileall.compile_dir(PACKAGE, quiet=1)
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder:
        stage = Stage(Path(folder), wanted.rows, wanted.patience)
        rival_repeat = wanted.rival_repeat or wanted.repeat
        try:
            for group in dict.fromkeys(cell.group for cell in cells):
                members = [cell for cell in cells if cell.group == group]
                results |= measure_group(stage, members, wanted.repeat, rival_repeat, failures)
        finally:
            stage.close()
    print(table(cells, results, failures))
    if wanted.write:
        write(wanted, table(cells, results, failures))
    if wanted.json:
        write_json(wanted.json, results, failures)
    sys.exit(any(went_wrong(cell, results, failures) for cell in cells))


def went_wrong(cell: Cell, results: Results, failures: dict[str, str]) -> bool:
    """Whether one of ours failed or brought over something else; that a rival does is a result."""
    wrong = any(sample.note.startswith(("DIFFERS", "KEEPS")) for sample in results.get(cell.name, []))
    return not cell.rival and (wrong or cell.name in failures)


def command_line() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cells or groups (default: all)")
    parser.add_argument("--repeat", type=int, default=3, help="how often each cell is measured (default: 3)")
    parser.add_argument("--rival-repeat", type=int, help="how often rivals are (default: as the others)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the tables (default: 1000000)")
    seconds = f"how many seconds one measurement may take (default: {PATIENCE_SECONDS:.0f})"
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help=seconds)
    parser.add_argument("--install", action="store_true", help="install the rivals, measure nothing")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    return parser.parse_args()


def write_json(file: Path, results: Results, failures: dict[str, str]) -> None:
    """Every single measurement, and where it was made."""
    about = {
        "at": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    samples = {name: [asdict(one) for one in found] for name, found in results.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"about": about, "failures": failures, "samples": samples}, indent=1))


if __name__ == "__main__":
    main()
