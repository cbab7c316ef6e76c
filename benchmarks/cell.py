"""What a benchmark is: cells in groups, all cells of a group measured in turn, so that a ratio compares like with like."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.measure import Sample
from tests.servers import PostgresServer

PRODUCTION: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
}
"""As a careful administrator sets it, but nothing in the background while we measure."""


class Stage:
    """What cells share: a folder and a server, started when the first cell asks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def postgres(self) -> PostgresServer:
        """A PostgreSQL server with production settings."""
        return PostgresServer(PRODUCTION)

    def close(self) -> None:
        """Stop what was started."""
        if "postgres" in self.__dict__:
            self.postgres.close()


@dataclass(frozen=True)
class Cell:
    """One thing to measure.

    `prepare` runs before each measurement and is not timed. The first cell of a group is the limit that the others
    are compared with. `repeat` is less than the user's where one measurement says all.
    """

    group: str
    name: str
    run: Callable[[Stage], Sample]
    prepare: Callable[[Stage], None] = lambda _: None
    repeat: int | None = None
