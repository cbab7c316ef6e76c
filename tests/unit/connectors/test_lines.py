"""Tuples as lines of COPY text for PostgreSQL."""

import pytest

from syncd.connectors.postgresql.copytext import lines_of
from syncd.errors import RowRejectedError

COLUMNS = {
    "texts": (["a", "", "é"], ["a", "", "é"]),
    "escaped": (["\\N", "a\tb", "a\nb\r", "\\"], ["\\\\N", "a\\tb", "a\\nb\\r", "\\\\"]),
    "missing": ([None, "\\", None], ["\\N", "\\\\", "\\N"]),
    "nothing but missing": ([None, None], ["\\N", "\\N"]),
    "whole": ([-(2**63), 0, 7], ["-9223372036854775808", "0", "7"]),
    "fractions": ([0.1, -0.0, 1e300, float("inf")], ["0.1", "-0.0", "1e+300", "inf"]),
    "binary": ([b"", b"\x00\\"], ["\\\\x", "\\\\x005c"]),
    "mixed": ([1, "a\t", b"\x01", None, 2.5], ["1", "a\\t", "\\\\x01", "\\N", "2.5"]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_column_becomes_fields_that_copy_reads_as_the_same_values(name: str) -> None:
    values, fields = COLUMNS[name]

    lines = lines_of([("x", value, 5) for value in values])

    assert lines == "".join(f"x\t{field}\t5\n" for field in fields).encode()


def test_rows_without_columns_are_empty_lines() -> None:
    assert lines_of([(), ()]) == b"\n\n"


def test_no_rows_are_no_lines() -> None:
    assert lines_of([]) == b""


def test_nul_in_a_text_is_refused() -> None:
    with pytest.raises(RowRejectedError, match="NUL"):
        lines_of([(1, "a"), (2, "b\x00")])
