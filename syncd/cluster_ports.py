"""The contract between the coordinator of a cluster and its repositories: databases now, remote services next.

A repository keeps generations: it knows which rows were edited since a state that another one has, and takes rows in one
transaction with the cursor that says so. Every method may raise TransientError (try again) and FatalError.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from syncd.model.batch import Format
from syncd.model.exchange import (
    Applied,
    Block,
    Hello,
    Mark,
    Peer,
    Role,
    Rules,
    Tracked,
    Wanted,
)
from syncd.model.table import Table, TableName
from syncd.ports import Check

Keys = Mapping[int, Sequence[tuple[object, ...]]]
"""Keys of rows by table number, as in ROWS batches."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a parent has of a child: all edits up to the generation `received`, but for the rows that it `held` back.

    `token` is the child's own at that generation.
    """

    received: int
    held: Keys
    token: str = ""


class Departure(Protocol):
    """Edits of one node as of one state. Nothing of what it gives may be applied before `seal` has returned."""

    mark: Mark
    """The state that a receiver has afterwards."""

    def edits(self, table: Tracked, form: Format, check: Check) -> Generator[Block]:
        """A child's unsent edits of a table: the facts of FACTS_OF_EDITS, then the columns, then TOLD where some are summed."""
        ...

    def authors(self, table: Tracked, since: int) -> list[int]:
        """Whose edits (peer numbers, 0 the parent's own) a table's changes since a generation are."""
        ...

    def versions(
        self, table: Tracked, wanted: Wanted, author: int | None, form: Format, check: Check
    ) -> Generator[Block]:
        """A parent's rows: those of one author that changed since, or all (`author` None) for one that has nothing."""
        ...

    def seal(self, check: Check) -> None:
        """Make the state durable at this node."""
        ...

    def close(self) -> None:
        """Give everything back; without `seal` nothing has happened. May be called more than once."""
        ...


class Arrival(Protocol):
    """A delivery on its way into a node: rows wait beside the tables until it is complete."""

    def stage(self, block: Block, check: Check) -> None:
        """Take rows. Raises RowRejectedError when one has no form here: then the table is staged anew with `doubt`."""
        ...

    def staged(self, table: int) -> int:
        """A table is complete; how many rows it has. May raise as `stage` does."""
        ...

    def doubt(self, table: int) -> None:
        """Forget what was staged of a table; from now on rows that have no form here are set aside one by one."""
        ...

    def apply_edits(self, peer: Peer, mark: Mark, rules: Rules, check: Check) -> Applied:
        """At a parent: decide and write all that was staged, with the cursor, in one transaction.

        Raises:
            BusyError: the cursor is not at `peer.received` any more; nothing was changed.
        """
        ...

    def apply_versions(
        self, since: Mark, mark: Mark, whole: Mapping[int, str], known: "Known", check: Check
    ) -> Applied:
        """At a child: write what was staged, but no row with an unsent edit, with the cursor, in one transaction.

        What is `known` at the parent is no unsent edit. `whole` names the tables of which everything was sent: their other rows go (all that meet the given condition).

        Raises:
            BusyError: the cursor is not at `since` any more; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Forget what was staged. May be called more than once."""
        ...


class Repository(Protocol):
    """One node of a cluster."""

    product: str
    formats: tuple[Format, ...]
    place: str

    @property
    def kept(self) -> Sequence[Tracked]:
        """The tables that are tracked and take no part since the last `enrol`; their columns are not told."""
        ...

    def tables(self) -> list[TableName]:
        """All tables that could take part."""
        ...

    def table(self, name: TableName) -> Table | None:
        """The table with its writable columns and key, or None."""
        ...

    def unkeyed(self, tables: Sequence[Tracked]) -> list[str]:
        """In words, those of the tables with rows that lack a key, and so take no part."""
        ...

    def touching(self, table: Tracked) -> list[str]:
        """The names of the users' triggers that may change rows which arrive in a table."""
        ...

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """Do these columns of a table always have values, and never the same twice?"""
        ...

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """Does each of these columns get a value by itself where a new row has none for it?"""
        ...

    def enrolled(self) -> Mapping[str, int]:
        """The tracked tables' numbers by name (``schema.name``), empty before the first contact."""
        ...

    def enrol(
        self,
        role: Role,
        name: str,
        tables: Sequence[Tracked],
        join: str,
        check: Check,
        declared: Collection[int] = (),
    ) -> list[str]:
        """Be a node with these tables: make what is missing, drop what is too much; what was done, in words.

        `join` says what becomes of rows that a child has already (merge: they are sent; replace: they go). Tables whose
        numbers are `declared` are not dropped, nor those with edits that somebody needs: they are `kept`.
        """
        ...

    def hello(self, recall: int | None = None) -> Hello | None:
        """Who this node is; None before it was enrolled. `recall`: the generation whose token is wanted."""
        ...

    def tokens(self, gens: Collection[int]) -> Mapping[int, str]:
        """At a parent: the tokens that it had at these generations, as far as it knows them."""
        ...

    def renew(self, gen: int, check: Check) -> None:
        """Take a new epoch, with generations after `gen`: this node was found restored from a copy."""
        ...

    def peers(self) -> list[Peer]:
        """At a parent: its children."""
        ...

    def admit(self, peers: Sequence[Peer], check: Check) -> None:
        """At a parent: keep children, in place of what was known under their names."""
        ...

    def offer_all(self, check: Check, *, keep_bases: bool = False) -> None:
        """At a child: count all rows as edits that nobody has, and forget what was received.

        `keep_bases`: edits that were counted before keep what they were made on.
        """
        ...

    def dismiss(self, name: str, check: Check) -> None:
        """At a parent: forget a child."""
        ...

    def held(self, peer: Peer) -> Keys:
        """At a parent: rows of a child that are set aside, whose edits are therefore unsent still."""
        ...

    def depart(self, role: Role, received: int, held: Keys, check: Check) -> Departure:
        """Count what was edited, and open the state. At a child, edits up to `received` are acknowledged unless held."""
        ...

    def arrive(self, tables: Sequence[Tracked], theirs: Sequence[Tracked], check: Check) -> Arrival:
        """Open a delivery of a peer's tables, whose columns are those of `tables` in the same order."""
        ...

    def compact(self, floor: int, check: Check) -> int:
        """At a parent: forget what nobody can ask for any more, changes up to `floor`; how many rows of ours went."""
        ...

    def hold(self) -> bool:
        """Be the only coordinator of this cluster; False when another is. It ends with the process."""
        ...

    def let_go(self) -> None:
        """Let another coordinate."""
        ...

    def cancel(self) -> None:
        """Make whatever runs end soon. Called from another thread; does not wait."""
        ...

    def close(self) -> None:
        """Give the connection back. May be called more than once."""
        ...
