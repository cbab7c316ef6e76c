"""Values at the limits of each store's types, what becomes of each on its way into each store, and the table of it.

`python -m tests.type_matrix` is not there on purpose: the test prints the table that docs/types.md has to hold.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.stores import MysqlStore, Pair, PostgresStore, SqliteStore, Store


@dataclass(frozen=True)
class Case:
    """A declared type, of which family its values are, and each value with its name; SQL, or what SQLite binds."""

    native: str
    kind: str
    values: dict[str, Any]


INFINITE = {"infinity": "'infinity'", "-infinity": "'-infinity'"}
MOMENTS = {
    "microseconds": "'2026-03-29 01:59:59.999999'",
    "year 1": "'0001-01-01 00:00:00'",
    "year 9999": "'9999-12-31 23:59:59.999999'",
    "year 1960": "'1960-01-01 00:00:00.5'",
}
TEXTS = {
    "empty": "",
    "backslash N": "\\N",
    "control characters": "\t\n\r\b\f\v",
    "astral": "\U0001f600",
    "blanks": "  x  ",
    "digits": "0012",
}


def quoted(texts: dict[str, str], prefix: str = "") -> dict[str, str]:
    """Texts as SQL; `prefix` E makes PostgreSQL read backslashes as these servers do."""
    return {
        name: prefix + "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
        for name, text in texts.items()
    }


POSTGRESQL = [
    Case("smallint", "number", {"lowest": "-32768", "highest": "32767"}),
    Case("bigint", "number", {"lowest": "-9223372036854775808", "highest": "9223372036854775807"}),
    Case("numeric(38,10)", "number", {"large": "1234567890123456789012345678.0123456789", "small": "-0.0000000001", "NaN": "'NaN'"}),
    Case("numeric", "number", {"scale": "1.00", "1e-400": "1e-400", "1e300": "1e300", "NaN": "'NaN'", "Infinity": "'Infinity'"}),
    Case("real", "real", {"0.1": "0.1", "highest": "'3.4028235e38'", "lowest": "'1e-45'", "-0": "'-0'", "NaN": "'NaN'"}),
    Case("double precision", "float", {"0.1": "0.1", "highest": "'1.7976931348623157e308'", "lowest": "'5e-324'", "-0": "'-0'", "NaN": "'NaN'", "Infinity": "'Infinity'"}),
    Case("boolean", "truth", {"true": "true", "false": "false"}),
    Case("date", "text", {"year 1": "'0001-01-01'", "year 9999": "'9999-12-31'", "BC": "'0044-03-15 BC'", **INFINITE}),
    Case("time", "time", {"midnight": "'00:00'", "microseconds": "'23:59:59.999999'", "24:00": "'24:00'"}),
    Case("timestamp", "time", {**MOMENTS, "BC": "'0044-03-15 BC'", **INFINITE}),
    Case("timestamptz", "time", {**{name: f"{text[:-1]}+00'" for name, text in MOMENTS.items()}, "BC": "'0044-03-15 BC'", **INFINITE}),
    Case("interval", "text", {"24 hours": "'24:00'", "all parts": "'-1 year 2 mons -3 days 04:05:06.789'"}),
    Case("uuid", "text", {"upper case": "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"}),
    Case("json", "text", {"big number": "'{\"a\": 12345678901234567890.123456789}'", "repeated name": "'{\"a\": 1, \"a\" : 2}'", "escape": "'\"\\u00e9\"'", "null": "'null'"}),
    Case("jsonb", "text", {"big number": "'{\"a\": 1e400}'", "null": "'null'"}),
    Case("int[]", "text", {"NULL inside": "'{1,NULL,3}'", "nested": "'{{1,2},{3,4}}'", "empty": "'{}'"}),
    Case("bytea", "bytes", {"empty": "''", "NUL": "'\\x00'", "others": "'\\x00ff5c0a09'"}),
    Case("text", "text", quoted(TEXTS, "E")),
    Case("varchar(5)", "text", {"full": "'abcde'", "blanks": "'a    '"}),
]  # fmt: skip

MYSQL = [
    Case("tinyint(1)", "truth", {"true": "1", "false": "0", "another number": "2"}),
    Case("bigint", "number", {"lowest": "-9223372036854775808", "highest": "9223372036854775807"}),
    Case("int unsigned", "number", {"highest": "4294967295"}),
    Case("bigint unsigned", "number", {"highest": "18446744073709551615"}),
    Case("bit(8)", "number", {"highest": "255"}),
    Case("decimal(38,10)", "number", {"large": "1234567890123456789012345678.0123456789", "small": "-0.0000000001"}),
    Case("float", "real", {"0.1": "0.1", "highest": "3.4028234663852886e38", "lowest": "1.4e-45"}),
    Case("double", "float", {"0.1": "0.1", "highest": "1.7976931348623157e308", "lowest": "5e-324"}),
    Case("date", "text", {"year 1": "'0001-01-01'", "year 9999": "'9999-12-31'", "zero": "'0000-00-00'"}),
    Case("time(6)", "time", {"microseconds": "'23:59:59.999999'", "above a day": "'838:59:59'", "below zero": "'-00:00:01'"}),
    Case("datetime(6)", "time", {**MOMENTS, "zero": "'0000-00-00 00:00:00'"}),
    Case("timestamp(6) NULL", "time", {"first": "'1970-01-01 00:00:01'", "last": "'2038-01-19 03:14:07.999999'"}),
    Case("year", "number", {"highest": "2155"}),
    Case("char(5)", "text", {"short": "'ab'", "full": "'abcde'"}),
    Case("varchar(5)", "text", {"full": "'abcde'", "blanks": "'a    '"}),
    Case("longtext", "text", quoted({**TEXTS, "NUL": "a\x00b"})),
    Case("enum('a','b c','2')", "text", {"word": "'b c'", "digit": "'2'"}),
    Case("set('a','b')", "text", {"two": "'a,b'", "none": "''"}),
    Case("longblob", "bytes", {"empty": "''", "NUL": "X'00'", "others": "X'00ff5c0a09'"}),
    Case("binary(3)", "bytes", {"filled up": "X'01'"}),
    Case("uuid", "text", {"upper case": "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"}),
    Case("json", "text", {"big number": "'{\"a\": 12345678901234567890.123456789}'", "repeated name": "'{\"a\": 1, \"a\" : 2}'", "escape": "'\"\\\\u00e9\"'", "null": "'null'"}),
]  # fmt: skip

SQLITE = [
    Case("INTEGER", "number", {"lowest": -(2**63), "highest": 2**63 - 1}),
    Case("REAL", "float", {"0.1": 0.1, "highest": 1.7976931348623157e308, "lowest": 5e-324, "-0": -0.0, "Infinity": float("inf")}),
    Case("BOOLEAN", "truth", {"true": 1, "false": 0, "another number": 2}),
    Case("TEXT_DECIMAL(38,10)", "number", {"large": "1234567890123456789012345678.0123456789", "small": "-0.0000000001"}),
    Case("DATE", "text", {"year 1": "0001-01-01", "year 9999": "9999-12-31"}),
    Case("TIME", "time", {"microseconds": "23:59:59.999999", "24:00": "24:00:00"}),
    Case("DATETIME", "time", {name: text.strip("'") for name, text in MOMENTS.items()}),
    Case("TIMESTAMPTZ", "time", {name: text.strip("'") + "+00:00" for name, text in MOMENTS.items()}),
    Case("TEXT", "text", {**TEXTS, "NUL": "a\x00b"}),
    Case("BLOB", "bytes", {"empty": b"", "NUL": b"\x00", "others": b"\x00\xff\\\n\t"}),
    Case("UUID", "text", {"lower case": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "no uuid": "zzz"}),
    Case("JSON", "text", {"big number": '{"a": 12345678901234567890.123456789}', "repeated name": '{"a": 1, "a" : 2}', "null": "null"}),
]  # fmt: skip

CASES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mysql": MYSQL}
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}


def fill(store: Store, table: str, case: Case, value: Any) -> None:
    """A table with a row that holds the value, and one beside it that holds none."""
    store.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v {case.native})")
    store.execute(f"INSERT INTO {table} VALUES (2, NULL)")
    if isinstance(store, SqliteStore):
        store.execute(f"INSERT INTO {table} VALUES (1, ?)", (value,))
    else:
        store.execute(f"INSERT INTO {table} VALUES (1, {value})")


def value_in(store: Store, table: str, kind: str) -> str:
    """The value that stands in the table's first row, read past the connector, in a form that all stores share."""
    expression = "v"
    if isinstance(store, PostgresStore):
        store.execute("SET TimeZone = 'UTC'")
        expression = "encode(v, 'hex')" if kind == "bytes" else "v::text"
    if isinstance(store, MysqlStore):
        expression = {
            "bytes": "HEX(v)",
            "real": "CONCAT(v * 1e0)",
            "float": "CONCAT(v * 1e0)",
            "truth": "CONCAT(v)",
            "number": "IF(v REGEXP '^[-+0-9.]*$', CONCAT(v), IF(v + 0 = 255, '255', CONCAT(v)))",
        }.get(kind, "CAST(v AS CHAR)")
        if kind == "number" and "bit" in str(store.rows(f"SHOW COLUMNS FROM {table} LIKE 'v'")):
            expression = "CONCAT(v + 0)"
    ((found,),) = store.rows(f"SELECT {expression} FROM {table} WHERE id = 1")
    return shared(kind, found)


def is_null(store: Store, table: str) -> bool:
    """Has the second row no value still? An empty text, a zero or a JSON null is one."""
    return store.rows(f"SELECT id FROM {table} WHERE v IS NULL") == [(2,)]


def shared(kind: str, value: Any) -> str:
    """A value in the form that all stores share; no two different values have the same."""
    if value is None:
        return "NULL"
    text = (
        value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, float) else str(value)
    )
    match kind:
        case "bytes":
            return text.lower()
        case "float":
            return struct.pack(">d", float(text)).hex() if "nan" not in text.lower() else "NaN"
        case "real":
            return struct.pack(">f", float(text)).hex() if "nan" not in text.lower() else "NaN"
        case "truth":
            return {"true": "1", "t": "1", "false": "0", "f": "0"}.get(text, text)
        case "time":
            text = re.sub(r"\+00(:00)?$", "", text)
            return re.sub(r"(\.\d*?)0+$", r"\1", text).removesuffix(".")
        case _:
            return text.encode("utf-8").hex() if kind == "text" else text


def become(pair: Pair, cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """For each type and each of its values: equal, refused, or what went wrong."""
    found: dict[str, dict[str, str]] = {}
    with pair.ports() as (source, destination):
        for case_number, case in enumerate(cases):
            answers = found.setdefault(case.native, {})
            for number, (name, value) in enumerate(case.values.items()):
                table = f"t{case_number}_{number}"
                fill(pair.source, table, case, value)
                outcome = pair.run_on(source, destination, f"REPLICATE [{table}]", check=None)
                answers[name] = _answer(pair, table, case.kind, outcome.failure, name)
    return found


def _answer(pair: Pair, table: str, kind: str, failure: Any, name: str) -> str:
    if failure is None:
        if not is_null(pair.source, table) or not is_null(pair.destination, table):
            return "CHANGED: the row without a value"
        want, got = value_in(pair.source, table, kind), value_in(pair.destination, table, kind)
        return "equal" if want == got else f"CHANGED from {want} to {got}"
    named = re.search(r"\bv\b", f"{failure.where} {failure.message}") is not None
    # PostgreSQL does not say in which column of a row a NUL stands.
    named = named or (name == "NUL" and isinstance(pair.destination, PostgresStore))
    if failure.code in {"row_rejected", "type_loss"} and named:
        return "refused"
    return f"FAILED without naming the column: {failure.code}: {failure.message}"


def table_of(source: str, answers: dict[str, dict[str, dict[str, str]]]) -> str:
    """The table of one source: a line for each type, a column for each destination."""
    lines = [
        f"| from {TITLES[source]} | " + " | ".join(f"to {TITLES[goal]}" for goal in CASES) + " |",
        "|---" * (len(CASES) + 1) + "|",
    ]
    for case in CASES[source]:
        cells = []
        for goal in CASES:
            refused = [name for name, said in answers[goal][case.native].items() if said == "refused"]
            cells.append(f"refused: {', '.join(refused)}" if refused else "equal")
        lines.append(f"| `{case.native}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)
