"""The main process: owns the state, keeps time, obeys signals and the control socket, stops in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

from syncd.config.diff import Difference
from syncd.control.client import DAEMON
from syncd.control.protocol import socket_path
from syncd.control.views import View
from syncd.daemon.calls import Calls
from syncd.daemon.calls import Surroundings as CallSurroundings
from syncd.daemon.endpoint import Endpoint
from syncd.daemon.logging import Logging
from syncd.daemon.notify import Notifier
from syncd.errors import SyncdError
from syncd.model.configuration import Configuration
from syncd.model.event import ConfigRejected, DaemonStarted, DaemonStopped, Event
from syncd.observe.bus import Bus
from syncd.pool.dispatch import Surroundings
from syncd.pool.watcher import Watcher
from syncd.pool.workers import Pool
from syncd.scheduling.scheduler import Scheduler
from syncd.service import Clockwork, Service
from syncd.state.backlog import Backlog
from syncd.state.database import Database
from syncd.state.journal import Journal
from syncd.state.owner import Owner, OwnerNote
from syncd.state.schedule import Schedules
from syncd.version import __version__
from syncd.worker.body import SystemClock

MAX_SLEEP_SECONDS: Final = 30.0
"""However far the next firing is: somebody may set the clock."""
SHORTEST_SLEEP_SECONDS: Final = 0.001
GRACE_SECONDS: Final = 2.0
"""How long running runs may go on after a stop was asked for, before they are cancelled."""
CANCEL_SECONDS: Final = 3.0
GLANCE_SECONDS: Final = 0.05
WARM_WORKERS: Final = 2

Load = Callable[[], Configuration]
"""Reads the files again."""


class Daemon:
    """Everything that lives from `run` to its end."""

    def __init__(self, load: Load, environ: Mapping[str, str]) -> None:
        """`environ` is the environment that it was started with, the machine's own time zone included."""
        self._load = load
        self._notifier = Notifier(environ)
        self._environ = environ
        self._clock = SystemClock()
        self._wake = asyncio.Event()
        self._stop_reason = ""
        self._fatal: BaseException | None = None
        self._reloading = asyncio.Lock()
        self._endpoint: Endpoint | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = self._clock.now()

    async def run(self, configuration: Configuration) -> None:
        """Be the daemon until a signal says otherwise.

        Raises:
            SyncdError: the state folder is taken, damaged or out of reach; or became so.
        """
        folder = Path(configuration.state.path)
        with contextlib.ExitStack() as stack:
            owner = Owner.take(folder, command=DAEMON, now=self._clock.now())
            stack.callback(owner.release)
            database = Database(folder)
            stack.callback(database.close)
            self._obey_signals()
            self._build(configuration, folder, database)
            try:
                await self._serve(owner, folder)
            finally:
                await self._end()
        if self._fatal is not None:
            raise self._fatal

    def _build(self, configuration: Configuration, folder: Path, database: Database) -> None:
        random = SystemRandom().random
        loop = asyncio.get_running_loop()
        self.bus = Bus()
        self.pool = Pool(folder, self._environ, self._fail)
        self._watcher = Watcher(folder, self._environ, lambda cluster: self.service.changed(cluster))
        journal = Journal(database)
        around = Surroundings(
            journal=journal,
            backlog=Backlog(),
            executor=self.pool,
            clock=self._clock,
            later=loop.call_later,
            publish=self.bus.publish,
            pid=os.getpid(),
            previous=lambda job: self.service.latest.get(job),
            log_file=lambda run: self._logging.log_file(run.id, run.job),
        )
        clockwork = Clockwork(Scheduler(self._clock, random), Schedules(database), random)
        self.service = Service(configuration, around, clockwork)
        self._logging = Logging(configuration, folder, self._clock, sys.stderr.buffer)
        self.bus.subscribe(lambda event: self._record(event, around.backlog, journal))
        self.bus.subscribe(self._logging.write)

    def _record(self, event: Event, backlog: Backlog, journal: Journal) -> None:
        # While the disk is full runs wait in memory for their history, but what they tell is too much for that.
        if not backlog.trouble:
            backlog.write(lambda: journal.record(event, self._clock.now()))

    async def _serve(self, owner: Owner, folder: Path) -> None:
        interrupted = self.service.open()
        self._endpoint = Endpoint(socket_path(folder, self._environ), self._calls(folder).handlers())
        await self._endpoint.listen()
        owner.note(
            OwnerNote(
                pid=os.getpid(),
                socket=os.fspath(self._endpoint.path.absolute()),
                since=self._started.isoformat(timespec="seconds"),
                command=DAEMON,
            )
        )
        jobs = len(self.service.configuration.work)
        names = tuple(run.id for run in interrupted)
        self.bus.publish(DaemonStarted(__version__, self.service.generation, jobs, names))
        self._notifier.ready(self._status())
        self._spawn(self._warm())
        self._watcher.apply(self.service.configuration)
        await self._keep_time()

    async def _warm(self) -> None:
        # Whatever stops a worker from starting now is told by the first run that needs one.
        with contextlib.suppress(SyncdError):
            await self.pool.warm(min(WARM_WORKERS, self.service.configuration.limits.max_runs))

    async def _keep_time(self) -> None:
        while not self._stop_reason:
            self.service.tick()
            self._notifier.alive()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._sleep_seconds())

    def _sleep_seconds(self) -> float:
        if self.service.behind:
            return SHORTEST_SLEEP_SECONDS
        longest = min(MAX_SLEEP_SECONDS, self._notifier.watchdog_seconds or MAX_SLEEP_SECONDS)
        due = self.service.scheduler.next_due()
        if due is None:
            return longest
        return min(longest, max(0.0, (due - self._clock.now()).total_seconds()))

    async def _end(self) -> None:
        self._notifier.stopping("stopping")
        # A state that cannot be written is why it ends; the next owner tidies up.
        with contextlib.suppress(SyncdError):
            self.service.stop()
            if not await self._idle_within(GRACE_SECONDS if self._fatal is None else 0.0):
                self.service.abort()
                await self._idle_within(CANCEL_SECONDS)
            self.bus.publish(DaemonStopped(self._stop_reason or "failure"))
        for task in list(self._tasks):
            task.cancel()
        await self._watcher.close()
        await self.pool.close()
        if self._endpoint is not None:
            await self._endpoint.close()

    async def _idle_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.service.runs.live:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(GLANCE_SECONDS)
        return True

    async def reload(self) -> View:
        """Take the changed files, whole or not at all.

        Raises:
            ConfigError: they are wrong; what ran before goes on.
            RestartNeededError: they change what only a restart can.
        """
        async with self._reloading:
            self._notifier.reloading()
            try:
                new = await asyncio.to_thread(self._load)
                self._logging.learn(new)
                changes = self.service.apply(new)
                self._watcher.apply(new)
                self._logging.change(new)
            except SyncdError as error:
                problems = tuple(str(one) for one in getattr(error, "problems", ())) or (error.message,)
                self.bus.publish(ConfigRejected(self.service.generation, problems))
                raise
            finally:
                self._notifier.ready(self._status())
                self._wake.set()
        return _reloaded(self.service.generation, changes)

    def _calls(self, folder: Path) -> Calls:
        return Calls(
            self.service,
            CallSurroundings(
                listen=self.bus.subscribe,
                reload=self.reload,
                about=lambda: self._about(folder),
                log_lines=self._logging.lines,
            ),
        )

    def _about(self, folder: Path) -> View:
        configuration = self.service.configuration
        live = self.service.runs.live.values()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": self._started,
            "generation": self.service.generation,
            "configuration": list(configuration.files),
            "state": str(folder.absolute()),
            "jobs": len(configuration.work),
            "running": sum(run.started is not None for run in live),
            "waiting": sum(run.started is None for run in live),
            "workers": list(self.pool.pids),
            "trouble": self.service.backlog.trouble,
        }

    def _status(self) -> str:
        return f"{len(self.service.configuration.work)} jobs, generation {self.service.generation}"

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)

    def _stop(self, reason: str) -> None:
        self._stop_reason = self._stop_reason or reason
        self._wake.set()

    def _reload_by_signal(self) -> None:
        async def quietly() -> None:
            # The refusal was published; nobody waits for an answer to a signal.
            with contextlib.suppress(SyncdError):
                await self.reload()

        self._spawn(quietly())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Something went wrong where no caller hears of it: end in order rather than limp."""
        self._fatal = self._fatal or error
        self._stop("failure")


def _reloaded(generation: int, changes: Difference) -> View:
    return {
        "generation": generation,
        "added": list(changes.added),
        "changed": list(changes.changed),
        "removed": list(changes.removed),
    }


def live_in_utc() -> None:
    """Make this process's local time UTC, whatever the machine's is."""
    os.environ["TZ"] = "UTC"
    time.tzset()
