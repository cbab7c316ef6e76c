"""syncd as a keeper of clusters: a new process for each run, a daemon that is asked, a daemon that watches."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.cell import Stage
from benchmarks.cluster_node import TABLE
from benchmarks.cluster_race import NO_SAMPLE, Keeper, Running
from benchmarks.daemon_cells import daemon
from benchmarks.measure import FailedError, Sample, measure, syncd_program
from benchmarks.ours import connection
from benchmarks.store import Store
from syncd.control.client import call
from syncd.errors import SyncdError

CLUSTER: Final = "bench"


def configuration(stores: Sequence[Store], folder: Path, *, watch: bool) -> Mapping[str, object]:
    """A cluster of the stores, the parent first."""
    names = ["parent", *(f"child{number}" for number in range(1, len(stores)))]
    children = [{"repository": name, "connection": name, "connected": True} for name in names[1:]]
    cluster = {
        "parent": {"repository": "parent", "connection": "parent"},
        "children": children,
        "tables": [TABLE],
        "conflict": "parent",
    }
    return {
        "state": {"path": str(folder / "state")},
        "connections": {name: connection(store) for name, store in zip(names, stores, strict=True)},
        "clusters": {CLUSTER: cluster | ({"watch": True} if watch else {})},
    }


def write_configuration(stores: Sequence[Store], folder: Path, *, watch: bool = False) -> None:
    """The same as a file; JSON is YAML too."""
    text = json.dumps(configuration(stores, folder, watch=watch), indent=1)
    (folder / "syncd.yaml").write_text(text)


def command(folder: Path) -> list[str]:
    """`syncd sync` of the cluster."""
    return [syncd_program(), "sync", "-c", str(folder), CLUSTER]


def first_sync(folder: Path) -> None:
    """A run that installs what the cluster needs.

    Raises:
        FailedError: with what it said.
    """
    done = subprocess.run(command(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"syncd sync ended with {done.returncode}: {done.stderr or done.stdout}")


@contextmanager
def start_process(stage: Stage, stores: Sequence[Store], folder: Path) -> Iterator[Running]:
    """Each kick is `syncd sync` as a new process."""
    write_configuration(stores, folder)
    first_sync(folder)
    # The servers are counted by whoever kicks.
    yield Running(kick=lambda: measure([command(folder)], patience_seconds=stage.patience_seconds))


@contextmanager
def start_daemon(_: Stage, stores: Sequence[Store], folder: Path, *, watch: bool) -> Iterator[Running]:
    """Each kick is a run asked of a daemon that has a worker; with `watch` the daemon notices changes by itself."""
    write_configuration(stores, folder, watch=watch)
    first_sync(folder)
    with daemon(folder) as process:
        ask(folder)
        yield Running([process.pid]) if watch else Running([process.pid], partial(ask, folder))


def ask(folder: Path) -> Sample:
    """Let the daemon run the cluster, to its end.

    Raises:
        FailedError: the run did not end well.
    """
    arguments = {"job": CLUSTER, "queries": (), "full": False, "wait": True}
    try:
        run = call(folder / "state", "start", arguments, wait_seconds=None)
    except SyncdError as error:
        raise FailedError(f"the daemon refused: {error}") from error
    if run["status"] != "ok":
        raise FailedError(f"the run ended {run['status']}")
    return NO_SAMPLE


SYNCD_SYNC: Final = Keeper("syncd-sync", start_process)
SYNCD_DAEMON: Final = Keeper("syncd-daemon", partial(start_daemon, watch=False))
SYNCD_WATCH: Final = Keeper("syncd-watch", partial(start_daemon, watch=True))
