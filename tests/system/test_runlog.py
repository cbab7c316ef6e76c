"""A file per run: written, kept to its owner, read back, cleaned up, and never a reason to fail."""

import json
import logging
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import NotFoundError
from syncd.model.definitions import Logs
from syncd.model.event import RunEnded, StateReset
from syncd.model.run import Counters, Status
from syncd.observe.runlog import RunLogs, file_name
from syncd.observe.scrub import Scrubber
from tests.unit.observe.samples import EVENTS

RUN_EVENTS = [event for event in EVENTS if getattr(event, "run", None)]


def logs(folder, clock, secrets=(), **settings):
    return RunLogs(folder, Logs(**settings), Scrubber(secrets), clock)


def ended(run, job="a"):
    return RunEnded(run, job, Status.OK, Counters())


def actions(lines):
    return [json.loads(line)["event.action"] for line in lines]


def test_everything_of_a_run_is_in_its_file_but_progress(tmp_path, clock):
    one = logs(tmp_path / "logs", clock)
    for event in EVENTS:
        one.write(event)
        clock.advance(1)

    assert actions(one.lines("r1")) == [
        "run-queued", "run-started", "step-started", "window-committed", "hook-ended", "state-reset", "step-ended", "run-ended"
    ]  # fmt: skip
    assert one.path("r1") == tmp_path / "logs" / "a" / "20260301T000000Z-r1.jsonl"
    assert json.loads(next(one.lines("r1")))["@timestamp"] == "2026-03-01T00:00:00.000000Z"
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["a"]


def test_progress_is_written_at_level_debug(tmp_path, clock):
    one = logs(tmp_path, clock, level="debug")
    for event in RUN_EVENTS:
        one.write(event)

    assert "step-progressed" in actions(one.lines("r1"))


def test_only_the_owner_may_read(tmp_path, clock):
    one = logs(tmp_path / "logs", clock)
    before = os.umask(0)
    try:
        one.write(RUN_EVENTS[0])
    finally:
        os.umask(before)

    assert one.path("r1").stat().st_mode & 0o777 == 0o600
    assert one.path("r1").parent.stat().st_mode & 0o777 == 0o700


def test_secrets_do_not_reach_the_file(tmp_path, clock):
    one = logs(tmp_path, clock, ["marker-secret-71"])

    reset = next(event for event in RUN_EVENTS if isinstance(event, StateReset))
    one.write(replace(reset, reason="marker-secret-71 and token=abc"))

    assert 'reason":"*** and token=***"' in next(one.lines("r1"))


def test_next_process_goes_on_in_the_same_file(tmp_path, clock):
    logs(tmp_path, clock).write(RUN_EVENTS[1])
    clock.advance(3600)

    later = logs(tmp_path, clock)
    later.write(ended("r1"))

    assert actions(later.lines("r1")) == ["run-started", "run-ended"]


def test_following_gives_whole_lines_only(tmp_path, clock):
    one = logs(tmp_path, clock)
    one.write(RUN_EVENTS[0])
    first, offset = one.lines_after("r1", 0)
    with one.path("r1").open("ab") as file:
        file.write(b'{"half')
        file.flush()
        nothing, same = one.lines_after("r1", offset)
        file.write(b'":1}\n')
    rest, end = one.lines_after("r1", same)

    assert (len(first), nothing, rest, same) == (1, [], ['{"half":1}'], offset)
    assert end == one.path("r1").stat().st_size


@pytest.mark.parametrize("run", ["r2", "*", "../r1", "1", ""])
def test_unknown_run_has_no_log(tmp_path, clock, run):
    one = logs(tmp_path, clock)
    one.write(RUN_EVENTS[0])

    with pytest.raises(NotFoundError, match="no log of run"):
        one.path(run)


def test_job_names_become_safe_and_different_folders(tmp_path, clock):
    names = ["a/b", "a%2Fb", "..", ".", ".hidden", "x" * 300, "x" * 301, "Größe", "a b", "\n"]

    folders = [file_name(name) for name in names]

    assert len(set(folders)) == len(names)
    for folder in folders:
        (tmp_path / folder).mkdir()
        assert (tmp_path / folder).resolve().parent == tmp_path.resolve()


def test_full_disk_drops_lines_warns_once_a_run_and_fails_nothing(tmp_path, clock, caplog):
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    one = logs(blocked, clock)

    for event in RUN_EVENTS[:3]:
        one.write(event)

    assert one.dropped == 3
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]


def test_line_that_the_disk_takes_in_part_is_taken_back(tmp_path, clock, monkeypatch):
    one = logs(tmp_path, clock)
    one.write(RUN_EVENTS[0])
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    one.write(RUN_EVENTS[1])
    monkeypatch.undo()
    one.write(ended("r1"))

    assert actions(one.lines("r1")) == ["run-queued", "run-ended"]
    assert one.dropped == 1


def aged(one, clock, run, days, job="a"):
    one.write(ended(run, job))
    moment = (clock.now() - timedelta(days=days)).timestamp()
    os.utime(one.path(run), (moment, moment))


def test_old_files_go_and_empty_folders_with_them(tmp_path, clock):
    one = logs(tmp_path, clock, max_age_days=30)
    aged(one, clock, "old", 31, "gone")
    aged(one, clock, "young", 29)

    assert one.clean() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(NotFoundError):
        one.path("old")


def test_oldest_files_go_until_the_rest_is_small_enough(tmp_path, clock):
    one = logs(tmp_path, clock, max_total_megabytes=1)
    for number in range(4):
        aged(one, clock, f"r{number}", number)
        one.path(f"r{number}").write_bytes(b"x" * 400_000)
        moment = (clock.now() - timedelta(days=number)).timestamp()
        os.utime(one.path(f"r{number}"), (moment, moment))

    one.clean()

    assert sorted(path.name[17:] for path in tmp_path.glob("*/*")) == ["r0.jsonl", "r1.jsonl"]


def test_file_of_a_live_run_stays(tmp_path, clock):
    one = logs(tmp_path, clock, max_age_days=1, max_total_megabytes=0)
    one.write(RUN_EVENTS[1])
    os.utime(one.path("r1"), (0, 0))

    assert one.clean() == 0


def test_cleaning_happens_at_the_end_of_a_run_once_an_hour(tmp_path, clock):
    one = logs(tmp_path, clock, max_age_days=30)
    one.write(ended("first"))
    aged(one, clock, "old", 31)
    one.write(ended("second"))
    kept = one.path("old").exists()
    clock.advance(3601)

    one.write(ended("third"))

    assert kept
    with pytest.raises(NotFoundError):
        one.path("old")
