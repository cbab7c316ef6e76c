"""The history: every run with its steps, every event, and what a new owner of the state has to tidy up."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from syncd.errors import BusyError
from syncd.model.definitions import History
from syncd.model.event import Event, StatementSent, StepProgressed
from syncd.model.run import Counters, Failure, Run, Status, StepResult, Verdict
from syncd.state.database import Database, moment_of, text_of

RUN_COLUMNS: Final = 'id, job, status, "trigger", created, started, ended, due, attempt, retry_of, generation, "full", queries, failure, verify'
STEP_COLUMNS: Final = (
    'run, position, step, status, "read", inserted, updated, unchanged, rejected, mark_from, mark_to,'
    " nothing_to_do, rows_known, seconds, warnings, failure, deleted, truncated, verdict, deletes"
)
INTERRUPTED: Final = Failure(
    "interrupted", "the process that ran it died", hint="it goes on from the last committed window"
)
UNFINISHED: Final = "('queued', 'running', 'cancelling')"
PUT_RUN: Final = f"INSERT OR REPLACE INTO runs ({RUN_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608  # constants
PUT_STEP: Final = f"INSERT OR REPLACE INTO steps ({STEP_COLUMNS}) VALUES ({', '.join('?' * 20)})"  # noqa: S608  # constants
FORGET_OLD: Final = f"""
    DELETE FROM runs WHERE created < ? AND status NOT IN {UNFINISHED}
    AND rowid NOT IN (SELECT max(rowid) FROM runs GROUP BY job)
"""  # noqa: S608  # constants
CROWDED: Final = "SELECT job FROM runs GROUP BY job HAVING count(*) > max(?, 1)"
FORGET_SURPLUS: Final = f"""
    DELETE FROM runs WHERE status NOT IN {UNFINISHED}
    AND rowid IN (SELECT rowid FROM runs WHERE job = ? ORDER BY created DESC, rowid DESC LIMIT -1 OFFSET max(?, 1))
"""  # noqa: S608  # constants
PUT_EVENT: Final = """
    INSERT INTO events (at, name, run, job, facts) SELECT ?1, ?2, ?3, ?4, ?5
    WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM runs WHERE id = ?3)
"""
"""What is told about a run that is not stored (the disk was full, or it was forgotten) is not stored either."""
PUT_CURSOR: Final = (
    'INSERT OR REPLACE INTO cursors (job, step, mark, "rows", updated, deletes) VALUES (?, ?, ?, ?, ?, ?)'
)
PUT_VERDICT: Final = "INSERT OR REPLACE INTO verdicts (job, step, verdict) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it was stored: when, its class name and its facts."""

    at: datetime
    name: str
    run: str | None
    job: str | None
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class CursorView:
    """How far a step has come, as last reported; the truth is in the destination. `deletes` as in `StepResult`."""

    job: str
    step: str
    mark: str | None
    rows: int | None
    updated: datetime
    deletes: str


class Journal:
    """Writes and reads the history of one state database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_run(self, run: Run, alongside: Callable[[], None] = lambda: None) -> None:
        """Store a run that waits for its turn, and what `alongside` writes, in one transaction."""
        with self._database.transaction() as connection:
            alongside()
            connection.execute(PUT_RUN, _run_row(run))

    def start_run(self, run: Run, pid: int) -> None:
        """Store that a run moves, and give it its job's lease.

        Raises:
            BusyError: another run of the job holds the lease.
        """
        with self._database.transaction() as connection:
            try:
                connection.execute(
                    "INSERT INTO leases (job, run, pid, taken) VALUES (?, ?, ?, ?)",
                    (run.job, run.id, pid, text_of(run.started)),
                )
            except sqlite3.IntegrityError as error:
                raise BusyError(
                    f"job '{run.job}' is running", hint="wait, or cancel it", where=run.id
                ) from error
            connection.execute(
                "UPDATE runs SET status = ?, started = ?, generation = ? WHERE id = ?", _started(run)
            )

    def update_run(self, run: Run) -> None:
        """Store a change of a run that goes on, such as that it is being cancelled."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE runs SET status = ? WHERE id = ?", (run.status.value, run.id))

    def end_run(self, run: Run) -> None:
        """Store a final run with its steps and verdicts, give back its lease, mirror the cursors; all at once, on the disk."""
        with self._database.transaction(durable=True) as connection:
            connection.execute("DELETE FROM leases WHERE run = ?", (run.id,))
            if not connection.execute(
                "UPDATE runs SET status = ?, ended = ?, started = ?, failure = ? WHERE id = ?",
                (run.status.value, text_of(run.ended), text_of(run.started), _json(run.failure), run.id),
            ).rowcount:
                connection.execute(PUT_RUN, _run_row(run))
            connection.executemany(PUT_STEP, [_step_row(run.id, *place) for place in enumerate(run.steps)])
            connection.executemany(
                PUT_CURSOR,
                [
                    (run.job, step.step, step.mark_to, step.rows_known, text_of(run.ended), step.deletes)
                    for step in run.steps
                    if step.status in {Status.OK, Status.PARTIAL}
                ],
            )
            connection.executemany(
                PUT_VERDICT,
                [(run.job, step.step, _json(step.verdict)) for step in run.steps if step.verdict is not None],
            )

    def interrupt_unfinished(self, now: datetime) -> list[Run]:
        """Mark what a dead owner left unfinished, and free its leases; the runs as they are now."""
        left = self._runs(f"SELECT {RUN_COLUMNS} FROM runs WHERE status IN {UNFINISHED}")  # noqa: S608  # constants
        with self._database.transaction(durable=True) as connection:
            connection.execute("DELETE FROM leases")
            connection.executemany(
                "UPDATE runs SET status = ?, ended = ?, failure = ? WHERE id = ?",
                [(Status.INTERRUPTED.value, text_of(now), _json(INTERRUPTED), run.id) for run in left],
            )
        return [replace(run, status=Status.INTERRUPTED, ended=now, failure=INTERRUPTED) for run in left]

    def run(self, run_id: str) -> Run | None:
        """The run of that id, with its steps."""
        found = self._runs(f"SELECT {RUN_COLUMNS} FROM runs WHERE id = ?", (run_id,))  # noqa: S608  # constants
        return self._with_steps(found)[0] if found else None

    def runs(self, job: str | None = None, limit: int = 20) -> list[Run]:
        """The newest runs first, of one job or of all, with their steps."""
        where, values = ("WHERE job = ?", (job,)) if job is not None else ("", ())
        order = "ORDER BY created DESC, rowid DESC LIMIT ?"
        sql = f"SELECT {RUN_COLUMNS} FROM runs {where} {order}"  # noqa: S608  # constants
        return self._with_steps(self._runs(sql, (*values, limit)))

    def last_due_run(self, job: str) -> Run | None:
        """The job's newest run that a schedule named a moment for, steps left out."""
        condition = "WHERE job = ? AND due IS NOT NULL ORDER BY rowid DESC LIMIT 1"
        found = self._runs(f"SELECT {RUN_COLUMNS} FROM runs {condition}", (job,))  # noqa: S608  # constants
        return found[0] if found else None

    def latest(self, *, moving: bool = False) -> dict[str, Run]:
        """The newest run of every job that ever ran, with its steps; with `moving` comparisons do not count."""
        condition = "WHERE verify = ''" if moving else ""
        newest = f"SELECT max(rowid) FROM runs {condition} GROUP BY job"  # noqa: S608  # constants
        found = self._runs(f"SELECT {RUN_COLUMNS} FROM runs WHERE rowid IN ({newest})")  # noqa: S608  # constants
        return {run.job: run for run in self._with_steps(found)}

    def record(self, event: Event, at: datetime) -> None:
        """Store one event. Progress is not history and is not stored."""
        if isinstance(event, StepProgressed | StatementSent):
            return
        with self._database.transaction() as connection:
            connection.execute(PUT_EVENT, _event_row(event, at))

    def record_all(self, events: Sequence[Event], at: datetime) -> None:
        """Store what a run told, in one transaction."""
        rows = [
            _event_row(event, at) for event in events if not isinstance(event, StepProgressed | StatementSent)
        ]
        if rows:
            with self._database.transaction() as connection:
                connection.executemany(PUT_EVENT, rows)

    def events(self, run: str) -> list[Record]:
        """The events of one run, oldest first."""
        return self._events("run = ? ORDER BY id", (run,))

    def last_event(self, name: str, job: str | None = None) -> Record | None:
        """The newest event of that name, of one job or of the daemon."""
        found = self._events("name = ? AND job IS ? ORDER BY id DESC LIMIT 1", (name, job))
        return found[0] if found else None

    def verdicts(self, job: str) -> dict[str, Verdict]:
        """The newest verdict about each step of the job, by name."""
        found = self._database.rows("SELECT step, verdict FROM verdicts WHERE job = ?", (job,))
        return {str(step): msgspec.json.decode(str(text), type=Verdict) for step, text in found}

    def cursors(self, job: str) -> list[CursorView]:
        """How far each step of the job has come, by name."""
        found = self._database.rows(
            'SELECT job, step, mark, "rows", updated, deletes FROM cursors WHERE job = ? ORDER BY step',
            (job,),
        )
        return [
            msgspec.convert(dict(zip(CursorView.__slots__, row, strict=True)), CursorView) for row in found
        ]

    def prune(self, now: datetime, history: History) -> int:
        """Forget runs that are too old or too many, but never a job's newest one; how many went."""
        cutoff = text_of(now - timedelta(days=history.max_age_days))
        gone = 0
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE created < ? LIMIT 1", (cutoff,)).fetchone():
                gone += connection.execute(FORGET_OLD, (cutoff,)).rowcount
            for (job,) in connection.execute(CROWDED, (history.max_runs_per_job,)).fetchall():
                gone += connection.execute(FORGET_SURPLUS, (job, history.max_runs_per_job)).rowcount
            connection.execute("DELETE FROM events WHERE run IS NULL AND at < ?", (cutoff,))
        return gone

    def _runs(self, sql: str, values: tuple[object, ...] = ()) -> list[Run]:
        return [_run(row) for row in self._database.rows(sql, values)]

    def _with_steps(self, runs: list[Run]) -> list[Run]:
        marks = ", ".join("?" * len(runs))
        sql = f"SELECT {STEP_COLUMNS} FROM steps WHERE run IN ({marks}) ORDER BY run, position"  # noqa: S608  # marks
        steps: dict[str, list[StepResult]] = {}
        for row in self._database.rows(sql, tuple(run.id for run in runs)):
            steps.setdefault(str(row[0]), []).append(_step(row))
        return [replace(run, steps=tuple(steps.get(run.id, ()))) for run in runs]

    def _events(self, condition: str, values: tuple[object, ...]) -> list[Record]:
        sql = f"SELECT at, name, run, job, facts FROM events WHERE {condition}"  # noqa: S608  # constants of this class
        return [
            msgspec.convert(
                dict(zip(Record.__slots__, (*row[:4], msgspec.json.decode(str(row[4]))), strict=True)), Record
            )
            for row in self._database.rows(sql, values)
        ]


def new_run_id(now: datetime, salt: int) -> str:
    """A name for a run that sorts by time, for example ``20261122T091800123-3fa9``; `salt` tells equal times apart."""
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}-{salt & 0xFFFF:04x}"


def _started(run: Run) -> tuple[object, ...]:
    return (run.status.value, text_of(run.started), run.generation, run.id)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _event_row(event: Event, at: datetime) -> tuple[object, ...]:
    run, job = getattr(event, "run", None), getattr(event, "job", None)
    return (text_of(at), type(event).__name__, run, job, _json(event))


def _run_row(run: Run) -> tuple[object, ...]:
    moments = (run.created, run.started, run.ended, run.due)
    return (
        *(run.id, run.job, run.status.value, run.trigger.value),
        *(text_of(moment) for moment in moments),
        *(run.attempt, run.retry_of, run.generation, int(run.full), _json(run.queries), _json(run.failure)),
        run.verify,
    )


def _run(row: tuple[object, ...]) -> Run:
    known, (created, started, ended, due), rest = row[:4], row[4:8], row[8:]
    moments = (moment_of(created), moment_of(started), moment_of(ended), moment_of(due))
    queries = msgspec.json.decode(str(rest[4]))
    failure = None if rest[5] is None else msgspec.json.decode(str(rest[5]))
    values = (*known, *moments, *rest[:3], bool(rest[3]), rest[6], queries, (), failure)
    return msgspec.convert(dict(zip(Run.__slots__, values, strict=True)), Run)


def _step_row(run: str, position: int, step: StepResult) -> tuple[object, ...]:
    counters = step.counters
    return (
        *(run, position, step.step, step.status.value),
        *(counters.read, counters.inserted, counters.updated, counters.unchanged, counters.rejected),
        *(step.mark_from, step.mark_to, int(step.nothing_to_do), step.rows_known, step.seconds),
        *(_json(step.warnings), _json(step.failure)),
        *(counters.deleted, _json(step.truncated), _json(step.verdict), step.deletes),
    )


def _step(row: tuple[object, ...]) -> StepResult:
    (name, status), numbers, rest = row[2:4], row[4:9], row[9:]
    failure = None if rest[6] is None else msgspec.json.decode(str(rest[6]), type=Failure)
    return StepResult(
        step=str(name),
        status=Status(str(status)),
        counters=Counters(*(int(str(number)) for number in (*numbers, rest[7]))),
        mark_from=None if rest[0] is None else str(rest[0]),
        mark_to=None if rest[1] is None else str(rest[1]),
        nothing_to_do=bool(rest[2]),
        rows_known=None if rest[3] is None else int(str(rest[3])),
        seconds=float(str(rest[4])),
        warnings=msgspec.json.decode(str(rest[5]), type=tuple[str, ...]),
        failure=failure,
        truncated=msgspec.json.decode(str(rest[8]), type=tuple[tuple[str, int], ...]),
        verdict=None if rest[9] is None else msgspec.json.decode(str(rest[9]), type=Verdict),
        deletes=str(rest[10]),
    )
