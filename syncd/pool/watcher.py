"""The process that watches the repositories of clusters which run as soon as something changes."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from syncd.errors import SyncdError
from syncd.model.configuration import Configuration
from syncd.pool.workers import Worker
from syncd.worker.wire import Changed, Watch, Watched, place

PAUSE_SECONDS: Final = 2.0
"""Before a watching process that died is started again."""


class Watcher:
    """At most one process for all watched clusters; another configuration gets another one."""

    def __init__(self, folder: Path, environ: Mapping[str, str], changed: Callable[[str], None]) -> None:
        """`changed` hears the name of a cluster."""
        self._folder = folder
        self._environ = environ
        self._changed = changed
        self._wanted: tuple[Watched, ...] = ()
        self._task: asyncio.Task[None] | None = None

    def apply(self, configuration: Configuration) -> None:
        """Watch what this configuration wants to be watched."""
        wanted = watched(configuration)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._watch(wanted)) if wanted else None

    async def close(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self, wanted: tuple[Watched, ...]) -> None:
        while True:
            with contextlib.suppress(SyncdError):
                worker = await Worker.start(self._folder, self._environ)
                try:
                    worker.send(Watch(wanted))
                    while isinstance(heard := await worker.answer(), Changed):
                        self._changed(heard.cluster)
                finally:
                    # A cancelled task may not wait for the end of its process.
                    worker.hang_up()
            await asyncio.sleep(PAUSE_SECONDS)


def watched(configuration: Configuration) -> tuple[Watched, ...]:
    """The clusters that want to be watched, with the places of their repositories."""
    return tuple(
        Watched(cluster.name, tuple(place(configuration.connections[name]) for name in cluster.connections))
        for cluster in configuration.clusters.values()
        if cluster.watch and cluster.enabled
    )
