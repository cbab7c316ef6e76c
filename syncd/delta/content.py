"""The layout of a delta file, and the digest over all that it holds."""

import hashlib
import hmac
import math
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from syncd.delta.header import Cargo, DeltaTable
from syncd.errors import RowRejectedError
from syncd.model.cluster import Direction
from syncd.model.exchange import Tracked
from syncd.model.geometry import read
from syncd.model.geopackage import from_geopackage, is_geopackage, to_geopackage
from syncd.model.table import Kind, Type
from syncd.ports import Check
from syncd.repository.store import TOLD, facts_of

HEADER: Final = "syncd_header"
FID: Final = "syncd_row"
"""The number of a row in the file: it orders the rows, and is the key that a GeoPackage asks for."""
DIGEST: Final = "sha256"
SIGNATURE: Final = "hmac_sha256"
SEALS: Final = (DIGEST, SIGNATURE)
"""Names in the header that the digest leaves out."""
ROWS_AT_ONCE: Final = 1_000
PLAIN_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*( ?\( ?[0-9]+( ?, ?[0-9]+)? ?\))?")
SQLITE: Final = "sqlite"

_DECLARED: Final = {
    Kind.INTEGER: "INTEGER",
    Kind.FLOAT: "REAL",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.BYTES: "BLOB",
    Kind.GEOMETRY: "BLOB",
    Kind.ANY: "",
}
_ENCODE: Final = msgspec.msgpack.Encoder().encode


def quote(name: str) -> str:
    """An identifier as SQL."""
    return '"' + name.replace('"', '""') + '"'


def facts(kind: Cargo) -> tuple[str, ...]:
    """What stands before the columns of a row."""
    return facts_of(edits=kind is Cargo.EDITS)


def has_told(table: DeltaTable, kind: Cargo) -> bool:
    """Does each row say in TOLD with which values of summed columns its edits began?"""
    return kind is Cargo.EDITS and bool(table.tracked.sums)


def named(tables: Sequence[tuple[Tracked, Direction]], kind: Cargo) -> list[DeltaTable]:
    """Names for tables and columns that do not collide with each other or with ours, whatever the case."""
    found = []
    taken = {HEADER}
    for tracked, direction in tables:
        name = tracked.name.name
        if name.lower() in taken or name.lower().startswith(("sqlite_", "gpkg_", "rtree_")):
            name = f"table_{tracked.number}"
        taken.add(name.lower())
        used = {FID, *facts(kind), TOLD}
        columns = []
        for place, column in enumerate(tracked.names):
            fresh = column if column.lower() not in used else f"column_{place}"
            used.add(fresh.lower())
            columns.append(fresh)
        found.append(DeltaTable(tracked, name, tuple(columns), direction))
    return found


def declared(kind: Type) -> str:
    """A column's type in the file.

    A SQLite file's own declaration changes none of its values. Values of other products stand as they travel, under types
    that change none of them and that a GeoPackage may have.
    """
    if kind.product == SQLITE:
        return kind.native if PLAIN_TYPE.fullmatch(kind.native) else ""
    if kind.kind is Kind.INTEGER and not kind.bits:
        return ""
    return _DECLARED.get(kind.kind, "TEXT")


def digest_of(connection: sqlite3.Connection, tables: Sequence[DeltaTable], check: Check) -> str:
    """SHA-256 over the header's entries in the order of their names, then all rows of all tables in order."""
    digest = hashlib.sha256()
    for name, value in connection.execute(f"SELECT name, value FROM {HEADER} ORDER BY name"):
        if name not in SEALS:
            digest.update(_ENCODE((name, value)))
    for table in tables:
        cursor = connection.execute(f"SELECT * FROM {quote(table.table)} ORDER BY {FID}")
        digest.update(_ENCODE([column[0] for column in cursor.description]))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            check()
            digest.update(b"".join(map(_ENCODE, rows)))
    return digest.hexdigest()


def signature_of(digest: str, key: str) -> str:
    """HMAC-SHA256 over the digest."""
    return hmac.new(key.encode(), digest.encode(), hashlib.sha256).hexdigest()


def same_text(one: str, other: str) -> bool:
    """Are both the same? It takes as long whatever the answer."""
    return hmac.compare_digest(one.encode(), other.encode())


def kept(rows: Sequence[Sequence[Any]], careful: Mapping[int, Kind]) -> list[tuple[Any, ...]]:
    """Rows in a form that SQLite keeps: it would make NULL of a NaN, takes the sign of a zero, and has no whole number above
    64 bits.

    Geometries have the form of a GeoPackage.
    """
    return _changed(
        rows, {place: _blob if kind is Kind.GEOMETRY else _keep for place, kind in careful.items()}
    )


def restored(rows: Sequence[Sequence[Any]], careful: Mapping[int, Kind]) -> list[tuple[Any, ...]]:
    """The rows again."""
    return _changed(rows, {place: _RESTORED[kind] for place, kind in careful.items()})


def careful_columns(tracked: Tracked) -> dict[int, Kind]:
    """The places of columns whose values need another form; a SQLite file has no such numbers."""
    return {
        place: column.type.kind
        for place, column in enumerate(tracked.columns)
        if column.type.kind is Kind.GEOMETRY
        or (column.type.product != SQLITE and column.type.kind in {Kind.FLOAT, Kind.INTEGER})
    }


def _changed(
    rows: Sequence[Sequence[Any]], changes: Mapping[int, Callable[[Any], Any]]
) -> list[tuple[Any, ...]]:
    if not changes:
        return [tuple(row) for row in rows]
    changed = []
    for row in rows:
        fresh = list(row)
        for place, change in changes.items():
            fresh[place] = change(fresh[place])
        changed.append(tuple(fresh))
    return changed


def _keep(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, float) and value == 0.0 and math.copysign(1.0, value) < 0:
        # Binary values stay what they are in a column of any type.
        return b"-0.0"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) else value


def _fraction(value: Any) -> Any:
    return float(value) if isinstance(value, str | bytes) else value


def _blob(value: Any) -> Any:
    """What is no geometry stays what it is: its receiver refuses that row alone."""
    try:
        return to_geopackage(value, read(value).srid) if isinstance(value, bytes) else value
    except RowRejectedError:
        return value


def _geometry(value: Any) -> Any:
    try:
        return from_geopackage(value) if is_geopackage(value) else value
    except RowRejectedError:
        return value


_RESTORED: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.INTEGER: _number,
    Kind.FLOAT: _fraction,
    Kind.GEOMETRY: _geometry,
}
