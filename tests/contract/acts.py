"""What every test of the contract does with a port: ask, read, write."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncd.model.batch import Batch, Format
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.run import Counters
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Mode, StepKey, Target

KEY = StepKey("job", "t", TableName("t"))
T = Relation(table=TableName("t"))

INTEGER = Type(Kind.INTEGER, bits=64)
TEXT = Type(Kind.TEXT)
SHAPE = Table(
    TableName("t"), (Column("id", INTEGER, False), Column("name", TEXT, False), Column("grade", INTEGER)), ("id",)
)  # fmt: skip
"""The rows of t as they come, from a store of no product."""


def nothing() -> None:
    """A check that never stops."""


def extract(check: str | None = "grade", cursor: str | None = None, **more: Any) -> Extract:
    """A question about t."""
    return Extract(more.pop("relation", T), (check,) if check else (), cursor=cursor, **more)


def read_rows(port: Any, reading: Any, window: Any) -> list[Any]:
    """The rows of a window as tuples, through the format that every source gives last."""
    assert Format.ROWS in port.formats
    batches = list(reading.read(window, Format.ROWS, nothing))
    rows = [tuple(row) for batch in batches for row in batch.data]
    assert sum(batch.rows for batch in batches) == len(rows), "the batches do not count their rows right"
    return rows


def open_reading(port: Any, asked: Extract) -> Any:
    """The reading of one question, in the format of the suite."""
    return port.open(asked, (Format.ROWS,), nothing)


def read_windows(port: Any, asked: Extract) -> tuple[list[list[Any]], Any]:
    """The rows of each window, and the closed reading."""
    reading = open_reading(port, asked)
    try:
        return [read_rows(port, reading, window) for window in reading.windows()], reading
    finally:
        reading.close()


def load(port: Any, asked: Extract) -> tuple[list[Any], str, Any]:
    """All rows in their windows' order, the last cursor, and the closed reading."""
    reading = open_reading(port, asked)
    rows: list[Any] = []
    cursor: str | None = None
    try:
        for window in reading.windows():
            rows += read_rows(port, reading, window)
            cursor = reading.cursor(window)
    finally:
        reading.close()
    assert cursor is not None
    return rows, cursor, reading


def target(
    port: Any,
    mode: Mode,
    *,
    create: bool = False,
    shape: Table = SHAPE,
    columns: Sequence[str] = (),
    **more: Any,
) -> Target:
    """Where rows of a shape go: the table of that name, or one that is designed for them."""
    designed = _designed(port, mode, shape) if create or mode is Mode.RECREATE else port.table(shape.name)
    key = more.pop("key", replace(KEY, target=shape.name))
    made = Target(
        key, designed, shape, tuple(columns) or shape.column_names, mode, Format.ROWS, create, more.pop("revision", 0),
        "digest",
    )  # fmt: skip
    return replace(made, **{"match": shape.key, **more})


def write(
    port: Any, rows: Sequence[Any], mode: Mode, *, cursor: str = "c", **more: Any
) -> tuple[Counters, int]:
    """One window from its beginning to its commit: counters and the new revision."""
    writing = port.begin(target(port, mode, **more), nothing)
    try:
        writing.write(batch(rows))
        counters = writing.finish()
        return counters, writing.commit(cursor, "mark", len(rows))
    finally:
        writing.abandon()


def batch(rows: Sequence[Any]) -> Batch:
    """Rows as one batch."""
    return Batch(Format.ROWS, list(rows), len(rows))


def _designed(port: Any, mode: Mode, shape: Table) -> Table:
    if mode is not Mode.HISTORY:
        return port.design(shape, shape.name)
    stamp = Type(Kind.TIMESTAMPTZ, precision=6)
    more = (Column(SINCE, stamp, False), Column(UNTIL, stamp), Column(ACTIVE, Type(Kind.BOOLEAN), False))
    return port.design(Table(shape.name, (*shape.columns, *more), (*shape.key, SINCE)), shape.name)
