"""Admission control: limits, overlap, and fairness among those who wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import BusyError, NotFoundError
from syncd.model.definitions import Overlap
from syncd.scheduling.queue import MAX_WAITING_PER_JOB, PATIENCE, Decision, RunQueue, Verdict

START = Decision(Verdict.START)


def queue(max_runs=10, **limits):
    return RunQueue(max_runs, limits)


def submit(one, run, job="", connections=("x",), overlap=Overlap.QUEUE):
    return one.submit(run, job or run, connections, overlap)


def test_run_starts_when_nothing_is_in_its_way():
    one = queue()

    assert submit(one, "r1") == START
    assert one.running == ("r1",)


def test_daemon_runs_no_more_at_once_than_its_limit():
    one = queue(2)
    submit(one, "r1")
    submit(one, "r2")

    decision = submit(one, "r3")

    assert decision == Decision(Verdict.QUEUED, "2 runs are running, the limit is 2")
    assert one.ended("r1") == ["r3"]


def test_connection_is_used_by_no_more_runs_than_its_limit():
    one = queue(crm=1)
    submit(one, "r1", connections=("crm", "dw"))

    decision = submit(one, "r2", connections=("dw", "crm"))

    assert decision == Decision(Verdict.QUEUED, "connection 'crm' is used by 1 run, its limit")
    assert one.ended("r1") == ["r2"]


def test_connection_that_is_source_and_destination_counts_once():
    one = queue(crm=2)
    submit(one, "r1", connections=("crm", "crm"))

    assert submit(one, "r2", connections=("crm", "crm")) == START


def test_busy_connection_does_not_hold_up_those_who_need_another():
    one = queue(crm=1)
    submit(one, "r1", connections=("crm",))
    submit(one, "r2", connections=("crm",))

    assert submit(one, "r3", connections=("dw",)) == START
    assert one.waiting == ("r2",)


def test_overlap_skip_gives_the_run_that_is_in_the_way():
    one = queue(1)
    submit(one, "r1", "a")

    assert submit(one, "r2", "a", overlap=Overlap.SKIP) == Decision(
        Verdict.SKIPPED, "overlap: run r1 has not ended"
    )
    submit(one, "r3", "b")
    assert submit(one, "r4", "b", overlap=Overlap.SKIP) == Decision(
        Verdict.SKIPPED, "overlap: run r3 still waits"
    )
    assert one.waiting == ("r3",)


def test_overlap_queue_runs_one_after_the_other_in_order():
    one = queue()
    submit(one, "r1", "a")
    submit(one, "r2", "a")
    submit(one, "r3", "a")

    assert one.ended("r1") == ["r2"]
    assert one.ended("r2") == ["r3"]


def test_overlap_queue_does_not_grow_without_end():
    one = queue()
    submit(one, "r0", "a")
    for number in range(MAX_WAITING_PER_JOB):
        assert submit(one, f"w{number}", "a").verdict is Verdict.QUEUED

    assert submit(one, "last", "a").verdict is Verdict.SKIPPED
    assert len(one.waiting) == MAX_WAITING_PER_JOB


def test_overlap_cancel_stops_the_running_one_and_takes_the_place_of_the_waiting():
    one = queue()
    submit(one, "r1", "a")
    submit(one, "r2", "a")

    decision = submit(one, "r3", "a", overlap=Overlap.CANCEL)

    assert decision == Decision(Verdict.QUEUED, "overlap: run r1 is being cancelled", ("r1",), ("r2",))
    assert one.ended("r1") == ["r3"]


def test_run_of_two_connections_is_not_starved_by_runs_of_one():
    one = queue(crm=1, dw=1)
    submit(one, "long", connections=("dw",))
    submit(one, "short0", connections=("crm",))
    submit(one, "both", connections=("crm", "dw"))
    for number in range(1, PATIENCE + 1):
        submit(one, f"short{number}", connections=("crm",))
        assert one.ended(f"short{number - 1}") == [f"short{number}"]
    submit(one, "late", connections=("crm",))

    assert one.ended(f"short{PATIENCE}") == []
    assert one.ended("long") == ["both"]
    assert one.ended("both") == ["late"]


def test_being_passed_by_runs_of_other_connections_takes_no_patience():
    one = queue(30, crm=1, dw=1)
    submit(one, "long", connections=("dw",))
    submit(one, "both", connections=("crm", "dw"))
    for number in range(PATIENCE + 1):
        submit(one, f"other{number}", connections=("x",))

    assert submit(one, "r1", connections=("crm",)) == START


def test_job_that_waits_for_itself_reserves_nothing():
    one = queue(30, crm=30)
    submit(one, "a1", "a", connections=("crm",))
    submit(one, "a2", "a", connections=("crm",))
    one.limit(30, {"crm": 2})
    for number in range(PATIENCE + 2):
        assert submit(one, f"r{number}", connections=("crm",)) == START
        one.ended(f"r{number}")

    assert one.waiting == ("a2",)


def test_submitting_a_run_starts_no_other():
    one = queue(crm=1, dw=1)
    submit(one, "long", connections=("dw",))
    submit(one, "short0", connections=("crm",))
    submit(one, "both", "j", connections=("crm", "dw"))
    for number in range(PATIENCE):
        submit(one, f"short{number + 1}", connections=("crm",))
        one.ended(f"short{number}")
    submit(one, "late", connections=("crm",))
    one.ended(f"short{PATIENCE}")

    decision = submit(one, "new", "j", connections=("dw",), overlap=Overlap.CANCEL)

    assert (decision.verdict, decision.dropped) == (Verdict.QUEUED, ("both",))
    assert one.running == ("long",)
    assert one.ended("long") == ["late", "new"]


def test_changed_limits_let_waiting_runs_start():
    one = queue(1, crm=1)
    submit(one, "r1", connections=("crm",))
    submit(one, "r2", connections=("crm",))
    submit(one, "r3", connections=("dw",))

    assert one.limit(3, {"crm": None}) == ["r2", "r3"]


def test_lowered_limit_lets_running_ones_go_on_and_starts_no_other():
    one = queue(3)
    for run in ("r1", "r2", "r3"):
        submit(one, run)
    submit(one, "r4")

    assert one.limit(1, {}) == []
    assert [one.ended("r1"), one.ended("r2"), one.ended("r3")] == [[], [], ["r4"]]


def test_withdrawn_run_does_not_start():
    one = queue(1)
    submit(one, "r1")
    submit(one, "r2")

    assert one.withdraw("r2")
    assert not one.withdraw("r1")
    assert one.ended("r1") == []


def test_run_that_is_unknown_or_known_already_is_refused():
    one = queue()
    submit(one, "r1")

    with pytest.raises(BusyError, match="r1"):
        submit(one, "r1", "other")
    with pytest.raises(NotFoundError, match="r9"):
        one.ended("r9")


def test_reason_of_a_waiting_run_follows_what_happens():
    one = queue(2)
    submit(one, "r1", "a")
    submit(one, "r2", "a")
    first = one.reason("r2")
    submit(one, "r3", "b")

    assert first == "the job's run before it has not ended"
    assert one.reason("r1") == ""


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.sets(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2),
        st.sampled_from(Overlap),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4), st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(1, 2)))
def test_limits_hold_and_every_admitted_run_starts_in_the_end(steps, max_runs, limits):
    one = RunQueue(max_runs, limits)
    about, started, gone, promised = {}, [], set(), set()

    def check():
        running = [about[run] for run in one.running]
        assert len(running) <= max_runs
        assert len({job for job, _ in running}) == len(running)
        for name, most in limits.items():
            assert sum(name in connections for _, connections in running) <= most

    for number, (job, connections, overlap, ends) in enumerate(steps):
        run = f"r{number}"
        about[run] = (job, connections)
        decision = one.submit(run, job, tuple(connections), overlap)
        if decision.verdict is Verdict.START:
            started.append(run)
        if decision.verdict is not Verdict.SKIPPED:
            promised.add(run)
        gone.update(decision.dropped)
        check()
        for _ in range(ends):
            if one.running:
                started += one.ended(one.running[0])
                check()
    while one.running:
        started += one.ended(one.running[-1])
        check()

    assert one.waiting == ()
    assert sorted(started) == sorted(promised - gone)
