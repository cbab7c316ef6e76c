"""One event of every kind, with every fact set."""

from datetime import UTC, datetime

from syncd.model import event as events
from syncd.model.run import Counters, Failure, Status, StepResult, Trigger, Verdict

DUE = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
COUNTERS = Counters(10, 6, 2, 1, 1, 3)
FAILURE = Failure("unavailable", "cannot reach db:5432", "is it up?", "crm", True)
VERDICT = Verdict("checksum", 100, missing=1, different=2, surplus=4, repaired=5, examples=("[8]",), at=DUE)
RESULT = StepResult(
    "Accounts", Status.OK, COUNTERS, "1", "9", False, 100, 1.5, truncated=(("name", 2),), verdict=VERDICT
)

EVENTS = [
    events.RunQueued("r1", "a", Trigger.SCHEDULE, 3, DUE),
    events.RunStarted("r1", "a", 3, 1),
    events.StepStarted("r1", "a", "Accounts", "incremental", 100, "1"),
    events.StepProgressed("r1", "a", "Accounts", 5, 4096),
    events.WindowCommitted("r1", "a", "Accounts", 1, COUNTERS, 0.25),
    events.StatementSent("r1", "a", "source", "SELECT 1"),
    events.HookEnded("r1", "a", "pre", 0.5, True, FAILURE),
    events.StateReset("r1", "a", "Accounts", "the destination was emptied"),
    events.StepEnded("r1", "a", RESULT),
    events.RunEnded("r1", "a", Status.FAILED, COUNTERS, 2.0, FAILURE),
    events.RunSkipped("a", DUE, "overlap: run r0 has not ended"),
    events.ConfigApplied(4, ("job b",), ("job a",), ("connection x",)),
    events.ConfigRejected(4, ("syncd.yaml:3:1: jobs: unknown key",)),
    events.DaemonStarted("0.1.0", 1, 12, ("r0",)),
    events.DaemonStopped("SIGTERM"),
    events.JobPaused("a", True),
]
