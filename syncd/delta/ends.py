"""A delta file in the place of a child, so that the coordinator exchanges with it as with any other."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from syncd.cluster_ports import Keys, Known
from syncd.delta.header import Header
from syncd.delta.reading import DeltaReader
from syncd.delta.writing import DeltaWriter
from syncd.errors import FatalError
from syncd.model.batch import Format
from syncd.model.exchange import Applied, Block, Hello, Mark, Peer, Role, Rules, Tracked, Wanted
from syncd.model.table import Table, TableName
from syncd.ports import Check
from syncd.repository.image import image_of

PRODUCT: Final = "delta"


class FileChild:
    """A child as a file knows it. It gives what `reader` holds, or takes rows into `writer`; one of them is there."""

    product = PRODUCT
    formats: tuple[Format, ...] = (Format.ROWS,)
    kept: Sequence[Tracked] = ()

    def __init__(
        self,
        hello: Hello,
        tables: Sequence[Tracked] = (),
        reader: DeltaReader | None = None,
        arrival: "FileArrival | None" = None,
    ) -> None:
        self._hello = hello
        self._tables = {tracked.name: tracked for tracked in tables}
        self._reader = reader
        self._arrival = arrival
        self.place = str(reader.path if reader else arrival.path if arrival else "")

    def tables(self) -> list[TableName]:
        """The tables of the file."""
        return list(self._tables)

    def table(self, name: TableName) -> Table | None:
        """The table as the sender has it."""
        found = self._tables.get(name)
        return Table(found.name, found.columns, found.key) if found else None

    def touching(self, table: Tracked) -> list[str]:
        """None: a file has no triggers."""
        return []

    def unkeyed(self, tables: Sequence[Tracked]) -> list[str]:
        """None: such rows do not travel."""
        return []

    def unique(self, name: TableName, columns: Sequence[str]) -> bool:
        """The sender has made sure of it."""
        return True

    def fills(self, name: TableName, columns: Sequence[str]) -> bool:
        """The sender has made sure of it."""
        return True

    def enrolled(self) -> Mapping[str, int]:
        """The numbers of the tables."""
        return {str(name): tracked.number for name, tracked in self._tables.items()}

    def enrol(
        self,
        role: Role,
        name: str,
        tables: Sequence[Tracked],
        join: str,
        check: Check,
        declared: Collection[int] = (),
    ) -> list[str]:
        """Nothing to do: the child has done so at its own site."""
        return []

    def hello(self, recall: int | None = None) -> Hello | None:
        """Who the child is, and its token at a generation, as far as the file says it."""
        return self._hello

    def tokens(self, gens: Collection[int]) -> Mapping[int, str]:
        """None: it is no parent."""
        return {}

    def renew(self, gen: int, check: Check) -> None:
        """Refuse: only at its own site a child takes another epoch.

        Raises:
            FatalError: always.
        """
        raise FatalError(
            f"the database of '{self._hello.name}' was restored from a copy, or is a copy: {self.place} is of another past",
            hint="import the newest file of the parent at its site, then export again from there",
            code="identity",
        )

    def peers(self) -> list[Peer]:
        """None: it is no parent."""
        return []

    def admit(self, peers: Sequence[Peer], check: Check) -> None:
        """Refuse: it is no parent."""
        raise self._out_of_reach()

    def offer_all(self, check: Check, *, keep_bases: bool = False) -> None:
        """Refuse, where it must be: a file has only what was exported."""
        if keep_bases:
            return
        raise self._out_of_reach()

    def dismiss(self, name: str, check: Check) -> None:
        """Refuse: it is no parent."""
        raise self._out_of_reach()

    def held(self, peer: Peer) -> Keys:
        """None: it is no parent."""
        return {}

    def depart(self, role: Role, received: int, held: Keys, check: Check) -> "FileDeparture":
        """The edits of the file that the parent has not received."""
        if self._reader is None:
            raise self._out_of_reach()
        return FileDeparture(self._reader, received)

    def arrive(self, tables: Sequence[Tracked], theirs: Sequence[Tracked], check: Check) -> "FileArrival":
        """The file that takes the parent's rows."""
        if self._arrival is None:
            raise self._out_of_reach()
        return self._arrival

    def compact(self, floor: int, check: Check) -> int:
        """Nothing to forget."""
        return 0

    def hold(self) -> bool:
        """Nobody else has it."""
        return True

    def let_go(self) -> None:
        """Nothing to do."""

    def cancel(self) -> None:
        """Nothing to do: the next look at `check` ends it."""

    def close(self) -> None:
        """Nothing to do: who opened the file closes it."""

    def _out_of_reach(self) -> FatalError:
        return FatalError(f"'{self._hello.name}' takes part by the file {self.place}, and cannot do that")


class FileDeparture:
    """A child's edits out of a file."""

    def __init__(self, reader: DeltaReader, received: int) -> None:
        """Edits up to the child's generation `received` are left out: they were applied, and may have been outdone since."""
        self.mark: Mark = reader.header.mark
        self._reader = reader
        self._received = received

    def edits(self, table: Tracked, form: Format, check: Check) -> Generator[Block]:
        """The edits of a table."""
        since = f"s_gen > {self._received}"
        yield from self._reader.rows(table.number, table.names, since, check, told=bool(table.sums))

    def authors(self, table: Tracked, since: int) -> list[int]:
        """None: these are edits."""
        return []

    def versions(
        self, table: Tracked, wanted: Wanted, author: int | None, form: Format, check: Check
    ) -> Generator[Block]:
        """None: these are edits."""
        yield from ()

    def seal(self, check: Check) -> None:
        """Nothing to do: it was durable before the file was written."""

    def close(self) -> None:
        """Nothing to do: who opened the file closes it."""


class FileArrival:
    """The parent's rows on their way into a file, which is in its place when they are applied."""

    def __init__(self, writer: DeltaWriter, draft: Header, marks: Callable[[], Sequence[Mark]]) -> None:
        """`draft` is the header without what only the end of the transfer tells, `marks` gives the parent's states."""
        self._marks = marks
        self.path = writer.path
        self.header = draft
        self._writer = writer

    def stage(self, block: Block, check: Check) -> None:
        """Write rows into the file."""
        self._writer.write(block)

    def staged(self, table: int) -> int:
        """How many rows of a table there are."""
        return self._writer.tables[table].rows

    def doubt(self, table: int) -> None:
        """Refuse: a file takes every row.

        Raises:
            FatalError: always.
        """
        raise FatalError(f"table {table} cannot be written to {self.path}")

    def apply_edits(self, peer: Peer, mark: Mark, rules: Rules, check: Check) -> Applied:
        """Refuse: these are versions.

        Raises:
            FatalError: always.
        """
        raise FatalError(f"{self.path} takes no edits")

    def apply_versions(
        self, since: Mark, mark: Mark, whole: Mapping[int, str], known: Known, check: Check
    ) -> Applied:
        """Finish the file."""
        self._writer.mark_whole(whole)
        received, held = Mark(known.received, known.token), self._held(known.held)
        marks = tuple(each for each in self._marks() if each.gen <= mark.gen)
        header = replace(self.header, mark=mark, marks=marks, received=received, held=held)
        self.header = self._writer.finish(header, check)
        return Applied()

    def close(self) -> None:
        """Forget what is not finished."""
        self._writer.close()

    def _held(self, held: Keys) -> tuple[tuple[int, str], ...]:
        """Keys as they stand in the header."""
        tables = self._writer.tables
        return tuple(
            (number, image_of(tables[number].tracked.key, key) or "")
            for number, keys in held.items()
            if number in tables
            for key in keys
        )
