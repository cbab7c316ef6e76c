"""The history: what is written comes back, and what is old goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import BusyError
from syncd.model.definitions import History
from syncd.model.event import RunSkipped, RunStarted, StepProgressed
from syncd.model.run import Counters, Failure, Run, Status, StepResult, Trigger, Verdict
from syncd.state.database import Database
from syncd.state.journal import Journal, new_run_id


@pytest.fixture
def journal(tmp_path):
    database = Database(tmp_path)
    yield Journal(database)
    database.close()


def a_run(clock, number: int = 1, **more) -> Run:
    values = {"job": "j", "status": Status.QUEUED, "trigger": Trigger.MANUAL, "created": clock.now()}
    return Run(id=f"run-{number}", **{**values, **more})


def ended(run: Run, clock, status: Status = Status.OK) -> Run:
    step = StepResult(
        "t",
        status,
        Counters(3, 1, 1, 1, 0),
        mark_from="1",
        mark_to="9",
        rows_known=12,
        seconds=0.5,
        warnings=("two rows from the future",),
    )
    return replace(run, status=status, started=clock.now(), ended=clock.now(), steps=(step,))


def test_a_run_comes_back_as_it_was_written(journal, clock):
    run = ended(
        a_run(clock, queries=("REPLICATE [t]",), full=True, due=clock.now(), generation=3, attempt=2), clock
    )
    run = replace(run, failure=Failure("code", "text", "hint", "where", transient=True))
    journal.create_run(run)

    journal.end_run(run)

    assert journal.run("run-1") == run
    assert journal.runs("j") == [run]
    assert journal.latest() == {"j": run}
    assert journal.run("run-2") is None


def test_the_newest_run_comes_first(journal, clock):
    for number in range(5):
        journal.create_run(a_run(clock, number))

    assert [run.id for run in journal.runs("j", limit=2)] == ["run-4", "run-3"]


def test_a_job_has_one_lease(journal, clock):
    first, second = a_run(clock, 1, started=clock.now()), a_run(clock, 2, started=clock.now())
    journal.create_run(first)
    journal.create_run(second)
    journal.start_run(first, 1)

    with pytest.raises(BusyError):
        journal.start_run(second, 1)
    journal.end_run(ended(first, clock))

    journal.start_run(second, 1)


def test_the_end_of_a_run_mirrors_how_far_its_steps_came(journal, clock):
    journal.end_run(ended(a_run(clock), clock))

    (cursor,) = journal.cursors("j")
    assert (cursor.step, cursor.mark, cursor.rows, cursor.updated) == ("t", "9", 12, clock.now())


def test_a_failed_step_does_not_move_the_mirror(journal, clock):
    journal.end_run(ended(a_run(clock), clock, Status.FAILED))

    assert journal.cursors("j") == []


def test_a_new_owner_finds_unfinished_runs_and_marks_them(journal, clock):
    statuses = (Status.QUEUED, Status.RUNNING, Status.CANCELLING, Status.OK, Status.FAILED)
    for number, status in enumerate(statuses):
        run = a_run(clock, number, job=f"j{number}")
        journal.create_run(replace(run, status=status))
    journal.start_run(a_run(clock, 1, job="j1", started=clock.now(), status=Status.RUNNING), 1)

    found = journal.interrupt_unfinished(clock.now())

    assert {run.id for run in found} == {"run-0", "run-1", "run-2"}
    assert {run.status for run in found} == {Status.INTERRUPTED}
    assert journal.run("run-1").status is Status.INTERRUPTED
    assert journal.run("run-3").status is Status.OK
    assert journal.interrupt_unfinished(clock.now()) == []
    journal.start_run(a_run(clock, 1, job="j1", started=clock.now()), 1)


def test_a_run_whose_beginning_could_not_be_written_is_written_at_its_end(journal, clock):
    run = ended(a_run(clock), clock)

    journal.end_run(run)

    assert journal.run("run-1") == run


def test_what_is_written_alongside_a_run_stands_or_falls_with_it(journal, clock):
    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        journal.create_run(a_run(clock), fail)

    assert journal.runs() == []


def test_events_keep_their_facts_and_progress_is_not_history(journal, clock):
    journal.create_run(a_run(clock))
    journal.record(RunStarted("run-1", "j", 7, 1), clock.now())
    journal.record(StepProgressed("run-1", "j", "t", 5, 50), clock.now())

    (record,) = journal.events("run-1")

    assert (record.name, record.at, record.facts["generation"]) == ("RunStarted", clock.now(), 7)


def test_the_last_event_of_a_name_is_found_by_job(journal, clock):
    for reason in ("paused", "running"):
        journal.record(RunSkipped("j", clock.now(), reason), clock.now())
    journal.record(RunSkipped("other", clock.now(), "else"), clock.now())

    assert journal.last_event("RunSkipped", "j").facts["reason"] == "running"
    assert journal.last_event("RunSkipped", "nobody") is None


def test_old_and_surplus_runs_go_but_never_the_newest_or_the_unfinished(journal, clock):
    journal.end_run(ended(a_run(clock, 0, job="rare"), clock))
    journal.create_run(a_run(clock, 1, job="waits"))
    clock.advance(timedelta(days=10).total_seconds())
    for number in range(2, 8):
        journal.end_run(ended(a_run(clock, number), clock))
        journal.record(RunStarted(f"run-{number}", "j", 1, 1), clock.now())

    gone = journal.prune(clock.now(), History(max_age_days=5, max_runs_per_job=2))

    assert gone == 4
    assert [run.id for run in journal.runs("j")] == ["run-7", "run-6"]
    assert len(journal.runs("rare")) == len(journal.runs("waits")) == 1
    assert journal.events("run-3") == []


def test_the_last_verdict_about_a_step_outlives_its_run(journal, clock):
    first, last = (Verdict("checksum", 12, missing=missing, at=clock.now()) for missing in (1, 2))
    for number, verdict in enumerate((first, last, None, None)):
        run = ended(a_run(clock, number), clock)
        journal.end_run(replace(run, steps=(replace(run.steps[0], verdict=verdict),)))

    journal.prune(clock.now(), History(max_age_days=5, max_runs_per_job=1))

    assert len(journal.runs("j")) == 1
    assert journal.verdicts("j") == {"t": last}


def test_run_ids_sort_by_time(clock):
    first = new_run_id(clock.now(), 0xFFFF)
    clock.advance(0.001)

    assert first == "20260301T000000000-ffff"
    assert new_run_id(clock.now(), 0) > first


def test_what_is_told_about_an_unknown_run_is_not_stored(journal, clock):
    journal.record(RunStarted("nobody", "j", 1, 1), clock.now())

    assert journal.events("nobody") == []
