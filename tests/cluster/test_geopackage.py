"""GeoPackages as nodes: their own triggers call functions that every writer has to bring along."""

import struct

import pytest

from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme
from syncd.model.table import TableName
from syncd.registry import connector
from tests.cluster.equality import differences
from tests.cluster.world import SqliteNode, World

SCHEMA = """
CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, srs_id INTEGER);
CREATE TABLE gpkg_geometry_columns (table_name TEXT PRIMARY KEY, column_name TEXT, geometry_type_name TEXT,
  srs_id INTEGER, z INTEGER, m INTEGER);
CREATE TABLE places (fid INTEGER PRIMARY KEY, geom POINT, name TEXT);
INSERT INTO gpkg_contents VALUES ('places', 'features', 'places', 4326);
INSERT INTO gpkg_geometry_columns VALUES ('places', 'geom', 'POINT', 4326, 0, 0);
CREATE VIRTUAL TABLE rtree_places_geom USING rtree(id, minx, maxx, miny, maxy);
CREATE TRIGGER rtree_places_geom_insert AFTER INSERT ON places
  WHEN (NEW.geom NOT NULL AND NOT ST_IsEmpty(NEW.geom))
BEGIN
  INSERT OR REPLACE INTO rtree_places_geom VALUES (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom),
    ST_MinY(NEW.geom), ST_MaxY(NEW.geom));
END;
CREATE TRIGGER rtree_places_geom_update AFTER UPDATE OF geom ON places
  WHEN OLD.fid = NEW.fid AND (NEW.geom NOT NULL AND NOT ST_IsEmpty(NEW.geom))
BEGIN
  INSERT OR REPLACE INTO rtree_places_geom VALUES (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom),
    ST_MinY(NEW.geom), ST_MaxY(NEW.geom));
END;
CREATE TRIGGER rtree_places_geom_delete AFTER DELETE ON places WHEN OLD.geom NOT NULL
BEGIN
  DELETE FROM rtree_places_geom WHERE id = OLD.fid;
END;
"""


def point(x, y):
    """A point as a GeoPackage keeps it: header without envelope, then little-endian WKB."""
    return b"GP\x00\x01" + struct.pack("<i", 4326) + struct.pack("<BIdd", 1, 1, x, y)


def line(*corners):
    """A line with its envelope in the header."""
    xs, ys = zip(*corners, strict=True)
    box = struct.pack("<4d", min(xs), max(xs), min(ys), max(ys))
    body = struct.pack("<BII", 1, 2, len(corners)) + b"".join(struct.pack("<dd", *each) for each in corners)
    return b"GP\x00\x03" + struct.pack("<i", 4326) + box + body


@pytest.fixture
def world(tmp_path):
    from syncd.connectors.sqlite.geopackage import register

    nodes = {name: SqliteNode(tmp_path / f"{name}.gpkg", SCHEMA) for name in ("P", "A", "B")}
    for node in nodes.values():
        register(node.connection)
    world = World(nodes.pop("P"), nodes, ["places"])
    yield world
    world.close_ports()
    for node in world.everyone().values():
        node.close()


def index_of(node):
    return node.run("SELECT id, minx, maxx, miny, maxy FROM rtree_places_geom ORDER BY id")


def test_the_spatial_index_of_every_copy_follows_what_is_synchronised(world):
    world.sync()
    world.children["A"].run("INSERT INTO places VALUES (1, ?, 'one')", (point(1.0, 2.0),))
    world.children["B"].run("INSERT INTO places VALUES (2, ?, 'two')", (line((0.0, 5.0), (3.0, 4.0)),))
    world.sync()
    world.parent.run("UPDATE places SET geom = ? WHERE fid = 1", (point(8.0, 9.0),))
    world.parent.run("DELETE FROM places WHERE fid = 2")

    world.sync()

    assert [index_of(node) for node in world.everyone().values()] == [[(1, 8.0, 8.0, 9.0, 9.0)]] * 3
    assert world.children["B"].rows("places") == [(1, point(8.0, 9.0), "one")]


def test_a_geopackages_own_tables_take_no_part(world):
    names = [name.name for name in world.port("P").tables()]

    assert names == ["places"]


@pytest.mark.parametrize(
    ("blob", "box"),
    [
        (point(1.5, -2.0), (1.5, 1.5, -2.0, -2.0)),
        (line((0.0, 5.0), (3.0, 4.0)), (0.0, 3.0, 4.0, 5.0)),
        (b"GP\x00\x11" + struct.pack("<i", 0), None),
        (b"GP\x00\x01" + struct.pack("<i", 0) + b"\x01\x03", None),
        (
            b"GP\x00\x01" + struct.pack("<i", 0) + struct.pack("<BII", 1, 4, 2)
            + struct.pack("<BIdd", 1, 1, 1.0, 2.0) + struct.pack("<BIdd", 1, 1, 3.0, 0.0),
            (1.0, 3.0, 0.0, 2.0),
        ),
        (
            b"GP\x00\x01" + struct.pack("<i", 0) + struct.pack("<BIII", 1, 1003, 1, 2)
            + struct.pack("<6d", 1.0, 2.0, 99.0, 3.0, 4.0, 99.0),
            (1.0, 3.0, 2.0, 4.0),
        ),
    ],
    ids=["point", "line with envelope", "empty", "cut off", "two points", "polygon with heights"],
)  # fmt: skip
def test_the_box_of_a_geometry_is_read_from_its_header_or_its_corners(tmp_path, blob, box):
    from syncd.connectors.sqlite.geopackage import register

    node = SqliteNode(tmp_path / "a.db", "")
    register(node.connection)

    found = node.run("SELECT ST_MinX(?1), ST_MaxX(?1), ST_MinY(?1), ST_MaxY(?1)", (blob,))[0]

    assert found == (box or (None,) * 4)
    node.close()


def test_another_header_of_the_same_geometry_changes_nothing_elsewhere(world):
    world.parent.run("INSERT INTO places VALUES (1, ?, 'one')", (point(1.0, 2.0),))
    world.sync()
    other = b"GP\0\2" + struct.pack(">i4d", 4326, 1.0, 1.0, 2.0, 2.0) + struct.pack("<BIdd", 1, 1, 1.0, 2.0)
    world.children["A"].run("UPDATE places SET geom = ?", (other,))

    world.sync()

    kept = [node.rows("places")[0][1] for node in world.everyone().values()]
    assert kept == [point(1.0, 2.0), other, point(1.0, 2.0)]
    assert differences(world, ["places"]) == []
    files = [
        connector("sqlite").open_source({"path": str(node.path), "window_rows": 10})
        for node in world.everyone().values()
    ]
    sums = [
        file.sums(
            Relation(TableName("places")),
            Chunks(Scheme.NATIVE, ("fid",), ("fid", "geom"), count=8),
            lambda: None,
        )
        for file in files
    ]
    assert sums[0] == sums[1]
    for file in files:
        file.close()
