"""Ownership of a state folder."""

import os

import pytest

from syncd.errors import BusyError
from syncd.state.owner import Owner, OwnerNote, join_workers, living_owner, owner_note


def test_a_folder_has_one_owner_who_is_known_to_others(tmp_path, clock):
    owner = Owner.take(tmp_path / "state", command="syncd run", now=clock.now())

    with pytest.raises(BusyError) as caught:
        Owner.take(tmp_path / "state", command="syncd sync", now=clock.now())

    assert f"process {os.getpid()} (syncd run) since 2026-03-01" in caught.value.message
    assert living_owner(tmp_path / "state").command == "syncd run"
    owner.release()


def test_a_released_folder_can_be_taken_again(tmp_path, clock):
    Owner.take(tmp_path, command="a", now=clock.now()).release()

    assert living_owner(tmp_path) is None
    Owner.take(tmp_path, command="b", now=clock.now()).release()


def test_what_a_dead_owner_left_behind_means_nothing(tmp_path, clock):
    (tmp_path / "owner.lock").write_text('{"pid": 1, "socket": "/gone", "since": "then", "command": "dead"}')

    assert living_owner(tmp_path) is None
    owner = Owner.take(tmp_path, command="new", now=clock.now())
    assert owner_note(tmp_path).command == "new"
    owner.release()


def test_a_folder_that_nobody_used_has_no_owner(tmp_path):
    assert living_owner(tmp_path / "nothing") is None


def test_a_note_that_makes_no_sense_is_an_empty_one(tmp_path):
    (tmp_path / "owner.lock").write_text("[1]")

    assert owner_note(tmp_path) == OwnerNote()


def test_a_new_owner_waits_for_the_workers_of_the_old_one(tmp_path, clock):
    worker = join_workers(tmp_path)

    with pytest.raises(BusyError) as caught:
        Owner.take(tmp_path, command="new", now=clock.now(), wait_seconds=0.05)
    assert caught.value.code == "workers_alive"
    os.close(worker)

    Owner.take(tmp_path, command="new", now=clock.now(), wait_seconds=0.05).release()
