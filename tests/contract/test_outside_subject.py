"""A connector from outside joins the suite by an environment variable, and the suite tells a sound one from a broken one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = {
    "forgetful": "test_windows_cover_all_rows_exactly_once",
    "careless": "test_refused_batch_leaves_everything_as_it_was",
    "miscounting": "test_rows_with_these_keys_go_and_are_counted",
    "replacing": "test_known_cursors_of_all_jobs_stay_good",
    "trusting": "test_lost_rows_and_tables_reset_the_cursor",
    "narrow": "test_sums_hold_wherever_the_keys_are_in_64_bits",
}
"""A factory of tests.contract.outside, and a test that has to find what is wrong with its connector."""


def run_suite(name: str, only: str = "") -> "subprocess.CompletedProcess[str]":
    """The suite, or the tests of one name, on one subject in a process of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-k",
            only,
            "tests/contract",
        ],
        cwd=ROOT,
        env={**os.environ, "CONTRACT_SUBJECT": f"tests.contract.outside:{name}"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_sound_connector_from_outside_passes() -> None:
    done = run_suite("sound")

    assert done.returncode == 0, done.stdout[-2_000:]
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 150


@pytest.mark.parametrize("name", BROKEN)
def test_broken_connector_from_outside_fails(name: str) -> None:
    done = run_suite(name, BROKEN[name])

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert BROKEN[name] in done.stdout


def test_factory_that_is_not_there_is_no_success() -> None:
    done = run_suite("missing", "test_no_keys")

    assert done.returncode != 0
    assert "has no attribute 'missing'" in done.stdout
