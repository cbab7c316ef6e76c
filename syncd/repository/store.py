"""What the cluster engine asks of a database product: statements whose form differs, and nothing that it decides.

Names in arguments are plain, texts that end in `sql` are SQL. `?` stands for a bound value in `run`; whole numbers are
written into the statements. Stages are temporary tables with the columns of `stage_columns`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from syncd.model.batch import Batch, Format
from syncd.model.definitions import OptionValue
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.ports import Check
from syncd.repository.naming import Names

INSERTED: Final = 1
UPDATED: Final = 2
DELETED: Final = 4
"""Bits of `op`: what happened to a row since it was last sent; all of them are kept."""
BORN: Final = 8
"""Added to the `op` of an unsent edit: the first that happened was the insert, so the child had no such row before.

At SQLite that may also be an INSERT OR REPLACE of a row that it had: no trigger tells them apart."""
HAPPENED: Final = INSERTED | UPDATED | DELETED
ALL_COLUMNS: Final = -1
"""The mask that says nothing about single columns."""
MOST_COLUMNS: Final = 62

WHOLE: Final = Type(Kind.INTEGER, bits=64)
TEXT: Final = Type(Kind.TEXT)
BEFORE: Final = "syncd_before"
"""The column of a log and of `begun` that has the values of summed columns before an edit."""


class Purpose(StrEnum):
    """What a transaction is for."""

    SNAPSHOT = "snapshot"
    """Every statement sees the same state, and what the transaction itself wrote."""
    APPLY = "apply"
    """It writes; a statement sees what was committed before it began. Locks are waited for only a moment, and the
    triggers of this cluster stay silent."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave."""

    rows: Sequence[tuple[object, ...]]
    changed: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A rule that rows of `table` point at rows of `parent`; `acts`: deleting the row pointed at changes the others.

    `deferred`: it is looked at only when a transaction ends, also while rows arrive.
    """

    table: TableName
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    acts: bool
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table with arrived rows of one tracked table."""

    name: str
    table: Tracked
    theirs: Tracked
    edits: bool
    """With the facts of a child's edits; else with those of a parent's rows."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The stage's names of the columns that tell rows apart, in the order of the table's key."""
        place = dict(zip(self.table.names, stage_columns(self.table), strict=True))
        return tuple(place[name] for name in self.table.key)

    @property
    def told(self) -> bool:
        """Does each row say with which values of summed columns its edits began? It stands in TOLD, as a text."""
        return self.edits and bool(self.table.sums)

    @property
    def fields(self) -> tuple[str, ...]:
        """What a row consists of that arrives: the facts, the table's columns, and TOLD where it is `told`."""
        told = (TOLD,) if self.told else ()
        return (*facts_of(edits=self.edits), *stage_columns(self.table), *told)


FACTS_OF_EDITS: Final = ("s_gone", "s_gen", "s_base", "s_op", "s_mask", "s_at")
FACTS_OF_VERSIONS: Final = ("s_gone",)
"""What travels before a row's own columns, all whole numbers. `s_gone`: the row is deleted, and only its key means something.

`s_gen` is the generation at the child, `s_base` that of the parent on which the edit was made, `s_mask` the changed columns by their
place, `s_at` the moment in milliseconds since 1970 (0: not recorded)."""
TOLD: Final = "s_told"
"""The text that follows the columns of an edit where the table has summed ones; see `addition`."""
STATE: Final = "s_state"
NUMBER: Final = "s_n"
"""Columns that a stage has besides: what is to be done with a row, 0 at first, and a number that no other row has."""


def facts_of(*, edits: bool) -> tuple[str, ...]:
    """The facts that travel before the columns of a row."""
    return FACTS_OF_EDITS if edits else FACTS_OF_VERSIONS


def stage_columns(table: Tracked) -> tuple[str, ...]:
    """Names of a stage's columns for the table's own, in order: users' names cannot collide with ours."""
    return tuple(f"c{number}" for number in range(len(table.columns)))


def keyed(quote: Callable[[str], str], table: Tracked, alias: str = "") -> str:
    """The condition that a row has a key."""
    prefix = f"{alias}." if alias else ""
    return " AND ".join(f"{prefix}{quote(name)} IS NOT NULL" for name in table.optional_key) or "1 = 1"


class Store(Protocol):
    """One connection to one database. Errors are ours (see `syncd.errors`); a row that a table refuses raises RowRejectedError, or FatalError with code ``key_exists``."""

    product: str
    formats: tuple[Format, ...]
    """What it can give and take, cheapest first; ROWS is among them."""
    place: str
    """The database, for messages."""
    told: str
    """The aggregate over rows of `begun` that gives what TOLD says: ``GEN:BEFORE`` of each, with ``;`` between."""

    touching: str
    """The query for the names of users' triggers that may change rows which arrive in a table; binds its name and schema."""

    def quote(self, name: str) -> str:
        """An identifier as SQL."""
        ...

    def text_of(self, name: TableName) -> str:
        """A table's full name as SQL."""
        ...

    def whole(self, expression: str) -> str:
        """The expression as a 64-bit whole number, as all facts travel."""
        ...

    def run(self, sql: str, values: Sequence[object] = ()) -> Result:
        """Run one statement; `?` stands for each of `values` (None, int, str, bytes)."""
        ...

    def begin(self, purpose: Purpose, names: Names, check: Check) -> None:
        """Begin a transaction; one cluster's transactions at a node exclude each other.

        Raises:
            TransientError: somebody holds a lock for too long.
        """
        ...

    def settle(self, logs: Sequence[str], check: Check) -> bool:
        """Make what a SNAPSHOT wrote durable now where its reading can go on afterwards in the very same state.

        For products whose writers would wait meanwhile (SQLite); the others commit at the end, do nothing here, and
        say True. False: the transaction has ended, durable, and one of the logs has got rows in between.
        """
        ...

    def commit(self, check: Check) -> None:
        """Make it durable: a power cut after this loses nothing."""
        ...

    def rollback(self) -> None:
        """End the transaction without a trace, and a stream in the middle of it; does nothing when there is none."""
        ...

    def savepoint(self) -> None:
        """Begin a part that can be undone alone; parts do not nest."""
        ...

    def release(self) -> None:
        """Keep the part."""
        ...

    def undo(self) -> None:
        """Undo the part."""
        ...

    def hold(self, names: Names) -> bool:
        """Be the only one who runs this cluster on this database, until the connection ends or `let_go`; False when somebody else is."""
        ...

    def let_go(self, names: Names) -> None:
        """Let others run it."""
        ...

    # What is there

    def structure(self) -> str:
        """A text that stays the same as long as no table, column, key, rule or trigger of the database changes.

        Empty when the product does not tell it cheaper than each of them. Costs one statement; fails on a lost connection.
        """
        ...

    def tables(self) -> list[TableName]:
        """All tables (no views), without the product's own and syncd's."""
        ...

    def table(self, name: TableName) -> Table | None:
        """The table with the columns that may be written, and its key; None when there is none.

        Raises:
            FatalError: it cannot take part (a view, an engine without transactions, an unlogged table).
        """
        ...

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Are these columns NOT NULL, and does a unique rule hold for exactly them?"""
        ...

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Does each of these columns get a value by itself where a new row has none for it?"""
        ...

    def foreign_keys(self) -> list[ForeignKey]:
        """All rules between tables of the database."""
        ...

    def relation_exists(self, name: str) -> bool:
        """Is there a table of syncd's with that name?"""
        ...

    # What a cluster keeps

    def create(self, name: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """Create a table of syncd's unless it is there; `columns` says for each name int, text or bytes."""
        ...

    def create_log(self, names: Names, table: Tracked, *, parent: bool) -> None:
        """Create, unless they are there, the tables of one tracked table: the log, and `row` and `past`, or `own`.

        Their key columns have the types of the table's own, under the same names; the rest is

        - log: op, mask, at
        - own: gen, base, op, mask, at; the key is their primary key
        - row: gen, nid, ngen, at; the key is their primary key, and there is an index on gen
        - past: gen, mask; an index on the key
        - begun, at a child where columns are summed: gen, and as a text BEFORE, which the log then has too

        A log that was made without BEFORE gets it.
        """
        ...

    def drop(self, name: str) -> None:
        """Drop a table of syncd's if it is there."""
        ...

    def capture(self, names: Names, table: Tracked) -> None:
        """Create or replace the triggers that write the table's log, in plain SQL that every program can run."""
        ...

    def release_capture(self, names: Names, table: Tracked) -> None:
        """Drop them; does nothing where they are not."""
        ...

    def captures(self, names: Names, table: Tracked) -> bool:
        """Are all of them there and as they would be made now?"""
        ...

    def hears(self, names: Names, table: Tracked) -> bool:
        """Has the table a trigger for every kind of edit, though perhaps one that would be made otherwise now?"""
        ...

    # Moving rows

    def seal_child(self, names: Names, table: Tracked, gen: int, base: int) -> int:
        """Take the log's rows into `own` with this generation; a row that is there keeps its base, and whether it is BORN.

        How many rows.

        Where columns are summed, BEFORE of each row's first edit goes into `begun`.
        """
        ...

    def seal_parent(self, names: Names, table: Tracked, gen: int) -> int:
        """Take the log's rows into `row` as the parent's own versions of this generation, and into `past`. How many."""
        ...

    def extract(self, select: str, columns: Sequence[Column], form: Format, check: Check) -> Generator[Batch]:
        """The rows of a SELECT without values to bind, whose columns have these types."""
        ...

    def make_stage(self, stage: Stage) -> None:
        """Create the empty stage: its columns have the types of the table's own, so that values are kept alike.

        An older one of that name goes.
        """
        ...

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows: facts first, then the columns in their order.

        Raises:
            RowRejectedError: a value has no form in this product.
        """
        ...

    def filled(self, stage: Stage) -> int:
        """End the filling; how many rows there are."""
        ...

    def empty(self, stage: Stage) -> None:
        """Drop the stage if it is there."""
        ...

    def lock(self, stage: Stage) -> None:
        """Lock the table's rows that the stage has too, in the order of their keys, waiting for who holds them."""
        ...

    def update(self, stage: Stage, which: str) -> int:
        """Give the table's rows the values of staged rows (`which` is a condition on them, as ``s``) where they differ."""
        ...

    def exchange(self, stage: Stage, which: str) -> int:
        """The same for rows that take each other's unique values: they go together, and come again changed.

        Columns that the cluster does not know come again with the values that they had.
        """
        ...

    def insert(self, stage: Stage, which: str) -> int:
        """Insert the staged rows that the table lacks; a row that somebody inserts meanwhile is left alone."""
        ...

    def delete(self, stage: Stage, which: str) -> int:
        """Delete the table's rows with the keys of these staged rows."""
        ...

    def upsert_rows(
        self, names: Names, stage: Stage, which: str, gen: int, nid_sql: str, ngen_sql: str
    ) -> None:
        """Put the keys of these staged rows into `row` with this generation and author (expressions over ``s``)."""
        ...

    def delete_own(self, names: Names, stage: Stage, which: str) -> int:
        """Delete the rows of `own` with the keys of these staged rows."""
        ...

    def unstage_owned(self, names: Names, stage: Stage) -> int:
        """Delete from the stage what has a row in `own`; how many."""
        ...

    def stage_missing(self, names: Names, stage: Stage) -> int:
        """Stage as deleted (s_gone 1) the table's rows that have neither a staged row with their key nor a row in `own`."""
        ...

    def differs(self, table: Tracked, names: Sequence[str], old: str, new: str) -> str:
        """The condition that one of these columns has another value in `old` (a table) than in `new` (a stage)."""
        ...

    def wait(self, names: Names, seconds: float) -> bool:
        """Wait until the log may have new rows, at most so long; False when nothing is known to have happened."""
        ...

    def cancel(self) -> None:
        """Make whatever runs end soon. Called from another thread; does not wait."""
        ...

    def close(self) -> None:
        """Give the connection back; open work is undone. May be called more than once."""
        ...


@runtime_checkable
class StoreOpener(Protocol):
    """A connector (see `syncd.ports.Connector`) with the role ``repository``."""

    def open_store(self, options: Mapping[str, OptionValue]) -> Store:
        """Connect for taking part in clusters. Raises TransientError or FatalError."""
        ...
