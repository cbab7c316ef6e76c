"""What people read at the end of a run."""

import pytest

from syncd.cli.sync import exit_code
from syncd.cli.table import closing_table, columns, grouped, short_moment

NOTHING = dict.fromkeys(("read", "inserted", "updated", "unchanged", "rejected", "deleted"), 0)


def step(name: str = "accounts", **more) -> dict:
    values = {
        "step": name,
        "status": "ok",
        "counters": NOTHING,
        "mark_from": None,
        "mark_to": None,
        "nothing_to_do": False,
        "rows_known": None,
        "seconds": 0.0,
        "warnings": [],
        "failure": None,
    }
    return {**values, **more}


def run(*steps: dict, **more) -> dict:
    total = {name: sum(one["counters"][name] for one in steps) for name in NOTHING}
    values = {
        "job": "accounts",
        "status": "ok",
        "steps": list(steps),
        "counters": total,
        "seconds": 0.5,
        "failure": None,
    }
    return {**values, **more}


def test_nothing_to_do_is_said_in_words():
    quiet = step(nothing_to_do=True, rows_known=10_000, mark_to="2024-01-28 12:00:00", seconds=0.02)

    assert closing_table(run(quiet)) == [
        "accounts: nothing to do (10 000 rows known, mark 2024-01-28 12:00:00, checked in 0.02 s)",
        "accounts: ok, nothing to do in 0.50 s",
    ]


def test_rows_that_moved_stand_in_columns():
    moved = step(
        counters={**NOTHING, "read": 3, "inserted": 2, "updated": 1}, mark_from="1", mark_to="9", seconds=0.5
    )

    head, line, sentence = closing_table(run(moved))

    assert head.split() == [
        "step",
        "read",
        "inserted",
        "updated",
        "unchanged",
        "rejected",
        "deleted",
        "mark",
        "from",
        "to",
        "seconds",
        "rows/s",
    ]
    assert line.split() == ["accounts", "3", "2", "1", "0", "0", "0", "1", "9", "0.50", "6"]
    assert sentence == "accounts: ok in 0.50 s, 3 read, 2 inserted, 1 updated"


def test_ok_is_not_said_when_rows_are_missing():
    lost = run(step(counters={**NOTHING, "read": 3, "inserted": 2}))

    assert "ok" not in closing_table(lost)[-1]
    assert exit_code([lost]) == 1


def test_a_failure_says_why_and_what_to_try():
    failed = run(status="failed", failure={"message": "no table", "hint": "did you mean 'x'?"})

    assert closing_table(failed)[-1] == "accounts: failed in 0.50 s: no table\ntry: did you mean 'x'?"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [(["ok", "ok"], 0), (["ok", "failed"], 1), (["failed", "cancelled"], 130), (["skipped"], 1), ([], 0)],
)
def test_the_exit_code_tells_the_worst(statuses, code):
    assert exit_code([run(status=status) for status in statuses]) == code


def test_numbers_stand_to_the_right_and_words_to_the_left():
    assert columns(("n", "w"), [("1", "a"), ("10", "bcd")]) == [" n  w", " 1  a", "10  bcd"]


def test_small_parts():
    assert grouped(1234567) == "1 234 567"
    assert short_moment(None) == ""
    assert short_moment("2026-07-01T12:00:00.5+00:00", "Europe/Berlin") == "2026-07-01 14:00:00"
