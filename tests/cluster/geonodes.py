"""Nodes whose tables have geometries: a GeoPackage as QGIS makes it, a database with PostGIS, and MariaDB."""

from syncd.connectors.sqlite.geopackage import register
from syncd.delta.geometry import APPLICATION_ID, CORE, UNDEFINED, USER_VERSION
from tests.cluster.nodes import FileNode, MariadbNode, PostgresNode

TABLE = "CREATE TABLE places (id {big} PRIMARY KEY NOT NULL, name {text}, shape {shape})"
LAMBERT = ("ETRS89 / UTM zone 32N", 25832, "EPSG", 25832, "undefined", None)
OWN_NUMBER = ("CH1903+ / LV95", 100001, "EPSG", 2056, "undefined", None)
"""A system that has another number in the file than at its organisation."""
EVERYWHERE = {
    1: "SRID=4326;POINT(8.5 47.25)",
    2: "SRID=4326;LINESTRING(0 0,1 0.125,2.5 -3)",
    3: "SRID=4326;POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",
    4: "SRID=4326;MULTIPOINT((1 2),(3 4))",
    5: "SRID=4326;MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
    6: "SRID=4326;GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))",
    7: "SRID=4326;GEOMETRYCOLLECTION EMPTY",
    8: None,
    9: "SRID=4326;MULTILINESTRING((0 0,1 1),(2 2,3 3))",
}
RICHER = {
    21: "SRID=4326;LINESTRING Z (0 0 1,1 1 2)",
    22: "SRID=4326;POINT ZM (1 2 3 4)",
    23: "SRID=4326;POINT EMPTY",
    24: "SRID=4326;POLYGON M ((0 0 1,4 0 2,4 4 3,0 0 4))",
    25: "SRID=4326;LINESTRING EMPTY",
    26: "SRID=4326;CURVEPOLYGON(CIRCULARSTRING(0 0,2 2,4 0,2 -2,0 0))",
}
"""What MariaDB does not know."""


class GeoPackageNode(FileNode):
    """A GeoPackage with the table `places`, its spatial index, and triggers that keep the index."""

    def __init__(self, path, kind="GEOMETRY", srs_id=4326, table=TABLE):
        super().__init__(
            path, f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={USER_VERSION}; {CORE}"
        )
        # Readers look for the application's number in the file itself, before they read its log.
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")
        register(self.connection)
        systems = [*UNDEFINED, LAMBERT, OWN_NUMBER]
        self.connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", systems)
        self.run(table.format(big="INTEGER", text="TEXT", shape=kind))
        self.run(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('places', 'features', 'places', ?)",
            (srs_id,),
        )
        self.run("INSERT INTO gpkg_geometry_columns VALUES ('places', 'shape', ?, ?, 2, 2)", (kind, srs_id))
        self.run("CREATE VIRTUAL TABLE rtree_places_shape USING rtree(id, minx, maxx, miny, maxy)")
        box = "NEW.id, ST_MinX(NEW.shape), ST_MaxX(NEW.shape), ST_MinY(NEW.shape), ST_MaxY(NEW.shape)"
        there = "NEW.shape NOT NULL AND NOT ST_IsEmpty(NEW.shape)"
        for event in ("INSERT", "UPDATE OF shape"):
            self.run(
                f"CREATE TRIGGER rtree_places_shape_{event[:6]} AFTER {event} ON places WHEN ({there})"
                f" BEGIN INSERT OR REPLACE INTO rtree_places_shape VALUES ({box}); END"
            )
        self.run(
            "CREATE TRIGGER rtree_places_shape_delete AFTER DELETE ON places WHEN OLD.shape NOT NULL"
            " BEGIN DELETE FROM rtree_places_shape WHERE id = OLD.id; END"
        )


def postgis_node(server, shape="geometry", table=TABLE, schema="public"):
    """A database with PostGIS in a schema, and the table `places`."""
    node = PostgresNode(
        server, f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION postgis SCHEMA {schema}"
    )
    node.run(table.format(big="bigint", text="text", shape=shape))
    return node


def mariadb_node(server, shape="geometry", table=TABLE):
    """A MariaDB database with the table `places`."""
    return MariadbNode(server, table.format(big="bigint", text="longtext", shape=shape))


def texts(node):
    """The rows as PostGIS and MariaDB print them: SRID and well-known text."""
    text = (
        "ST_AsEWKT(shape)"
        if node.product == "postgresql"
        else "CONCAT('SRID=', ST_SRID(shape), ';', ST_AsText(shape))"
    )
    return dict(node.run(f"SELECT id, {text} FROM places"))


def plain(text):
    """The text of a geometry as MariaDB spells it: without brackets around the points of a multipoint."""
    return text and text.replace("((1 2),(3 4))", "(1 2,3 4)")
