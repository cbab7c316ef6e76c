"""Rows on their way out of a node: the result of a SELECT by COPY, in the types that the receiver expects."""

from collections.abc import Generator, Sequence
from contextlib import closing

from syncd.connectors.postgresql.reading import BINARY
from syncd.connectors.postgresql.rows import lines_to_rows
from syncd.connectors.postgresql.session import Session
from syncd.model.batch import Batch, Format
from syncd.model.table import Column, Table, TableName
from syncd.ports import Check
from syncd.repository.store import WHOLE


def extract(
    session: Session, select: str, columns: Sequence[Column], form: Format, check: Check
) -> Generator[Batch]:
    """The rows of a SELECT; its columns are brought to the types that are named."""
    table = Table(TableName(""), tuple(columns))
    names = [f"x{number}" for number in range(len(columns))]
    casts = [f"q.{n}::{_native(column)}" for n, column in zip(names, columns, strict=True)]
    options = BINARY if form is Format.PGCOPY else ""
    sql = f"COPY (SELECT {', '.join(casts)} FROM ({select}) AS q ({', '.join(names)})) TO STDOUT{options}"
    with closing(session.copy_out(sql, check)) as blocks:
        for data, rows in blocks:
            yield Batch(form, data if form is Format.PGCOPY else lines_to_rows(data, table), rows)


def _native(column: Column) -> str:
    """The type of an extracted column; facts have none of their own."""
    return column.type.native or ("bigint" if column.type == WHOLE else "text")
