"""Rows as numbers: checksums by which two tables are compared, one scan for all chunks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from syncd.connectors.postgresql.catalog import describe, source_text
from syncd.connectors.postgresql.quoting import literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.start import find_start
from syncd.errors import FatalError, RowRejectedError
from syncd.model.choice import choose_columns
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme, Sums
from syncd.model.table import Column, Kind, Table
from syncd.ports import Check

LOW_HALF: Final = 0xFFFFFFFF
FACTOR: Final = 73244475
WHOLE: Final = frozenset({"smallint", "integer", "bigint"})
LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1
ASIDE: Final = "syncd_aside"


def find_relation(session: Session, relation: Relation) -> tuple[Table, str]:
    """The chosen columns of a relation, and what follows FROM: its rows within the relation's limits.

    Raises:
        FatalError: its SELECT says between which marks it reads, which a comparison does not know.
    """
    if relation.bounded:
        raise FatalError(
            "a query that reads between two marks cannot be compared", hint="compare with the whole table"
        )
    table, found = describe(session, relation)
    text = source_text(relation, found)
    conditions = [f"t.{quote(relation.only_null)} IS NULL"] if relation.only_null else []
    if relation.within is not None:
        column = table.column(relation.within.column)
        for sign, bound in ((">=", relation.within.start), ("<", relation.within.end)):
            value = find_start(session, table.name, column, bound)
            if value is not None and column is not None:
                name = f"t.{quote(column.name)}"
                empty = f" OR {name} IS NULL" if relation.within.nulls else ""
                conditions.append(f"({name} {sign} {literal(value, column.type.native)}{empty})")
    if conditions:
        text = f"(SELECT * FROM {text} WHERE {' AND '.join(conditions)}) AS t"
    return choose_columns(table, relation), text


@contextmanager
def snapshot(session: Session) -> Iterator[None]:
    """A transaction for reading that leaves no trace; inside an open one, a part of it."""
    inside = session.in_transaction
    session.execute(f"SAVEPOINT {ASIDE}" if inside else "BEGIN READ ONLY")
    try:
        yield
    finally:
        if inside:
            session.return_to(ASIDE)
        else:
            session.rollback()


def key_range(session: Session, relation: Relation, column: str) -> tuple[int, int, int]:
    """How many rows, and the lowest and highest value of a whole-number column.

    Raises:
        FatalError: the values are no whole numbers of 64 bits (code ``key_range``).
    """
    table, text = find_relation(session, relation)
    _whole_number(table, column)
    name = f"t.{quote(column)}"
    row = session.execute(f"SELECT count(*), min({name})::text, max({name})::text FROM {text}").fetchone()
    if row is None or row[1] is None:
        return 0, 0, 0
    try:
        count, low, high = (int(value) for value in row)
    except ValueError:
        count, low, high = 0, LOWEST - 1, 0
    if low < LOWEST or high > HIGHEST:
        raise _out_of_range(table, column)
    return count, low, high


def make_sums(session: Session, relation: Relation, chunks: Chunks, check: Check) -> Sums:
    """Rows and checksum of each chunk that is not empty."""
    table, text = find_relation(session, relation)
    where = _only(table, chunks)
    # One plan for each way to number a chunk: the difference of two keys may need more than 64 bits.
    try:
        return _ask(session, text, where, _number(table, chunks), _chunk(table, chunks, exact=False), check)
    except RowRejectedError:
        if chunks.low is None:
            raise
    return _ask(session, text, where, _number(table, chunks), _chunk(table, chunks, exact=True), check)


def select_chunks(table: Table, text: str, columns: tuple[str, ...], chunks: Chunks | None) -> str:
    """The query for these columns of the rows in `chunks.only`, or of all rows."""
    names = ", ".join(f"t.{quote(name)}" for name in columns)
    where = _only(table, chunks) if chunks is not None else ""
    return f"SELECT {names} FROM {text}{where}"


def _ask(session: Session, text: str, where: str, number: str, chunk: str, check: Check) -> Sums:
    sql = f"SELECT {chunk}, count(*), sum({number})::text FROM {text}{where} GROUP BY 1"
    sums: Sums = {}
    with snapshot(session):
        # The planner expects as many chunks as rows, and would sort them all.
        session.execute("SET LOCAL enable_sort = off")
        for data, _ in session.copy_out(f"COPY ({sql}) TO STDOUT", check):
            for line in data.decode().splitlines():
                place, rows, total = line.split("\t")
                sums[int(place)] = (int(rows), total)
    return sums


def _number(table: Table, chunks: Chunks) -> str:
    """A row's number as SQL: a bigint."""
    if chunks.scheme is Scheme.NATIVE:
        # The key too: two rows that change their values with each other must not look the same.
        if not chunks.of:
            return _native_key(table, chunks)
        return _native(tuple(dict.fromkeys((*chunks.key, *chunks.of))))
    # Halves of 32 bits, since the difference of two keys may need more than 64.
    key, low = _key(table, chunks), chunks.low or 0
    below = f"(({key} & {LOW_HALF}) - {_number_text(low & LOW_HALF)})"
    x = f"({below} & {LOW_HALF})"
    y = f"((({x} # ({x} >> 16)) * {FACTOR}) & {LOW_HALF})"
    return f"({y} # ({y} >> 15)) + ({key} >> 32) - {_number_text(low >> 32)} + ({below} >> 32)"


def _chunk(table: Table, chunks: Chunks, *, exact: bool) -> str:
    """The number of a row's chunk as SQL; `exact` also where the difference of two keys needs more than 64 bits."""
    if chunks.low is None and chunks.scheme is Scheme.NATIVE:
        return _bucket(table, chunks)
    key = _key(table, chunks)
    if exact:
        low, width = (literal(value, "numeric") for value in (chunks.low or 0, chunks.width))
        return f"div({key}::numeric - {low} - CASE WHEN {key} < {low} THEN {width} - 1 ELSE 0 END, {width})"
    low, width = _number_text(chunks.low or 0), _number_text(chunks.width)
    return (
        f"CASE WHEN {key} >= {low} THEN ({key} - {low}) / {width} ELSE ({key} - {low} + 1) / {width} - 1 END"
    )


def _bucket(table: Table, chunks: Chunks) -> str:
    count = _number_text(chunks.count)
    return f"(({_native_key(table, chunks)} % {count}) + {count}) % {count}"


def _native_key(table: Table, chunks: Chunks) -> str:
    """A number made of the key; whole numbers need no text for it, which is faster."""
    columns = [table.column(name) for name in chunks.key]
    if not all(column is not None and column.type.native in WHOLE for column in columns):
        return _native(chunks.key)
    number = "0"
    for name in chunks.key:
        number = f"hashint8extended(t.{quote(name)}, {number})"
    return number


def _native(columns: tuple[str, ...]) -> str:
    names = ", ".join(f"t.{quote(name)}" for name in columns)
    # By code points, or a collation that takes different texts for one would have a say.
    return f'hashtextextended(ROW({names})::text COLLATE "C", 0)'


def _only(table: Table, chunks: Chunks) -> str:
    if chunks.only is None:
        return ""
    if not chunks.only:
        return " WHERE false"
    if chunks.low is None and chunks.scheme is Scheme.NATIVE:
        return f" WHERE {_bucket(table, chunks)} IN ({', '.join(_number_text(one) for one in sorted(set(chunks.only)))})"
    name = f"t.{quote(chunks.key[0])}"
    native = _whole_number(table, chunks.key[0]).type.native
    parts = []
    for first, last in _runs(chunks.only):
        low = (chunks.low or 0) + first * chunks.width
        high = (chunks.low or 0) + (last + 1) * chunks.width
        parts.append(f"({name} >= {_bound(low, native)} AND {name} < {_bound(high, native)})")
    return " WHERE " + " OR ".join(parts)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each unbroken run."""
    for _, run in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]


def _bound(value: int, native: str) -> str:
    """A bound that an index on the column can use, when the column's type has it."""
    is_integer = native in WHOLE
    return literal(value, "bigint" if is_integer and LOWEST <= value <= HIGHEST else "numeric")


def _key(table: Table, chunks: Chunks) -> str:
    return f"t.{quote(_whole_number(table, chunks.key[0]).name)}::bigint"


def _number_text(value: int) -> str:
    # The lowest number cannot be written without quotes.
    return literal(value, "bigint")


def _whole_number(table: Table, name: str) -> Column:
    column = table.column(name)
    if (
        column is None
        or column.type.kind not in {Kind.INTEGER, Kind.DECIMAL}
        or (column.type.kind is Kind.DECIMAL and (column.type.scale or not column.type.precision))
    ):
        raise _out_of_range(table, name)
    return column


def _out_of_range(table: Table, column: str) -> FatalError:
    return FatalError(
        f"column {column} of {table.name} does not hold whole numbers of 64 bits",
        hint="compare by another column",
        code="key_range",
    )
