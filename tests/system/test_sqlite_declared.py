"""Out of SQLite the declarations are doubted: every value decides, also the last one, and nothing is rounded."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.stores import Pair, SqliteStore

MANY = 2_500
"""More rows than are looked at in one piece."""


@pytest.fixture
def pair(make_store: Callable[[str], Any]) -> Pair:
    return Pair(make_store("sqlite"), make_store("postgresql"))


def fill(pair: Pair, declared: str, values: list[Any], place: str = "") -> None:
    pair.source.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    assert isinstance(pair.source, SqliteStore)
    pair.source.connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(values)))
    if place:
        pair.destination.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, v {place})")


def made(pair: Pair) -> str:
    sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
    return str(pair.destination.rows(sql)[0][0])


MONEY = [0, 1, 2.5, 19.99, -0.01, None, 1234567890123.45, 0.07, 1.1, -9999999999999]


@pytest.mark.postgresql
@pytest.mark.parametrize("declared", ["DECIMAL(15,2)", "NUMERIC(12,2)", "decimal", "TEXT_DECIMAL(15,2)"])
def test_money_kept_as_numbers_goes_into_a_limited_numeric_digit_by_digit(declared: str, pair: Pair) -> None:
    fill(pair, declared, MONEY, "numeric(15,2)")

    pair.ok(check=None)

    got = [row[0] for row in pair.destination.rows("SELECT v::text FROM t ORDER BY id")]
    assert got == [None if value is None else f"{value:.2f}" for value in MONEY]
    assert pair.ok(check=None, full=True).counters.unchanged == len(MONEY)


@pytest.mark.postgresql
@pytest.mark.parametrize("value", [0.125, 0.1 + 0.2, 1e-7, 5e-324, float("inf"), 1.0000000000000002])
def test_number_with_more_decimals_than_its_place_is_refused_by_column(value: float, pair: Pair) -> None:
    fill(pair, "DECIMAL(15,2)", [1.25] * MANY + [value], "numeric(15,2)")

    outcome = pair.run(check=None)

    assert outcome.failure.code == "type_loss"
    assert "v (DECIMAL(15,2)) into v (numeric(15,2))" in outcome.failure.message
    assert pair.destination.rows("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.postgresql
def test_number_with_more_whole_digits_than_its_place_is_refused_by_the_store(pair: Pair) -> None:
    fill(pair, "DECIMAL(15,2)", [1.25, 123456.5], "numeric(5,2)")

    outcome = pair.run(check=None)

    assert (outcome.failure.code, outcome.failure.where) == ("row_rejected", "t.v")


@pytest.mark.postgresql
def test_table_created_for_money_takes_more_decimals_later(pair: Pair) -> None:
    fill(pair, "DECIMAL(15,2)", [1, 2.5])
    pair.ok(check=None)
    pair.source.execute("INSERT INTO t VALUES (9, 0.30000000000000004)")

    pair.ok(check=None)

    assert made(pair) == "numeric"
    assert pair.destination.rows("SELECT v::text FROM t WHERE id = 9") == [("0.30000000000000004",)]


LATE = [
    ("INTEGER", 7, 2.5, "numeric"),
    ("INTEGER", 7, "seven", None),
    ("INTEGER", "seven", "eight", "text"),
    ("REAL", 0.5, b"\x00", None),
    ("TEXT", "a", b"\x00", None),
    ("BLOB", b"\x00", "a", None),
    ("BOOLEAN", 1, 2, "bigint"),
    ("DATE", "2026-03-01", "2026-03-01 10:00", "timestamp without time zone"),
    ("DATE", "2026-03-01", "1 March", "text"),
    ("DATE", "2026-03-01", "now", "text"),
    ("DATE", "2026-03-01", "2026-03-01\n2026-03-02", "text"),
    ("DATETIME", "2026-03-01 10:00:00", "2026-03-01 10:00:00Z", "text"),
    ("DATETIME", "2026-03-01 10:00:00Z", "2026-03-01T10:00:00.123456+05:30", "timestamp with time zone"),
    ("DATETIME", "2026-03-01", "2026-03-01 10:00:00.1", "timestamp without time zone"),
    ("TIME", "10:00", "10:00:00.1234567", "text"),
    ("TEXT_DECIMAL(9,2)", "1.25", "1.5e-3", "numeric"),
    ("TEXT_DECIMAL(9,2)", "1.25", "-7", "numeric(9,2)"),
    ("TEXT_DECIMAL(9,0)", "12", "1.5", "numeric"),
    ("", "a", "1", "text"),
    ("", 1, 2.5, "numeric"),
]
"""Declared, all values but the last one, that one, and the type of the created column (None: refused)."""


@pytest.mark.postgresql
@pytest.mark.parametrize(("declared", "first", "last", "native"), LATE)
def test_last_of_many_values_decides_about_a_type_as_the_first_does(
    declared: str, first: Any, last: Any, native: str | None, pair: Pair
) -> None:
    fill(pair, declared, [None, *[first] * MANY, last])

    outcome = pair.run(check=None)

    if native is None:
        assert (outcome.failure.code, outcome.failure.where) == ("row_rejected", "t.v")
        assert f"{MANY} " in outcome.failure.message
    else:
        assert outcome.failure is None, outcome.failure
        assert made(pair) == native


@pytest.mark.postgresql
@pytest.mark.parametrize("declared", ["INTEGER", "TEXT", "DATETIME", "DECIMAL(9,2)"])
def test_column_without_values_goes_into_any_column(declared: str, pair: Pair) -> None:
    fill(pair, declared, [None, None], "date")

    assert pair.ok(check=None).counters.inserted == 2


@pytest.mark.postgresql
def test_every_kind_of_value_beside_null_arrives_through_lines(pair: Pair) -> None:
    values = [None, "", "\\N", "a\tb\nc\rd\\", "\\.", None, "é\U0001f600"]
    fill(pair, "TEXT", values)
    pair.source.execute("ALTER TABLE t ADD COLUMN b BLOB; UPDATE t SET b = x'5c00ff' WHERE id % 2")
    pair.source.execute("ALTER TABLE t ADD COLUMN f REAL; UPDATE t SET f = 0.1 + id WHERE id % 3")

    pair.ok(check=None)

    assert [row[0] for row in pair.destination.rows("SELECT v FROM t ORDER BY id")] == values
    query = "SELECT b, f FROM t ORDER BY id"
    assert pair.destination.rows(query) == pair.source.rows(query)
