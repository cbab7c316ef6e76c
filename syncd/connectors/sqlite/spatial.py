"""Which columns of a file are geometries by what a GeoPackage says of itself; how these and its moments come and go."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.connectors.sqlite import instant
from syncd.connectors.sqlite.session import Session
from syncd.errors import RowRejectedError
from syncd.model.geometry import read
from syncd.model.geopackage import from_geopackage, is_geopackage, to_geopackage
from syncd.model.table import Column, Kind, Table

CONTENTS: Final = "gpkg_contents"
COLUMNS: Final = "gpkg_geometry_columns"
SYSTEMS: Final = "gpkg_spatial_ref_sys"
OTHERS_NUMBERS: Final = frozenset({"epsg", "esri"})
"""Organisations whose numbers are the SRIDs of other products."""

Change = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Systems:
    """The reference systems of a file: the SRID of each of its numbers; `known` when it lists them at all."""

    srids: Mapping[int, int]
    known: bool

    def number_of(self, srid: int) -> int | None:
        """The file's own number for a SRID; None when it has none."""
        if not self.known:
            return srid
        return next((number for number, found in self.srids.items() if found == srid), None)


def systems_of(session: Session) -> Systems:
    """What the file says of reference systems; an undefined one has the SRID 0."""
    if not _has(session, SYSTEMS):
        return Systems({}, known=False)
    found = {}
    sql = f"SELECT srs_id, lower(organization), organization_coordsys_id FROM {SYSTEMS}"
    for number, organization, code in session.execute(sql).fetchall():
        other = code if organization in OTHERS_NUMBERS else number
        found[int(number)] = max(int(other), 0) if int(number) > 0 else 0
    return Systems(found, known=True)


def geometry_columns(session: Session, table: str) -> dict[str, int]:
    """The geometry columns of a table, in lower case, with the file's number of their reference system."""
    if not _has(session, COLUMNS):
        return {}
    sql = f"SELECT lower(column_name), srs_id FROM {COLUMNS} WHERE lower(table_name) = lower(?)"
    return {str(name): int(number) for name, number in session.execute(sql, (table,)).fetchall()}


def is_layer(session: Session, table: str) -> bool:
    """Is the table one that a GeoPackage lists, so that its declarations mean what the standard says?"""
    if not _has(session, CONTENTS):
        return False
    sql = f"SELECT 1 FROM {CONTENTS} WHERE lower(table_name) = lower(?)"
    return session.execute(sql, (table,)).fetchone() is not None


def leaving(session: Session, columns: Sequence[Column]) -> tuple[tuple[int, Change], ...]:
    """Index and change of each column whose values travel as EWKB, or as a moment in UTC.

    A value that is neither travels as it is: who takes it can refuse that one row.
    """
    moments = tuple((place, instant.leave) for place, column in enumerate(columns) if column.type.utc)
    places = [place for place, column in enumerate(columns) if column.type.kind is Kind.GEOMETRY]
    if not places:
        return moments
    srids = systems_of(session).srids

    def leave(value: Any) -> Any:
        try:
            return from_geopackage(value, srids) if is_geopackage(value) else value
        except RowRejectedError:
            return value

    return (*moments, *((place, leave) for place in places))


def changed(rows: Sequence[Sequence[Any]], changes: Sequence[tuple[int, Change]]) -> Sequence[Any]:
    """The rows with the values of these columns changed."""
    if not changes:
        return rows
    made = []
    for row in rows:
        fresh = list(row)
        for place, change in changes:
            fresh[place] = change(fresh[place])
        made.append(tuple(fresh))
    return made


def entering(session: Session, source: Table, target: Table, columns: Sequence[str]) -> dict[int, Change]:
    """Index and change of each column that takes geometries or moments as a GeoPackage keeps them.

    `columns` are the target's columns, in the source's order. A geometry may also go into a column that is declared as
    the source's own without being registered: so a table of a GeoPackage is copied with its values as they are.
    """
    own = geometry_columns(session, target.name.name)
    systems = systems_of(session) if own else Systems({}, known=False)
    found: dict[int, Change] = {}
    for place, (column, name) in enumerate(zip(source.columns, columns, strict=True)):
        where = f"{target.name}.{name}"
        number = own.get(name.lower())
        into = target.column(name)
        if into is not None and into.type.utc:
            found[place] = instant.entry(where, lenient=_declared_alike(column, into))
        elif number is not None:
            lenient = column.type.kind is Kind.GEOMETRY and column.type.product == "sqlite"
            found[place] = _entry(number, systems, where, lenient=lenient)
        elif column.type.kind is Kind.GEOMETRY and _declared_alike(column, into):
            found[place] = _entry(0, systems, where, lenient=True)
    return found


def _declared_alike(column: Column, place: Column | None) -> bool:
    return place is not None and (place.type.product, place.type.native) == (
        column.type.product,
        column.type.native,
    )


def _entry(number: int, systems: Systems, where: str, *, lenient: bool) -> Change:
    """What brings values into a column whose reference system has this number in the file.

    `lenient`: the source is a file as well, and what is no geometry there stays what it is.
    """
    own = systems.srids.get(number, max(number, 0))

    def enter(value: Any) -> Any:
        if value is None or is_geopackage(value):
            return value
        if not isinstance(value, bytes):
            if lenient:
                return value
            raise _refused(where, "it is no geometry")
        try:
            srid = read(value).srid
        except RowRejectedError as error:
            if lenient:
                return value
            raise _refused(where, error.message) from error
        return to_geopackage(value, number if srid in {0, own} else _number(srid, own, systems, where))

    return enter


def _number(srid: int, own: int, systems: Systems, where: str) -> int:
    found = None if own else systems.number_of(srid)
    if found is None:
        why = f"the column has {own}" if own else "the file does not list it"
        raise _refused(where, f"its reference system is {srid}, and {why}")
    return found


def _refused(where: str, why: str) -> RowRejectedError:
    return RowRejectedError(
        f"a value for {where} cannot be kept: {why}",
        where=where,
        hint="mend the geometry, or give both columns the same reference system",
        code="bad_geometry",
    )


def _has(session: Session, table: str) -> bool:
    row = session.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return row.fetchone() is not None
