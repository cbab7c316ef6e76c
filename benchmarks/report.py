"""Tables of what was measured, and the file that keeps them."""

import argparse
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.cell import Cell
from benchmarks.measure import Sample

HEAD: Final = ("cell", "n", "wall s", "ratio", "client CPU s", "server CPU s", "peak RSS MB", "more")
WORDS_SHOWN: Final = 240
TELLING: Final = re.compile(r"(error|exception|panic|fatal|failed|stopped)\b[^:]{0,40}: *\S", re.IGNORECASE)
"""A line that names the trouble, not one of a trace."""
RESULTS: Final = Path(__file__).parent / "RESULTS.md"
PREFACE: Final = """# Results

Two cores, PostgreSQL 15, MariaDB 10.11, SQLite 3.40, Python 3.11; servers with fsync on. Medians; `ratio` is wall time
to the first cell of the group in the same round. Above each table stands the command that makes it anew.
"""

Results = dict[str, list[Sample]]


def table(cells: Sequence[Cell], results: Results, failures: dict[str, str]) -> str:
    """The medians as a Markdown table."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for cell in cells:
        samples = results.get(cell.name, [])
        if not samples or cell.name in failures:
            words = one_line(failures.get(cell.name, "not measured"))
            lines.append(f"| {cell.name} | - | - | | | | | failed: {words} |")
            continue
        first = cell.against or next(one.name for one in cells if one.group == cell.group)
        to_limit = f"{ratio(samples, results[first]):.2f}" if results.get(first) else "-"
        lines.append(f"| {' | '.join(row(cell, samples, to_limit))} |")
    return "\n".join(lines)


def ratio(samples: Sequence[Sample], limit: Sequence[Sample]) -> float:
    """The median over the turns of wall time to the limit's in the same turn."""
    pairs = zip(samples, limit, strict=False)
    return statistics.median(one.wall_seconds / other.wall_seconds for one, other in pairs)


def one_line(words: str) -> str:
    """The most telling line of what a program said last, fit for a table."""
    lines = [" ".join(line.split()) for line in words.splitlines() if line.strip()] or ["no word"]
    telling = [line for line in lines if TELLING.search(line) and "│" not in line]
    return (telling or lines)[-1].replace("|", "/")[:WORDS_SHOWN]


def row(cell: Cell, samples: Sequence[Sample], to_limit: str) -> list[str]:
    """One line of the table."""
    names = ("wall_seconds", "client_cpu_seconds", "server_cpu_seconds", "peak_rss_megabytes")
    wall, client, server, rss = (statistics.median(getattr(one, name) for one in samples) for name in names)
    facts = [
        f"{name} {statistics.median(one.facts[name] for one in samples):.3g}" for name in samples[0].facts
    ]
    notes = dict.fromkeys(one.note for one in samples if one.note)
    more = ", ".join([*facts, *notes])
    return [
        cell.name,
        str(len(samples)),
        f"{wall:.3f}",
        to_limit,
        f"{client:.2f}",
        f"{server:.2f}",
        f"{rss:.0f}",
        more,
    ]


def write(wanted: argparse.Namespace, measured: str) -> None:
    """Put the table under the command that makes it into the file; an older one of the same command goes."""
    heading = f"## `{command(wanted)}`"
    text = RESULTS.read_text() if RESULTS.exists() else PREFACE
    RESULTS.write_text(f"{without(text, heading).rstrip()}\n\n{heading}\n\n{measured}\n")


def command(wanted: argparse.Namespace) -> str:
    """The command line that measures the same again."""
    words = ["python -m benchmarks.run", *wanted.names, f"--repeat {wanted.repeat}", f"--rows {wanted.rows}"]
    if wanted.rival_repeat:
        words.append(f"--rival-repeat {wanted.rival_repeat}")
    return " ".join(words)


def without(text: str, heading: str) -> str:
    """The text without the section of this heading."""
    section = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    return section.sub("", text)
