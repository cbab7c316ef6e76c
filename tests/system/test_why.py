"""`why` in every situation a job can be in."""

import pytest

from syncd.control.why import why
from syncd.model.definitions import CatchUp, Retry
from syncd.model.run import Status
from syncd.worker.wire import Outcome
from tests.system.test_service import HOURLY, PASSING, WRONG, World, configuration, job


@pytest.fixture
def world(tmp_path, clock):
    made = World(tmp_path, clock)
    yield made
    made.database.close()


def said(service) -> str:
    return " ".join(why(service, "j")["sentences"])


def test_it_has_not_been_due(world):
    service = world.service(configuration(job(schedule=HOURLY)))

    assert said(service) == "j has not been due yet. It is due next at 2026-03-01 01:00:00 UTC."


def test_it_has_no_schedule(world):
    assert (
        said(world.service(configuration(job())))
        == "j has no schedule. It runs when somebody starts it: syncd start j."
    )


def test_it_is_disabled(world):
    assert said(world.service(configuration(job(enabled=False)))).endswith(
        "It is disabled: enabled is false in its definition."
    )


def test_it_comes_after_others(world):
    assert said(world.service(configuration(job(after=("x",)), job("x")))).endswith("It runs after x.")


def test_it_ran_on_time(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    world.clock.advance(3600)
    service.tick()
    run = world.only()
    assert f"run {run} is running. Run {run} (schedule) is running now." in said(service)
    world.end(run)

    assert said(service).startswith(
        f"j was due at 2026-03-01 01:00:00 UTC and ran (schedule, on time): run {run} is ok."
    )


def test_it_ran_late_and_failed(world):
    service = world.service(configuration(job(schedule=HOURLY, retry=Retry(attempts=1))))
    world.clock.advance(3630)
    service.tick()
    world.end(world.only(), WRONG)

    assert "ran (schedule, 30 s late)" in said(service)
    assert "is failed: no such column." in said(service)


def test_it_is_tried_again(world):
    service = world.service(configuration(job(schedule=HOURLY, retry=Retry(attempts=4))))
    world.clock.advance(3600)
    service.tick()
    world.end(world.only(), PASSING)

    assert "attempt 2 of 4" in said(service)


def test_it_was_skipped_because_it_ran(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    run = service.start("j")
    world.clock.advance(3600)
    service.tick()
    world.end(run.id, Outcome(Status.CANCELLED))

    assert said(service).startswith("j was due at 2026-03-01 01:00:00 UTC and did not run: ")
    assert f"Its latest run, {run.id} (manual), is cancelled" in said(service)


def test_it_was_paused(world):
    service = world.service(configuration(job(schedule=HOURLY)))
    service.pause("j")
    world.clock.advance(3601)
    service.tick()

    assert "and did not run: paused" in said(service)
    assert said(service).endswith("It is paused; let it go on with: syncd resume j.")


def test_nobody_was_there_to_start_it(world):
    jobs = configuration(job(schedule=HOURLY.__class__(every_seconds=3600, catch_up=CatchUp.NONE)))
    world.service(jobs)
    world.clock.advance(3600 * 2.5)
    service = world.service(jobs)
    service.tick()

    assert "and did not run" in said(service)


def test_its_occurrences_are_used_up(world):
    service = world.service(configuration(job(schedule=HOURLY.__class__(every_seconds=3600, occurrences=1))))
    world.clock.advance(3600)
    service.tick()
    world.end(world.only())

    assert said(service).endswith("It will not be due again: its 1 occurrences are used up.")
