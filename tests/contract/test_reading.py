"""What a source says about a relation, and which rows a reading gives."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import FatalError, NotFoundError, SyncdError, TransientError
from syncd.model.batch import Format
from syncd.model.options import Interval
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.reading import Extract, Tuning
from syncd.model.table import TableName
from tests.contract.acts import T, extract, load, nothing, open_reading, read_windows
from tests.contract.subject import ROWS, Subject


def test_describe_gives_columns_in_order_key_and_nullability(source: Any) -> None:
    table = source.describe(T)

    assert table.column_names == ("id", "name", "grade")
    assert table.key == ("id",)
    assert [column.nullable for column in table.columns] == [False, False, True]


@pytest.mark.parametrize(
    ("relation", "columns", "key"),
    [
        (Relation(TableName("t"), include=("name", "ID")), ("id", "name"), ("id",)),
        (Relation(TableName("t"), exclude=("name",)), ("id", "grade"), ("id",)),
        (Relation(TableName("t"), exclude=("id",)), ("name", "grade"), ()),
    ],
    ids=["include", "exclude", "without-key"],
)
def test_chosen_columns_are_described_and_read(
    source: Any, relation: Relation, columns: tuple[str, ...], key: tuple[str, ...]
) -> None:
    table = source.describe(relation)
    rows, _, reading = load(source, extract(None, relation=relation))

    assert (table.column_names, table.key) == (columns, key)
    assert reading.table.column_names == columns
    assert len(rows[0]) == len(columns)
    assert len(rows) == len(ROWS)


def test_column_that_is_followed_need_not_be_read(source: Any) -> None:
    """Not said by the port: a table's check column is looked for in the table, not among the chosen columns."""
    relation = Relation(TableName("t"), exclude=("grade",))
    _, cursor, _ = load(source, extract(relation=relation))

    rows, _, reading = load(source, extract(relation=relation, cursor=cursor))

    assert reading.mode == "incremental"
    assert sorted(rows) == [row[:2] for row in ROWS if row[2] in (6, None)]


def test_key_may_be_overridden(source: Any) -> None:
    reading = open_reading(source, extract(None, key=("name", "Grade")))
    reading.close()

    assert reading.table.key == ("name", "grade")


def test_key_of_an_unknown_column_is_refused(source: Any) -> None:
    with pytest.raises(FatalError) as caught:
        open_reading(source, extract(None, key=("nome",)))

    assert "nome" in caught.value.message


def test_missing_table_is_told_with_the_nearest_name(source: Any) -> None:
    with pytest.raises(NotFoundError) as caught:
        source.describe(Relation(table=TableName("tt")))

    assert "tt" in caught.value.message
    assert "'t'" in caught.value.hint


def test_missing_check_column_is_told(source: Any) -> None:
    with pytest.raises(FatalError) as caught:
        open_reading(source, extract("gradee"))

    assert caught.value.code == "check_column_missing"
    assert "gradee" in caught.value.message


def test_cursor_leads_to_rows_at_the_mark_and_without_value(source: Any) -> None:
    _, cursor, first = load(source, extract())

    rows, _, reading = load(source, extract(cursor=cursor))

    assert first.mode == "first load"
    assert reading.mode == "incremental"
    assert reading.mark_from == "6"
    assert sorted(rows) == [row for row in ROWS if row[2] in (6, None)]


def test_unchanged_is_true_only_for_a_finished_cursor_of_the_same_rows(subject: Subject, source: Any) -> None:
    _, cursor, _ = load(source, extract())

    said = source.unchanged([extract(cursor=cursor), extract(), extract(cursor=cursor)])
    subject.source.put("t", [(60, "new", 6)])

    assert said == [True, False, True]
    assert source.unchanged([extract(cursor=cursor)]) == [False]


def test_replaced_source_resets_the_reading(subject: Subject) -> None:
    port = subject.open_source()
    _, cursor, _ = load(port, extract())
    subject.source.create("other", {"id": "integer!"})
    subject.source.drop("t")
    subject.source.create("third", {"id": "integer!"})
    subject.source.create("t", {"id": "integer!", "name": "text!", "grade": "integer"}, ["id"], ROWS)

    rows, _, reading = load(port, extract(cursor=cursor))
    port.close()

    assert reading.reset
    assert reading.mode == "first load"
    assert sorted(rows) == ROWS


def test_rows_below_the_start_are_never_read(source: Any) -> None:
    wanted = [row for row in ROWS if row[2] is None or row[2] >= 3]

    first, cursor, reading = load(source, extract(start=3))
    later, _, again = load(source, extract(start=3, cursor=cursor))

    assert sorted(first) == wanted
    assert reading.rows_estimated == len(wanted)
    assert again.mode == "incremental"
    assert sorted(later) == [row for row in ROWS if row[2] in (6, None)]


def test_changes_below_the_start_are_no_changes(subject: Subject, source: Any) -> None:
    _, cursor, _ = load(source, extract(start=3))
    subject.source.put("t", [(60, "early", 1)])

    assert source.unchanged([extract(start=3, cursor=cursor)]) == [True]


def test_start_is_a_time_where_the_column_is_one(subject: Subject, source: Any) -> None:
    events(subject)

    rows, _, _ = load(source, extract("at", relation=E, start="2026-01-20"))

    assert sorted(row[0] for row in rows) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("check", "start"),
    [("at", 5), ("at", "soon"), ("id", "2026-01-01"), (None, 5)],
    ids=["number-for-a-time", "no-time", "time-for-a-number", "no-check-column"],
)
def test_start_that_does_not_fit_is_refused(
    subject: Subject, source: Any, check: str | None, start: str | int
) -> None:
    events(subject)

    with pytest.raises(FatalError) as caught:
        open_reading(source, extract(check, relation=E, start=start))

    assert caught.value.code == "bad_start"


def test_batches_are_no_longer_than_was_asked_in_every_format(source: Any) -> None:
    counted = {}
    for form in source.formats:
        reading = source.open(extract(batch_rows=4), (form,), nothing)
        windows = list(reading.windows())
        sizes = [b.rows for window in windows for b in reading.read(window, form, nothing)]
        reading.close()
        counted[form] = (max(sizes) <= 4, sum(sizes))

    assert counted == {form: (True, len(ROWS)) for form in source.formats}


def test_batches_are_about_as_heavy_as_was_asked(subject: Subject, source: Any) -> None:
    subject.source.create(
        "wide", {"id": "integer!", "v": "text"}, ["id"], [(n, "x" * 190) for n in range(300)]
    )

    reading = open_reading(source, extract(None, relation=Relation(TableName("wide")), batch_bytes=2_000))
    window = next(reading.windows())
    sizes = [sum(len(row[1]) for row in b.data) for b in reading.read(window, Format.ROWS, nothing)]
    reading.close()

    assert sum(sizes) == 300 * 190
    assert max(sizes) <= 2_000 + 400


def test_window_may_be_read_again_after_its_reader_left(source: Any) -> None:
    reading = open_reading(source, extract())
    window = next(reading.windows())
    left = reading.read(window, Format.ROWS, nothing)
    next(left)
    left.close()

    again = [tuple(row) for batch in reading.read(window, Format.ROWS, nothing) for row in batch.data]
    reading.close()

    assert sorted(again) == ROWS


def test_source_without_captured_changes_knows_of_no_deleted_rows(source: Any) -> None:
    reading = open_reading(source, extract())
    window = next(reading.windows())
    for _ in reading.read(window, Format.ROWS, nothing):
        pass

    gone = [key for block in reading.deleted(window, nothing) for key in block]
    reading.close()

    assert gone == []


def test_tables_are_listed_without_the_stores_own(subject: Subject, source: Any) -> None:
    subject.source.create("syncd_cursors", {"id": "integer"})
    subject.source.create("other", {"id": "integer"})

    assert sorted(name.name for name in source.tables()) == ["other", "t"]


def test_trace_hears_statements_without_values(subject: Subject, source: Any) -> None:
    subject.source.put("t", [(99, "planted", 6)])
    heard: list[str] = []
    source.tune(Tuning(trace=heard.append))

    load(source, extract(start=6))
    told = len(heard)
    source.tune(Tuning())
    load(source, extract())

    assert told > 0
    assert len(heard) == told
    assert not any("planted" in text for text in heard)


def test_statement_without_progress_times_out(subject: Subject, source: Any) -> None:
    source.tune(Tuning(command_timeout_seconds=0.5))
    asked = Extract(Relation(select=subject.endless or "SELECT 1"))

    with pytest.raises(SyncdError) as caught:
        read_windows(source, asked)

    if subject.endless:
        assert isinstance(caught.value, TransientError)
    assert caught.value.code == ("timeout" if subject.endless else "no_select")


def test_source_is_usable_after_a_timeout(subject: Subject, source: Any) -> None:
    source.tune(Tuning(command_timeout_seconds=0.5))
    with pytest.raises(SyncdError):
        read_windows(source, Extract(Relation(select=subject.endless or "SELECT 1")))
    source.tune(Tuning())

    assert sorted(load(source, extract())[0]) == ROWS


def test_cancelled_source_reads_no_further(subject: Subject) -> None:
    port = subject.open_source()
    thread = threading.Thread(target=port.cancel)
    thread.start()
    thread.join()

    with pytest.raises(SyncdError) as caught:
        load(port, extract())
    port.close()

    assert caught.value.code == "cancelled"


def test_ports_may_be_closed_twice(subject: Subject) -> None:
    source, destination = subject.open_source(), subject.open_destination()
    for port in (source, destination):
        port.close()
        port.close()

    again = subject.open_source()
    assert again.describe(T).key == ("id",)
    again.close()


def test_explain_answers_what_plan_prints(source: Any) -> None:
    answer = source.explain(extract())

    assert set(answer) == {"sql", "windows", "rows_estimated", "null_rows", "future_rows", "index"}
    assert answer["rows_estimated"] == 50


E = Relation(table=TableName("e"))
BOUNDED = Relation(
    TableName("e"),
    select=f"SELECT id, at FROM e WHERE at >= {LAST_MARK} AND at < {NEXT_MARK}",
    outputs=(("id", "id"), ("at", "at")),
)


def events(subject: Subject) -> None:
    """A table e that holds times."""
    subject.source.create("e", {"id": "integer!", "name": "text", "at": "timestamp"}, ["id"], EVENTS)


EVENTS = [
    (1, "a", "2026-01-05 00:00:00"),
    (2, "b", "2026-01-20 12:00:00"),
    (3, "c", "2026-02-10 00:00:00"),
    (4, "d", "2026-03-01 00:00:00"),
    (5, "e", None),
]


def bounded(
    port: Any, subject: Subject, cursor: str | None = None, **more: Any
) -> tuple[list[Any], str, Any]:
    """The rows of the SELECT with marks; a store that runs no SELECT says so."""
    asked = extract("at", cursor, relation=BOUNDED, **more)
    if subject.endless:
        return load(port, asked)
    with pytest.raises(FatalError) as caught:
        load(port, asked)
    assert caught.value.code == "no_select"
    return [(each[0],) for each in EXPECTED[bool(cursor), "interval" in more, "start" in more]], "{}", None


EXPECTED = {
    (False, False, False): EVENTS[:4],
    (True, False, False): EVENTS[3:4],
    (False, True, False): EVENTS[:2],
    (True, True, False): EVENTS[1:3],
    (False, False, True): EVENTS[1:4],
}
"""By: is there a cursor, is there an interval, is there a start."""


def test_select_with_marks_reads_between_them(subject: Subject, source: Any) -> None:
    events(subject)

    first, cursor, _ = bounded(source, subject)
    second, _, reading = bounded(source, subject, cursor)

    assert [row[0] for row in sorted(first)] == [1, 2, 3, 4]
    assert [row[0] for row in second] == [4]
    assert reading is None or reading.mode == "incremental"


def test_select_with_marks_is_described_and_never_said_to_be_unchanged(subject: Subject, source: Any) -> None:
    events(subject)
    _, cursor, _ = bounded(source, subject)

    if subject.endless:
        assert source.describe(BOUNDED).column_names == ("id", "at")
        assert source.describe(BOUNDED).key == ("id",)
        assert source.unchanged([extract("at", cursor, relation=BOUNDED)]) == [False]


def test_select_with_marks_goes_on_by_the_interval(subject: Subject, source: Any) -> None:
    """The first interval begins at the lowest value, each further one at the mark that the last one left."""
    events(subject)
    month = Interval(months=1)

    first, cursor, _ = bounded(source, subject, interval=month)
    second, _, _ = bounded(source, subject, cursor, interval=month)

    assert [row[0] for row in sorted(first)] == [1, 2]
    assert [row[0] for row in sorted(second)] == [2, 3]


def test_select_with_interval_moves_over_a_gap(subject: Subject, source: Any) -> None:
    """A time without rows may be longer than the interval: the rows after it come all the same, and not all at once."""
    times = ("2026-01-01", "2026-01-02", "2026-04-10", "2026-08-20")
    rows = [(number, "x", f"{day} 00:00:00") for number, day in enumerate(times, 1)]
    subject.source.create("e", {"id": "integer!", "name": "text", "at": "timestamp"}, ["id"], rows)
    seen: list[int] = []
    news, cursor = [], None

    for _ in range(12 if subject.endless else 0):
        found, cursor, reading = bounded(source, subject, cursor, interval=Interval(months=1))
        new = sorted({row[0] for row in found}.difference(seen))
        seen += new
        news += [new] if new else []
        assert not reading.reset

    assert news == ([[1, 2], [3], [4]] if subject.endless else [])


def test_select_above_the_mark_that_gives_nothing_keeps_the_mark(subject: Subject, source: Any) -> None:
    """That no row stands at the mark is what such a query asks for, and no sign of a restored backup."""
    events(subject)
    relation = Relation(
        TableName("e"), f"SELECT id, at FROM e WHERE at > {LAST_MARK}", (("id", "id"), ("at", "at"))
    )
    asked = extract("at", relation=relation, start="2025-01-01")
    if not subject.endless:
        with pytest.raises(FatalError, match="SELECT"):
            load(source, asked)
        return
    _, cursor, first = load(source, asked)

    rows, again, reading = load(source, replace(asked, cursor=cursor))
    _, _, third = load(source, replace(asked, cursor=again))

    assert (rows, reading.reset, third.reset) == ([], "", "")
    assert first.mark_to is not None
    assert reading.mark_to == third.mark_to == first.mark_to


def test_select_with_marks_begins_at_the_start(subject: Subject, source: Any) -> None:
    events(subject)

    rows, _, _ = bounded(source, subject, start="2026-01-20")

    assert [row[0] for row in sorted(rows)] == [2, 3, 4]


def test_select_with_marks_needs_a_check_column(subject: Subject, source: Any) -> None:
    events(subject)

    with pytest.raises(FatalError) as caught:
        load(source, extract(None, relation=BOUNDED))

    assert caught.value.code == ("check_column_missing" if subject.endless else "no_select")
