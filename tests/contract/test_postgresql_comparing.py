"""PostgreSQL as a store whose rows can be compared: ranges, checksums, rows of chunks."""

import threading
from collections import Counter
from typing import Any

import pytest

from syncd.errors import FatalError, RunCancelledError
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme
from syncd.model.table import TableName
from syncd.registry import connector
from tests.contract.postgres_ends import Ends, nothing

pytestmark = pytest.mark.postgresql

T = Relation(table=TableName("t"))
LOWEST, HIGHEST = -(2**63), 2**63 - 1


def number(key: int, low: int) -> int:
    """The arithmetic of Scheme.INTEGER."""
    d = key - low
    x = d & 0xFFFFFFFF
    y = ((x ^ (x >> 16)) * 73244475) & 0xFFFFFFFF
    return (y ^ (y >> 15)) + (d >> 32)


def expected(keys: list[int], low: int, width: int) -> dict[int, tuple[int, str]]:
    rows, sums = Counter[int](), Counter[int]()
    for key in keys:
        rows[(key - low) // width] += 1
        sums[(key - low) // width] += number(key, low)
    return {chunk: (rows[chunk], str(sums[chunk])) for chunk in rows}


def fill(ends: Ends, kind: str, keys: list[int]) -> None:
    ends.store.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, name text)")
    ends.store.execute("INSERT INTO t SELECT unnest(%s::numeric[]), 'x'", [keys])


@pytest.mark.parametrize(
    ("kind", "keys", "low", "width"),
    [
        ("smallint", [-5, -1, 0, 7, 32767], -5, 10),
        ("integer", [*range(1000), 2**31 - 1], 3, 64),
        ("bigint", [1, 2, 3, 2**40, 2**62], 1, 1000),
        ("bigint", [LOWEST, LOWEST + 1, -1, 0, 1, HIGHEST], LOWEST, 2**61),
        ("bigint", [LOWEST, 5, HIGHEST], 5, 2**60),
        ("bigint", [-30, -20, -19, -1, 0, 1], 0, 10),
        ("numeric(19,0)", [1, 10, 100], 1, 10),
    ],
)
def test_whole_numbers_are_summed_by_the_common_arithmetic(
    ends: Ends, kind: str, keys: list[int], low: int, width: int
) -> None:
    fill(ends, kind, keys)

    found = ends.source.sums(T, Chunks(Scheme.INTEGER, ("id",), low=low, width=width), nothing)

    assert found == expected(keys, low, width)
    assert ends.source.key_range(T, "id") == (len(keys), min(keys), max(keys))


def test_range_of_no_rows_is_nothing(ends: Ends) -> None:
    fill(ends, "bigint", [])

    assert ends.source.key_range(T, "id") == (0, 0, 0)
    assert ends.source.sums(T, Chunks(Scheme.INTEGER, ("id",), low=0, width=10), nothing) == {}


@pytest.mark.parametrize(
    ("kind", "value"), [("numeric(20,0)", "9223372036854775808"), ("text", "1"), ("numeric", "1.5")]
)
def test_range_beyond_64_bits_is_refused(ends: Ends, kind: str, value: str) -> None:
    ends.store.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY); INSERT INTO t VALUES ('{value}')")

    with pytest.raises(FatalError) as caught:
        ends.source.key_range(T, "id")

    assert caught.value.code == "key_range"
    assert value not in caught.value.message


def rows(ends: Ends, columns: tuple[str, ...], chunks: Chunks | None) -> list[Any]:
    return sorted(row for batch in ends.source.rows_of(T, columns, chunks, nothing) for row in batch.data)


def test_rows_of_chosen_chunks_are_those_that_were_summed(ends: Ends) -> None:
    fill(ends, "bigint", [*range(-20, 100)])
    by_key = Chunks(Scheme.INTEGER, ("id",), low=0, width=10, only=(-1, 2, 3, 7))
    by_hash = Chunks(Scheme.NATIVE, ("id", "name"), count=7)
    counts = ends.source.sums(T, by_hash, nothing)

    chosen = rows(ends, ("id",), by_key)
    some = rows(ends, ("id", "name"), Chunks(Scheme.NATIVE, ("id", "name"), count=7, only=(1, 4)))

    assert chosen == [(key,) for key in [*range(-10, 0), *range(20, 40), *range(70, 80)]]
    assert sum(count for count, _ in counts.values()) == 120
    assert set(counts) <= set(range(7))
    assert len(some) == counts[1][0] + counts[4][0]
    assert ends.source.sums(T, by_key, nothing).keys() == {-1, 2, 3, 7}
    assert rows(ends, ("id",), Chunks(Scheme.INTEGER, ("id",), low=0, width=10, only=())) == []
    assert len(rows(ends, ("name",), None)) == 120


def test_native_sum_is_of_the_exact_text_whatever_collation_and_session(ends: Ends) -> None:
    ends.store.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        " CREATE TABLE t (id int PRIMARY KEY, a text COLLATE loose, f float8, s timestamptz, n numeric, m money);"
        " INSERT INTO t VALUES (1, 'Ab', 0.1, '2024-01-01 10:00+02', 1.0, 5), (2, 'x', '-0', 'infinity', 1.00, -1)"
    )
    chunks = Chunks(Scheme.NATIVE, ("id",), of=("id", "a", "f", "s", "n", "m"), low=1, width=10)
    sums = [ends.source.sums(T, chunks, nothing)[0]]
    (database,) = ends.rows("SELECT current_database()")[0]
    ends.store.execute(f"ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo'")
    ends.store.execute(f"ALTER DATABASE {database} SET extra_float_digits = 0")
    other = connector("postgresql").open_source(ends.store.options())
    sums.append(other.sums(T, chunks, nothing)[0])
    other.close()
    for change in ("a = 'AB' WHERE id = 1", "f = 0 WHERE id = 2", "n = 1.000 WHERE id = 2"):
        ends.store.execute(f"UPDATE t SET {change}")
        sums.append(ends.source.sums(T, chunks, nothing)[0])
    ends.store.execute(f"ALTER DATABASE {database} RESET ALL")

    assert sums[0] == sums[1]
    assert len(set(sums)) == 4


def test_comparing_stops_when_asked(ends: Ends) -> None:
    fill(ends, "bigint", [*range(100)])
    slow = Relation(select="SELECT id, pg_sleep(0.2)::text AS s FROM t")

    def stop() -> None:
        raise RunCancelledError("stop")

    with pytest.raises(RunCancelledError):
        ends.source.sums(slow, Chunks(Scheme.NATIVE, ("id",), of=("s",)), stop)

    assert ends.source.key_range(T, "id")[0] == 100


def test_comparing_ends_by_cancel_from_another_thread(ends: Ends) -> None:
    fill(ends, "bigint", [*range(100)])
    slow = Relation(select="SELECT id, pg_sleep(0.2)::text AS s FROM t")
    timer = threading.Timer(0.3, ends.source.cancel)
    timer.start()

    with pytest.raises(RunCancelledError):
        list(ends.source.rows_of(slow, ("id", "s"), None, nothing))
    timer.join()


def test_rows_may_be_left_before_their_end(ends: Ends) -> None:
    fill(ends, "bigint", [*range(200_000)])
    batches = ends.source.rows_of(T, ("id", "name"), None, nothing)
    first = next(batches)
    batches.close()

    assert 0 < first.rows < 200_000
    assert ends.source.key_range(T, "id")[0] == 200_000
