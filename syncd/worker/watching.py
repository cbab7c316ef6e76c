"""Watches the repositories of clusters, and says at once when somebody has edited something."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from syncd.errors import SyncdError
from syncd.registry import connector
from syncd.repository.replica import Replica
from syncd.repository.store import StoreOpener
from syncd.worker.kept import file_of
from syncd.worker.wire import Place, Watched

WAIT_SECONDS: Final = 5.0
"""How long a wait lasts at most before the connection is looked after."""
FILE_SECONDS: Final = 0.5
"""The same for a file, which may be moved away and come back while it is open."""
AGAIN_SECONDS: Final = 0.05
GLANCE_SECONDS: Final = 0.005
REPEAT_SECONDS: Final = 2.0
"""After how long an edit that no run has counted yet is told again."""
LONGEST_PAUSE_SECONDS: Final = 30.0

Changed = Callable[[str], None]


def watch(clusters: tuple[Watched, ...], changed: Changed) -> None:
    """Watch all of them, each repository in a thread of its own, as long as the process lives."""
    for cluster in clusters:
        for place in cluster.places:
            threading.Thread(
                target=_watch_always, args=(cluster.cluster, place, changed), daemon=True
            ).start()


def _watch_always(cluster: str, place: Place, changed: Changed) -> None:
    """A repository that is out of reach is looked for again, ever more rarely; that it is there again is told."""
    pause = AGAIN_SECONDS
    back = False
    while True:
        began = time.monotonic()
        with contextlib.suppress(SyncdError, OSError):
            _watch(cluster, place, changed, back=back)
        back = True
        pause = AGAIN_SECONDS if time.monotonic() - began > LONGEST_PAUSE_SECONDS else pause * 2
        pause = min(pause, LONGEST_PAUSE_SECONDS)
        time.sleep(pause)


def _watch(cluster: str, place: Place, changed: Changed, *, back: bool) -> None:
    plugin = connector(place.type)
    if not isinstance(plugin, StoreOpener):
        return
    file = file_of(place)
    replica = Replica(plugin.open_store(place.wrapped()), cluster, time.time)
    try:
        if back and replica.node.exists:
            # Runs went by without it, and it may lack what they brought to the others.
            changed(cluster)
        while not replica.node.exists:
            # The first run makes it a node.
            changed(cluster)
            time.sleep(REPEAT_SECONDS)
        # A file that was replaced is another one: what is open has no name any more, and nobody writes there.
        while file_of(place) == file:
            gen = replica.stirred()
            if gen is not None:
                changed(cluster)
                _await_count(replica, gen)
            else:
                replica.wait(WAIT_SECONDS if file is None else FILE_SECONDS)
    finally:
        replica.close()


def _await_count(replica: Replica, gen: int) -> None:
    """Wait until a run has counted these edits; later ones are told anew. Not for ever: the run may have failed."""
    deadline = time.monotonic() + REPEAT_SECONDS
    while time.monotonic() < deadline and replica.stirred() == gen:
        time.sleep(GLANCE_SECONDS)
