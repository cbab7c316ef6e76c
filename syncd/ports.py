"""The contracts between the engine and everything that touches the world outside.

The engine receives these as arguments and knows no driver. Every method may raise `TransientError` (try again) or
`FatalError` (do not), and `RunCancelledError` after `cancel` was called from another thread.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from syncd.model.batch import Batch, Format
from syncd.model.definitions import OptionValue
from syncd.model.event import RunEvent
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums, Tuning, Window
from syncd.model.run import Counters
from syncd.model.table import Column, Table, TableName, Type
from syncd.model.writing import Reject, Standing, StepKey, StoredCursor, Target

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


class Reading(Protocol):
    """One consistent snapshot of one relation, cut into windows."""

    table: Table
    """The columns as they are read, and the source's key."""
    mode: str
    """first load, resume, incremental, captured or full: how the source understood the cursor."""
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

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """Blocks of keys of rows that are gone, which a source with captured changes knows; others give none.

        Values are in the order of the table's key, as in ROWS batches. Asked after the window was read to its end.
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

    @property
    def shared(self) -> bool:
        """May another source of the same store `join` this reading, and see the same snapshot?"""
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

    def accounted(self, cursor: str) -> str | None:
        """The cursor as one before which all rows that are gone were let go; None where the source cannot tell them.

        When it is the same text, `Reading.deleted` of a captured reading from it gives every row that went since.
        """
        ...

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Take a snapshot and say which windows are to be read.

        `formats` are those that the destination takes: a source with dynamic types looks at the values when they
        have to leave for a store with strict ones.
        """
        ...

    def join(self, reading: Reading) -> Reading:
        """Read windows of a shared reading on this connection, in its snapshot; it must stay open meanwhile.

        Raises:
            FatalError: snapshots of this store cannot be shared.
        """
        ...

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """For `syncd plan`: keys sql, windows, rows_estimated, null_rows, future_rows, index."""
        ...

    def tables(self) -> list[TableName]:
        """All tables and views that may be read, without the store's own and syncd's; schemas are always named."""
        ...

    def tune(self, tuning: Tuning) -> None:
        """Behave so until told otherwise; called before each run."""
        ...

    def cancel(self) -> None:
        """Make whatever runs on this source end soon. Called from another thread; does not wait."""
        ...

    def close(self) -> None:
        """Give the connection back. May be called more than once."""
        ...


@runtime_checkable
class Comparable(Source, Protocol):
    """A source whose rows can be told from those of another store; each call takes a snapshot of its own."""

    product: str
    """Stores of one product make the same NATIVE checksums."""
    apart: bool
    """May another thread than the one that opened it ask, as long as only one asks at a time?"""

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """How many rows, and the lowest and highest value of a whole-number key column (0, 0, 0 without rows)."""
        ...

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Rows and checksum of each chunk: one scan that returns as many numbers as there are chunks."""
        ...

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """These columns of all rows, or of the rows in `chunks.only`, in ROWS batches of bounded memory."""
        ...


class Writing(Protocol):
    """One window on its way into one table, in one transaction."""

    def write(self, batch: Batch) -> None:
        """Take one batch. May block; a stop from another thread ends it through `Destination.cancel`."""
        ...

    def finish(self) -> Counters:
        """Everything was written: merge it and say what became of the rows (`read` is what arrived here)."""
        ...

    def apply(self, batch: Batch) -> Counters:
        """Write and merge these rows at once; only for a careful target, and instead of `write`.

        `finish` sums up what was applied.

        Raises:
            RowRejectedError: the table refuses a row of the batch; everything is as before the call.
        """
        ...

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        """Take away the rows with these keys (values in the order of `match`, as in ROWS batches); how many went.

        With `mark`, rows stay, and that column says since when they are gone; rows that are marked already do not
        count. With a target in mode HISTORY, their active versions end. Called after `finish`.
        """
        ...

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep these rows in the destination's table of refused rows, in place of older ones with their keys."""
        ...

    def let_go(self, keys: Sequence[str]) -> None:
        """Forget the refused rows with these keys (`Reject.key`): newer ones have arrived."""
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

    several: bool
    """May several connections write at the same time?"""

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

    def type_of(self, declaration: str) -> Type:
        """The type of a column that is declared so in this store.

        Raises:
            FatalError: the store knows no such type.
        """
        ...

    def creation(self, table: Table) -> list[str]:
        """The statements that create a designed table."""
        ...

    def extras(self, name: TableName) -> list[str]:
        """What a table has beside columns and key, which one that is made anew lacks: indexes, triggers, constraints.

        In words such as ``index by_name``, and empty when there is no such table.
        """
        ...

    def alteration(self, table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
        """The statements that add columns and give others a wider type, for people; SQLite rebuilds the table."""
        ...

    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        """Do it, all or nothing where the store can. Constraints, indexes and rights stay, and known cursors too."""
        ...

    def cursors(self, job: str) -> list[StoredCursor]:
        """The cursors that this destination keeps for a job, by step."""
        ...

    def put_cursor(self, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
        """Give a stored cursor another value, or forget it with None.

        Raises:
            BusyError: it was moved since `stored` was read.
        """
        ...

    def rejects(self, key: StepKey) -> list[Reject]:
        """The rows of this step that were set aside, oldest first; no write, also when there is no such table."""
        ...

    def execute(self, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
        """Run one SQL statement that a user wrote, in a transaction of its own; at most 1 000 rows of its result."""
        ...

    def tune(self, tuning: Tuning) -> None:
        """Behave so until told otherwise; called before each run."""
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
    """Which of source, destination and repository (a member of a cluster) it can be."""
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
