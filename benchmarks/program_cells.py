"""The program itself: how quickly it answers, and how it bears ten thousand jobs."""

import json
import subprocess
import sys
from functools import partial

from benchmarks.cell import Cell, Stage
from benchmarks.measure import FailedError, Sample, measure, syncd_program

JOBS = 10_000
SCHEDULER_SECONDS = 30


def run_command(stage: Stage, arguments: tuple[str, ...]) -> Sample:
    """`syncd` with these arguments; ``{folder}`` stands for the benchmark's own."""
    return measure([[syncd_program(), *(one.format(folder=stage.folder) for one in arguments)]])


def run_python(stage: Stage) -> Sample:
    """What Python takes to start and do nothing."""
    return measure([[sys.executable, "-c", "pass"]])


def write_jobs(stage: Stage) -> None:
    """A configuration with ten thousand scheduled jobs."""
    lines = [f"state: {{path: {stage.folder}/state}}", "connections:", "  a: {type: sqlite, path: a.db}"]
    lines += ["  b: {type: sqlite, path: b.db}", "jobs:"]
    for number in range(JOBS):
        lines += [
            f"  job{number}:",
            "    source: a",
            "    destination: b",
            f'    queries: ["REPLICATE [Table{number}]"]',
            f'    schedule: {{cron: "{number % 60} {number % 24} * * {number % 7}", timezone: Europe/Berlin}}',
        ]
    (stage.folder / "many.yaml").write_text("\n".join(lines) + "\n")


def run_scheduler(stage: Stage) -> Sample:
    """Ten thousand schedules, one due each second, for half a minute."""
    command = [sys.executable, "-m", "benchmarks.scheduler_loop", str(JOBS), str(SCHEDULER_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(done.stderr[-500:])
    facts = json.loads(done.stdout)
    return Sample(SCHEDULER_SECONDS, facts["core %"] * SCHEDULER_SECONDS / 100, 0, 0, facts)


def cells() -> list[Cell]:
    """Start-up, a large configuration, and the scheduler."""
    check = ("check", "-c", "{folder}/many.yaml")
    return [
        Cell("start", "python", run_python),
        Cell("start", "help", partial(run_command, arguments=("--help",))),
        Cell("check", "check-10k", partial(run_command, arguments=check), write_jobs),
        Cell("scheduler", "scheduler-10k", run_scheduler, repeat=1),
    ]
