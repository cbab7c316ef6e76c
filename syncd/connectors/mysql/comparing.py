"""Answers to the question whether two stores hold the same rows: checksums of chunks, made by the server."""

from collections.abc import Generator
from dataclasses import replace
from typing import Final

from syncd.connectors.mysql.catalog import Found, chosen, source_text
from syncd.connectors.mysql.copytext import readers_of, rows_of, value_of
from syncd.connectors.mysql.ground import digest_of, find_start, mark_literal, named, where
from syncd.connectors.mysql.reading import packets_of
from syncd.connectors.mysql.session import Session, quote
from syncd.errors import FatalError
from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme, Sums
from syncd.model.table import Column, Kind, Table
from syncd.ports import Check

HALF: Final = 1 << 63
LARGEST: Final = HALF - 1


def key_range(session: Session, relation: Relation, name: str) -> tuple[int, int, int]:
    """How many rows, and the lowest and highest value of a whole-number key column (0, 0, 0 without rows).

    Raises:
        FatalError: the column is no whole number, or one of its values has more than 64 bits with its sign.
    """
    table, found = chosen(session, relation)
    column = _column(table, name)
    whole = column.type.kind is Kind.INTEGER or (column.type.kind is Kind.DECIMAL and not column.type.scale)
    if not whole:
        raise _no_range(column, table)
    of = f"{named(column)} + 0"
    rows, least, most = session.execute(
        f"SELECT COUNT(*), MIN({of}), MAX({of}) FROM {_text(relation, table, found)}"
    ).rows[0]
    if least is None:
        return int(rows), 0, 0
    if int(least) < -HALF or int(most) > LARGEST:
        raise _no_range(column, table)
    return int(rows), int(least), int(most)


def sums(session: Session, relation: Relation, chunks: Chunks, check: Check) -> Sums:
    """Rows and checksum of each chunk that is not empty."""
    table, found = chosen(session, relation)
    number = (
        _integer_number(table, chunks) if chunks.scheme is Scheme.INTEGER else _native_number(table, chunks)
    )
    check()
    rows = session.execute(
        f"SELECT {_chunk(table, chunks)} AS syncd_chunk, COUNT(*), SUM({number})"
        f" FROM {_text(relation, table, found)}{where(_only(table, chunks))} GROUP BY syncd_chunk",
        check=check,
    ).rows
    return {int(chunk): (int(count), str(total)) for chunk, count, total in rows if chunk is not None}


def rows_of_chunks(
    session: Session, relation: Relation, names: tuple[str, ...], chunks: Chunks | None, check: Check
) -> Generator[Batch]:
    """These columns of all rows, or of the rows in some chunks, in ROWS batches."""
    table, found = chosen(session, relation)
    part = replace(table, columns=tuple(_column(table, name) for name in names), key=())
    condition = _only(table, chunks) if chunks is not None else ""
    values = ", ".join(value_of(column) for column in part.columns)
    readers = readers_of(part)
    sql = f"SELECT {values} FROM {_text(relation, table, found)}{where(condition)}"
    for packets in packets_of(session, sql, check):
        yield Batch(Format.ROWS, rows_of(packets, readers), len(packets))


def _text(relation: Relation, table: Table, found: Found | None) -> str:
    """What follows FROM: the relation's rows within its limits."""
    text = source_text(relation, found)
    conditions = [f"t.{quote(relation.only_null)} IS NULL"] if relation.only_null else []
    if relation.within is not None:
        column = _column(table, relation.within.column)
        for sign, bound in ((">=", relation.within.start), ("<", relation.within.end)):
            value = find_start(column, bound)
            if value is not None:
                empty = f" OR {named(column)} IS NULL" if relation.within.nulls else ""
                conditions.append(f"({named(column)} {sign} {mark_literal(value, column)}{empty})")
    return f"(SELECT * FROM {text} WHERE {' AND '.join(conditions)}) AS t" if conditions else text


def _column(table: Table, name: str) -> Column:
    column = table.column(name) or next(
        (each for each in table.columns if each.name.lower() == name.lower()), None
    )
    if column is None:
        raise FatalError(
            f"table {table.name} has no column '{name}'", hint="check the key", code="column_missing"
        )
    return column


def _no_range(column: Column, table: Table) -> FatalError:
    return FatalError(
        f"column {column.name} of {table.name} does not hold whole numbers of 64 bits alone",
        hint="compare by another key",
        code="key_range",
    )


def _distance(table: Table, chunks: Chunks) -> str:
    """The key less the lowest one, as an unsigned number: the sign's bit is turned so that nothing overflows."""
    column = _column(table, chunks.key[0])
    return f"((CAST({named(column)} AS SIGNED) ^ {HALF}) - {(chunks.low or 0) + HALF})"


def _chunk(table: Table, chunks: Chunks) -> str:
    if chunks.scheme is Scheme.INTEGER or chunks.low is not None:
        return f"{_distance(table, chunks)} DIV {chunks.width}"
    return f"{digest_of([_column(table, name) for name in chunks.key])} MOD {chunks.count}"


def _integer_number(table: Table, chunks: Chunks) -> str:
    distance = _distance(table, chunks)
    low_bits = f"({distance} & 4294967295)"
    mixed = f"((({low_bits} ^ ({low_bits} >> 16)) * 73244475) & 4294967295)"
    return f"({mixed} ^ ({mixed} >> 15)) + ({distance} >> 32)"


def _native_number(table: Table, chunks: Chunks) -> str:
    names = chunks.key + tuple(name for name in chunks.of if name not in chunks.key)
    return digest_of([_column(table, name) for name in names])


def _only(table: Table, chunks: Chunks) -> str:
    """The rows of the chunks that are asked for, as a condition; rows below the first chunk are in none."""
    ranged = chunks.scheme is Scheme.INTEGER or chunks.low is not None
    if not ranged:
        if chunks.only is None:
            return ""
        return f"{_chunk(table, chunks)} IN ({', '.join(map(str, chunks.only)) or 'NULL'})"
    name, low = named(_column(table, chunks.key[0])), chunks.low or 0
    if chunks.only is None:
        return f"{name} >= {low}"
    parts = [
        f"{name} BETWEEN {low + n * chunks.width} AND {low + (n + 1) * chunks.width - 1}" for n in chunks.only
    ]
    return f"({' OR '.join(parts)})" if parts else "FALSE"
