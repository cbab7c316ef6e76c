"""One phase of the workload after the other on a live cluster: from the last commit until all nodes hold the same."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.cell import Stage
from benchmarks.cluster_node import Node, make_stores, open_node, write
from benchmarks.cluster_workload import CHILDREN, Act, Edits, Phase, edits
from benchmarks.contest import fresh_folder
from benchmarks.measure import FailedError, PeakMemory, Sample, tree_cpu_seconds
from benchmarks.report import one_line
from benchmarks.store import Store

POLL_SECONDS: Final = 0.05
CONVERGE_SECONDS: Final = 600.0
"""After so long without equal nodes a phase has failed."""
NO_SAMPLE: Final = Sample(0, 0, 0, 0)


def no_kick() -> Sample:
    """Nothing: the contestant notices changes by itself."""
    return NO_SAMPLE


@dataclass(frozen=True)
class Running:
    """A contestant that keeps nodes equal. `pids` are its daemons; `kick` tells it to begin and gives what that cost
    beyond the daemons, to the end of a run where it waits for one."""

    pids: Sequence[int] = ()
    kick: Callable[[], Sample] = no_kick


@dataclass(frozen=True)
class Keeper:
    """A contestant. `start` gets stores with the empty table, the parent first, and an empty folder; what it gives is
    ready and notices all that is written from then on.

    Raises (start): FailedError: it is not installed, or did not get ready.
    """

    name: str
    start: Callable[[Stage, Sequence[Store], Path], AbstractContextManager[Running]]
    rival: bool = False


@dataclass
class Race:
    """The rounds of one contestant on one kind of store. A round begins with the first phase and a new cluster, and ends
    with the last phase or the first failure."""

    keeper: Keeper
    kind: str
    rows: int
    phases: Sequence[Phase] = tuple(Phase)
    children: int = CHILDREN
    _round: int = 0
    _done: list[Phase] = field(default_factory=list)
    _trouble: str = ""
    _cluster: "Cluster | None" = None

    def prepare(self, stage: Stage, phase: Phase) -> None:
        """Make a new cluster for the first phase; catch up on phases that were not asked for.

        Raises:
            FailedError: an earlier phase of this round failed.
        """
        before = list(self.phases[: self.phases.index(phase)])
        if not before:
            self._begin(stage)
        elif self._trouble:
            raise FailedError(f"not begun: {self._trouble}")
        elif self._done != before:
            self._begin(stage)
            for earlier in before:
                self.run(stage, earlier)
        stage.settle()

    def run(self, stage: Stage, phase: Phase) -> Sample:
        """Measure the phase."""
        assert self._cluster is not None, "prepare makes the cluster"
        try:
            sample = self._cluster.play(
                edits(phase, f"round {self._round}", min(self.rows, stage.rows), self.children)
            )
        except BaseException as error:
            self._trouble = f"{phase} failed: {one_line(str(error))}"
            self._close()
            raise
        self._done.append(phase)
        if phase is self.phases[-1]:
            self._close()
        return sample

    def _begin(self, stage: Stage) -> None:
        self._close()
        self._round += 1
        self._done, self._trouble = [], ""
        try:
            self._cluster = Cluster(stage, self.keeper, self.kind, self.children)
        except BaseException as error:
            self._trouble = f"the cluster did not get ready: {one_line(str(error))}"
            raise
        stage.opened.callback(self._close)

    def _close(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()


class Cluster:
    """A parent and its children in new databases, and the contestant that keeps them equal."""

    def __init__(self, stage: Stage, keeper: Keeper, kind: str, children: int = CHILDREN) -> None:
        base = f"{keeper.name.replace('-', '_')}_{kind}"
        names = [f"{base}_parent", *(f"{base}_child{number}" for number in range(1, children + 1))]
        self._ends = ExitStack()
        try:
            self.stores = make_stores(stage, kind, names)
            self.folder = fresh_folder(stage, f"cluster-{base}")
            self._servers = stage.servers(*self.stores)
            self.running = self._ends.enter_context(keeper.start(stage, self.stores, self.folder))
            self.nodes = [open_node(store) for store in self.stores]
            for node in self.nodes:
                self._ends.callback(node.close)
        except BaseException:
            self._ends.close()
            raise

    def play(self, work: Sequence[Edits]) -> Sample:
        """Write, commit, and measure until all nodes are equal; `facts` say what the writing took.

        Client CPU is of the contestant's processes, server CPU of the servers, both from the last write on.

        Raises:
            FailedError: the nodes did not become equal, or the kick ended badly.
        """
        begin, before = time.perf_counter(), self.cpu_seconds()
        for one in work:
            write(self.nodes[one.node], one)
        start = self.cpu_seconds()
        for one in work:
            self.nodes[one.node].commit()
        committed = time.perf_counter()
        with PeakMemory(self.running.pids) as peak:
            kicked = self.running.kick()
            equal, end = self._await_equal(work, committed + CONVERGE_SECONDS)
        server, client = (late - early for early, late in zip(start, end, strict=True))
        facts = {"writing s": committed - begin, "writing server CPU s": start[0] - before[0]}
        rss = max(peak.megabytes, kicked.peak_rss_megabytes)
        return Sample(
            equal - committed, client + kicked.client_cpu_seconds, server, rss, facts, self._verdict()
        )

    def close(self) -> None:
        """Stop the contestant and let go of the nodes; the databases stay until they are made anew."""
        self._ends.close()

    def cpu_seconds(self) -> tuple[float, float]:
        """The processor time so far: of the servers, and of the contestant's daemons."""
        return tree_cpu_seconds(self._servers), tree_cpu_seconds(self.running.pids)

    def _await_equal(self, work: Sequence[Edits], deadline: float) -> tuple[float, tuple[float, float]]:
        """When the nodes were found equal, and the processor time until then; the last look itself is left out."""
        while True:
            if all(self._arrived(one, node) for one in work for node in self.nodes):
                seen, cpu = time.perf_counter(), self.cpu_seconds()
                if len({node.fingerprint() for node in self.nodes}) == 1:
                    return seen, cpu
            if time.perf_counter() > deadline:
                found = ", ".join(node.fingerprint() for node in self.nodes)
                raise FailedError(f"not equal after {CONVERGE_SECONDS:.0f} s: {found}")
            time.sleep(POLL_SECONDS)

    def _arrived(self, work: Edits, node: Node) -> bool:
        """Whether the last row of the edits is as written."""
        last = work.rows[-1]
        return node.updated_at(last) == (None if work.act is Act.DELETE else last.updated_at)

    def _verdict(self) -> str:
        rows = self.nodes[0].fingerprint().split()[0]
        return f"EQUAL, {rows} rows at each"
