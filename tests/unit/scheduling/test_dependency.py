"""Jobs that follow other jobs."""

from syncd.model.definitions import Replication
from syncd.scheduling.dependency import Dependents


def job(name, *after, enabled=True):
    return Replication(name, "s", "d", ("REPLICATE [T]",), after=after, enabled=enabled)


def dependents(*definitions):
    one = Dependents()
    one.apply({job.name: job for job in definitions})
    return one


def test_success_starts_the_jobs_that_name_it():
    one = dependents(job("a"), job("c", "a"), job("b", "a"), job("d", "b"))

    assert one.succeeded("a") == ["b", "c"]
    assert one.succeeded("d") == []
    assert one.dependents("a") == ["b", "c"]


def test_job_after_two_others_waits_for_both_each_time():
    one = dependents(job("c", "a", "b"))

    assert [one.succeeded(name) for name in ("a", "a", "b", "b", "a")] == [[], [], ["c"], [], ["c"]]


def test_disabled_job_is_not_started():
    assert dependents(job("b", "a", enabled=False)).succeeded("a") == []


def test_reload_keeps_successes_of_unchanged_jobs_only():
    one = dependents(job("c", "a", "b"), job("d", "a", "b"))
    one.succeeded("a")

    one.apply({"c": job("c", "a", "b"), "d": job("d", "a", "b", "e")})

    assert one.succeeded("b") == ["c"]
    assert one.succeeded("e") == []
    assert one.succeeded("a") == ["d"]
