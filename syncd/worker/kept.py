"""Open connections, kept between runs so that looking for changes costs no connecting."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from syncd.errors import FatalError, SyncdError
from syncd.ports import Destination, Source
from syncd.registry import connector
from syncd.repository.replica import Replica
from syncd.repository.store import Store, StoreOpener
from syncd.worker.wire import Place

IDLE_SECONDS: Final = 300.0
Port = Source | Destination | Store
MISSING: Final = (0, 0)
"""What stands for a file that is not there."""


class KeptPorts:
    """Sources and destinations by what their place means. All but `cancel` belong to the thread that runs.

    `_lock` guards `_in_use`, the ports of the run that goes on: a stop reaches these and no others.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._sources: dict[bytes, Source] = {}
        self._destinations: dict[bytes, Destination] = {}
        self._stores: dict[bytes, Store] = {}
        self._nodes: dict[tuple[bytes, str], Replica] = {}
        self._used: dict[bytes, tuple[str, float]] = {}
        self._files: dict[bytes, tuple[int, int] | None] = {}
        self._lock = threading.Lock()
        self._in_use: list[Port] = []

    def holds(self, places: Iterable[Place]) -> bool:
        """Is one of them open from an earlier run?"""
        return any(place.key in self._sources or place.key in self._destinations for place in places)

    def source(self, place: Place) -> Source:
        """The source at that place, opened if need be."""
        key = self._touch(place)
        if key not in self._sources:
            self._sources[key] = connector(place.type).open_source(place.wrapped())
            self._files.setdefault(key, file_of(place))
        with self._lock:
            self._in_use.append(self._sources[key])
        return self._sources[key]

    def destination(self, place: Place) -> Destination:
        """The destination at that place, opened if need be."""
        key = self._touch(place)
        if key not in self._destinations:
            self._destinations[key] = connector(place.type).open_destination(place.wrapped())
            self._files.setdefault(key, file_of(place))
        with self._lock:
            self._in_use.append(self._destinations[key])
        return self._destinations[key]

    def store(self, place: Place) -> Store:
        """The store of a cluster's node at that place, opened if need be.

        Raises:
            FatalError: its connector cannot take part in clusters.
        """
        key = self._touch(place)
        if key not in self._stores:
            plugin = connector(place.type)
            if not isinstance(plugin, StoreOpener):
                raise FatalError(
                    f"connection '{place.name}' of type {place.type} cannot be a repository of a cluster",
                    hint="use sqlite, postgresql or mysql",
                    code="no_repository",
                )
            self._stores[key] = plugin.open_store(place.wrapped())
            self._files.setdefault(key, file_of(place))
        with self._lock:
            self._in_use.append(self._stores[key])
        return self._stores[key]

    def node(self, place: Place, cluster: str) -> Replica:
        """The store at that place as a node of a cluster, with what earlier runs learnt of it. Raises as `store`."""
        store = self.store(place)
        kept = self._nodes.get((place.key, cluster))
        if kept is None or kept.store is not store:
            kept = self._nodes[place.key, cluster] = Replica(store, cluster, time.time)
        return kept

    @contextlib.contextmanager
    def lane(self, source: Place, destination: Place) -> Iterator[tuple[Source, Destination]]:
        """Both ends once more, for another thread of the present run; closed afterwards."""
        with contextlib.ExitStack() as stack:
            one = connector(source.type).open_source(source.wrapped())
            stack.callback(self._part, one)
            with self._lock:
                self._in_use.append(one)
            other = connector(destination.type).open_destination(destination.wrapped())
            stack.callback(self._part, other)
            with self._lock:
                self._in_use.append(other)
            yield one, other

    def _part(self, port: Port) -> None:
        with self._lock:
            if port in self._in_use:
                self._in_use.remove(port)
        with contextlib.suppress(SyncdError, OSError):
            port.close()

    def cancel(self) -> None:
        """Make whatever the present run does on its ports end soon; from another thread."""
        with self._lock:
            for port in self._in_use:
                # A port that is just being closed by its own thread may refuse; it ends anyway.
                with contextlib.suppress(SyncdError, OSError):
                    port.cancel()

    def settle(self) -> None:
        """The run is over: whoever calls `cancel` from now on comes too late, and one that is under way has ended."""
        with self._lock:
            self._in_use.clear()

    def forget(self, names: Collection[str]) -> None:
        """Close what was opened for connections of these names."""
        self._close([key for key, (name, _) in self._used.items() if name in names])

    def evict(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """Close what nobody used for so long."""
        limit = self._monotonic() - idle_seconds
        self._close([key for key, (_, used) in self._used.items() if used <= limit])

    def close(self) -> None:
        """Close all of them."""
        self._close(list(self._used))

    def _touch(self, place: Place) -> bytes:
        key = place.key
        stale = key in self._files and (self._files[key] != file_of(place) or self._files[key] == MISSING)
        # A run that made the file itself goes on with it.
        if stale and not self._is_in_use(key):
            # A file that was not there when it was opened may have come and gone since. Otherwise the file was deleted or replaced: what is open has no name any more, and rows written there are lost.
            self._close([key])
        self._used[key] = (place.name, self._monotonic())
        return key

    def _is_in_use(self, key: bytes) -> bool:
        with self._lock:
            mine = (self._sources.get(key), self._destinations.get(key), self._stores.get(key))
            return any(port in self._in_use for port in mine)

    def _close(self, keys: Collection[bytes]) -> None:
        for key in keys:
            del self._used[key]
            self._files.pop(key, None)
            self._nodes = {known: node for known, node in self._nodes.items() if known[0] != key}
            kept = (self._sources, self._destinations, self._stores)
            for port in [held.pop(key, None) for held in kept]:
                if port is not None:
                    # It may be broken, which is why it goes.
                    with contextlib.suppress(SyncdError, OSError):
                        port.close()


def file_of(place: Place) -> tuple[int, int] | None:
    """Which file a place's `path` names at this moment, MISSING when it is not there; None for a place without path."""
    path = place.options.get("path")
    if not isinstance(path, str):
        return None
    try:
        found = os.stat(path)  # noqa: PTH116  # the option is text, and a connector may take more than a path there
    except (OSError, ValueError):
        return MISSING
    return found.st_dev, found.st_ino
