"""Makes a GeoPackage of a delta file whose tables come from one.

Source: OGC GeoPackage 1.3, the application id, the tables of the core and of features.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.delta.content import FID
from syncd.delta.header import DeltaTable
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


@dataclass(frozen=True, slots=True)
class Geometry:
    """The geometry column of a table by its number, and the systems of coordinates that are used."""

    columns: dict[int, tuple[str, str, int, int, int]]
    """Column, type, system, z, m."""
    systems: Sequence[tuple[object, ...]]


def geometry_of(store: Store, tables: Sequence[DeltaTable]) -> Geometry | None:
    """What a GeoPackage says of the geometries of its tables; None for another store, or when none of them has any."""
    if store.product != "sqlite" or not store.relation_exists("gpkg_geometry_columns"):
        return None
    rows: Sequence[Any] = store.run(
        "SELECT table_name, column_name, geometry_type_name, srs_id, z, m FROM gpkg_geometry_columns"
    ).rows
    by_table = {str(row[0]).lower(): tuple(row[1:]) for row in rows}
    columns = {}
    for table in tables:
        found: Any = by_table.get(table.tracked.name.name.lower())
        place = {name.lower(): name for name in table.columns}
        if found is not None and str(found[0]).lower() in place:
            columns[table.tracked.number] = (place[str(found[0]).lower()], *found[1:])
    if not columns:
        return None
    systems = store.run(
        "SELECT srs_name, srs_id, organization, organization_coordsys_id, definition, description"
        " FROM gpkg_spatial_ref_sys"
    ).rows
    return Geometry(columns, systems)


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
