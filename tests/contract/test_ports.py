"""The contract of Source and Destination, which every connector and the memory fake keep."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from syncd.errors import BusyError, FatalError, NotFoundError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.run import Counters
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Mode, StepKey, Target
from tests.contract.subject import ROWS, Subject

KEY = StepKey("job", "t", TableName("t"))


def nothing() -> None:
    """A check that never stops."""


@pytest.fixture
def source(subject: Subject) -> Iterator[Any]:
    port = subject.open_source()
    yield port
    port.close()


@pytest.fixture
def destination(subject: Subject) -> Iterator[Any]:
    port = subject.open_destination()
    yield port
    port.close()


def extract(check: str | None = "grade", cursor: str | None = None) -> Extract:
    return Extract(Relation(table=TableName("t")), (check,) if check else (), cursor=cursor)


def read_rows(port: Any, reading: Any, window: Any) -> list[Any]:
    """The rows of a window as tuples, through the format that every source gives last."""
    assert Format.ROWS in port.formats
    batches = list(reading.read(window, Format.ROWS, nothing))
    rows = [tuple(row) for batch in batches for row in batch.data]
    assert sum(batch.rows for batch in batches) == len(rows), "the batches do not count their rows right"
    return rows


def target(port: Any, mode: Mode, *, create: bool = False, revision: int = 0) -> Target:
    column = Type(Kind.INTEGER, bits=64)
    table = Table(
        TableName("t"),
        (Column("id", column, False), Column("name", Type(Kind.TEXT), False), Column("grade", column)),
        ("id",),
    )
    designed = port.design(table, TableName("t")) if create else port.table(TableName("t"))
    return Target(
        KEY, designed, table, ("id", "name", "grade"), mode, Format.ROWS, create, revision, "digest"
    )


def write(
    port: Any, rows: list[Any], mode: Mode, *, create: bool = False, revision: int = 0, cursor: str = "c"
) -> tuple[Counters, int]:
    writing = port.begin(target(port, mode, create=create, revision=revision), nothing)
    try:
        writing.write(Batch(Format.ROWS, rows, len(rows)))
        counters = writing.finish()
        return counters, writing.commit(cursor, "mark", len(rows))
    finally:
        writing.abandon()


def test_describe_gives_columns_in_order_key_and_nullability(source: Any) -> None:
    table = source.describe(Relation(table=TableName("t")))

    assert table.column_names == ("id", "name", "grade")
    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]


def test_missing_table_is_told_with_the_nearest_name(source: Any) -> None:
    with pytest.raises(NotFoundError) as caught:
        source.describe(Relation(table=TableName("tt")))

    assert "tt" in caught.value.message
    assert "'t'" in caught.value.hint


def test_missing_check_column_is_told(source: Any) -> None:
    with pytest.raises(FatalError) as caught:
        source.open(extract("gradee"), (Format.ROWS,), nothing)

    assert caught.value.code == "check_column_missing"
    assert "gradee" in caught.value.message


@pytest.mark.parametrize("check", ["grade", None])
def test_windows_cover_all_rows_exactly_once(subject: Subject, check: str | None) -> None:
    port = subject.open_source(7)
    reading = port.open(extract(check), (Format.ROWS,), nothing)
    windows = list(reading.windows())
    rows = [row for window in windows for row in read_rows(port, reading, window)]
    reading.close()
    port.close()

    assert len(windows) > 1
    assert sorted(rows) == ROWS
    assert [window.number for window in windows] == list(range(1, len(windows) + 1))


def test_window_may_be_read_again_after_its_reader_left(subject: Subject) -> None:
    port = subject.open_source()
    reading = port.open(extract(), (Format.ROWS,), nothing)
    window = next(reading.windows())
    left = reading.read(window, Format.ROWS, nothing)
    next(left)
    left.close()

    again = read_rows(port, reading, window)
    reading.close()
    port.close()

    assert sorted(again) == ROWS


def test_first_load_that_stopped_goes_on_with_the_rest(subject: Subject) -> None:
    port = subject.open_source(7)
    reading = port.open(extract(), (Format.ROWS,), nothing)
    first = next(reading.windows())
    done = read_rows(port, reading, first)
    cursor = reading.cursor(first)
    reading.close()

    rest = port.open(extract(cursor=cursor), (Format.ROWS,), nothing)
    found = [row for window in rest.windows() for row in read_rows(port, rest, window)]
    rest.close()
    port.close()

    assert rest.mode == "resume"
    assert not any(window.whole for window in rest.windows())
    assert sorted(done + found) == ROWS


def load(port: Any, cursor: str | None = None) -> tuple[list[Any], str, Any]:
    reading = port.open(extract(cursor=cursor), (Format.ROWS,), nothing)
    rows = []
    for window in reading.windows():
        rows += read_rows(port, reading, window)
        cursor = reading.cursor(window)
    reading.close()
    assert cursor is not None
    return rows, cursor, reading


def test_cursor_leads_to_rows_at_the_mark_and_without_value(source: Any) -> None:
    _, cursor, first = load(source)

    rows, _, reading = load(source, cursor)

    assert first.mode == "first load"
    assert reading.mode == "incremental"
    assert reading.mark_from == "6"
    assert sorted(rows) == [row for row in ROWS if row[2] in (6, None)]


def test_unchanged_is_true_only_for_a_finished_cursor_of_the_same_rows(subject: Subject) -> None:
    port = subject.open_source()
    _, cursor, _ = load(port)

    assert port.unchanged([extract(cursor=cursor), extract(), extract(cursor=cursor)]) == [True, False, True]
    subject.replace_source()
    assert port.unchanged([extract(cursor=cursor)]) == [False]
    port.close()


def test_replaced_source_resets_the_reading(subject: Subject) -> None:
    port = subject.open_source()
    _, cursor, _ = load(port)
    subject.replace_source()

    rows, _, reading = load(port, cursor)
    port.close()

    assert "replaced" in reading.reset
    assert reading.mode == "first load"
    assert sorted(rows) == ROWS


def test_survey_of_an_untouched_store_writes_nothing(destination: Any) -> None:
    standing = destination.survey([KEY])[0]

    assert (standing.revision, standing.cursor, standing.exists, standing.empty) == (0, None, False, True)
    assert destination.table(TableName("t")) is None
    assert destination.table(TableName("syncd_cursors")) is None


def test_created_table_carries_key_and_not_null(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    table = destination.table(TableName("t"))

    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.HISTORY])
def test_rows_of_a_new_table_are_counted_and_kept(subject: Subject, destination: Any, mode: Mode) -> None:
    counters, revision = write(destination, ROWS, mode, create=True)

    assert counters == Counters(read=50, inserted=50)
    assert revision == 1
    assert [tuple(row) for row in subject.rows()] == ROWS


def test_merge_tells_new_changed_and_equal_rows_apart(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:10], Mode.INSERT, create=True)
    changed = [ROWS[0], (2, "changed", None), (99, "new", 1)]

    counters, _ = write(destination, changed, Mode.MERGE, revision=1)

    assert counters == Counters(read=3, inserted=1, updated=1, unchanged=1)
    assert [tuple(row) for row in subject.rows()] == [
        ROWS[0],
        (2, "changed", None),
        *ROWS[2:10],
        (99, "new", 1),
    ]


def test_replace_leaves_only_the_new_rows(subject: Subject, destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True)

    counters, _ = write(destination, ROWS[:3], Mode.REPLACE, revision=1)

    assert (counters.read, counters.inserted) == (3, 3)
    assert [tuple(row) for row in subject.rows()] == ROWS[:3]


def test_nothing_to_write_is_a_window_too(subject: Subject, destination: Any) -> None:
    counters, _ = write(destination, [], Mode.INSERT, create=True)

    assert counters == Counters()
    assert subject.rows() == []


def test_insert_of_a_known_key_says_key_exists(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(SyncdError) as caught:
        write(destination, ROWS[2:5], Mode.INSERT, revision=1)

    assert caught.value.code == "key_exists"
    assert [tuple(row) for row in subject.rows()] == ROWS[:3]
    assert write(destination, ROWS[2:5], Mode.MERGE, revision=1)[0].inserted == 2, "the port is unusable"


def test_merge_of_a_repeated_key_is_refused(destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    with pytest.raises(SyncdError) as caught:
        write(destination, [(9, "a", 1), (9, "b", 1)], Mode.MERGE, revision=1)

    assert caught.value.code == "duplicate_key"
    assert "t" in caught.value.message


def test_standing_tells_what_was_committed(destination: Any) -> None:
    write(destination, ROWS, Mode.INSERT, create=True, cursor="where I was")

    standing = destination.survey([KEY, StepKey("job", "other", TableName("other"))])

    first = standing[0]
    assert (first.revision, first.cursor, first.mark, first.digest) == (1, "where I was", "mark", "digest")
    assert (first.rows, first.exists, first.empty, first.reset) == (50, True, False, "")
    assert (standing[1].revision, standing[1].exists) == (0, False)


def test_second_writer_of_one_cursor_is_refused_and_changes_nothing(
    subject: Subject, destination: Any
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    write(destination, ROWS[3:4], Mode.MERGE, revision=1)

    with pytest.raises(BusyError):
        write(destination, ROWS[4:9], Mode.MERGE, revision=1)

    assert [tuple(row) for row in subject.rows()] == ROWS[:4]
    assert destination.survey([KEY])[0].revision == 2


@pytest.mark.parametrize("moment", ["begun", "written", "finished"])
@pytest.mark.parametrize("mode", [Mode.MERGE, Mode.REPLACE])
def test_abandoned_window_leaves_nothing_and_the_port_usable(
    subject: Subject, destination: Any, moment: str, mode: Mode
) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)
    writing = destination.begin(target(destination, mode, revision=1), nothing)
    if moment != "begun":
        writing.write(Batch(Format.ROWS, ROWS[3:9], 6))
    if moment == "finished":
        writing.finish()
    writing.abandon()
    writing.abandon()

    assert [tuple(row) for row in subject.rows()] == ROWS[:3]
    assert destination.survey([KEY])[0].revision == 1
    assert write(destination, ROWS[3:4], Mode.MERGE, revision=1)[1] == 2


def test_abandon_after_commit_does_nothing(subject: Subject, destination: Any) -> None:
    write(destination, ROWS[:3], Mode.INSERT, create=True)

    assert [tuple(row) for row in subject.rows()] == ROWS[:3]


def test_ports_may_be_closed_twice(subject: Subject) -> None:
    source, destination = subject.open_source(), subject.open_destination()
    for port in (source, destination):
        port.close()
        port.close()

    again = subject.open_source()
    assert again.describe(Relation(table=TableName("t"))).key == ("id",)
    again.close()


def test_cancelled_source_reads_no_further(subject: Subject) -> None:
    port = subject.open_source()
    thread = threading.Thread(target=port.cancel)
    thread.start()
    thread.join()

    with pytest.raises(SyncdError) as caught:
        load(port)
    port.close()

    assert caught.value.code == "cancelled"


def test_cancelled_destination_takes_nothing(subject: Subject) -> None:
    port = subject.open_destination()
    write(port, ROWS[:3], Mode.INSERT, create=True)
    port.cancel()

    with pytest.raises(SyncdError) as caught:
        write(port, ROWS[3:9], Mode.MERGE, revision=1)
    port.close()

    assert caught.value.code == "cancelled"
    assert [tuple(row) for row in subject.rows()] == ROWS[:3]


def test_explain_answers_what_plan_prints(source: Any) -> None:
    answer = source.explain(extract())

    assert set(answer) == {"sql", "windows", "rows_estimated", "null_rows", "future_rows", "index"}
    assert answer["rows_estimated"] == 50
