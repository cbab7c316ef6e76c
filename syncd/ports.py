"""The contracts between the engine and everything that touches the world outside.

The engine receives these as arguments and knows no driver. Every method may raise `TransientError` (try again) or
`FatalError` (do not), and `RunCancelledError` after `cancel` was called from another thread.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from syncd.model.batch import Batch, Format
from syncd.model.definitions import OptionValue
from syncd.model.event import RunEvent
from syncd.model.plan import Relation
from syncd.model.run import Counters
from syncd.model.table import Table, TableName

Emit = Callable[[RunEvent], None]
"""Publishes one fact about a run."""

Check = Callable[[], None]
"""Raises RunCancelledError once a stop was asked for; called at least every 1 024 rows or 256 KB."""


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations and deadlines."""
        ...


@dataclass(frozen=True, slots=True)
class Extract:
    """A question to a source: this relation, following a check column, from this cursor on.

    The first of `check_columns` that exists is followed; when some are given and none exists, it is an error.
    `cursor` is text that the same source made earlier, or None to read from the beginning.
    """

    relation: Relation
    check_columns: tuple[str, ...] = ()
    lookback_seconds: float = 0.0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a relation that is read, written and made durable in one go.

    `number` counts from 1. `whole` is true when the window needs no merge as far as the source knows: its rows cannot
    meet rows of earlier windows of the same reading. `selector` belongs to the source.
    """

    number: int
    text: str
    whole: bool
    selector: object = None


class Reading(Protocol):
    """One consistent snapshot of one relation, cut into windows."""

    table: Table
    """The columns as they are read, and the source's key."""
    mode: str
    """first load, resume, incremental or full: how the source understood the cursor."""
    check_column: str | None
    """The check column that is followed, as the source spells it."""
    reset: str
    """Why the given cursor was not used (the source table was replaced, ...), else empty."""
    mark_from: str | None
    rows_estimated: int | None
    warnings: tuple[str, ...]
    """Sentences about NULL, future-dated or unindexed check columns; no row values."""

    def windows(self) -> Iterator[Window]:
        """The windows still to be read, in order. At least one, even when there are no rows."""
        ...

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """The rows of one window. Memory is bounded by the batch, never by the table.

        A window may be read again, also when the reader closed the generator before its end.
        """
        ...

    def cursor(self, window: Window) -> str:
        """What to store with the window's rows, so that a later reading goes on after them.

        Valid once the window was read to its end.
        """
        ...

    @property
    def mark_to(self) -> str | None:
        """The mark that the last window's cursor carries, for people."""
        ...

    def close(self) -> None:
        """Give the snapshot back."""
        ...


class Source(Protocol):
    """Where rows come from."""

    formats: tuple[Format, ...]
    """What it can give, cheapest first."""

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query.

        Raises:
            NotFoundError: no such table; the message suggests the nearest name.
            FatalError: the query does not run.
        """
        ...

    def identity(self, relation: Relation) -> str:
        """The one table that a relation reads, told from all others of its product; empty when it is not one."""
        ...

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: has nothing changed since its cursor was made? Cheap: one question for all of them."""
        ...

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Take a snapshot and say which windows are to be read.

        `formats` are those that the destination takes: a source with dynamic types looks at the values when they
        have to leave for a store with strict ones.
        """
        ...

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """For `syncd plan`: keys sql, windows, rows_estimated, null_rows, future_rows, index."""
        ...

    def cancel(self) -> None:
        """Make whatever runs on this source end soon. Called from another thread; does not wait."""
        ...

    def close(self) -> None:
        """Give the connection back. May be called more than once."""
        ...


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


class Mode(StrEnum):
    """How rows meet what a table holds already."""

    INSERT = "insert"
    MERGE = "merge"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one window's rows go and how.

    `mode`: insert (the table holds none of these rows), merge (by key) or replace (all old rows go, in the same
    transaction). `source` describes the rows as they come, and `columns` names the table's columns that take them,
    in that order. `table` is the destination's table, created first when `create` is true.
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


class Writing(Protocol):
    """One window on its way into one table, in one transaction."""

    def write(self, batch: Batch) -> None:
        """Take one batch. May block; a stop from another thread ends it through `Destination.cancel`."""
        ...

    def finish(self) -> Counters:
        """Everything was written: merge it and say what became of the rows (`read` is what arrived here)."""
        ...

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Make rows and cursor durable together; the new revision.

        `rows` is how many rows of this step the table holds at least, kept to notice that some went away.

        Raises:
            BusyError: somebody else moved this cursor since the run looked; nothing was changed.
        """
        ...

    def abandon(self) -> None:
        """Undo everything since the window began. Does nothing after `commit`."""
        ...


class Destination(Protocol):
    """Where rows go. It keeps the cursors of what it holds, in its own table ``syncd_cursors``."""

    formats: tuple[Format, ...]
    """What it can take, cheapest first."""

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """The standing of each step. Cheap: one or two questions for all of them, and no write."""
        ...

    def table(self, name: TableName) -> Table | None:
        """The table as it is, or None."""
        ...

    def identity(self, name: TableName) -> str:
        """The table told from all others of its product, as `Source.identity` tells it; empty when there is none."""
        ...

    def design(self, table: Table, name: TableName) -> Table:
        """The table that would be created for rows like these, with this store's own types."""
        ...

    def creation(self, table: Table) -> list[str]:
        """The statements that create a designed table."""
        ...

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Can rows of the source arrive unharmed in this format, given both tables' types?"""
        ...

    def begin(self, target: Target, check: Check) -> Writing:
        """Start the transaction for one window."""
        ...

    def cancel(self) -> None:
        """Make whatever runs on this destination end soon. Called from another thread; does not wait."""
        ...

    def close(self) -> None:
        """Give the connection back; open work is undone. May be called more than once."""
        ...


class Connector(Protocol):
    """A plug-in that speaks to one kind of store. Loading it must not import the driver."""

    type: str
    roles: frozenset[str]
    """source, destination or both."""
    dialect: str
    """sqlglot's name for its SQL."""
    options_schema: Mapping[str, object]
    """JSON Schema of an object: the connection's keys beside `type` and those that all connections share."""
    url_schemes: tuple[str, ...]

    def options_from_url(self, url: str) -> dict[str, OptionValue]:
        """The options that a URL such as ``sqlite:///a.db`` stands for."""
        ...

    def open_source(self, options: Mapping[str, OptionValue]) -> Source:
        """Connect for reading. Raises TransientError or FatalError."""
        ...

    def open_destination(self, options: Mapping[str, OptionValue]) -> Destination:
        """Connect for writing. Raises TransientError or FatalError."""
        ...
