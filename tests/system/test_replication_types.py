"""Every type on every pair: equal on arrival, or refused with the column named; never silently another value."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

import pytest

from tests.stores import Pair

POSTGRES: dict[str, tuple[str, list[str]]] = {
    "smallint": ("smallint", ["-32768", "32767"]),
    "integer": ("integer", ["-2147483648", "2147483647"]),
    "bigint": ("bigint", ["-9223372036854775808", "9223372036854775807", "9007199254740993"]),
    "numeric(38,10)": ("numeric(38,10)", ["1234567890123456789012345678.0123456789", "-0.0000000001"]),
    "numeric": ("numeric", ["1.00", "1.0", "1", "1e-400", "'NaN'", "'Infinity'", "'-Infinity'", "1e300"]),
    "real": ("real", ["'3.4028235e38'", "'1e-45'", "'NaN'", "0.1"]),
    "double": (
        "double precision",
        ["'1.7976931348623157e308'", "'5e-324'", "'NaN'", "'Infinity'", "'-Infinity'", "0.1"],
    ),
    "boolean": ("boolean", ["true", "false"]),
    "timestamptz": (
        "timestamptz",
        ["'2026-03-29 01:59:59.999999+01'", "'infinity'", "'-infinity'", "'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'0044-03-15 BC'"],
    ),
    "timestamp": ("timestamp", ["'2026-03-01 12:00:00.123456'", "'infinity'", "'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'294276-12-31'"]),
    "timestamp(3)": ("timestamp(3)", ["'2026-03-01 12:00:00.123'"]),
    "date": ("date", ["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'"]),
    "time": ("time", ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'"]),
    "timetz": ("timetz", ["'12:00:00+05:30'"]),
    "interval": ("interval", ["'24:00'", "'72 days 24:00'", "'-1 year 2 mons -3 days 04:05:06.789'", "'0'"]),
    "uuid": ("uuid", ["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
    "json": ("json", ["'{\"a\": 12345678901234567890.123456789, \"a\" : 2}'", "'null'", "'\"\\u00e9\"'"]),
    "jsonb": ("jsonb", ["'{\"b\": 1e400, \"a\": [1.0, null]}'", "'null'", "'\"tab\\tnewline\\n\"'"]),
    "array": ("int[]", ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'"]),
    "text array": ("text[]", ["ARRAY['a,b', '\"', NULL, 'NULL', '', E'\\t\\\\']"]),
    "bytea": ("bytea", ["''", "'\\x00'", "'\\x00ff5c0a09'"]),
    "text": (
        "text",
        ["''", "'\\N'", "E'tab\\tnew\\nline\\rback\\\\slash'", "'\\t'", "U&'\\+01F600'", "'  blanks  '", "E'\\b\\f\\v'", "'\\.'", "'NULL'"],
    ),
    "varchar(5)": ("varchar(5)", ["'abcde'", "'a    '", "''"]),
    "char(5)": ("char(5)", ["'ab'", "'abcde'", "''"]),
    "enum": ("mood", ["'sad'", "'very happy'"]),
    "enum array": ("mood[]", ["'{sad,NULL}'"]),
    "domain": ("positive", ["1", "99"]),
    "domain array": ("positive[]", ["'{1,2}'"]),
    "composite": ("pair", ["ROW(1, 'a,b')", "ROW(NULL, '')"]),
    "composite array": ("pair[]", ["ARRAY[ROW(1, 'x')::pair]"]),
    "range": ("int4range", ["'[1,5)'", "'empty'"]),
    "inet": ("inet", ["'192.168.0.1/24'", "'::1'"]),
    "bit": ("bit(4)", ["B'1010'"]),
    "point": ("point", ["'(1.5,2.5)'"]),
    "regclass": ("regclass", ["'pg_class'"]),
    "tsvector": ("tsvector", ["'a fat cat'"]),
    "name": ("name", ["'n'"]),
    "xml": ("xml", ["'<a>é</a>'"]),
}  # fmt: skip

TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'very happy'); CREATE DOMAIN positive AS int CHECK (value > 0);"
    "CREATE TYPE pair AS (a int, b text)"
)


def fill_postgres(pair: Pair, native: str, values: list[str]) -> None:
    pair.source.execute(TYPES)
    pair.source.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {native})")
    pair.source.execute("INSERT INTO t VALUES (0, NULL)")
    for number, value in enumerate(values, 1):
        pair.source.execute(f"INSERT INTO t VALUES ({number}, {value})")


@pytest.mark.postgresql
@pytest.mark.parametrize("types_there", [True, False], ids=["types there", "types missing"])
@pytest.mark.parametrize("name", POSTGRES)
def test_type_between_postgresql_databases(name: str, types_there: bool, pg_pair: Pair) -> None:
    native, values = POSTGRES[name]
    fill_postgres(pg_pair, native, values)
    if types_there:
        pg_pair.destination.execute(TYPES)

    pg_pair.ok(check=None)

    sql = "SELECT id, v::text FROM t ORDER BY id"
    assert pg_pair.destination.rows(sql) == pg_pair.source.rows(sql)
    mode = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
    made, there = pg_pair.destination.rows(mode), pg_pair.source.rows(mode)
    assert made == there or made == [("text",)] or "positive" in there[0][0]
    pg_pair.destination.execute("UPDATE t SET v = NULL WHERE id = 1")
    again = pg_pair.ok(check=None, full=True)
    assert (again.counters.updated, again.counters.unchanged) == (1, len(values)), (
        "the merge changes what is equal"
    )
    assert pg_pair.destination.rows(sql) == pg_pair.source.rows(sql)


AS_TEXT = {
    "boolean": "CASE WHEN v THEN '1' ELSE '0' END",
    "bytea": "upper(encode(v, 'hex'))",
}
"""How the value is to look in SQLite, where that is not PostgreSQL's own text."""


@pytest.mark.postgresql
@pytest.mark.parametrize("name", POSTGRES)
def test_type_from_postgresql_to_sqlite_and_back(name: str, make_store: Callable[[str], Any]) -> None:
    native, values = POSTGRES[name]
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    fill_postgres(pair, native, values)
    pair.source.execute("SET TimeZone = 'UTC'")

    pair.ok(check=None)

    shown = AS_TEXT.get(name, "format('%s', v)")
    wanted = pair.source.rows(f"SELECT id, {shown} FROM t WHERE id > 0 ORDER BY id")
    if name in {"real", "double"}:
        got = pair.destination.rows("SELECT id, v FROM t WHERE id > 0 ORDER BY id")
        assert [(i, repr(float(v))) for i, v in got] == [(i, repr(float(v))) for i, v in wanted]
    else:
        column = "hex(v)" if name == "bytea" else "CAST(v AS TEXT)"
        assert pair.destination.rows(f"SELECT id, {column} FROM t WHERE id > 0 ORDER BY id") == wanted
    assert pair.destination.rows("SELECT v FROM t WHERE id = 0") == [(None,)]
    again = pair.ok(check=None, full=True)
    assert again.counters.unchanged == len(values) + 1

    home = Pair(pair.destination, make_store("postgresql"))
    outcome = home.run(check=None)
    if outcome.failure is not None:
        assert "v" in outcome.failure.where.split(".")[-1] or " v " in outcome.failure.message
        return
    home.destination.execute("SET TimeZone = 'UTC'")
    back = home.destination.rows(f"SELECT id, {shown} FROM t WHERE id > 0 ORDER BY id")
    if name == "real":
        # A 64-bit column holds the same number with more of its digits.
        assert [(i, float(v)) for i, v in back if v != "NaN"] == [
            (i, float(v)) for i, v in wanted if v != "NaN"
        ]
    else:
        assert back == wanted


@pytest.mark.postgresql
@pytest.mark.parametrize("declared", ["REAL", "TEXT", ""])
def test_negative_zero_keeps_its_sign_or_is_refused(declared: str, make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    pair.source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v double precision); INSERT INTO t VALUES (1, '-0')"
    )
    pair.destination.execute(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO t VALUES (1, 0)"
    )

    outcome = pair.run(check=None, full=True)

    if declared == "REAL":
        assert (outcome.failure.code, outcome.failure.where) == ("row_rejected", "t.v")
    else:
        assert str(pair.destination.rows("SELECT v FROM t")[0][0]) == "-0.0"


SQLITE: dict[str, tuple[str, list[Any]]] = {
    "integers": ("INTEGER", [-(2**63), 2**63 - 1, 0]),
    "reals": ("REAL", [0.1, 1e308, 5e-324, float("inf"), -0.0, 2.0**53]),
    "texts": ("TEXT", ["", "\\N", "tab\tnew\nline\rback\\slash", "\U0001f600", "0012", "1.0", " x "]),
    "blobs": ("BLOB", [b"", b"\x00\xff", b"\\N"]),
    "booleans": ("BOOLEAN", [0, 1]),
    "days": ("DATE", ["2026-03-01", "0001-01-01", "9999-12-31"]),
    "times": ("DATETIME", ["2026-03-01 10:00:00", "2026-03-01T10:00:00.123456", "2026-03-01 10:00:00.5"]),
    "zoned times": ("DATETIME", ["2026-03-01T10:00:00Z", "2026-03-01 10:00:00.123456+05:30"]),
    "mixed zones": ("DATETIME", ["2026-03-01T10:00:00Z", "2026-03-01 10:00:00"]),
    "named zone": ("DATETIME", ["2026-03-01 10:00:00 EST"]),
    "afternoon": ("DATETIME", ["2026-03-01 10:00 PM"]),
    "nanoseconds": ("DATETIME", ["2026-03-01 10:00:00.123456789"]),
    "clock": ("TIME", ["10:00:00", "23:59:59.999999", "24:00:00"]),
    "clock with zone": ("TIME", ["10:00:00+02:00"]),
    "clock of nanoseconds": ("TIME", ["10:00:00.123456789"]),
    "epoch in datetime": ("DATETIME", [1760000000, 1760000001]),
    "fractions and wholes": ("DECIMAL(10,2)", [1, 2.5, 10**18]),
    "exact decimals": ("TEXT_DECIMAL(10,2)", ["1.00", "2.5", "-3"]),
    "too exact decimals": ("TEXT_DECIMAL(10,2)", ["1.005"]),
    "exponents": ("TEXT_DECIMAL(10,2)", ["1e-5"]),
    "untyped integers": ("", [1, 2]),
    "untyped texts": ("", ["a", "007"]),
    "untyped mixture": ("", [1, "a"]),
    "text in integer": ("INTEGER", ["abc", "def"]),
    "text beside integers": ("INTEGER", [1, "abc"]),
    "blob in text": ("TEXT", [b"\x01"]),
    "blob beside text": ("TEXT", [b"\x01", "a"]),
    "real in integer": ("INTEGER", [1, 2.5]),
    "huge real in integer": ("INTEGER", [1, 1e300]),
    "not a uuid": ("UUID", ["zzz"]),
    "uuid": ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    "json": ("JSON", ['{"a": 12345678901234567890.5}', "null"]),
    "NUL in text": ("TEXT", ["a\x00b"]),
    "odd declaration": ("my-odd type (with 'things')", ["x", 5]),
    "only NULL": ("DATETIME", [None]),
}


def fill_sqlite(pair: Pair, declared: str, values: list[Any]) -> None:
    spelt = '"' + declared + '"' if "-" in declared else declared
    pair.source.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {spelt})")
    for number, value in enumerate(values):
        pair.source.execute("INSERT INTO t VALUES (?, ?)", (number, value))


@pytest.mark.parametrize("name", SQLITE)
def test_type_between_sqlite_files_stays_as_it_is(name: str, lite_pair: Pair) -> None:
    declared, values = SQLITE[name]
    fill_sqlite(lite_pair, declared, values)

    lite_pair.ok(check=None)

    sql = "SELECT id, v, typeof(v) FROM t ORDER BY id"
    assert lite_pair.destination.rows(sql) == lite_pair.source.rows(sql)
    types = "SELECT name, type, \"notnull\", pk FROM pragma_table_info('t')"
    assert [row[:2] for row in lite_pair.destination.rows(types)] == [
        row[:2] for row in lite_pair.source.rows(types)
    ]
    assert lite_pair.ok(check=None, full=True).counters.unchanged == len(values)


REFUSED = {
    "untyped mixture",
    "text beside integers",
    "blob beside text",
    "not a uuid",
    "NUL in text",
    "odd declaration",
}
"""What no strict type takes unchanged."""


@pytest.mark.postgresql
@pytest.mark.parametrize("name", SQLITE)
def test_type_from_sqlite_to_postgresql(name: str, make_store: Callable[[str], Any]) -> None:
    declared, values = SQLITE[name]
    pair = Pair(make_store("sqlite"), make_store("postgresql"))
    fill_sqlite(pair, declared, values)

    outcome = pair.run(check=None)

    if name in REFUSED:
        assert outcome.failure.code == "row_rejected"
        assert name == "NUL in text" or "v" in outcome.failure.where.split(".")
        return
    assert outcome.failure is None, outcome.failure
    pair.destination.execute("SET TimeZone = 'UTC'")
    shown = "v::text" if name == "clock" else "v"
    got = [row[0] for row in pair.destination.rows(f"SELECT {shown} FROM t ORDER BY id")]
    native = pair.destination.rows(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
    )[0][0]
    assert [same_value(native, value) for value in got] == [comparable(native, value) for value in values]
    assert pair.ok(check=None, full=True).counters.unchanged == len(values)


def same_value(native: str, value: Any) -> Any:
    """A value of PostgreSQL as what it stands for."""
    if value is None:
        return None
    if native.startswith("timestamp"):
        return value.isoformat()
    if native in {"date", "uuid"} or native.startswith("time "):
        return str(value)
    if native.startswith("numeric"):
        return float(value)
    return value


def comparable(native: str, value: Any) -> Any:
    """A value of SQLite as `same_value` shows it."""
    if value is None:
        return None
    if native.startswith("timestamp"):
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return moment.isoformat()
    if native.startswith("time "):
        return value if value.startswith("24") else str(time.fromisoformat(value))
    if native.startswith("numeric"):
        return float(value)
    if native == "boolean":
        return bool(value)
    if native == "json":
        return json.loads(value)
    return value


def test_incremental_run_without_new_values_is_not_refused_for_the_declaration(
    make_store: Callable[[str], Any],
) -> None:
    pair = Pair(make_store("sqlite"), make_store("postgresql"))
    pair.source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATETIME, updated TEXT)")
    pair.source.execute("INSERT INTO t VALUES (1, 1760000000, '2026-01-01 00:00:00')")
    pair.ok()
    pair.source.execute("INSERT INTO t VALUES (2, NULL, '2026-01-02 00:00:00')")
    pair.source.execute("DELETE FROM t WHERE id = 1")

    assert pair.ok().counters.inserted == 1


STORAGE = [
    ("TEXT", "INTEGER", ["007"], "type_loss"),
    ("", "INTEGER", ["007"], "row_rejected"),
    ("", "REAL", [2**60 + 1], "row_rejected"),
    ("", "NUMERIC", ["1e5"], "row_rejected"),
    ("", "TEXT", [0.1 + 0.2], "0.30000000000000004"),
    ("REAL", "TEXT", [0.1 + 0.2], "0.30000000000000004"),
    ("INTEGER", "TEXT", [2**62 + 1], str(2**62 + 1)),
    ("", "BLOB", [5, "x", b"y", 1.5], None),
    ("", "DATETIME", ["2026-03-01"], None),
]


@pytest.mark.parametrize(("declared", "place", "values", "result"), STORAGE)
def test_affinity_of_a_table_that_was_there_changes_nothing_silently(
    lite_pair: Pair, declared: str, place: str, values: list[Any], result: str | None
) -> None:
    fill_sqlite(lite_pair, declared, values)
    lite_pair.destination.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {place})")

    outcome = lite_pair.run(check=None)

    if result in {"type_loss", "row_rejected"}:
        assert outcome.failure.code == result
        assert "v" in outcome.failure.message
    elif result is None:
        assert lite_pair.destination.rows("SELECT v, typeof(v) FROM t") == lite_pair.source.rows(
            "SELECT v, typeof(v) FROM t"
        )
    else:
        assert lite_pair.destination.rows("SELECT v FROM t") == [(result,)]


TABLES = [
    "CREATE TABLE t (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID",
    "CREATE TABLE t (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (b, a))",
    "CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER, v TEXT)",
    "CREATE TABLE t (a TEXT, b INTEGER PRIMARY KEY, v TEXT)",
    "CREATE TABLE t (a TEXT, b INTEGER, v TEXT)",
    "CREATE TABLE t (a TEXT, b INTEGER PRIMARY KEY, v TEXT, g TEXT GENERATED ALWAYS AS (a || v) STORED)",
    "CREATE TABLE t (a TEXT, b INTEGER PRIMARY KEY, v TEXT, g TEXT GENERATED ALWAYS AS (a || v) VIRTUAL)",
]


@pytest.mark.parametrize("goal", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
@pytest.mark.parametrize("create", TABLES)
def test_kind_of_sqlite_table_arrives(create: str, goal: str, make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store(goal))
    pair.source.execute(create)
    pair.source.execute("INSERT INTO t (a, b, v) VALUES ('x', 1, 'one'), ('y', 2, 'two')")
    pair.ok(check=None)
    pair.source.execute("UPDATE t SET v = 'new' WHERE b = 2")

    pair.ok(check=None)

    sql = "SELECT * FROM t ORDER BY b"
    assert pair.destination.rows(sql) == pair.source.rows(sql)
