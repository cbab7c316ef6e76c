"""How two tables are told apart: key ranges, sums of chunks, and the rows of the chunks that differ."""

import itertools
from typing import Any

import pytest

from syncd.errors import FatalError, RunCancelledError
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme
from syncd.model.table import TableName
from tests.contract.acts import T, nothing
from tests.contract.subject import COLUMNS, ROWS, Subject

K = Relation(table=TableName("k"))
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
EDGES = [
    LOWEST,
    LOWEST + 1,
    -(1 << 32),
    -1,
    0,
    1,
    12345,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    HIGHEST - 1,
    HIGHEST,
]


def number_of(key: int, low: int) -> int:
    """The arithmetic of the scheme INTEGER, word for word."""
    d = key - low
    x = d & 0xFFFFFFFF
    y = ((x ^ (x >> 16)) * 73244475) & 0xFFFFFFFF
    return (y ^ (y >> 15)) + (d >> 32)


def sums_by_hand(keys: list[int], low: int, width: int) -> dict[int, tuple[int, str]]:
    """What the sums of these keys have to be."""
    groups = itertools.groupby(sorted(keys), lambda key: (key - low) // width)
    chunks = {chunk: list(members) for chunk, members in groups}
    return {
        chunk: (len(members), str(sum(number_of(key, low) for key in members)))
        for chunk, members in chunks.items()
    }


def by_range(low: int, width: int, only: tuple[int, ...] | None = None) -> Chunks:
    """Chunks of a whole-number key."""
    return Chunks(Scheme.INTEGER, ("id",), low=low, width=width, only=only)


def test_range_of_a_key_is_told_with_the_rows(source: Any) -> None:
    assert source.key_range(T, "id") == (50, 1, 50)


def test_range_of_an_empty_table_is_nothing(subject: Subject, source: Any) -> None:
    subject.source.create("k", {"id": "integer!"}, ["id"])

    assert source.key_range(K, "id") == (0, 0, 0)
    assert source.sums(K, by_range(0, 10), nothing) == {}


def test_range_of_a_key_that_is_no_whole_number_is_refused(source: Any) -> None:
    with pytest.raises(FatalError) as caught:
        source.key_range(T, "name")

    assert caught.value.code == "key_range"


@pytest.mark.parametrize("width", [1, 7, 1_000])
def test_sums_of_whole_numbers_follow_the_scheme(source: Any, width: int) -> None:
    found = source.sums(T, by_range(1, width), nothing)

    assert found == sums_by_hand([row[0] for row in ROWS], 1, width)


@pytest.mark.parametrize("width", [1 << 40, 1 << 61, 1 << 64])
def test_sums_hold_wherever_the_keys_are_in_64_bits(subject: Subject, source: Any, width: int) -> None:
    subject.source.create("k", {"id": "integer!"}, ["id"], [(key,) for key in EDGES])

    found = source.sums(K, by_range(LOWEST, width), nothing)

    assert source.key_range(K, "id") == (len(EDGES), LOWEST, HIGHEST)
    assert found == sums_by_hand(EDGES, LOWEST, width)


def test_sums_of_many_large_keys_do_not_overflow(subject: Subject, source: Any) -> None:
    keys = [HIGHEST - number * 1_000 for number in range(3_000)]
    subject.source.create("k", {"id": "integer!"}, ["id"], [(key,) for key in keys])

    assert source.sums(K, by_range(LOWEST, 1 << 64), nothing) == sums_by_hand(keys, LOWEST, 1 << 64)


def test_sums_may_be_asked_for_some_chunks_alone(source: Any) -> None:
    every = source.sums(T, by_range(1, 7), nothing)

    assert source.sums(T, by_range(1, 7, (0, 3, 99)), nothing) == {0: every[0], 3: every[3]}


def test_table_that_lost_a_row_differs_in_its_chunk_alone(subject: Subject, source: Any) -> None:
    before = source.sums(T, by_range(1, 10), nothing)
    subject.source.remove("t", 25)

    after = source.sums(T, by_range(1, 10), nothing)

    assert [chunk for chunk in before if before[chunk] != after[chunk]] == [2]


def native(*of: str, only: tuple[int, ...] | None = None) -> Chunks:
    """Chunks of a key of any type."""
    return Chunks(Scheme.NATIVE, ("name",), of=of, count=8, only=only)


def test_native_sums_are_equal_whatever_the_order_of_the_rows(subject: Subject, source: Any) -> None:
    subject.source.create("k", COLUMNS, ["id"], ROWS[::-1])
    chunks = native("id", "name", "grade")

    found = source.sums(T, chunks, nothing)

    assert source.sums(K, chunks, nothing) == found
    assert sum(rows for rows, _ in found.values()) == len(ROWS)
    assert set(found) <= set(range(8))
    assert len(found) > 1


@pytest.mark.parametrize("changed", [(10, "row 10", None), (10, "row 10", 4)], ids=["null", "number"])
def test_native_sums_find_the_row_that_differs(
    subject: Subject, source: Any, changed: tuple[Any, ...]
) -> None:
    subject.source.create("k", COLUMNS, ["id"], [*ROWS[:9], changed, *ROWS[10:]])
    chunks = native("grade")
    one, other = source.sums(T, chunks, nothing), source.sums(K, chunks, nothing)
    different = tuple(chunk for chunk in one if one[chunk] != other.get(chunk))

    rows = gather(source, T, ("id", "grade"), native("grade", only=different))

    assert len(different) == 1
    assert (10, ROWS[9][2]) in rows
    assert len(rows) == one[different[0]][0]


def test_native_sums_find_two_rows_that_changed_their_values(subject: Subject, source: Any) -> None:
    """Not said by the port: a row's number is made of its key too, else values might change places unseen."""
    one, two = (1, "row 1", 2), (2, "row 2", 1)
    subject.source.create("k", COLUMNS, ["id"], [one, two, *ROWS[2:]])
    chunks = Chunks(Scheme.NATIVE, ("id",), of=("grade",), low=1, width=100)

    assert source.sums(T, chunks, nothing)[0] != source.sums(K, chunks, nothing)[0]


def test_native_sums_may_be_cut_by_a_whole_number_key(source: Any) -> None:
    chunks = Chunks(Scheme.NATIVE, ("id",), of=("name", "grade"), low=1, width=20)

    found = source.sums(T, chunks, nothing)

    assert {chunk: rows for chunk, (rows, _) in found.items()} == {0: 20, 1: 20, 2: 10}


def gather(port: Any, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None) -> list[Any]:
    """The rows of all batches."""
    return [tuple(row) for batch in port.rows_of(relation, columns, chunks, nothing) for row in batch.data]


def test_rows_of_a_table_come_with_the_columns_that_were_asked_for(source: Any) -> None:
    rows = gather(source, T, ("grade", "id"), None)

    assert sorted(row[1] for row in rows) == list(range(1, 51))
    assert (ROWS[4][2], 5) in rows


def test_rows_of_some_chunks_are_those_with_their_keys(source: Any) -> None:
    rows = gather(source, T, ("id",), by_range(1, 7, (0, 3)))

    assert sorted(rows) == [(n,) for n in (*range(1, 8), *range(22, 29))]


def test_rows_come_in_batches_and_may_be_left(subject: Subject, source: Any) -> None:
    subject.source.create(
        "k", {"id": "integer!", "v": "text"}, ["id"], [(n, "x" * 100) for n in range(20_000)]
    )
    batches = source.rows_of(K, ("id", "v"), None, nothing)
    first = next(batches)
    batches.close()

    assert first.rows < 20_000
    assert source.key_range(K, "id") == (20_000, 0, 19_999)


@pytest.mark.parametrize("question", ["sums", "rows"])
def test_comparing_ends_when_it_is_told_to(subject: Subject, source: Any, question: str) -> None:
    def stop() -> None:
        raise RunCancelledError("the run was stopped")

    ask = {
        "sums": lambda: source.sums(T, native(), stop),
        "rows": lambda: list(source.rows_of(T, ("id",), None, stop)),
    }
    with pytest.raises(RunCancelledError):
        ask[question]()

    assert source.key_range(T, "id") == (50, 1, 50)


def test_rows_that_are_stopped_in_the_middle_leave_the_connection_free(subject: Subject, source: Any) -> None:
    rows = [(n, "x" * 100) for n in range(20_000)]
    subject.source.create("k", {"id": "integer!", "v": "text"}, ["id"], rows)
    stopped: list[bool] = []

    def stop() -> None:
        if stopped:
            raise RunCancelledError("the run was stopped")

    batches = source.rows_of(K, ("id", "v"), None, stop)
    next(batches)
    stopped.append(True)
    with pytest.raises(RunCancelledError):
        list(batches)

    assert source.key_range(K, "id") == (20_000, 0, 19_999)


def test_stores_of_one_product_say_so(subject: Subject, source: Any) -> None:
    other = subject.open_source()
    other.close()

    assert source.product
    assert source.product == other.product
