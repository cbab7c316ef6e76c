"""Values of two stores that mean the same have the same text, and others have not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.canonical import canonicals
from syncd.model.table import Column, Kind, Table, TableName, Type


def canonical(kind: Kind, target: Kind | None = None, **facts: int):
    source = Table(TableName("t"), (Column("c", Type(kind, **facts)),))
    place = Table(TableName("t"), (Column("c", Type(target or kind)),))
    return canonicals(source, place, ("c",))[0]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.INTEGER, 5, "5"),
        (Kind.INTEGER, 18446744073709551615, "18446744073709551615"),
        (Kind.BOOLEAN, 1, "t"),
        (Kind.BOOLEAN, "false", 0),
        (Kind.DECIMAL, "1.50", "1.5"),
        (Kind.DECIMAL, "1500", 1500),
        (Kind.DECIMAL, "-0.00", "0"),
        (Kind.DECIMAL, "NaN", "nan"),
        (Kind.FLOAT, "5e-324", 5e-324),
        (Kind.FLOAT, "1e+20", 1e20),
        (Kind.TIMESTAMP, "2024-01-01 00:00:00.500000", "2024-01-01T00:00:00.5"),
        (Kind.TIMESTAMPTZ, "2024-01-01 02:00:00+02", "2024-01-01T00:00:00Z"),
        (Kind.TIME, "10:00:00.100", "10:00:00.1"),
        (Kind.TIME, "10:00:00.000", "10:00:00"),
        (Kind.UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (Kind.JSON, '{"a": 1, "b": [1.0]}', '{"b":[1],"a":1}'),
        (Kind.BYTES, b"\x00\xff", b"\x00\xff"),
    ],
    ids=str,
)
def test_same_meaning_has_the_same_text(kind, one, other):
    text = canonical(kind)

    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.INTEGER, 9007199254740993, 9007199254740992),
        (Kind.DECIMAL, "0.10000000000000000001", "0.1"),
        (Kind.DECIMAL, "100", "10"),
        (Kind.FLOAT, 0.1, 0.10000000000000002),
        (Kind.FLOAT, 0.0, -0.0),
        (Kind.TEXT, "a ", "a"),
        (Kind.TEXT, "", "\x00"),
        (Kind.TIMESTAMPTZ, "2024-01-01 00:00:00+00", "2024-01-01 00:00:00.000001+00"),
        (Kind.JSON, '{"a": "1"}', '{"a": 1}'),
        (Kind.JSON, '{"a": 12345678901234567890.1}', '{"a": 12345678901234567890.2}'),
        (Kind.BYTES, b"", b"\x00"),
        (Kind.ANY, 1, "1"),
    ],
    ids=str,
)
def test_other_meaning_has_another_text(kind, one, other):
    text = canonical(kind)

    assert text(one) != text(other)


def test_a_float_of_32_bits_equals_its_wider_self():
    text = canonical(Kind.FLOAT, bits=32)

    assert text(0.1) == text("0.1") == text(0.10000000149011612)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_with_more_zeros_is_the_same(number):
    text = canonical(Kind.DECIMAL)

    assert text(f"{number:f}") == text(f"{number:f}0000" if "." in f"{number:f}" else f"{number:f}.0")


@given(st.integers(-(2**63), 2**64), st.integers(-(2**63), 2**64))
def test_whole_numbers_are_told_apart(one, other):
    text = canonical(Kind.INTEGER)

    assert (text(one) == text(str(other))) is (one == other)
