"""A table with one column of each type and the values that break tools; the same rows every time."""

from typing import Final

TABLE: Final = "messy"
KEY: Final = "id"

COLUMNS: Final = {
    "id": ("bigint", "i"),
    "flag": ("boolean", "CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END"),
    "small": ("smallint", "i % 65536 - 32768"),
    "big": (
        "bigint",
        "CASE i % 100 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 ELSE i * 7919 END",
    ),
    "amount": (
        "numeric(38,10)",
        "CASE WHEN i % 11 = 0 THEN NULL WHEN i % 100 = 5 THEN 9999999999999999999999999999.9999999999 "
        "ELSE i * 1234567.0123456789 END",
    ),
    "unbounded": (
        "numeric",
        "CASE WHEN i % 50 = 7 THEN 'NaN' WHEN i % 13 = 0 THEN NULL "
        "WHEN i % 50 = 9 THEN 12345678901234567890123456789012345678901234567890.5 ELSE i / 7.0 END",
    ),
    "double": (
        "double precision",
        "CASE i % 50 WHEN 3 THEN 'Infinity' WHEN 4 THEN 'NaN' WHEN 6 THEN 5e-324 WHEN 8 THEN '-Infinity' "
        "ELSE i / 3.0::float8 END",
    ),
    "single": ("real", "CASE i % 50 WHEN 4 THEN 'NaN' ELSE (i / 3.0)::real END"),
    "words": (
        "text",
        "CASE i % 6 WHEN 0 THEN 'plain ' || i WHEN 1 THEN 'ünïcødé 漢字 🚀𝒳 ' || i "
        "WHEN 2 THEN E'tab\\there \"quote\" \\\\back, comma' WHEN 3 THEN E'line one\\nline two\\r\\nend' "
        "WHEN 4 THEN NULL ELSE ' blanks around  ' END",
    ),
    "short_words": ("character varying(50)", "'w' || i"),
    "empty_or_null": ("text", "CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'NULL' END"),
    "naive": (
        "timestamp without time zone",
        "CASE i % 100 WHEN 5 THEN '0001-01-01 00:00:00' WHEN 6 THEN '9999-12-31 23:59:59.999999' "
        "ELSE timestamp '2024-01-01' + i * interval '1.000001 second' END",
    ),
    "instant": (
        "timestamp with time zone",
        "CASE i % 100 WHEN 5 THEN '1900-01-01 00:00:00+02' WHEN 6 THEN '9999-12-31 23:59:59.999999+00' "
        "ELSE timestamptz '2024-03-31 00:59:59.123456+01' + i * interval '7 second' END",
    ),
    "day": (
        "date",
        "CASE i % 100 WHEN 5 THEN '0001-01-01' WHEN 6 THEN '9999-12-31' ELSE date '2000-01-01' + i::int END",
    ),
    "clock": ("time without time zone", "time '00:00:00.000001' + (i % 86400) * interval '1 second'"),
    "span": ("interval", "(i % 1000) * interval '1 month 3 days 25 hours'"),
    "document": (
        "jsonb",
        "CASE WHEN i % 7 = 0 THEN NULL WHEN i % 7 = 1 THEN 'null' ELSE jsonb_build_object("
        "'a', i, 'b', jsonb_build_array(1, NULL, 'ü'), 'n', 12345678901234567890.1234567890) END",
    ),
    "bytes": (
        "bytea",
        "CASE i % 4 WHEN 0 THEN ''::bytea WHEN 1 THEN NULL ELSE decode(md5(i::text) || '00ff', 'hex') END",
    ),
    "token": ("uuid", "md5(i::text)::uuid"),
    "numbers": (
        "integer[]",
        "CASE i % 5 WHEN 0 THEN '{}' WHEN 1 THEN NULL ELSE ARRAY[i::int, NULL, -1] END",
    ),
    "labels": (
        "text[]",
        "CASE i % 4 WHEN 0 THEN ARRAY['a,b', '\"q\"', NULL, ''] WHEN 1 THEN NULL ELSE ARRAY['ü' || i] END",
    ),
}
"""By name: PostgreSQL's type and the expression that gives the value of row i."""


def statements(rows: int) -> str:
    """Make and fill the table."""
    declared = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    values = ", ".join(expression for _, expression in COLUMNS.values())
    return (
        f"CREATE TABLE {TABLE} ({declared}, PRIMARY KEY ({KEY})); "
        f"INSERT INTO {TABLE} SELECT {values} FROM generate_series(1::bigint, {rows}) i"
    )
