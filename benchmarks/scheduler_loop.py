"""The scheduler at work: 10 000 schedules of which one fires each second. Prints its figures as JSON."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta

from syncd.model.definitions import Replication, Schedule
from syncd.scheduling.scheduler import Scheduler


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


def make_jobs(count: int, begin: datetime) -> dict[str, Replication]:
    """So many jobs, each due every `count` seconds, one second after the other."""
    jobs = {}
    for number in range(count):
        plan = Schedule(every_seconds=count, start=begin + timedelta(seconds=number))
        jobs[f"job{number}"] = Replication(f"job{number}", "s", "d", ("REPLICATE [T]",), schedule=plan)
    return jobs


async def keep_time(scheduler: Scheduler, seconds: float) -> list[float]:
    """Sleep until something is due, again and again: how late each firing was, in milliseconds."""
    late: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = datetime.now(UTC)
        late += [(now - firing.due).total_seconds() * 1000 for firing in scheduler.due()]
        due = scheduler.next_due()
        wait = 1.0 if due is None else (due - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, min(wait, end - time.monotonic())))
    return late


def main(count: int, seconds: float) -> None:
    """Measure and print."""
    scheduler = Scheduler(WallClock(), lambda: 0.0)
    begin = time.perf_counter()
    scheduler.apply(make_jobs(count, datetime.now(UTC) + timedelta(seconds=1)), {})
    apply_seconds = time.perf_counter() - begin
    cpu = time.process_time()
    late = sorted(asyncio.run(keep_time(scheduler, seconds)))
    share = (time.process_time() - cpu) / seconds
    figures = {"apply s": apply_seconds, "firings": len(late), "core %": share * 100}
    figures |= {
        "late p50 ms": late[len(late) // 2],
        "late p99 ms": late[int(len(late) * 0.99)],
        "late max ms": late[-1],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
