"""COPY text is read back to the very values that were written."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncd.connectors.postgresql.rows import lines_to_rows
from syncd.connectors.sqlite.copytext import converters_of, values_of
from syncd.model.table import Column, Kind, Table, TableName, Type

TABLE = Table(
    TableName("t"),
    (
        Column("i", Type(Kind.INTEGER)),
        Column("s", Type(Kind.TEXT)),
        Column("b", Type(Kind.BYTES)),
        Column("f", Type(Kind.FLOAT)),
        Column("o", Type(Kind.BOOLEAN)),
    ),
)
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | TEXT | st.sampled_from(["\\N", "", "\\", "\t\n\r", "\\.", "NULL", "\u2028", "\x85"]),
        st.none() | st.binary(max_size=20),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.sampled_from([0, 1]),
    ),
    max_size=8,
)


def line(row: tuple[Any, ...]) -> str:
    """A row as PostgreSQL writes it."""
    number, text, data, fraction, bit = row
    fields = [
        number,
        None if text is None else "".join(ESCAPES.get(char, char) for char in text),
        None if data is None else "\\\\x" + data.hex(),
        None if fraction is None else repr(fraction),
        None if bit is None else "ft"[bit],
    ]
    return "\t".join("\\N" if field is None else str(field) for field in fields) + "\n"


@given(ROWS)
def test_lines_become_the_rows_that_they_were(rows: list[tuple[Any, ...]]) -> None:
    data = "".join(map(line, rows)).encode()

    assert lines_to_rows(data, TABLE) == rows
    if rows:
        assert values_of(data, len(TABLE.columns), converters_of(TABLE, TABLE, TABLE.column_names)) == [
            value for row in rows for value in row
        ]
