"""Contestants as cells: a fresh folder and destination for each measurement, then the tool, then a look at what arrived."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cell import Cell, Stage
from benchmarks.limit import LIMIT
from benchmarks.load import Load, Tool
from benchmarks.measure import Sample, measure
from benchmarks.ours import SYNCD
from benchmarks.rivals.all import RIVALS


def fresh_folder(stage: Stage, name: str) -> Path:
    """An empty folder of this name."""
    folder = stage.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(stage: Stage, tool: Tool, load: Load) -> Sample:
    """Let the tool do it."""
    servers = stage.servers(load.source, load.destination)
    return measure(tool.command(load), servers, stage.patience_seconds)


def contestants(pair: tuple[str, str], *, rivals: bool = True, follows: bool = False) -> list[Tool]:
    """Those who copy between these kinds: the limit, syncd, and the rivals; with `follows` those who copy what changed."""
    tools = [LIMIT, SYNCD, *(RIVALS if rivals else ())]
    return [tool for tool in tools if pair in tool.pairs and (tool.follows or not follows)]


@dataclass(frozen=True)
class Contest:
    """One job for many tools. `make` prepares source and destination for a tool and says what the load is; `judge`
    says in a line what arrived. Both are given the tool; neither is timed."""

    group: str
    tools: Sequence[Tool]
    make: Callable[[Stage, Tool], Load]
    judge: Callable[[Stage, Tool, Load], str]
    repeat: int | None = None

    def cells(self) -> list[Cell]:
        """A cell for each tool."""
        return [self._cell(tool) for tool in self.tools]

    def _cell(self, tool: Tool) -> Cell:
        made: dict[str, Load] = {}

        def prepare(stage: Stage) -> None:
            made["load"] = self.make(stage, tool)
            stage.settle()

        def measured(stage: Stage) -> Sample:
            sample = run(stage, tool, made["load"])
            return replace(sample, note=self.judge(stage, tool, made["load"]))

        rival = tool.name if tool in RIVALS else ""
        return Cell(self.group, f"{self.group}-{tool.name}", measured, prepare, self.repeat, rival)


def all_cells(contests: Iterable[Contest]) -> list[Cell]:
    """The cells of all of them."""
    return [cell for contest in contests for cell in contest.cells()]
