"""What every contestant is asked to do: bring tables of one store into another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.digest import Place
from benchmarks.measure import Command
from benchmarks.store import Store


@dataclass(frozen=True)
class Load:
    """Tables to copy, each under its own name.

    With a `check_column` a tool copies what is new by it, the first time all; without one it copies all rows.
    `keyed` says that the destination's tables are there, with their keys. `folder` is the tool's own and stays between
    two runs that belong together.
    """

    source: Store
    destination: Store
    tables: Sequence[str]
    key: Sequence[str]
    folder: Path
    check_column: str = ""
    deletes: bool = False
    keyed: bool = True

    @property
    def pair(self) -> tuple[str, str]:
        """The kinds of both stores."""
        return self.source.kind, self.destination.kind


def usual_place(load: Load, table: str) -> Place:
    """Where a table is for those who keep to its name."""
    return Place(load.destination, load.destination.schema, table)


@dataclass(frozen=True)
class Tool:
    """A contestant. `command` may write files into the load's folder. `place` says where the rows then are.

    `pairs` are the kinds of stores that it copies between. `follows` says that it can copy only what changed.
    `requirements` are what pip installs into an environment of its own; none for what is here anyway.
    """

    name: str
    command: Callable[[Load], Command]
    pairs: frozenset[tuple[str, str]]
    place: Callable[[Load, str], Place] = usual_place
    follows: bool = True
    requirements: Sequence[str] = ()
    finish: Callable[[Path], None] = lambda _: None
    """What is left to install when pip is done; gets the folder of the environment."""
