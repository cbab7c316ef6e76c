"""Makes a GeoPackage of a delta file whose tables have geometries.

Source: OGC GeoPackage 1.3, the application id, the tables of the core and of features.
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.delta.content import FID, SQLITE
from syncd.delta.header import DeltaTable
from syncd.model.table import Column, Kind
from syncd.repository.store import Store

APPLICATION_ID: Final = 0x47504B47
USER_VERSION: Final = 10300
UNDEFINED: Final = (
    (
        "Undefined cartesian SRS",
        -1,
        "NONE",
        -1,
        "undefined",
        "undefined cartesian coordinate reference system",
    ),
    (
        "Undefined geographic SRS",
        0,
        "NONE",
        0,
        "undefined",
        "undefined geographic coordinate reference system",
    ),
    (
        "WGS 84 geodetic",
        4326,
        "EPSG",
        4326,
        'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]',
        "longitude/latitude coordinates in decimal degrees on the WGS 84 spheroid",
    ),
)
"""Three systems that every GeoPackage has."""
CORE: Final = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name), CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
"""


NATIVE: Final = re.compile(r"geometry\(([a-z]+?)(z?)(m?)(?:,\d+)?\)", re.IGNORECASE)
"""How PostGIS spells the limits of a column: which geometries, with heights, with measures."""
NAMES: Final = frozenset(
    {"POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"}
)
OPTIONAL: Final = 2
"""Of heights and measures: geometries may have them."""

SYSTEM: Final = """
SELECT srs_name, organization, organization_coordsys_id, definition, description FROM gpkg_spatial_ref_sys
 WHERE (lower(organization) IN ('epsg', 'esri') AND organization_coordsys_id = ?) OR srs_id = ?
 ORDER BY srs_id = ? DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The geometry column of a table by its number, and the systems of coordinates that are used.

    In the file a system has the number by which others know it: its SRID.
    """

    columns: dict[int, tuple[str, str, int, int, int]]
    """Column, type, system, z, m."""
    systems: Sequence[tuple[object, ...]]


def geometry_of(store: Store, tables: Sequence[DeltaTable]) -> Geometry | None:
    """What a GeoPackage has to say of the geometries of these tables; None when none of them has any.

    A table of a GeoPackage has one geometry; further ones stand in the file without being registered.
    """
    columns = {}
    for table in tables:
        pairs = zip(table.columns, table.tracked.columns, strict=True)
        found = next(((place, each) for place, each in pairs if each.type.kind is Kind.GEOMETRY), None)
        if found is not None:
            place, column = found
            columns[table.tracked.number] = (place, *_said(store, table.tracked.name.name, column))
    if not columns:
        return None
    numbers = sorted({column[2] for column in columns.values()} - {0})
    return Geometry(columns, [_system(store, number) for number in numbers])


def _said(store: Store, table: str, column: Column) -> tuple[str, int, int, int]:
    """Type, system, z and m of a column."""
    srid, native = column.type.srid, column.type.native
    if column.type.product == SQLITE:
        rows: Sequence[Any] = store.run(
            "SELECT geometry_type_name, z, m FROM gpkg_geometry_columns"
            " WHERE lower(table_name) = lower(?) AND lower(column_name) = lower(?)",
            (table, column.name),
        ).rows
        return (str(rows[0][0]), srid, int(rows[0][1]), int(rows[0][2]))
    limits = NATIVE.search(native)
    if limits:
        name = limits[1].upper()
        # A column of PostGIS says exactly which of them its geometries have.
        return (name, srid, int(bool(limits[2])), int(bool(limits[3])))
    return (native.upper() if native.upper() in NAMES else "GEOMETRY", srid, OPTIONAL, OPTIONAL)


def _system(store: Store, srid: int) -> tuple[object, ...]:
    """A row of the file's systems; readers know EPSG's by their numbers alone."""
    if store.product == SQLITE and store.relation_exists("gpkg_spatial_ref_sys"):
        rows: Sequence[Any] = store.run(SYSTEM, (srid, srid, srid)).rows
        if rows:
            name, organization, code, definition, description = rows[0]
            return (name, srid, organization, code, definition, description)
    return (f"EPSG:{srid}", srid, "EPSG", srid, "undefined", None)


def make_geopackage(connection: sqlite3.Connection, geometry: Geometry, tables: Sequence[DeltaTable]) -> None:
    """Write what makes the file a GeoPackage."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {USER_VERSION}")
    for statement in CORE.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    insert = "INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)"
    connection.executemany(insert, [*UNDEFINED, *geometry.systems])
    for table in tables:
        column = geometry.columns.get(table.tracked.number)
        connection.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, ?, ?, ?)",
            (table.table, "features" if column else "attributes", table.table, column[2] if column else None),
        )
        if column:
            connection.execute(
                "INSERT INTO gpkg_geometry_columns VALUES (?, ?, ?, ?, ?, ?)", (table.table, *column)
            )


def row_number() -> str:
    """The declaration of the key that every feature table must have."""
    return f"{FID} INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"
