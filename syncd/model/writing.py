"""Where rows go and how, and what a destination remembers about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from syncd.model.batch import Format
from syncd.model.table import Table, TableName

DELETED_AT: Final = "_syncd_deleted_at"
"""The column that says since when a row is gone at the source (TIMESTAMPTZ, NULL: it is there)."""
ACTIVE: Final = "_syncd_active"
SINCE: Final = "_syncd_start"
UNTIL: Final = "_syncd_end"
"""The columns of history mode: is this the present version, and from when (inclusive) until when (exclusive)."""


@dataclass(frozen=True, slots=True)
class StepKey:
    """Under which name a destination keeps a step's cursor."""

    job: str
    step: str
    target: TableName


@dataclass(frozen=True, slots=True)
class Standing:
    """What a destination knows about a step before a run.

    `revision` is 0 when no cursor was ever stored. `mark` is the cursor's mark for people. `reset` says why the stored cursor must not be used (the table
    is missing, was emptied or replaced), else empty. `exists` and `empty` are about the table.
    """

    revision: int
    cursor: str | None
    mark: str | None
    digest: str
    rows: int
    exists: bool
    empty: bool
    reset: str = ""


def reset_reason(known: int, found: int | None, counted: int, *, same: bool) -> str:
    """Why a stored cursor must not be used; empty when it may be.

    `known` rows were there after its window. `found` are there now, counted exactly when `known` is at most `counted`
    and else only whether there are any; None: the table is missing. `same`: it is the one that was written.
    """
    if found is None:
        return "the destination table is missing"
    if known and not found:
        return "the destination table was emptied"
    if not same:
        return "the destination table was replaced by another one"
    return "rows of the destination table were deleted" if found < known <= counted else ""


@dataclass(frozen=True, slots=True)
class StoredCursor:
    """A cursor as the destination keeps it, for people who look at it or move it."""

    key: StepKey
    revision: int
    cursor: str
    mark: str | None
    digest: str
    rows: int
    updated: str


class Mode(StrEnum):
    """How rows meet what a table holds already.

    INSERT: it holds none of these rows. MERGE: by the columns of `Target.match`. REPLACE: all old rows go, in the
    same transaction. RECREATE: the table itself goes, and a new one takes its name when all rows have arrived.
    HISTORY: by `Target.match` among the active versions; a changed row ends its active version and adds a new one.
    """

    INSERT = "insert"
    MERGE = "merge"
    REPLACE = "replace"
    RECREATE = "recreate"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one window's rows go and how.

    `source` describes the rows as they come, and `columns` names the table's columns that take them, in that order.
    `table` is the destination's table, created first when `create` is true; it may have more columns than come.
    `match` are the table's columns by which rows are told apart. `revive` names a column that becomes NULL when its row
    arrives (empty: none). `careful`: rows arrive through `Writing.apply` alone.
    """

    key: StepKey
    table: Table
    source: Table
    columns: tuple[str, ...]
    mode: Mode
    format: Format
    create: bool
    revision: int
    digest: str
    match: tuple[str, ...] = ()
    revive: str = ""
    careful: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that its table refuses: key and values as JSON lists in the order of `names`, and why.

    `attempts` counts how often it was tried; `at` is when it was set aside first, ISO text in UTC.
    """

    key: str
    names: tuple[str, ...]
    values: str
    reason: str
    at: str = ""
    attempts: int = 1
