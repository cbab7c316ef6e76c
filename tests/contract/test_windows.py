"""How a first load is cut into windows, and how it goes on after an interruption."""

from typing import Any

import pytest

from syncd.errors import FatalError
from syncd.model.options import Interval
from tests.contract.acts import extract, load, open_reading, read_rows, read_windows
from tests.contract.subject import ROWS, Subject
from tests.contract.test_reading import EVENTS, E, events

TEN_DAYS = Interval(seconds=10 * 86_400)


def ids(windows: list[list[Any]]) -> list[list[int]]:
    """The rows' identities, window by window."""
    return [sorted(row[0] for row in rows) for rows in windows]


@pytest.mark.parametrize("check", ["grade", None])
def test_windows_cover_all_rows_exactly_once(subject: Subject, check: str | None) -> None:
    port = subject.open_source(7)
    reading = open_reading(port, extract(check))
    windows = list(reading.windows())
    rows = [row for window in windows for row in read_rows(port, reading, window)]
    reading.close()
    port.close()

    assert len(windows) > 1
    assert sorted(rows) == ROWS
    assert [window.number for window in windows] == list(range(1, len(windows) + 1))


def test_question_says_how_many_rows_a_window_has(source: Any) -> None:
    windows, _ = read_windows(source, extract(None, window_rows=7))

    assert len(windows) == 8
    assert sorted(row for rows in windows for row in rows) == ROWS


def test_single_window_holds_everything(subject: Subject) -> None:
    events(subject)
    port = subject.open_source(7)

    by_rows, _ = read_windows(port, extract(single=True, window_rows=3))
    by_time, _ = read_windows(port, extract("at", relation=E, single=True, interval=TEN_DAYS))
    port.close()

    assert [len(rows) for rows in by_rows] == [50]
    assert ids(by_time) == [[1, 2, 3, 4, 5]]


def test_first_load_that_stopped_goes_on_with_the_rest(subject: Subject) -> None:
    port = subject.open_source(7)
    reading = open_reading(port, extract())
    first = next(reading.windows())
    done = read_rows(port, reading, first)
    cursor = reading.cursor(first)
    reading.close()

    rest = open_reading(port, extract(cursor=cursor))
    windows = list(rest.windows())
    found = [row for window in windows for row in read_rows(port, rest, window)]
    rest.close()
    port.close()

    assert rest.mode == "resume"
    assert not any(window.whole for window in windows)
    assert sorted(done + found) == ROWS


def test_interval_cuts_a_first_load_by_time(subject: Subject, source: Any) -> None:
    """Rows without a value come with the last window."""
    events(subject)

    windows, reading = read_windows(source, extract("at", relation=E, interval=TEN_DAYS))

    assert reading.mode == "first load"
    assert ids(windows) == [[1], [2], [], [3], [], [4, 5]]


def test_interval_begins_at_the_start(subject: Subject, source: Any) -> None:
    events(subject)

    windows, _ = read_windows(source, extract("at", relation=E, interval=TEN_DAYS, start="2026-02-01"))

    assert ids(windows) == [[3], [], [4, 5]]


def test_rows_of_the_future_come_with_the_last_interval(subject: Subject, source: Any) -> None:
    """Not said by the port: the intervals end where the mark may be, so that one date of 9999 makes no million windows."""
    events(subject)
    subject.source.put("e", [(6, "far", "9990-01-01 00:00:00")])

    windows, _ = read_windows(source, extract("at", relation=E, interval=TEN_DAYS))

    assert ids(windows) == [[1], [2], [], [3], [], [4, 5, 6]]


def test_interval_load_that_stopped_goes_on_with_the_rest(subject: Subject, source: Any) -> None:
    events(subject)
    asked = extract("at", relation=E, interval=TEN_DAYS)
    reading = open_reading(source, asked)
    windows = reading.windows()
    for _ in range(2):
        window = next(windows)
        read_rows(source, reading, window)
    cursor = reading.cursor(window)
    reading.close()

    rest, again = read_windows(source, extract("at", cursor, relation=E, interval=TEN_DAYS))

    assert again.mode == "resume"
    assert ids(rest) == [[], [3], [], [4, 5]]


def test_interval_does_not_cut_what_comes_after_the_first_load(subject: Subject, source: Any) -> None:
    events(subject)
    _, cursor, _ = load(source, extract("at", relation=E, interval=TEN_DAYS))
    subject.source.put("e", [(7, "g", "2026-04-20 00:00:00")])

    windows, reading = read_windows(source, extract("at", cursor, relation=E, interval=TEN_DAYS))

    assert reading.mode == "incremental"
    assert ids(windows) == [[4, 5, 7]]


def test_interval_over_a_column_that_is_no_time_is_refused(source: Any) -> None:
    with pytest.raises(FatalError) as caught:
        open_reading(source, extract("grade", interval=TEN_DAYS))

    assert caught.value.code == "bad_interval"


def test_interval_of_an_empty_table_is_one_empty_window(subject: Subject, source: Any) -> None:
    events(subject)
    for row in EVENTS:
        subject.source.remove("e", row[0])

    windows, _ = read_windows(source, extract("at", relation=E, interval=TEN_DAYS))

    assert windows == [[]]
