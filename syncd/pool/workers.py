"""Warm worker processes: hand an order over, relay its events, and stop a run in four steps if need be."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from syncd.errors import SyncdError, TransientError
from syncd.model.event import RunEvent, StepEnded
from syncd.model.run import Failure, Status, StepResult
from syncd.worker.body import CANCELLED
from syncd.worker.wire import (
    MAX_LINE_BYTES,
    AnyOrder,
    Cancel,
    Changed,
    Forget,
    Outcome,
    Ready,
    Request,
    Told,
    answer_of,
    event_of,
    line,
)

READY_SECONDS: Final = 20.0
COOPERATION_SECONDS: Final = 0.6
"""For the run to see the flag and for its drivers to obey; they are told after 0.1 s."""
TERMINATION_SECONDS: Final = 0.15
EXIT_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.01
MAX_IDLE: Final = 8

Emit = Callable[[RunEvent], None]


class Worker:
    """One process and the line to it. It has one order at a time."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.run = ""
        self.job = ""
        self.places: set[bytes] = set()
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, folder: Path, environ: Mapping[str, str]) -> "Worker":
        """A process that holds its lock and waits for orders."""
        try:
            here, process = _spawned(folder, environ)
        except OSError as error:
            raise TransientError(
                f"cannot start a worker process: {error.strerror}", hint="see the limits of this user"
            ) from error
        reader, writer = await asyncio.open_unix_connection(sock=here, limit=MAX_LINE_BYTES)
        worker = cls(process, reader, writer)
        try:
            text = await asyncio.wait_for(reader.readline(), READY_SECONDS)
            if not text or not isinstance(answer_of(text), Ready):
                raise TransientError("a worker process ended before it was ready")
        except (TimeoutError, TransientError) as error:
            await worker.end()
            raise TransientError("cannot start a worker process", hint="see the daemon's own log") from error
        return worker

    def send(self, request: Request) -> None:
        """Ask; a line that is broken shows itself when the answer is awaited."""
        self._writer.write(line(request))

    async def answer(self) -> Told | Outcome | Changed | None:
        """The next thing that the worker says; None when it is gone."""
        try:
            text = await self._reader.readline()
            found = answer_of(text) if text else None
        except (OSError, ValueError, msgspec.MsgspecError):
            return None
        return None if isinstance(found, Ready) else found

    def hang_up(self) -> None:
        """Close the line, which ends the process."""
        self._writer.close()

    async def end(self) -> None:
        """Hang up and make sure that the process ends."""
        self.hang_up()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        if not await self._exited(EXIT_SECONDS):
            self.process.kill()
            await self._exited(EXIT_SECONDS)

    async def _exited(self, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while self.process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True


def _spawned(folder: Path, environ: Mapping[str, str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    here, there = socket.socketpair()
    with there:
        try:
            process = subprocess.Popen(  # noqa: S603  # this interpreter, our own module
                [sys.executable, "-P", "-m", "syncd.worker", str(there.fileno()), str(folder)],
                pass_fds=(there.fileno(),),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except OSError:
            here.close()
            raise
    return here, process


class Pool:
    """The workers of one state folder. How many runs there may be at once is decided elsewhere."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], failed: Callable[[BaseException], None]
    ) -> None:
        """`environ` is the workers' environment: a run is in the machine's time zone, as without a daemon.

        `failed` hears of an error in accounting for a run, which nobody else would hear of.
        """
        self._folder = folder
        self._environ = environ
        self._failed = failed
        self._idle: list[Worker] = []
        self._busy: dict[str, Worker] = {}
        self._starting: set[str] = set()
        self._early: set[str] = set()
        self._cancelled: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def launch(self, order: AnyOrder, emit: Emit, ended: Callable[[Outcome], None]) -> None:
        """Begin to carry the order out; `ended` hears the outcome, whatever happens."""
        self._starting.add(order.run)
        task = asyncio.get_running_loop().create_task(self._carry(order, emit, ended))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def warm(self, count: int) -> None:
        """Have at least so many idle workers, so that the next runs start at once."""
        while len(self._idle) + len(self._busy) < count:
            self._idle.append(await Worker.start(self._folder, self._environ))

    async def _carry(self, order: AnyOrder, emit: Emit, ended: Callable[[Outcome], None]) -> None:
        try:
            outcome = await self._run(order, emit)
        except SyncdError as error:
            failure = Failure(
                error.code, error.message, error.hint, transient=isinstance(error, TransientError)
            )
            outcome = Outcome(Status.FAILED, (), failure)
        ended(outcome)

    async def _run(self, order: AnyOrder, emit: Emit) -> Outcome:
        try:
            worker = self._take(order) or await Worker.start(self._folder, self._environ)
        finally:
            self._starting.discard(order.run)
        if order.run in self._early:
            self._early.discard(order.run)
            self._idle.append(worker)
            return Outcome(Status.CANCELLED, (), CANCELLED)
        worker.run, worker.job = order.run, order.work.name
        worker.places |= {place.key for place in order.places}
        self._busy[order.run] = worker
        worker.send(order)
        try:
            outcome, alive = await self._follow(worker, emit, order)
        finally:
            del self._busy[order.run]
            stopper = self._cancelled.pop(order.run, None)
            if stopper is not None:
                stopper.cancel()
        if alive and len(self._idle) < MAX_IDLE:
            self._idle.append(worker)
        else:
            await worker.end()
        return outcome

    def cancel(self, run: str) -> None:
        """Make a run end within a second: flag, drivers, SIGTERM, SIGKILL."""
        worker = self._busy.get(run)
        if worker is None:
            if run in self._starting:
                self._early.add(run)
        elif run not in self._cancelled:
            self._cancelled[run] = asyncio.get_running_loop().create_task(_stop(worker))

    def forget(self, connections: Collection[str]) -> None:
        """Close kept connections whose definition changed or went."""
        for worker in (*self._idle, *self._busy.values()):
            worker.send(Forget(tuple(connections)))

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that live."""
        return tuple(worker.process.pid for worker in (*self._idle, *self._busy.values()))

    async def close(self) -> None:
        """End every worker; runs that still go on are lost."""
        workers = [*self._idle, *self._busy.values()]
        self._idle.clear()
        await asyncio.gather(*(worker.end() for worker in workers))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _take(self, order: AnyOrder) -> Worker | None:
        """The idle worker that knows most about this order: the job, else the connections."""
        for worker in [worker for worker in self._idle if worker.process.poll() is not None]:
            worker.hang_up()
            self._idle.remove(worker)
        if not self._idle:
            return None
        wanted = {place.key for place in order.places}
        best = max(self._idle, key=lambda one: (one.job == order.work.name, len(one.places & wanted)))
        self._idle.remove(best)
        return best

    async def _follow(self, worker: Worker, emit: Emit, order: AnyOrder) -> tuple[Outcome, bool]:
        steps: list[StepResult] = []
        while True:
            match await worker.answer():
                case Outcome() as outcome:
                    return outcome, True
                case Told() as told:
                    event = event_of(told)
                    if isinstance(event, StepEnded):
                        steps.append(event.result)
                    emit(event)
                case Changed() | None:
                    return self._died(worker, order.run, tuple(steps)), False

    def _died(self, worker: Worker, run: str, steps: tuple[StepResult, ...]) -> Outcome:
        if run in self._cancelled:
            return Outcome(Status.CANCELLED, steps, CANCELLED)
        code = worker.process.poll()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        died = Failure(
            "worker_died",
            f"the worker process ended {how}" if code is not None else "the worker process broke its line",
            hint="it may have run out of memory; see the system's log",
            transient=True,
        )
        return Outcome(Status.FAILED, steps, died)


async def _stop(worker: Worker) -> None:
    worker.send(Cancel())
    await asyncio.sleep(COOPERATION_SECONDS)
    worker.process.terminate()
    await asyncio.sleep(TERMINATION_SECONDS)
    worker.process.kill()
