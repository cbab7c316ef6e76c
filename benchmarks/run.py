"""Measures cells and prints a table: ``python -m benchmarks.run [NAME...] [--repeat N] [--json FILE]``."""

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import copy_cells, daemon_cells, program_cells
from benchmarks.cell import Cell, Stage
from benchmarks.measure import FailedError, Sample

MODULES: Final = (program_cells, daemon_cells, copy_cells)
"""Each gives its cells; add yours here."""
HEAD: Final = ("cell", "n", "wall s", "ratio", "client CPU s", "server CPU s", "peak RSS MB", "more")

Results = dict[str, list[Sample]]


def all_cells() -> list[Cell]:
    """Every cell that there is."""
    return [cell for module in MODULES for cell in module.cells()]


def choose(cells: Sequence[Cell], names: Sequence[str]) -> list[Cell]:
    """The cells of these names or groups (all, when none is given); unknown names end the program."""
    known = {cell.name for cell in cells} | {cell.group for cell in cells}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no cell or group {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return [cell for cell in cells if not names or cell.name in names or cell.group in names]


def measure_group(stage: Stage, cells: Sequence[Cell], repeat: int, failures: dict[str, str]) -> Results:
    """Every cell in turn, so many times over; one that fails is left out from then on."""
    results: Results = {}
    for turn in range(repeat):
        for cell in cells:
            if cell.name in failures or turn >= (cell.repeat or repeat):
                continue
            print(f"{cell.name} {turn + 1}", file=sys.stderr)
            try:
                cell.prepare(stage)
                results.setdefault(cell.name, []).append(cell.run(stage))
            except FailedError as error:
                failures[cell.name] = str(error)
    return results


def ratio(samples: Sequence[Sample], limit: Sequence[Sample]) -> float:
    """The median over the turns of wall time to the limit's in the same turn."""
    pairs = zip(samples, limit, strict=False)
    return statistics.median(one.wall_seconds / other.wall_seconds for one, other in pairs)


def table(cells: Sequence[Cell], results: Results, failures: dict[str, str]) -> str:
    """The medians as a Markdown table."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for cell in cells:
        samples = results.get(cell.name, [])
        if not samples or cell.name in failures:
            lines.append(
                f"| {cell.name} | - | failed: {failures.get(cell.name, 'not measured')[:200]} | | | | | |"
            )
            continue
        limit = next(
            (results[one.name] for one in cells if one.group == cell.group and one.name in results), samples
        )
        lines.append(f"| {' | '.join(row(cell, samples, ratio(samples, limit)))} |")
    return "\n".join(lines)


def row(cell: Cell, samples: Sequence[Sample], to_limit: float) -> list[str]:
    """One line of the table."""
    names = ("wall_seconds", "client_cpu_seconds", "server_cpu_seconds", "peak_rss_megabytes")
    wall, client, server, rss = (statistics.median(getattr(one, name) for one in samples) for name in names)
    more = ", ".join(
        f"{name} {statistics.median(one.facts[name] for one in samples):.3g}" for name in samples[0].facts
    )
    return [
        cell.name,
        str(len(samples)),
        f"{wall:.3f}",
        f"{to_limit:.2f}",
        f"{client:.2f}",
        f"{server:.2f}",
        f"{rss:.0f}",
        more,
    ]


def main() -> None:
    """Read the command line, measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cells or groups (default: all)")
    parser.add_argument("--repeat", type=int, default=3, help="how often each cell is measured (default: 3)")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    wanted = parser.parse_args()
    cells = choose(all_cells(), wanted.names)
    results: Results = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder:
        stage = Stage(Path(folder))
        try:
            for group in dict.fromkeys(cell.group for cell in cells):
                members = [cell for cell in cells if cell.group == group]
                results |= measure_group(stage, members, wanted.repeat, failures)
        finally:
            stage.close()
    print(table(cells, results, failures))
    if wanted.json:
        about = {
            "at": datetime.now(UTC).isoformat(),
            "python": platform.python_version(),
            "machine": platform.machine(),
        }
        samples = {name: [asdict(one) for one in found] for name, found in results.items()}
        wanted.json.parent.mkdir(parents=True, exist_ok=True)
        wanted.json.write_text(
            json.dumps({"about": about, "failures": failures, "samples": samples}, indent=1)
        )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
