"""What only MariaDB and MySQL have: their clocks and locks, their silent conversions, and their refusals."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.connectors.mysql import source as source_module
from syncd.connectors.mysql.connection import open_connection
from syncd.connectors.mysql.parameters import parameters
from syncd.errors import FatalError, RunCancelledError, SyncdError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.options import Verify
from syncd.model.plan import Relation
from syncd.model.reading import Extract, Tuning
from syncd.model.table import TableName
from syncd.model.writing import Mode, StepKey, Target
from syncd.registry import connector
from tests.servers import MariadbServer
from tests.stores import MysqlStore, Pair

pytestmark = pytest.mark.mysql

SECRET = "pa:ss@wörd/%41"
WITHIN_SECONDS = 1.0


def nothing() -> None:
    """A check that never stops."""


@pytest.fixture
def store(make_store: Callable[[str], Any]) -> MysqlStore:
    found = make_store("mysql")
    assert isinstance(found, MysqlStore)
    return found


@pytest.fixture
def my_pair(make_store: Callable[[str], Any]) -> Pair:
    return Pair(make_store("mysql"), make_store("mysql"))


@pytest.fixture
def goal(store: MysqlStore) -> Iterator[Any]:
    port = connector("mysql").open_destination(store.options())
    yield port
    port.close()


def target(port: Any, mode: Mode, form: Format = Format.ROWS, table: str = "t") -> Target:
    name = TableName(table)
    place = port.table(name)
    return Target(
        StepKey("j", "t", name), place, place, place.column_names, mode, form, False, 0, "d", place.key
    )


def send(writing: Any, *rows: tuple[Any, ...]) -> None:
    writing.write(Batch(Format.ROWS, rows, len(rows)))
    writing.finish()


def opened(**options: Any) -> SyncdError:
    with pytest.raises(SyncdError) as caught:
        connector("mysql").open_source(options)
    assert SECRET not in f"{caught.value.message}{caught.value.hint}{caught.value.where}"
    assert caught.value.hint
    return caught.value


def test_wrong_password_is_told_without_it(mariadb: MariadbServer) -> None:
    mariadb.query("CREATE OR REPLACE USER guarded@'127.0.0.1' IDENTIFIED BY 'right'")

    error = opened(host="127.0.0.1", port=mariadb.port, database="mysql", user="guarded", password=SECRET)

    assert isinstance(error, FatalError)
    assert "password rejected" in error.message


def test_silence_of_the_server_is_noticed(store: MysqlStore) -> None:
    with closing(open_connection(parameters(store.options()))) as connection:
        idle = connection._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        alive = connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    assert (idle, alive) == (30, 1)


def test_server_that_is_down_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    error = opened(url=f"mysql://u@127.0.0.1:{port}/crm")

    assert isinstance(error, TransientError)
    assert "connection refused" in error.message


def test_host_and_database_that_do_not_exist_are_told(mariadb: MariadbServer) -> None:
    assert "no such host" in opened(host="nowhere.invalid", database="crm").message
    assert opened(url=mariadb.url("nothere")).code == "not_found"


@pytest.mark.parametrize(
    "url", ["mysql://a:b@h:port/d", "postgresql://h/d", "mysql://h/d?bogus=1", "mysql://h"]
)
def test_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    error = opened(url=url)

    assert isinstance(error, FatalError)
    assert "a:b" not in error.message


@pytest.mark.parametrize("first", [True, False], ids=["first load", "incremental"])
def test_late_commit_of_a_lower_number_is_found(
    my_pair: Pair, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "SETTLE_SECONDS", 0.02)
    my_pair.source.execute("CREATE TABLE t (id bigint PRIMARY KEY AUTO_INCREMENT, v text)")
    my_pair.source.execute("INSERT INTO t (v) VALUES ('a')")
    if not first:
        my_pair.ok(check="id")
    assert isinstance(my_pair.source, MysqlStore)
    late = my_pair.source.another()
    late.execute("INSERT INTO t (v) VALUES ('late')")
    my_pair.source.execute("INSERT INTO t (v) VALUES ('after')")
    my_pair.ok(check="id")
    late.commit()
    late.close()

    my_pair.ok(check="id")

    assert my_pair.destination.rows("SELECT v FROM t ORDER BY id") == [("a",), ("late",), ("after",)]


@pytest.mark.parametrize("native", ["timestamp(6) NULL", "datetime(6)", "date"])
def test_late_commit_with_the_time_of_its_beginning_is_found(my_pair: Pair, native: str) -> None:
    my_pair.source.execute(f"CREATE TABLE t (id int PRIMARY KEY, updated {native})")
    my_pair.source.execute("INSERT INTO t VALUES (1, UTC_TIMESTAMP(6) - INTERVAL 1 DAY)")
    my_pair.ok()
    assert isinstance(my_pair.source, MysqlStore)
    late = my_pair.source.another()
    late.execute("INSERT INTO t VALUES (2, UTC_TIMESTAMP(6))")
    my_pair.source.execute("INSERT INTO t VALUES (3, UTC_TIMESTAMP(6))")
    my_pair.ok()
    late.commit()
    late.close()

    my_pair.ok()

    assert my_pair.destination.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def test_user_without_the_right_to_see_transactions_is_told(store: MysqlStore) -> None:
    store.execute("CREATE TABLE t (id int PRIMARY KEY, updated datetime(6))")
    store.execute("CREATE OR REPLACE USER poor@'127.0.0.1'")
    store.execute(f"GRANT SELECT ON `{store.name}`.* TO poor@'127.0.0.1'".replace("`", '"'))
    port = connector("mysql").open_source(store.options(user="poor"))

    reading = port.open(Extract(Relation(TableName("t")), ("updated",)), (Format.ROWS,), nothing)
    reading.close()
    port.close()

    assert any("PROCESS" in said for said in reading.warnings)


@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_table_without_transactions_is_refused(store: MysqlStore, goal: Any, engine: str) -> None:
    store.execute(f"CREATE TABLE t (id int PRIMARY KEY) ENGINE={engine}")

    with pytest.raises(FatalError) as caught:
        goal.begin(target(goal, Mode.MERGE), nothing)

    assert caught.value.code == "no_transactions"
    assert engine in caught.value.message


def ends_in_time(port: Any, after_seconds: float, act: Callable[[], Any]) -> None:
    at: list[float] = []

    def cancel() -> None:
        time.sleep(after_seconds)
        at.append(time.monotonic())
        port.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(RunCancelledError):
            act()
        ended = time.monotonic()
    finally:
        thread.join()
    assert ended - at[0] < WITHIN_SECONDS


def test_merge_that_waits_for_a_row_ends_when_it_is_stopped(store: MysqlStore, goal: Any) -> None:
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint); INSERT INTO t VALUES (1, 1)")
    blocker = store.another()
    blocker.execute("UPDATE t SET v = 5 WHERE id = 1")
    writing = goal.begin(target(goal, Mode.MERGE), nothing)
    writing.write(Batch(Format.ROWS, [(1, 2)], 1))

    ends_in_time(goal, 0.3, writing.finish)
    writing.abandon()
    blocker.rollback()
    blocker.close()

    assert store.rows("SELECT * FROM t") == [(1, 1)]


def test_load_whose_server_takes_nothing_more_ends_when_it_is_stopped(store: MysqlStore, goal: Any) -> None:
    """A trigger sleeps, so the server stops reading and the sender's buffers fill up."""
    store.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint)")
    store.execute("CREATE TRIGGER nap BEFORE INSERT ON t FOR EACH ROW SET NEW.v = SLEEP(30)")
    writing = goal.begin(target(goal, Mode.INSERT, Format.COPYTEXT), nothing)
    data = b"".join(b"%d\t1\n" % number for number in range(20_000))

    def send() -> None:
        for _ in range(200):
            writing.write(Batch(Format.COPYTEXT, data, 20_000))
        writing.finish()

    ends_in_time(goal, 0.5, send)
    writing.abandon()

    assert store.rows("SELECT count(*) FROM t") == [(0,)]


def test_stop_by_the_run_leaves_the_port_usable(store: MysqlStore) -> None:
    port = connector("mysql").open_source(store.options())
    stops = [False]

    def check() -> None:
        if stops[0]:
            raise RunCancelledError("stop")

    reading = port.open(
        Extract(Relation(select="SELECT seq FROM seq_1_to_3000000")), (Format.COPYTEXT,), nothing
    )
    window = next(reading.windows())
    blocks = reading.read(window, Format.COPYTEXT, check)
    next(blocks)
    stops[0] = True
    with pytest.raises(RunCancelledError):
        list(blocks)
    reading.close()

    assert port.describe(Relation(select="SELECT 1 AS one")).column_names == ("one",)
    port.close()


def test_statement_without_progress_ends_by_itself(store: MysqlStore, goal: Any) -> None:
    goal.tune(Tuning(command_timeout_seconds=0.4))

    with pytest.raises(TransientError) as caught:
        goal.execute("SELECT SLEEP(20)", nothing)

    assert caught.value.code == "timeout"
    assert goal.execute("SELECT 1", nothing) == [(1,)]


def test_trace_hears_statements_without_values(store: MysqlStore, goal: Any) -> None:
    store.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    heard: list[str] = []
    goal.tune(Tuning(trace=heard.append))
    writing = goal.begin(target(goal, Mode.MERGE), nothing)
    writing.write(Batch(Format.ROWS, [(1, "topsecretvalue")], 1))
    writing.finish()
    writing.commit("secret cursor", None, 1)

    assert any("LOAD DATA" in said for said in heard)
    assert not any("secret" in said for said in heard)


SILENT = {
    "enum by number": ("enum('a','b')", "2", "b"),
    "enum by case": ("enum('a','b')", "A", "a"),
    "text that is cut": ("varchar(3)", "abcd", "abc"),
    "blanks that are cut": ("varchar(3)", "abc ", "abc"),
    "charset that has no such letter": ("varchar(9) CHARACTER SET latin1", "漢", "?"),
    "tinytext that is cut": ("tinytext", "x" * 300, "x" * 255),
}


@pytest.mark.parametrize("mode", [Mode.INSERT, Mode.MERGE])
@pytest.mark.parametrize("local", [True, False], ids=["by load", "by insert"])
@pytest.mark.parametrize("name", SILENT)
def test_value_that_the_server_would_change_is_refused(
    store: MysqlStore, goal: Any, name: str, local: bool, mode: Mode
) -> None:
    native, value, _ = SILENT[name]
    store.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {native})")
    if not local:
        goal._session.load = lambda *_: None
    asked = target(goal, mode)
    text = replace(asked.source.columns[1].type, native="text", length=0, product="other")
    columns = (asked.source.columns[0], replace(asked.source.columns[1], type=text))
    asked = replace(asked, source=replace(asked.source, columns=columns))

    writing = goal.begin(asked, nothing)
    with pytest.raises(SyncdError) as caught:
        send(writing, (1, value))
    writing.abandon()

    assert caught.value.code == "row_rejected"
    assert caught.value.where.endswith(".v")
    assert f"'{value}'" not in caught.value.message
    assert store.rows("SELECT * FROM t") == []


def test_null_for_a_timestamp_that_must_have_a_value_is_refused(store: MysqlStore, goal: Any) -> None:
    """The server would take the present."""
    store.execute("CREATE TABLE t (id int PRIMARY KEY, v timestamp(6) NOT NULL)")
    writing = goal.begin(target(goal, Mode.INSERT), nothing)

    with pytest.raises(SyncdError) as caught:
        send(writing, (1, None))
    writing.abandon()

    assert caught.value.code == "row_rejected"


@pytest.mark.parametrize("local", [True, False], ids=["by load", "by insert"])
def test_every_way_in_keeps_the_same_values(store: MysqlStore, goal: Any, local: bool) -> None:
    store.execute(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, b tinyint(1), bits bit(5), bin longblob, txt longtext,"
        " f float, d double, n decimal(30,10), at timestamp(6) NULL, e enum('x','y y'), s set('p','q'), c time(6))"
    )
    if not local:
        goal._session.load = lambda *_: None
    row = (
        "18446744073709551615", 1, 21, b"\x00\\\n\xff", "a\tb\nc\\N\x0c\x0b\x00\U0001f600", 0.10000000149011612,
        5e-324, "12345678901234567890.0123456789", "2026-03-01 10:00:00.123456+00", "y y", "p,q", "-25:00:00.5",
    )  # fmt: skip
    writing = goal.begin(target(goal, Mode.MERGE), nothing)
    writing.write(Batch(Format.ROWS, [row, ("0", *[None] * 11)], 2))
    counters = writing.finish()
    writing.commit("c", None, 2)

    source = connector("mysql").open_source(store.options())
    for form in (Format.ROWS, Format.COPYTEXT):
        reading = source.open(Extract(Relation(TableName("t"))), (form,), nothing)
        (batch,) = list(reading.read(next(reading.windows()), form, nothing))
        reading.close()
        if form is Format.ROWS:
            assert batch.data[1] == row
    source.close()
    assert counters.inserted == 2


def test_server_that_takes_no_load_data_gets_inserts(my_pair: Pair, mariadb: MariadbServer) -> None:
    my_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v text, b tinyint(1))")
    my_pair.source.execute("INSERT INTO t SELECT seq, CONCAT('it''s ', seq), seq % 2 FROM seq_1_to_1200")
    mariadb.query("SET GLOBAL local_infile = 0")

    try:
        first = my_pair.ok(check=None)
        again = my_pair.ok(check=None, full=True)
    finally:
        mariadb.query("SET GLOBAL local_infile = 1")

    assert (first.counters.inserted, again.counters.unchanged) == (1200, 1200)
    assert my_pair.destination.rows("SELECT * FROM t ORDER BY id") == my_pair.source.rows(
        "SELECT * FROM t ORDER BY id"
    )


def test_keys_that_only_a_collation_takes_for_one_are_not_merged(my_pair: Pair) -> None:
    my_pair.source.execute("CREATE TABLE t (k varchar(9) COLLATE utf8mb4_nopad_bin PRIMARY KEY, v int)")
    my_pair.source.execute("INSERT INTO t VALUES ('a', 1), ('A', 2)")
    my_pair.destination.execute("CREATE TABLE t (k varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v int)")
    my_pair.destination.execute("INSERT INTO t VALUES ('z', 0)")

    outcome = my_pair.run(check=None)

    assert outcome.failure.code == "duplicate_key"
    assert my_pair.destination.rows("SELECT * FROM t") == [("z", 0)]


def test_key_of_zero_stays_zero(my_pair: Pair) -> None:
    my_pair.source.execute("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v int)")
    my_pair.source.execute("INSERT INTO t VALUES (0, 1), (5, 2)")
    my_pair.destination.execute("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v int)")

    my_pair.ok(check=None)

    assert my_pair.destination.rows("SELECT * FROM t ORDER BY id") == [(0, 1), (5, 2)]


def test_row_whose_line_is_too_long_for_the_server_arrives(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("mysql"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, v longblob)")
    pair.source.execute("INSERT INTO t VALUES (1, 'small'), (2, REPEAT('x', 9000000)), (3, NULL)")

    outcome = pair.ok(check=None)

    assert outcome.counters.inserted == 3
    assert pair.destination.rows("SELECT id, length(v) FROM t ORDER BY id") == [
        (1, 5),
        (2, 9000000),
        (3, None),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_times_of_less_than_a_day_follow_longer_ones(make_store: Callable[[str], Any], kind: str) -> None:
    pair = Pair(make_store("mysql"), make_store(kind))
    pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, c time(6), updated datetime(6))")
    pair.source.execute("INSERT INTO t VALUES (1, '100:00:00', '2024-01-01'), (2, '10:00:00', '2024-01-01')")
    pair.ok()
    for number in (3, 4):
        pair.source.execute(f"INSERT INTO t VALUES ({number}, '11:00:0{number}.5', '2024-01-0{number}')")
        pair.ok(verify=Verify.CHECKSUM)

    assert [
        str(row[0]) for row in pair.destination.rows("SELECT CAST(c AS varchar(20)) FROM t ORDER BY id")
    ] == [
        "100:00:00",
        "10:00:00",
        "11:00:03.5",
        "11:00:04.5",
    ]


def test_number_in_place_of_a_truth_value_arrives_as_number(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("mysql"), make_store("sqlite"))
    pair.source.execute("CREATE TABLE t (id int PRIMARY KEY, yes tinyint(1), other tinyint(1), c time)")
    pair.source.execute("INSERT INTO t VALUES (1, 1, 2, '30:00:00'), (2, 0, 1, '-01:00:00')")

    pair.ok(check=None)

    assert pair.destination.rows("SELECT yes, other, c FROM t ORDER BY id") == [
        (1, 2, "30:00:00"),
        (0, 1, "-01:00:00"),
    ]
    assert pair.destination.rows(
        "SELECT type FROM pragma_table_info('t') WHERE name IN ('yes', 'other')"
    ) == [
        ("BOOLEAN",),
        ("INTEGER",),
    ]


FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        FLOATS.filter(lambda value: struct.pack("d", value) != struct.pack("d", -0.0)),
        min_size=100,
        max_size=300,
    )
)
def test_floats_arrive_bit_by_bit(store: MysqlStore, goal: Any, values: list[float]) -> None:
    store.execute("CREATE OR REPLACE TABLE t (id int PRIMARY KEY, f float, d double)")
    rows = []
    for number, value in enumerate(values):
        with suppress(OverflowError):
            narrow = struct.unpack("f", struct.pack("f", value))[0]
            if struct.pack("f", narrow) != struct.pack("f", -0.0) and abs(narrow) <= 3.4028234663852886e38:
                rows.append((number, narrow, value))
    asked = replace(
        target(goal, Mode.INSERT), revision=int(goal.survey([StepKey("j", "t", TableName("t"))])[0].revision)
    )
    writing = goal.begin(asked, nothing)
    writing.write(Batch(Format.ROWS, rows, len(rows)))
    writing.finish()
    writing.commit("c", None, len(rows))

    port = connector("mysql").open_source(store.options())
    reading = port.open(Extract(Relation(TableName("t"))), (Format.ROWS,), nothing)
    found = [
        row for batch in reading.read(next(reading.windows()), Format.ROWS, nothing) for row in batch.data
    ]
    reading.close()
    port.close()

    assert sorted(found) == rows


def test_created_table_whose_first_window_fails_is_gone(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("mysql"))
    pair.source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL)")
    pair.source.execute("INSERT INTO t VALUES (1, 9e999)")

    outcome = pair.run(check=None)

    assert outcome.failure.code == "row_rejected"
    assert outcome.failure.where == "t.v" or outcome.failure.where.endswith(".t.v")
    assert pair.destination.rows("SHOW TABLES LIKE 't'") == []
