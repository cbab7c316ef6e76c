"""A store in memory that keeps the ports' contract: the smallest source and destination that are right.

Rows are tuples in insertion order. A table's check column may be any column of comparable values; the mark is its
highest value that is not in the future.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from syncd.errors import BusyError, FatalError, NotFoundError
from syncd.model.batch import Batch, Format
from syncd.model.choice import choose_columns
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums
from syncd.model.table import Column, Kind, Table, TableName, Type
from syncd.model.writing import Reject, Standing, StepKey, StoredCursor, Target
from syncd.ports import Check
from tests.memory_comparing import chunk_finder, range_of, sums_of
from tests.memory_reading import BATCH_ROWS, MemoryReading
from tests.memory_store import Kept, MemoryPort, MemoryStore, MemoryTable, Row, present, type_of
from tests.memory_writing import MemoryWriting

__all__ = ["Kept", "MemoryDestination", "MemorySource", "MemoryStore", "MemoryTable", "MemoryWriting", "Row"]


class MemorySource(MemoryPort):
    """Reads a memory store."""

    product = "memory"
    apart = True

    def describe(self, relation: Relation) -> Table:
        """The table's columns."""
        return choose_columns(self._find(relation).table, relation)

    def identity(self, relation: Relation) -> str:
        """The table's number in this process."""
        found = self.store.find(relation.table) if relation.table is not None else None
        return str(id(found)) if found else ""

    def accounted(self, cursor: str) -> str | None:
        """Nothing is known of rows that are gone."""
        return None

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """Are all rows what they were? Their checksums are compared."""
        return [self._same(extract) for extract in extracts]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> MemoryReading:
        """Copy the rows."""
        self.look()
        return MemoryReading(self, extract, self._find(extract.relation))

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a reading would be."""
        rows = MemoryReading(self, extract, self._find(extract.relation)).rows_estimated
        counts = {"windows": 1, "rows_estimated": rows, "null_rows": 0, "future_rows": 0}
        return {"sql": "", **counts, "index": True}

    def tables(self) -> list[TableName]:
        """All but those that syncd keeps for itself."""
        names = [found.table.name for found in self.store.tables.values()]
        return [name for name in names if not name.name.startswith("syncd_")]

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """Over all rows."""
        return range_of(self._find(relation), column)

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Over all rows."""
        check()
        self.look()
        return sums_of(self._find(relation), chunks)

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """A few rows at a time."""
        found = self._find(relation)
        rows = list(found.rows)
        if chunks is not None and chunks.only is not None:
            chunk_of = chunk_finder(found.table, chunks)
            rows = [row for row in rows if chunk_of(row) in chunks.only]
        places = [found.table.column_names.index(name) for name in columns]
        for at in range(0, len(rows), BATCH_ROWS):
            check()
            self.look()
            part = [tuple(row[place] for place in places) for row in rows[at : at + BATCH_ROWS]]
            yield Batch(Format.ROWS, part, len(part))

    def _same(self, extract: Extract) -> bool:
        old = json.loads(extract.cursor) if extract.cursor else {}
        found = self._find(extract.relation)
        if not old or old.get("loading") or old["number"] != found.number:
            return False
        return bool(MemoryReading(self, extract, found).seen == old["seen"])

    def _find(self, relation: Relation) -> MemoryTable:
        if relation.select is not None:
            raise FatalError("a store in memory runs no SELECT", code="no_select")
        name = relation.table or TableName("")
        found = self.store.find(name)
        if found is None:
            near = get_close_matches(name.name, self.store.tables, 1)
            raise NotFoundError(
                f"there is no table {name} in memory",
                hint=f"did you mean '{near[0]}'?" if near else "it is empty",
            )
        return found


class MemoryDestination(MemoryPort):
    """Writes a memory store."""

    several = True

    def survey(self, keys: Sequence[StepKey]) -> list[Standing]:
        """Cursors and the state of their tables."""
        return [self._standing(key) for key in keys]

    def table(self, name: TableName) -> Table | None:
        """By name, ignoring case."""
        found = self.store.find(name)
        return found.table if found else None

    def extras(self, name: TableName) -> list[str]:
        """None: its tables are columns and a key."""
        return []

    def identity(self, name: TableName) -> str:
        """The table's number in this process."""
        found = self.store.find(name)
        return str(id(found)) if found else ""

    def design(self, table: Table, name: TableName) -> Table:
        """The same columns; the key's are NOT NULL."""
        columns = tuple(replace(c, nullable=c.nullable and c.name not in table.key) for c in table.columns)
        return Table(name, columns, table.key)

    def type_of(self, declaration: str) -> Type:
        """A family's name, and perhaps a length."""
        return type_of(declaration)

    def creation(self, table: Table) -> list[str]:
        """There is no SQL here."""
        return [f"create {table.name}"]

    def alteration(self, table: Table, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
        """There is no SQL here."""
        return [
            *(f"add {column.name} {column.type}" for column in add),
            *(f"widen {column.name} to {column.type}" for column in widen),
        ]

    def alter(self, table: Table, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
        """Columns at the end; values of columns that become texts become texts."""
        check()
        for column in add:
            if table.column(column.name) is not None:
                raise FatalError(f"{table.name} has a column {column.name} already", code="failed")
        found = self.store.tables[table.name.name]
        wide = {column.name: column for column in widen}
        texts = [
            wide.get(name) is not None and wide[name].type.kind is Kind.TEXT for name in table.column_names
        ]
        blanks = (None,) * len(add)
        found.rows = [
            (*(str(v) if text and v is not None else v for v, text in zip(row, texts, strict=True)), *blanks)
            for row in found.rows
        ]
        columns = (*(replace(c, type=wide.get(c.name, c).type) for c in table.columns), *add)
        found.table = replace(found.table, columns=columns)

    def cursors(self, job: str) -> list[StoredCursor]:
        """By step."""
        return [
            _stored(job, step, kept)
            for (owner, step), kept in sorted(self.store.cursors.items())
            if owner == job
        ]

    def put_cursor(self, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
        """Another value, or none."""
        key = (stored.key.job, stored.key.step)
        kept = self.store.cursors.get(key)
        if kept is None or kept.revision != stored.revision:
            raise BusyError(f"the cursor of {stored.key.step} was moved meanwhile")
        if cursor is None:
            del self.store.cursors[key]
        else:
            moved = replace(kept, revision=kept.revision + 1, cursor=cursor, mark=mark, updated=present())
            self.store.cursors[key] = moved

    def rejects(self, key: StepKey) -> list[Reject]:
        """Oldest first."""
        kept = self.store.rejects.get((key.job, key.step), {})
        return sorted(kept.values(), key=lambda reject: (reject.at, reject.key))

    def execute(self, statement: str, check: Check) -> Sequence[tuple[object, ...]]:
        """There is no SQL here."""
        raise FatalError("a store in memory runs no SQL", code="no_select")

    def takes(self, form: Format, source: Table, target: Table) -> bool:
        """Tuples."""
        return form is Format.ROWS

    def begin(self, target: Target, check: Check) -> MemoryWriting:
        """Nothing happens before commit."""
        self.look()
        return MemoryWriting(self, target, check)

    def _standing(self, key: StepKey) -> Standing:
        found = self.store.find(key.target)
        kept = self.store.cursors.get((key.job, key.step))
        exists, count = found is not None, len(found.rows) if found else 0
        if kept is None:
            return Standing(0, None, None, "", 0, exists=exists, empty=not count)
        reset = ""
        if found is None:
            reset = "the destination table is missing"
        elif kept.rows and not count:
            reset = "the destination table was emptied"
        elif kept.number != found.number:
            reset = "the destination table was replaced by another one"
        elif count < kept.rows:
            reset = "rows of the destination table were deleted"
        return Standing(
            kept.revision, kept.cursor, kept.mark, kept.digest, kept.rows, exists=exists, empty=not count, reset=reset
        )  # fmt: skip


def _stored(job: str, step: str, kept: Kept) -> StoredCursor:
    key = StepKey(job, step, kept.target)
    return StoredCursor(key, kept.revision, kept.cursor, kept.mark, kept.digest, kept.rows, kept.updated)
