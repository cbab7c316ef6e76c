"""Reads a delta file: nothing of it is believed before its digest, and its signature where one is due, are right."""

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote as url_quote

import msgspec

from syncd.delta.content import (
    DIGEST,
    FID,
    HEADER,
    ROWS_AT_ONCE,
    SEALS,
    SIGNATURE,
    careful_columns,
    digest_of,
    facts,
    has_told,
    quote,
    restored,
    same_text,
    signature_of,
)
from syncd.delta.header import FORMAT, DeltaTable, Header, header_of
from syncd.errors import FatalError, NotFoundError
from syncd.model.batch import Format
from syncd.model.exchange import Block
from syncd.ports import Check
from syncd.repository.store import TOLD

MAGIC: Final = b"SQLite format 3\0"


class DeltaReader:
    """An open file whose content was found to be what its sender wrote."""

    def __init__(self, path: Path, key: str | None, check: Check) -> None:
        """With `key` the file must be signed with it.

        Raises:
            NotFoundError: there is no such file.
            FatalError: it is no delta file, or damaged, or not signed with the key.
        """
        self.path = path
        self._connection = _open(path)
        try:
            with self._errors():
                self.header = self._verified(key, check)
        except BaseException:
            self.close()
            raise

    def rows(
        self, number: int, names: tuple[str, ...], condition: str, check: Check, *, told: bool = False
    ) -> Generator[Block]:
        """The facts and these columns of a table's rows, in tuples, in the order in which they were written.

        `condition` is SQL over the facts. A table that the file does not have has no rows. `told`: TOLD follows.
        """
        table = self.header.table(number)
        if table is None:
            return
        select, careful = self._select(table, names, condition, told=told)
        with self._errors():
            cursor = self._connection.execute(select)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                check()
                data: list[Any] = restored(rows, careful) if careful else rows
                yield Block(number, Format.ROWS, data, len(rows))

    def close(self) -> None:
        """Close it. May be called more than once."""
        self._connection.close()

    def _select(
        self, table: DeltaTable, names: tuple[str, ...], condition: str, *, told: bool
    ) -> tuple[str, dict[int, Any]]:
        places = {name: place for place, name in enumerate(table.tracked.names)}
        chosen = [places[name] for name in names]
        first = facts(self.header.kind)
        kinds = careful_columns(table.tracked)
        careful = {len(first) + at: kinds[place] for at, place in enumerate(chosen) if place in kinds}
        last = [TOLD if has_told(table, self.header.kind) else "NULL"] if told else []
        columns = ", ".join([*first, *(quote(table.columns[place]) for place in chosen), *last])
        where = f" WHERE {condition}" if condition else ""
        return f"SELECT {columns} FROM {quote(table.table)}{where} ORDER BY {FID}", careful

    def _verified(self, key: str | None, check: Check) -> Header:
        found = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (HEADER,)
        )
        if found.fetchone() is None:
            raise _no_delta_file(self.path)
        rows = dict(self._connection.execute(f"SELECT name, value FROM {HEADER}"))
        if msgspec.json.decode(rows.get("format", "0")) != FORMAT:
            raise FatalError(
                f"delta file {self.path} has a format that this syncd does not know",
                hint="both sites need the same version of syncd",
                code="delta_format",
            )
        header = header_of({name: text for name, text in rows.items() if name not in SEALS})
        digest = digest_of(self._connection, header.tables, check)
        if not same_text(digest, rows.get(DIGEST, "")):
            raise _damaged(self.path, "its content is not what its sender wrote")
        if key is not None and not same_text(signature_of(digest, key), rows.get(SIGNATURE, "")):
            raise FatalError(
                f"delta file {self.path} is not signed with this cluster's signing_key: nothing was applied",
                hint="both sites need the same signing_key",
                code="bad_signature",
            )
        return header

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, ValueError, OSError) as error:
            raise _damaged(self.path, str(error)) from error


def refuse_foreign(path: Path, cluster: str) -> None:
    """Let a delta file of this cluster be written there: over another one of it, but over nothing else.

    Raises:
        FatalError: something else is there; a damaged delta file is no less foreign.
    """
    if not path.exists() and not path.is_symlink():
        return
    try:
        with contextlib.closing(_open(path)) as connection:
            sql = f"SELECT value FROM {HEADER} WHERE name = 'cluster'"
            found = connection.execute(sql).fetchone()
            ours = found is not None and msgspec.json.decode(found[0]) == cluster
    except (sqlite3.Error, msgspec.MsgspecError, TypeError, NotFoundError, FatalError):
        ours = False
    if not ours:
        raise FatalError(
            f"{path} is there already, and is no delta file of cluster '{cluster}': it is left as it is",
            hint="name another file, or move that one away",
            code="file_exists",
        )


def _open(path: Path) -> sqlite3.Connection:
    try:
        with path.open("rb") as file:
            magic, size = file.read(len(MAGIC)), os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}") from error
    except OSError as error:
        raise FatalError(f"cannot read {path}: {error.strerror}", code="file_not_read") from error
    if size and magic != MAGIC:
        raise _no_delta_file(path)
    # Never changed while it is read: journals that lie beside it are none of its own.
    address = f"file:{url_quote(os.fspath(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _no_delta_file(path: Path) -> FatalError:
    return FatalError(f"{path} is no delta file of syncd, or was cut off", code="no_delta_file")


def _damaged(path: Path, why: str) -> FatalError:
    return FatalError(
        f"delta file {path} is damaged: {why}; nothing was applied",
        hint="copy it again from where it was written, or export again",
        code="delta_damaged",
    )
