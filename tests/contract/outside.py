"""Connectors of somebody else, as the suite meets them: a sound one, and some that break the contract in one place."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from syncd.model.batch import Batch, Format
from syncd.model.reading import Chunks, Scheme, Sums, Window
from syncd.model.run import Counters
from syncd.model.table import Column, Table
from syncd.model.writing import Standing, StepKey
from syncd.ports import Check
from tests.contract.memory import MemorySubject
from tests.contract.subject import COLUMNS, ROWS
from tests.memory import MemoryDestination, MemorySource, MemoryStore, MemoryWriting
from tests.memory_reading import MemoryReading


def sound() -> Any:
    """A connector that keeps the contract."""
    return MemorySubject(COLUMNS, ROWS)


class _Broken(MemorySubject):
    """A connector whose ports are of these classes."""

    def __init__(self, source: type[MemorySource], destination: type[MemoryDestination]) -> None:
        super().__init__(COLUMNS, ROWS)
        self._source, self._destination = source, destination

    def open_source(self, window_rows: int = 2_000_000) -> Any:
        self.source.store.window_rows = window_rows
        return self._source(self.source.store)

    def open_destination(self) -> Any:
        return self._destination(self.destination.store)


class _ForgetfulReading(MemoryReading):
    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        batches = list(super().read(window, form, check))
        yield from batches[:-1]
        for last in batches[-1:]:
            yield Batch(form, last.data[:-1], last.rows - 1)


class _ForgetfulSource(MemorySource):
    def open(self, extract: Any, formats: Any, check: Check) -> MemoryReading:
        self.look()
        return _ForgetfulReading(self, extract, self._find(extract.relation))


class _CarelessWriting(MemoryWriting):
    def apply(self, batch: Batch) -> Counters:
        total = Counters()
        for row in batch.data:
            total = total + super().apply(Batch(batch.format, [row], 1))  # type: ignore[list-item]
        return total


class _MiscountingWriting(MemoryWriting):
    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        super().delete(keys, mark)
        return len(keys)


class _CarelessDestination(MemoryDestination):
    def begin(self, target: Any, check: Check) -> MemoryWriting:
        return _CarelessWriting(self, target, check)


class _MiscountingDestination(MemoryDestination):
    def begin(self, target: Any, check: Check) -> MemoryWriting:
        return _MiscountingWriting(self, target, check)


class _ReplacingDestination(MemoryDestination):
    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        super().alter(table, add, widen, check)
        self.store.made += 1
        self.store.tables[table.name.name].number = self.store.made


class _TrustingDestination(MemoryDestination):
    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        return [replace(standing, reset="") for standing in super().survey(keys)]


class _NarrowSource(MemorySource):
    def sums(self, relation: Any, chunks: Chunks, check: Check) -> Sums:
        if chunks.scheme is not Scheme.INTEGER or chunks.low is None:
            return super().sums(relation, chunks, check)
        keys = [row[0] for row in self._find(relation).rows]
        narrow = MemoryStore()
        narrow.create(self._find(relation).table).rows = [
            ((key - chunks.low) % (1 << 32) + chunks.low, *[None] * 2) for key in keys
        ]
        return MemorySource(narrow).sums(relation, chunks, check)


def forgetful() -> Any:
    """Its readings lose the last row of each window."""
    return _Broken(_ForgetfulSource, MemoryDestination)


def careless() -> Any:
    """A refused batch leaves its rows before the bad one."""
    return _Broken(MemorySource, _CarelessDestination)


def miscounting() -> Any:
    """It counts the keys that it was given instead of the rows that went."""
    return _Broken(MemorySource, _MiscountingDestination)


def replacing() -> Any:
    """Its tables are others after they were altered."""
    return _Broken(MemorySource, _ReplacingDestination)


def trusting() -> Any:
    """It does not notice that somebody deleted rows."""
    return _Broken(MemorySource, _TrustingDestination)


def narrow() -> Any:
    """Its sums know 32 bits of a key."""
    return _Broken(_NarrowSource, MemoryDestination)
