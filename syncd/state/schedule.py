"""Schedule counters across restarts: where each job's schedule stands, and whether somebody paused it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from syncd.state.database import Database, moment_of, text_of


@dataclass(frozen=True, slots=True)
class Standing:
    """One job's schedule: when it was first seen, the last moment dealt with, how often it fired.

    `timeline` describes the schedule that the counters belong to.
    """

    anchor: datetime | None = None
    last_due: datetime | None = None
    fired: int = 0
    timeline: str = ""
    paused: bool = False


class Schedules:
    """Keeps one `Standing` per job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Standing]:
        """Every job that was ever scheduled or paused, also those that are gone from the files."""
        rows = self._database.rows("SELECT job, anchor, last_due, fired, timeline, paused FROM schedules")
        return {
            str(job): Standing(
                moment_of(anchor), moment_of(last), int(str(fired)), str(timeline), bool(paused)
            )
            for job, anchor, last, fired, timeline, paused in rows
        }

    def save(self, standings: Iterable[tuple[str, Standing]]) -> None:
        """Store where these jobs' schedules stand, all at once; what did not change costs nothing."""
        rows = [
            (job, text_of(one.anchor), text_of(one.last_due), one.fired, one.timeline, int(one.paused))
            for job, one in standings
        ]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?)", rows)
