"""Check columns of SQLite files, where any form of time may stand beside any other."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.pairs import make_store  # noqa: F401 - fixture
from tests.stores import Pair

NOW = datetime.now(UTC)


def epoch(days: int, factor: int = 1) -> int:
    return int((NOW - timedelta(days=days)).timestamp() * factor)


def text(days: int, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    return f"{NOW - timedelta(days=days):{pattern}}"


FORMS: dict[str, tuple[str, list[Any]]] = {
    # declared type, then values in the order of their arrival; each must be found by its own run
    "blank": ("DATETIME", [text(9), text(8), text(-900), text(7)]),
    "T and Z": ("DATETIME", [text(9, "%Y-%m-%dT%H:%M:%SZ"), text(8, "%Y-%m-%dT%H:%M:%SZ"), text(7, "%Y-%m-%dT%H:%M:%SZ")]),
    "days": ("DATE", [text(9, "%Y-%m-%d"), text(8, "%Y-%m-%d"), text(-900, "%Y-%m-%d"), text(7, "%Y-%m-%d")]),
    "T before blank of one day": ("DATETIME", ["2026-03-01T09:00:00Z", "2026-03-01 11:00:00", "2026-03-01 12:00:00"]),
    "blank before T of one day": ("DATETIME", ["2026-03-01 11:00:00", "2026-03-01T12:00:00", "2026-03-01 13:00:00"]),
    "zones": ("TEXT", ["2026-03-01T20:00:00+00:00", "2026-03-01T13:30:00-08:00", "2026-03-02T08:00:00+10:00"]),
    "fractions": ("TEXT", ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.500Z", "2026-03-01T10:00:01Z"]),
    "unix seconds": ("TIMESTAMP", [epoch(9), epoch(8), epoch(-9000), epoch(7)]),
    "unix milliseconds": ("DATETIME", [epoch(9, 1000), epoch(-9000, 1000), epoch(8, 1000)]),
    "julian days": ("DATETIME", [2461000.5, 2461001.25, 2499999.5, 2461002.0]),
    "numbers before texts": ("DATETIME", [5, "2026-03-01 10:00:00", 6, "2026-03-02 10:00:00"]),
    "word above times": ("DATETIME", [text(9), "n/a", text(8), text(7)]),
    "word in a text column": ("TEXT", [text(9), "never", text(8), text(7)]),
    "empty texts": ("DATETIME", [text(9), "", text(8), ""]),
    "counter": ("INTEGER", [1, 2, 2, 3]),
    "infinite": ("REAL", [1.5, float("inf"), 2.5, 2.5]),
    "words": ("TEXT", ["a", "b", "b", "c"]),
    "other future form": ("TEXT", ["2026-03-01T09:00:00Z", f"{NOW + timedelta(hours=9):%Y-%m-%d %H:%M:%S}", "2026-03-02T09:00:00Z"]),
    "day and rubbish": ("DATETIME", [text(9), text(-900, "%Y-%m-%d") + " rubbish", text(8)]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_later_row_is_found_whatever_its_form(form: str, make_store: Callable[[str], Any]) -> None:
    declared, values = FORMS[form]
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    pair.source.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, updated {declared})")
    for number, value in enumerate(values):
        pair.source.execute("INSERT INTO t VALUES (?, ?)", (number, value))
        outcome = pair.ok()
        assert outcome.counters.inserted == 1, f"{value!r} was not found after {values[:number]}"

    assert pair.destination.rows("SELECT id, updated, typeof(updated) FROM t") == pair.source.rows(
        "SELECT id, updated, typeof(updated) FROM t"
    )
    assert pair.ok().steps[0].nothing_to_do


def test_uniform_times_are_read_only_from_the_mark_on(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated TEXT)")
    for number in range(20):
        pair.source.execute("INSERT INTO t VALUES (?, ?)", (number, f"2026-03-01 10:00:{number:02}"))
    pair.ok()
    pair.source.execute("INSERT INTO t VALUES (99, '2026-03-01 10:01:00')")

    assert pair.ok().counters.read == 2, "the row at the mark and the new one"


def test_binary_check_value_is_refused_by_name(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated TEXT)")
    pair.source.execute("INSERT INTO t VALUES (1, x'00ff')")

    failure = pair.run().failure

    assert failure.code == "check_column_unfit"
    assert "updated" in failure.message


def test_writer_in_rollback_mode_is_waited_for(make_store: Callable[[str], Any]) -> None:
    import sqlite3
    import threading

    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    pair.source.execute("PRAGMA journal_mode=DELETE")
    pair.source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated TEXT)")
    pair.source.execute("INSERT INTO t VALUES (1, '2026-03-01 10:00:00')")
    pair.ok()
    writer = sqlite3.connect(pair.source.path, isolation_level=None, check_same_thread=False)  # type: ignore[union-attr]
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("INSERT INTO t VALUES (2, '2026-03-02 10:00:00')")
    end = threading.Timer(0.4, lambda: writer.execute("COMMIT"))
    end.start()

    outcome = pair.ok()

    end.join()
    writer.close()
    assert outcome.counters.inserted == 1
