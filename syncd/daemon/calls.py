"""What clients may ask the daemon for: parse the arguments, one call of the application, render."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from syncd.control.views import View, jobs_view, run_view
from syncd.control.why import why
from syncd.daemon.endpoint import Handler, Tell
from syncd.errors import NotFoundError
from syncd.model.event import Event, RunEnded
from syncd.model.run import Run
from syncd.service import Service

CANCEL_SECONDS: Final = 5.0
GLANCE_SECONDS: Final = 0.25
MAX_LISTED: Final = 10_000

Listener = Callable[[Event], None]


class OfJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of a call about one job."""

    job: str


class Starting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `start`."""

    job: str
    queries: tuple[str, ...] = ()
    full: bool = False
    verify: str = ""
    wait: bool = False


class Cancelling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `cancel`: a job or a run."""

    name: str


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of calls that list something, of one job or of all."""

    job: str | None = None
    limit: int = 20

    @property
    def count(self) -> int:
        """The limit, made sane."""
        return min(max(self.limit, 1), MAX_LISTED)


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `logs`: a run, or a job whose newest run is meant."""

    name: str
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the calls need beside the application.

    `listen` hears every event until the callable that it gives is called.
    """

    listen: Callable[[Listener], Callable[[], None]]
    reload: Callable[[], Awaitable[View]]
    about: Callable[[], View]
    log_lines: Callable[[str, Callable[[], bool]], AsyncIterator[str]]


class Calls:
    """The handlers, by name."""

    def __init__(self, service: Service, around: Surroundings) -> None:
        self._service = service
        self._around = around

    def handlers(self) -> dict[str, Handler]:
        """What the endpoint may call."""
        return {
            "status": self.status,
            "start": self.start,
            "cancel": self.cancel,
            "pause": self.pause,
            "resume": self.resume,
            "runs": self.runs,
            "logs": self.logs,
            "reload": self.reload,
            "next": self.next,
            "why": self.why,
        }

    async def status(self, arguments: dict[str, object], _tell: Tell) -> View:
        """The daemon itself and its jobs, or one of them."""
        wanted = msgspec.convert(arguments, Listing)
        if wanted.job is not None:
            self._service.job(wanted.job)
        answer: View = {"daemon": self._around.about()}
        if wanted.job is None:
            return answer | {"jobs": jobs_view(self._service)}
        journal = self._service.journal
        cursors = msgspec.to_builtins(journal.cursors(wanted.job))
        verdicts = msgspec.to_builtins(journal.verdicts(wanted.job))
        for one in cursors:
            one["verdict"] = verdicts.get(one["step"])
        return answer | {"jobs": jobs_view(self._service, [wanted.job]), "cursors": cursors}

    async def start(self, arguments: dict[str, object], tell: Tell) -> View:
        """Begin a run; with `wait`, tell its events until it has ended and is not tried again."""
        wanted = msgspec.convert(arguments, Starting)
        async with self._events() as events:
            run = self._service.start(wanted.job, wanted.queries, full=wanted.full, verify=wanted.verify)
            if wanted.wait:
                run = await self._to_the_end(run, events, tell)
        return run_view(run)

    async def cancel(self, arguments: dict[str, object], _tell: Tell) -> View:
        """Stop a run and say how it ended, or that it is still being cancelled."""
        wanted = msgspec.convert(arguments, Cancelling)
        async with self._events() as events:
            run = self._service.cancel(wanted.name)
            if not run.status.final:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_end_of(run.id, events), CANCEL_SECONDS)
        return run_view(self._now(run))

    async def pause(self, arguments: dict[str, object], _tell: Tell) -> View:
        """Let a schedule rest."""
        return self._paused(msgspec.convert(arguments, OfJob).job, True)

    async def resume(self, arguments: dict[str, object], _tell: Tell) -> View:
        """Let a schedule go on."""
        return self._paused(msgspec.convert(arguments, OfJob).job, False)

    async def runs(self, arguments: dict[str, object], _tell: Tell) -> list[View]:
        """Runs, the newest first."""
        wanted = msgspec.convert(arguments, Listing)
        found = self._service.journal.runs(wanted.job, wanted.count)
        if wanted.job is not None and not found:
            self._service.job(wanted.job)
        return [run_view(run) for run in found]

    async def logs(self, arguments: dict[str, object], tell: Tell) -> View:
        """The log of a run, line by line; with `follow`, until it has ended."""
        wanted = msgspec.convert(arguments, Logging)
        run = self._run_meant(wanted.name)
        live = self._service.runs.live
        async for text in self._around.log_lines(run.id, lambda: wanted.follow and run.id in live):
            await tell(text)
        return {"run": run.id}

    async def reload(self, _arguments: dict[str, object], _tell: Tell) -> View:
        """Take the changed files."""
        return await self._around.reload()

    async def next(self, arguments: dict[str, object], _tell: Tell) -> list[View]:
        """The coming firings, of one job or of all."""
        wanted = msgspec.convert(arguments, Listing)
        if wanted.job is not None:
            self._service.job(wanted.job)
        firings = self._service.scheduler.upcoming(wanted.job, wanted.count)
        return [self._firing(firing.job, firing.due) for firing in firings]

    async def why(self, arguments: dict[str, object], _tell: Tell) -> View:
        """Why the last expected run did or did not happen."""
        return why(self._service, msgspec.convert(arguments, OfJob).job)

    def _firing(self, name: str, due: Any) -> View:
        job = self._service.configuration.work[name]
        return {"job": name, "due": due, "timezone": job.schedule.timezone if job.schedule else "UTC"}

    def _paused(self, job: str, paused: bool) -> View:
        self._service.pause(job, paused)
        return jobs_view(self._service, [job])[0]

    def _run_meant(self, name: str) -> Run:
        found = self._service.runs.live.get(name) or self._service.journal.run(name)
        if found is not None:
            return found
        job = self._service.job(name).name
        newest = next(reversed(self._service.runs.of_job(job)), None) or self._service.latest.get(job)
        if newest is None:
            raise NotFoundError(f"job '{job}' has never run", hint=f"syncd start {job}")
        return newest

    def _now(self, run: Run) -> Run:
        latest = self._service.latest.get(run.job)
        if latest is not None and latest.id == run.id:
            return latest
        return self._service.runs.live.get(run.id) or self._service.journal.run(run.id) or run

    async def _to_the_end(self, run: Run, events: "asyncio.Queue[Event]", tell: Tell) -> Run:
        while True:
            await _end_of(run.id, events, tell)
            following = await self._following(run, events, tell)
            if following is None:
                return self._now(run)
            run = following
            if run.status.final:
                return run

    async def _following(self, run: Run, events: "asyncio.Queue[Event]", tell: Tell) -> Run | None:
        """The run that tries again what this one failed to do, awaited if need be; None when nobody will."""
        first, told = run.retry_of or run.id, False
        while True:
            newer = [*self._service.runs.of_job(run.job), self._service.latest.get(run.job, run)]
            for one in newer:
                if one.retry_of == first and one.attempt > run.attempt:
                    return one
            retry = self._service.retries.get(run.job)
            if retry is None or retry[1].id != run.id:
                return None
            if not told:
                told = True
                await tell(
                    {"event": "RetryPlanned", "job": run.job, "at": retry[2], "attempt": run.attempt + 1}
                )
            # A retry that somebody takes back is no event, hence the look now and then.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(events.get(), GLANCE_SECONDS)

    @contextlib.asynccontextmanager
    async def _events(self) -> AsyncIterator["asyncio.Queue[Event]"]:
        events: asyncio.Queue[Event] = asyncio.Queue()
        leave = self._around.listen(events.put_nowait)
        try:
            yield events
        finally:
            leave()


async def _end_of(run: str, events: "asyncio.Queue[Event]", tell: Tell | None = None) -> None:
    while True:
        event = await events.get()
        if getattr(event, "run", None) != run:
            continue
        if tell is not None:
            await tell({"event": type(event).__name__, **msgspec.to_builtins(event)})
        if isinstance(event, RunEnded):
            return
