"""Geometries on their way into PostGIS, which reads them as hexadecimal digits."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.connectors.postgresql.session import Session
from syncd.errors import RowRejectedError
from syncd.model.geometry import read
from syncd.model.table import Column, Kind, Table, Type

MOST_SRID: Final = 999_999
"""PostGIS makes another number of a larger one."""

EXTENSION: Final = """
SELECT format_type(t.oid, -1) FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
  JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
 WHERE e.extname = 'postgis' AND t.typname = 'geometry'"""


def geometry_type(session: Session) -> str | None:
    """PostGIS's type for all geometries, as SQL; None where the extension is not installed."""
    found = session.value(EXTENSION, ())
    return None if found is None else str(found)


def entering(rows: Sequence[Sequence[Any]], columns: Sequence[Column], skipped: int = 0) -> Sequence[Any]:
    """Rows whose geometries are digits; `columns` are the table's, behind `skipped` other values.

    Raises:
        RowRejectedError: a value is no geometry.
    """
    places = [
        (skipped + place, column) for place, column in enumerate(columns) if column.type.kind is Kind.GEOMETRY
    ]
    if not places:
        return rows
    made = []
    for row in rows:
        fresh = list(row)
        for place, column in places:
            fresh[place] = _digits(fresh[place], column.name)
        made.append(fresh)
    return made


def takes_text(source: Table, types: dict[str, Type]) -> bool:
    """Do geometries meet geometries in lines of COPY text? Bytes are written otherwise there."""
    for column in source.columns:
        place = types.get(column.name, types.get(column.name.lower()))
        kinds = {column.type.kind, place.kind if place is not None else column.type.kind}
        if Kind.GEOMETRY in kinds and len(kinds) > 1:
            return False
    return True


def comparable(expression: str, kind: Type) -> str:
    """The SQL of a value, so that equal geometries have equal bytes: the stored ones may hold a box or none."""
    return f"{expression}::bytea" if kind.kind is Kind.GEOMETRY else expression


def _digits(value: Any, name: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, bytes):
        raise RowRejectedError(
            f"a value for column {name} is no geometry", hint="mend it where it was written", where=name
        )
    try:
        shape = read(value)
    except RowRejectedError as error:
        raise RowRejectedError(
            f"column {name}: {error.message}", hint=error.hint, where=name, code=error.code
        ) from error
    if shape.srid > MOST_SRID:
        raise RowRejectedError(
            f"column {name}: PostGIS knows no reference system {shape.srid}",
            hint=f"it takes numbers up to {MOST_SRID}",
            where=name,
            code="bad_geometry",
        )
    return shape.data.hex()
