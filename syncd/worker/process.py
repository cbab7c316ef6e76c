"""A run's own process: one thread listens to the parent, another one runs."""

import os
import queue
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from syncd.model.event import RunEvent
from syncd.state.owner import join_workers
from syncd.worker.body import RunBody, Stop
from syncd.worker.kept import KeptPorts
from syncd.worker.watching import watch
from syncd.worker.wire import (
    Answer,
    AnyOrder,
    Cancel,
    Changed,
    ClusterOrder,
    Forget,
    Order,
    Ready,
    Request,
    Watch,
    line,
    request_of,
    told,
)

GRACE_SECONDS: Final = 0.1
"""How long a run may take to notice a stop by itself before its drivers are told, again and again."""
TIDY_SECONDS: Final = 30.0
LAST_WORDS_SECONDS: Final = 0.3


class WorkerProcess:
    """The two threads' common ground.

    `_stop` belongs to the run that is going on: the listening thread puts it there, the running one takes it away.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._sending = threading.Lock()
        self._ports = KeptPorts(time.monotonic)
        self._stop: Stop | None = None
        self._tasks: queue.SimpleQueue[tuple[AnyOrder, Stop] | Forget] = queue.SimpleQueue()

    def live(self) -> NoReturn:
        """Take orders until the parent is gone."""
        threading.Thread(target=self._run_all, daemon=True).start()
        self._send(Ready())
        for request in self._requests():
            match request:
                case Order() | ClusterOrder():
                    self._stop = Stop()
                    self._tasks.put((request, self._stop))
                case Forget():
                    self._tasks.put(request)
                case Watch():
                    watch(request.clusters, lambda cluster: self._send(Changed(cluster)))
                case Cancel():
                    if self._stop is not None:
                        self._stop.ask()
        self._die()

    def _requests(self) -> Iterator[Request]:
        buffered = bytearray()
        while True:
            stopping = self._stop is not None and self._stop.asked
            if not select.select([self._link], [], [], GRACE_SECONDS if stopping else None)[0]:
                self._ports.cancel()
                continue
            try:
                block = self._link.recv(65536)
            except OSError:
                return
            if not block:
                return
            buffered += block
            while (end := buffered.find(b"\n")) >= 0:
                yield request_of(bytes(buffered[:end]))
                del buffered[: end + 1]

    def _run_all(self) -> None:
        body = RunBody(self._ports)
        while True:
            try:
                task = self._tasks.get(timeout=TIDY_SECONDS)
            except queue.Empty:
                self._ports.evict()
                continue
            if isinstance(task, Forget):
                self._ports.forget(task.names)
                continue
            order, stop = task
            outcome = body.carry_out(order, self._emit, stop)
            self._stop = None
            self._send(outcome)
            self._ports.evict()

    def _emit(self, event: RunEvent) -> None:
        self._send(told(event))

    def _send(self, answer: Answer) -> None:
        with self._sending:
            try:
                self._link.sendall(line(answer))
            except OSError:
                self._die()

    def _die(self) -> NoReturn:
        """The parent is gone: nobody may go on in its name."""
        if self._stop is not None:
            self._stop.ask()
        last = threading.Thread(target=self._ports.cancel, daemon=True)
        last.start()
        last.join(LAST_WORDS_SECONDS)
        os._exit(0)


def main(arguments: Sequence[str]) -> NoReturn:
    """Be a worker: the socket's descriptor and the state folder are the arguments."""
    # Ctrl-C in a terminal reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    join_workers(Path(arguments[1]))
    import syncd.engine.compile
    import syncd.engine.execute  # noqa: F401  # loaded before the first order, not during it

    WorkerProcess(socket.socket(fileno=int(arguments[0]))).live()
