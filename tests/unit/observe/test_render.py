"""Lines: one per record, whole, short enough."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.observe.render import LONGEST_LINE, console_line, json_line

VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.text(), max_size=5))


@given(st.dictionaries(st.text(min_size=1), VALUES))
def test_json_line_is_one_line_that_gives_the_record_back(record):
    line = json_line(record)

    assert line.endswith(b"\n")
    assert len(line.decode("utf-8", "surrogatepass").splitlines()) == 1
    assert json.loads(line) == record


def test_text_in_other_scripts_stays_readable():
    assert "Größe 大" in json_line({"message": "Größe 大"}).decode()


def test_broken_text_does_not_break_the_line():
    assert json.loads(json_line({"message": "\udc80"})) == {"message": "\udc80"}


@pytest.mark.parametrize(
    "record",
    [
        {"message": "x" * 200_000},
        {"message": "ok", "error.stack_trace": "€" * 100_000},
        {"message": "ok", "config.problems": ["p" * 1000] * 1000},
        {"message": "ok", "list": ["x"] * 500_000},
        {"message": "ok"} | {f"key{number}": "v" * 90 for number in range(5000)},
    ],
    ids=["message", "wide characters", "long list", "many items", "many keys"],
)
def test_line_that_is_too_long_is_cut_and_says_so(record):
    line = json_line({"@timestamp": "t", "run": "r1", **record})

    found = json.loads(line)
    assert len(line) <= LONGEST_LINE
    assert found["log.truncated"] is True
    assert (found["run"], found["message"][:1]) == ("r1", record["message"][:1])


def test_line_of_the_longest_size_is_not_cut():
    room = LONGEST_LINE - len(json_line({"message": ""}))

    assert "log.truncated" not in json.loads(json_line({"message": "x" * room}))


def test_console_line_shows_time_level_message_and_facts():
    record = {"@timestamp": "2026-03-01T02:00:00.123456Z", "log.level": "error", "message": "run ended",
              "event.action": "run-ended", "job": "a", "error.message": "no route", "config.added": ["x", "y"]}  # fmt: skip

    line = console_line(record, colour=False).decode()

    assert line.split() == [
        "02:00:00.123",
        "error",
        "run",
        "ended",
        "job=a",
        'error.message="no',
        'route"',
        "config.added=x,y",
    ]


def test_console_line_has_colour_only_when_asked_and_no_control_characters_of_others():
    record = {"log.level": "error", "message": "a\nb", "fact": "x\x1b[2J\ny"}

    plain, coloured = console_line(record, colour=False), console_line(record, colour=True)

    assert b"\x1b" not in plain
    assert plain.count(b"\n") == 1
    assert coloured.count(b"\x1b") == 2
