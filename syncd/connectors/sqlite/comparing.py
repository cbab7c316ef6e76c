"""How a table of a SQLite file is told from another: key range, sums of chunks, and the rows of some chunks."""

import hashlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from syncd.connectors.sqlite.catalog import describe, source_text
from syncd.connectors.sqlite.ground import find_start
from syncd.connectors.sqlite.reading import BATCH_BYTES, FIRST_ROWS, next_rows
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError
from syncd.model.batch import Batch, Format
from syncd.model.cursor import Value
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme, Sums
from syncd.ports import Check

ROWS_AT_ONCE: Final = 1_000
LARGEST: Final = (1 << 63) - 1

Row = tuple[Any, ...]

SUM_INTEGERS: Final = """
SELECT chunk, count(*), sum((y | (y >> 15)) - (y & (y >> 15)) + (d >> 32)) FROM (
  SELECT chunk, d, (((x | (x >> 16)) - (x & (x >> 16))) * 73244475) & 4294967295 AS y FROM (
    SELECT d / :width AS chunk, d, d & 4294967295 AS x FROM (SELECT {key} - :low AS d FROM {text}{where})))
GROUP BY chunk"""
"""Scheme INTEGER where no difference of keys leaves 64 bits; a ^ b is (a | b) - (a & b)."""


def key_range(session: Session, relation: Relation, column: str) -> tuple[int, int, int]:
    """How many rows, and the lowest and highest key; needs a snapshot.

    Raises:
        FatalError: a value of the column is no whole number.
    """
    key, text = quote(column), _text(session, relation)
    rows, low, high, others = session.execute(
        f"SELECT count(*), min({key}), max({key}), sum(typeof({key}) <> 'integer') FROM {text}"
    ).fetchone()
    if others:
        raise FatalError(
            f"{others} values of column {column} are no whole numbers",
            hint="compare by the values of all columns",
            code="key_range",
        )
    return (int(rows), int(low), int(high)) if rows else (0, 0, 0)


def sums(session: Session, relation: Relation, chunks: Chunks, check: Check) -> Sums:
    """Rows and checksum of each chunk; needs a snapshot."""
    check()
    if chunks.scheme is Scheme.INTEGER and chunks.low is not None:
        return _integer_sums(session, relation, chunks, chunks.low, check)
    columns = tuple(dict.fromkeys((*chunks.key, *chunks.of)))
    chunk_of = _chunk_finder(chunks, columns)
    found: dict[int, tuple[int, int]] = {}
    for rows in _read(session, relation, columns, chunks, check):
        for row in rows:
            chunk = chunk_of(row)
            if chunks.only is None or chunk in chunks.only:
                count, total = found.get(chunk, (0, 0))
                found[chunk] = (count + 1, total + _native(row))
    return {chunk: (count, str(total)) for chunk, (count, total) in found.items()}


def rows_of(
    session: Session, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
) -> Generator[Batch]:
    """Columns of all rows, or of those in `chunks.only`; needs a snapshot until the end."""
    check()
    if chunks is None or chunks.only is None:
        for rows in _read(session, relation, columns, None, check):
            yield Batch(Format.ROWS, rows, len(rows))
        return
    names = (*columns, *chunks.key)
    chunk_of, only, width = _chunk_finder(chunks, names[len(columns) :]), set(chunks.only), len(columns)
    for rows in _read(session, relation, names, chunks, check):
        part = [row[:width] for row in rows if chunk_of(row[width:]) in only]
        if part:
            yield Batch(Format.ROWS, part, len(part))


def _integer_sums(session: Session, relation: Relation, chunks: Chunks, low: int, check: Check) -> Sums:
    key, text = quote(chunks.key[0]), _text(session, relation)
    least, most = session.execute(f"SELECT min({key}), max({key}) FROM {text}").fetchone()
    if least is None:
        return {}
    if least >= low and most - low <= LARGEST and chunks.width <= LARGEST:
        found: Sums = {}
        for where, parameters in _wheres(chunks, key):
            check()
            sql = SUM_INTEGERS.format(key=key, text=text, where=where)
            rows = session.execute(sql, {"low": low, "width": chunks.width, **parameters})
            with session.errors():
                found |= {int(chunk): (int(count), str(total)) for chunk, count, total in rows}
        return found
    sums_found: dict[int, tuple[int, int]] = {}
    for keys in _read(session, relation, chunks.key, chunks, check):
        for (value,) in keys:
            distance = value - low
            count, total = sums_found.get(distance // chunks.width, (0, 0))
            sums_found[distance // chunks.width] = (count + 1, total + _mixed(distance))
    return {chunk: (count, str(total)) for chunk, (count, total) in sums_found.items()}


def _mixed(distance: int) -> int:
    """The number of one row in the scheme INTEGER."""
    low = distance & 0xFFFFFFFF
    mixed = ((low ^ (low >> 16)) * 73244475) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) + (distance >> 32)


def _native(row: Row) -> int:
    """The number of one row in the scheme NATIVE: of the values' exact forms, whatever their storage classes."""
    text = repr(row).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.md5(text, usedforsecurity=False).digest()[:8], "big")


def _chunk_finder(chunks: Chunks, columns: tuple[str, ...]) -> Callable[[Row], int]:
    """In which chunk a row of these columns lies; they begin with the key's."""
    low, width = chunks.low, len(chunks.key)
    if low is not None:
        return lambda row: int((row[0] - low) // chunks.width)
    return lambda row: _native(row[:width]) % chunks.count


def _read(
    session: Session, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
) -> Iterator[list[Row]]:
    """These columns of all rows, or of the ranges of keys that the chunks name, in lists."""
    names, text = ", ".join(quote(name) for name in columns), _text(session, relation)
    wheres: list[tuple[str, dict[str, int]]] = [("", {})]
    if chunks is not None and chunks.low is not None:
        wheres = _wheres(chunks, quote(chunks.key[0]))
    for where, parameters in wheres:
        cursor = session.execute(f"SELECT {names} FROM {text}{where}", parameters)
        wanted = FIRST_ROWS
        while True:
            check()
            with session.errors():
                rows = cursor.fetchmany(wanted)
            if not rows:
                break
            yield rows
            wanted = next_rows(rows, ROWS_AT_ONCE, BATCH_BYTES)


def _wheres(chunks: Chunks, key: str) -> list[tuple[str, dict[str, int]]]:
    """A condition for each run of neighbouring chunks that are asked for; one without condition for all."""
    if chunks.only is None or chunks.low is None:
        return [("", {})]
    runs: list[list[int]] = []
    for chunk in sorted(set(chunks.only)):
        if runs and runs[-1][1] == chunk:
            runs[-1][1] = chunk + 1
        else:
            runs.append([chunk, chunk + 1])
    found = []
    for first, behind in runs:
        begin, end = chunks.low + first * chunks.width, chunks.low + behind * chunks.width - 1
        if begin <= LARGEST and end >= -LARGEST - 1:
            bounds = {"begin": max(begin, -LARGEST - 1), "end": min(end, LARGEST)}
            found.append((f" WHERE {key} BETWEEN :begin AND :end", bounds))
    return found


def _text(session: Session, relation: Relation) -> str:
    table = describe(session, relation)
    text = source_text(relation, table)
    conditions = [f"{quote(relation.only_null)} IS NULL"] if relation.only_null else []
    if relation.within is not None:
        column = table.column(relation.within.column)
        for sign, bound in ((">=", relation.within.start), ("<", relation.within.end)):
            value = find_start(session, bound, column, text)
            if value is not None:
                conditions.append(f"{quote(relation.within.column)} {sign} {_literal(value)}")
    return f"(SELECT * FROM {text} WHERE {' AND '.join(conditions)})" if conditions else text


def _literal(value: Value) -> str:
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
