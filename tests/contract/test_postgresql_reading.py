"""What a PostgreSQL source reads when a question narrows it: start, interval, windows, keys, marks, columns."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.connectors.postgresql import source
from syncd.errors import FatalError, TransientError
from syncd.model.batch import Format
from syncd.model.options import Interval
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.reading import Extract, Tuning
from syncd.model.table import TableName
from tests.contract.postgres_ends import Ends, nothing

pytestmark = pytest.mark.postgresql

T = TableName("t")


def months(ends: Ends, kind: str = "timestamptz") -> None:
    ends.store.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, updated {kind})")
    ends.store.execute(
        "INSERT INTO t SELECT n, timestamptz '2024-01-31 10:00+00' + make_interval(months => n) FROM generate_series(0, 9) n"
    )


def ids(windows: list[list[tuple[object, ...]]]) -> list[list[object]]:
    return [sorted(row[0] for row in window) for window in windows]


def test_another_key_and_chosen_columns_are_described_and_read(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, code text, extra text, updated bigint)")
    ends.store.execute("INSERT INTO t VALUES (1, 'a', 'x', 5)")
    relation = Relation(table=T, exclude=("extra", "updated"))

    windows, _, reading = ends.read(relation=relation, key=("code",), check_columns=("updated",))

    assert ends.source.describe(relation).column_names == ("id", "code")
    assert (reading.table.key, reading.check_column, windows) == (("code",), "updated", [[(1, "a")]])


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_rows_below_the_start_are_never_read(ends: Ends, kind: str) -> None:
    months(ends, kind)
    ends.store.execute("INSERT INTO t VALUES (100, NULL)")
    more = {"check_columns": ("updated",), "start": "2024-06-01"}

    windows, cursor, reading = ends.read(**more)
    again, _, second = ends.read(**more, cursor=cursor, lookback_seconds=1e9)

    assert ids(windows) == [[5, 6, 7, 8, 9, 100]]
    assert reading.rows_estimated == 6
    assert (second.mode, ids(again)) == ("incremental", [[5, 6, 7, 8, 9, 100]])


def test_change_below_the_start_leaves_the_source_unchanged(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, updated bigint)")
    ends.store.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    more = {"check_columns": ("updated",), "start": 10}
    _, cursor, _ = ends.read(**more)

    ends.store.execute("INSERT INTO t VALUES (3, 3)")
    below = ends.source.unchanged([Extract(Relation(table=T), cursor=cursor, **more)])
    ends.store.execute("INSERT INTO t VALUES (4, 10)")
    above = ends.source.unchanged([Extract(Relation(table=T), cursor=cursor, **more)])

    assert (below, above) == ([True], [False])


@pytest.mark.parametrize(
    ("kind", "start", "checks"),
    [
        ("timestamptz", 5, ("updated",)),
        ("timestamptz", "yesterday", ("updated",)),
        ("date", "2024-13-01", ("updated",)),
        ("bigint", "2024-01-01", ("updated",)),
        ("smallint", 100_000, ("updated",)),
        ("timestamptz", "2024-01-01", ()),
    ],
)
def test_start_that_does_not_fit_is_refused(
    ends: Ends, kind: str, start: str | int, checks: tuple[str, ...]
) -> None:
    ends.store.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, updated {kind})")

    with pytest.raises(FatalError) as caught:
        ends.read(check_columns=checks, start=start)

    assert caught.value.code == "bad_start"


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_first_load_is_cut_by_the_calendar_oldest_first(ends: Ends, kind: str) -> None:
    months(ends, kind)
    ends.store.execute(
        "INSERT INTO t VALUES (100, NULL), (101, '-infinity'), (102, 'infinity'), (103, '0044-03-15 BC')"
    )

    windows, _, _ = ends.read(check_columns=("updated",), interval=Interval(months=3))

    assert ids(windows) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9, 100, 101, 102, 103]]


def test_load_by_intervals_goes_on_at_its_window(ends: Ends) -> None:
    months(ends)
    extract = Extract(Relation(table=T), ("updated",), interval=Interval(months=3))
    reading = ends.source.open(extract, (Format.ROWS,), nothing)
    first = next(reading.windows())
    list(reading.read(first, Format.ROWS, nothing))
    cursor = reading.cursor(first)
    reading.close()

    windows, _, rest = ends.read(check_columns=("updated",), interval=Interval(months=3), cursor=cursor)

    assert (rest.mode, ids(windows)) == ("resume", [[3, 4, 5], [6, 7, 8, 9]])


def test_intervals_before_the_first_row_hold_no_window(ends: Ends) -> None:
    months(ends)

    windows, _, _ = ends.read(check_columns=("updated",), start="1990-01-31", interval=Interval(months=12))

    assert ids(windows) == [[*range(10)]]


def test_interval_over_a_number_is_refused(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, updated bigint)")

    with pytest.raises(FatalError) as caught:
        ends.read(check_columns=("updated",), interval=Interval(months=1))

    assert caught.value.code == "bad_interval"


def test_windows_and_batches_are_as_large_as_the_question_says(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    ends.store.execute("INSERT INTO t SELECT generate_series(1, 1000)")
    ends.store.execute("ANALYZE t")
    relation = Relation(table=T)

    cut, _, _ = ends.read(window_rows=300)
    single, _, _ = ends.read(window_rows=300, single=True)
    sizes = {}
    for form in ends.source.formats:
        reading = ends.source.open(Extract(relation, batch_rows=250), ends.source.formats, nothing)
        sizes[form] = [batch.rows for batch in reading.read(next(reading.windows()), form, nothing)]
        reading.close()
    reading = ends.source.open(Extract(relation, batch_bytes=1000), ends.source.formats, nothing)
    longest = max(
        len(batch.data) for batch in reading.read(next(reading.windows()), Format.COPYTEXT, nothing)
    )
    reading.close()

    assert (len(cut), sum(map(len, cut)), len(single)) == (4, 1000, 1)
    assert all(sum(found) == 1000 and max(found) == 250 for found in sizes.values()), sizes
    assert 1000 <= longest < 1010


def test_keys_give_their_rows_in_windows_of_a_thousand(ends: Ends) -> None:
    ends.store.execute(
        "CREATE TABLE t (a varchar(3), b bytea, c boolean, n numeric(10,2), v text, PRIMARY KEY (a, b, c, n))"
    )
    ends.store.execute(
        "INSERT INTO t VALUES ('x''y', '\\x0001', true, 1.50, 'here'), ('x', '\\x', false, 2, 'other')"
    )
    keys = (
        ("x'y", b"\x00\x01", 1, "1.50"),
        ("x  ", b"", 0, "2.00"),
        *(("no", b"", 0, str(n)) for n in range(1500)),
    )

    windows, _, reading = ends.read(keys=keys, check_columns=())
    none, _, _ = ends.read(keys=())

    assert (reading.mode, reading.check_column, len(windows)) == ("keys", None, 2)
    assert windows[0] == [("x'y", b"\x00\x01", 1, "1.50", "here")]
    assert (windows[1], none) == ([], [[]])


def bounded(where: str, outputs: tuple[tuple[str, str], ...] = ()) -> Relation:
    return Relation(T, f"SELECT id, updated FROM t WHERE {where}", outputs)


def test_select_between_marks_reads_from_the_lowest_to_the_horizon_and_then_on(ends: Ends) -> None:
    months(ends)
    ends.store.execute("INSERT INTO t VALUES (100, now() + interval '1 day')")
    relation = bounded(f"updated >= {LAST_MARK} AND updated < {NEXT_MARK}")

    first, cursor, reading = ends.read(relation=relation, check_columns=("updated",))
    ends.store.execute("INSERT INTO t VALUES (50, '2026-01-01')")
    second, _, again = ends.read(relation=relation, check_columns=("updated",), cursor=cursor)

    assert ids(first) == [[*range(10)]]
    assert reading.mark_to == "2024-10-31 10:00:00+00"
    assert (again.mode, ids(second), again.mark_to) == ("incremental", [[9, 50]], "2026-01-01 00:00:00+00")
    assert ends.source.unchanged([Extract(relation, ("updated",), cursor=cursor)]) == [False]


def test_select_with_interval_moves_over_a_gap_of_years_at_once(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, updated timestamptz)")
    ends.store.execute(
        "INSERT INTO t VALUES (1, '2020-01-01'), (2, '2020-01-02'), (3, '2023-01-01'), (4, '2024-01-01')"
    )
    relation = bounded(f"updated >= {LAST_MARK} AND updated < {NEXT_MARK}")
    more = {"relation": relation, "check_columns": ("updated",), "interval": Interval(months=1)}

    found, cursor = [], None
    for _ in range(4):
        windows, cursor, _ = ends.read(**more, cursor=cursor)
        found.append(ids(windows)[0])

    assert found == [[1, 2], [2, 3], [3, 4], [4]]


@pytest.mark.parametrize(("kind", "value"), [("bigint", "7"), ("numeric", "7.5"), ("date", "2020-01-01")])
def test_select_between_marks_without_a_table_takes_the_lowest_of_the_type(
    ends: Ends, kind: str, value: str
) -> None:
    select = f"SELECT 1 AS id, u AS updated FROM (VALUES ('{value}'::{kind})) v(u) WHERE u >= {LAST_MARK} AND u < {NEXT_MARK}"

    windows, _, reading = ends.read(relation=Relation(select=select), check_columns=("updated",), key=("id",))

    assert (ids(windows), reading.mark_to) == ([[1]], value)


def test_select_between_marks_starts_at_the_start(ends: Ends) -> None:
    months(ends)

    windows, _, _ = ends.read(
        relation=bounded(f"updated >= {LAST_MARK}"), check_columns=("updated",), start="2024-10-01"
    )

    assert ids(windows) == [[9]]


def test_select_between_marks_without_check_column_is_refused(ends: Ends) -> None:
    months(ends)

    with pytest.raises(FatalError) as caught:
        ends.read(relation=bounded(f"updated >= {LAST_MARK}"))

    assert caught.value.code == "check_column_missing"


def test_tables_are_listed_with_schema_and_without_those_of_the_server_and_ours(ends: Ends) -> None:
    ends.store.execute(
        "CREATE SCHEMA other; CREATE TABLE other.a (id int); CREATE VIEW v AS SELECT 1 AS n;"
        " CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        " CREATE TABLE syncd_cursors (id int)"
    )

    assert ends.source.tables() == [
        TableName("a", "other"),
        TableName("p", "public"),
        TableName("v", "public"),
    ]


def test_statement_without_progress_ends_as_timeout(ends: Ends) -> None:
    ends.source.tune(Tuning(command_timeout_seconds=0.4))
    slow = Relation(select="SELECT 1 AS id, pg_sleep(20)::text AS s")
    began = datetime.now(UTC)

    with pytest.raises(TransientError) as caught:
        ends.read(relation=slow)
    ends.source.tune(Tuning())

    assert caught.value.code == "timeout"
    assert datetime.now(UTC) - began < timedelta(seconds=8)
    assert ends.read(relation=Relation(select="SELECT 1 AS id, pg_sleep(0.6)::text AS s"))[0] == [[(1, "")]]


def test_copy_that_makes_progress_may_take_longer_than_the_limit(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 5); ANALYZE t")
    ends.store.execute("CREATE VIEW slow AS SELECT id, repeat('x', 20000) || pg_sleep(0.3)::text AS s FROM t")
    ends.source.tune(Tuning(command_timeout_seconds=1.0))
    reading = ends.source.open(Extract(Relation(table=TableName("t"))), (Format.ROWS,), nothing)
    reading.close()

    batches = list(ends.source.rows_of(Relation(table=TableName("slow")), ("id", "s"), None, nothing))

    assert sum(batch.rows for batch in batches) == 5


def test_trace_hears_every_statement_and_no_value(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('it''s secret')")
    heard: list[str] = []
    ends.source.tune(Tuning(trace=heard.append))

    windows, _, _ = ends.read(keys=(("it's secret",),))

    assert windows == [[("it's secret",)]]
    assert any(said.startswith("COPY (SELECT") for said in heard)
    assert not any("secret" in said for said in heard)


def test_first_load_of_a_large_table_scans_it_once_before_it_reads(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    months(ends)
    monkeypatch.setattr(source, "SUMMED_ROWS", 5)
    heard: list[str] = []
    ends.source.tune(Tuning(trace=heard.append))

    _, cursor, first = ends.read(check_columns=("updated",))
    scans = [said for said in heard if 'FROM "public"."t"' in said and not said.startswith("COPY")]
    _, later, _ = ends.read(check_columns=("updated",), cursor=cursor)

    assert len(scans) == 1, scans
    assert first.mark_to == "2024-10-31 10:00:00+00"
    unchanged = [
        ends.source.unchanged([Extract(Relation(table=T), ("updated",), cursor=c)]) for c in (cursor, later)
    ]
    assert unchanged == [[False], [True]]
