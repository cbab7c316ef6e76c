"""Writes a delta file: beside its place first, and into its place when it is whole and on the disk."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from syncd.delta.content import (
    DIGEST,
    HEADER,
    SIGNATURE,
    careful_columns,
    declared,
    digest_of,
    facts,
    has_told,
    kept,
    quote,
    signature_of,
)
from syncd.delta.geometry import Geometry, make_geopackage, row_number
from syncd.delta.header import Cargo, DeltaTable, Header, header_rows
from syncd.delta.reading import refuse_foreign
from syncd.errors import FatalError
from syncd.model.batch import Batch, tuples_of
from syncd.model.exchange import Block
from syncd.model.table import Kind
from syncd.ports import Check
from syncd.repository.crash import crash_point
from syncd.repository.store import TOLD


class DeltaWriter:
    """A file that grows under a temporary name; `finish` gives it its own, `close` forgets what is not finished."""

    def __init__(self, path: Path, kind: Cargo, cluster: str, key: str | None) -> None:
        """Raises FatalError when nothing can be written there, or another file is there. `key` signs the file."""
        refuse_foreign(path, cluster)
        self.path = path
        self._cluster = cluster
        self._kind = kind
        self._key = key
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self.tables: dict[int, DeltaTable] = {}
        self._inserts: dict[int, tuple[str, dict[int, Kind]]] = {}
        self._geometry: Geometry | None = None
        with self._errors():
            self._connection = sqlite3.connect(self._part, isolation_level=None)
            # Nobody reads it before it has been written to the disk as a whole.
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("BEGIN")
            self._connection.execute(f"CREATE TABLE {HEADER} (name TEXT PRIMARY KEY, value TEXT NOT NULL)")

    def add_tables(self, tables: Sequence[DeltaTable], geometry: Geometry | None = None) -> None:
        """Make the empty tables."""
        self.tables = {table.tracked.number: table for table in tables}
        self._geometry = geometry
        for number, table in self.tables.items():
            parts = [row_number(), *(f"{fact} INTEGER NOT NULL" for fact in facts(self._kind))]
            own = geometry.columns.get(number) if geometry else None
            for name, column in zip(table.columns, table.tracked.columns, strict=True):
                kind = own[1] if own and own[0] == name else declared(column.type)
                parts.append(f"{quote(name)} {kind}".rstrip())
            names = [*facts(self._kind), *map(quote, table.columns)]
            if has_told(table, self._kind):
                names.append(TOLD)
                parts.append(f"{TOLD} TEXT")
            slots = ", ".join("?" * len(names))
            insert = f"INSERT INTO {quote(table.table)} ({', '.join(names)}) VALUES ({slots})"
            skipped = len(facts(self._kind))
            careful = {place + skipped: kind for place, kind in careful_columns(table.tracked).items()}
            self._inserts[number] = (insert, careful)
            with self._errors():
                self._connection.execute(f"CREATE TABLE {quote(table.table)} ({', '.join(parts)})")

    def write(self, block: Block) -> None:
        """Add rows, in tuples."""
        rows = tuples_of(Batch(block.format, block.data, block.rows))
        insert, careful = self._inserts[block.table]
        with self._errors():
            self._connection.executemany(insert, kept(rows, careful) if careful else rows)
        table = self.tables[block.table]
        self.tables[block.table] = replace(table, rows=table.rows + len(rows))

    def mark_whole(self, whole: Mapping[int, str]) -> None:
        """These tables hold all rows, under these conditions."""
        for number, where in whole.items():
            self.tables[number] = replace(self.tables[number], whole=True, where=where)

    def finish(self, header: Header, check: Check) -> Header:
        """Write the header, seal and sign the file, and put it into its place; the header as it stands there."""
        header = replace(header, tables=tuple(self.tables[number] for number in sorted(self.tables)))
        connection = self._connection
        with self._errors():
            insert = f"INSERT INTO {HEADER} VALUES (?, ?)"
            connection.executemany(insert, sorted(header_rows(header).items()))
            if self._geometry is not None:
                make_geopackage(connection, self._geometry, header.tables)
            digest = digest_of(connection, header.tables, check)
            connection.execute(insert, (DIGEST, digest))
            if self._key is not None:
                connection.execute(insert, (SIGNATURE, signature_of(digest, self._key)))
            connection.execute("COMMIT")
            connection.close()
            _flush(self._part)
            crash_point("file is written")
            # It took its time to write, and somebody may have put another file there meanwhile.
            refuse_foreign(self.path, self._cluster)
            self._part.replace(self.path)
            _flush(self.path.parent)
            crash_point("file is in place")
        return header

    def close(self) -> None:
        """Forget it unless it is finished. May be called more than once."""
        self._connection.close()
        self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise FatalError(
                f"cannot write delta file {self.path}: {error}",
                hint="check the folder, its permissions and the space on the disk",
                code="file_not_written",
            ) from error


def _flush(path: Path) -> None:
    """Let the disk keep a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
