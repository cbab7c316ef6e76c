"""What the benchmarks say about values and failures is itself true."""

import argparse
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.awkward_cells import CASES, verdict
from benchmarks.sameness import same


@pytest.mark.parametrize(
    ("sent", "arrived", "kind"),
    [
        ("true", 1, "boolean"),
        ("12.50", "12.5", "numeric(38,10)"),
        ("NaN", "nan", "double precision"),
        ("5e-324", 5e-324, "double precision"),
        ("0.33333334", 0.3333333432674408, "real"),
        ("2024-01-01 00:00:00.5+00", "2024-01-01T00:00:00.500000Z", "timestamp with time zone"),
        ('{"n": 12345678901234567890.1234567890}', '{"n":12345678901234567890.1234567890}', "jsonb"),
        ("\\x00ff", b"\x00\xff", "bytea"),
        ("[1,null,-1]", "[1, null, -1]", "integer[]"),
        (None, None, "text"),
    ],
)
def test_a_value_in_another_form_is_the_same_value(sent, arrived, kind):
    assert same(sent, arrived, kind)


@pytest.mark.parametrize(
    ("sent", "arrived", "kind"),
    [
        ("NaN", None, "double precision"),
        ("", None, "text"),
        (None, "", "text"),
        ("null", None, "jsonb"),
        ("12345678901234567890.5", 12345678901234567000.0, "numeric"),
        ("12345678901234567890.5", "word", "numeric"),
        ('{"n": 12345678901234567890.1234567890}', '{"n": 12345678901234567000}', "jsonb"),
        ("2024-01-01", "2024-01-01 00:00:00", "date"),
        ("2024-01-01 00:00:00+00", "2024-01-01 01:00:00+00", "timestamp with time zone"),
    ],
)
def test_a_value_that_lost_something_is_not_the_same(sent, arrived, kind):
    assert not same(sent, arrived, kind)


def test_the_line_that_names_the_trouble_is_shown_and_not_the_trace_around_it():
    words = "loading\nTraceback (most recent call last):\n  raise error\nValueError: not a number: 'x|y'\n│ except (E): │"

    assert report.one_line(words) == "ValueError: not a number: 'x/y'"


def test_the_last_line_is_shown_when_none_names_a_trouble():
    assert report.one_line("starting\nthe disk is gone\n") == "the disk is gone"


def test_each_awkward_row_is_found_or_lost_by_what_stands_in_the_table():
    complete = {case.key: case.expected for case in CASES if case.expected is not None}

    everything = verdict(complete)
    nothing = verdict({5: "row 5"})

    assert everything.count("found") == len(CASES) - 1
    assert "deleted: deleted" in everything
    assert nothing.count("LOST") == len(CASES) - 2
    assert "deleted: KEPT" in nothing
    assert "MISSED" in nothing


def test_a_table_takes_the_place_of_the_older_one_of_the_same_command(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    wanted = argparse.Namespace(names=["pg-pg"], repeat=3, rows=1000, rival_repeat=None)
    other = argparse.Namespace(names=["changes"], repeat=3, rows=1000, rival_repeat=1)

    for one, measured in ((wanted, "old"), (other, "kept"), (wanted, "new")):
        report.write(one, measured)

    text = (tmp_path / "RESULTS.md").read_text()
    assert "old" not in text
    assert text.count("## `python -m benchmarks.run pg-pg --repeat 3 --rows 1000`\n\nnew\n") == 1
    assert "changes --repeat 3 --rows 1000 --rival-repeat 1`\n\nkept\n" in text
