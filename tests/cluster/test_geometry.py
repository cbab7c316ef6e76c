"""Geometries in clusters of GeoPackages, PostGIS and MariaDB: each keeps them in its own form, and all hold the same."""

import struct
import subprocess

import pytest

from syncd.errors import FatalError
from syncd.model.geometry import normal
from syncd.model.geopackage import from_geopackage, to_geopackage
from tests.cluster.equality import differences, moved
from tests.cluster.geonodes import (
    EVERYWHERE,
    RICHER,
    GeoPackageNode,
    mariadb_node,
    plain,
    postgis_node,
    texts,
)
from tests.cluster.world import World

pytestmark = [pytest.mark.postgresql, pytest.mark.mysql]


@pytest.fixture
def make_world(tmp_path, postgres, request):
    made = []

    def make(parent, children, **options):
        world = World(parent, children, ["places"], **options)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close_ports()
        for node in world.everyone().values():
            node.close()


def converge(world):
    world.sync()
    world.clock += 3600
    warnings = [warning for member in world.sync() for warning in member.warnings]
    assert warnings == []
    assert differences(world, ["places"]) == []
    assert moved(world.sync()) == 0


def put(node, rows):
    for key, text in rows.items():
        node.run("INSERT INTO places VALUES (?, ?, ST_GeomFromEWKT(?))", (key, f"n{key}", text))


def ewkt_of(node, parent):
    """A GeoPackage's rows as PostGIS prints them."""
    rows = node.run("SELECT id, shape FROM places")
    return {
        key: None
        if blob is None
        else parent.run("SELECT ST_AsEWKT(?::geometry)", (from_geopackage(blob).hex(),))[0][0]
        for key, blob in rows
    }


def test_every_geometry_of_postgis_reaches_a_geopackage_and_comes_back(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry")
    child = GeoPackageNode(tmp_path / "tablet.gpkg")
    world = make_world(parent, {"tablet": child})
    put(parent, EVERYWHERE | RICHER)

    converge(world)

    before = texts(parent)
    assert ewkt_of(child, parent) == before
    for key, blob in child.run("SELECT id, shape FROM places"):
        child.run("INSERT INTO places VALUES (?, 'copy', ?)", (key + 100, blob))
    converge(world)
    assert texts(parent) == before | {key + 100: text for key, text in before.items()}


def test_the_spatial_index_of_a_tablet_follows_the_parent(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry(Geometry,4326)")
    child = GeoPackageNode(tmp_path / "tablet.gpkg")
    world = make_world(parent, {"tablet": child})
    put(parent, {key: EVERYWHERE[key] for key in (1, 2, 7, 8)})
    converge(world)

    parent.run("UPDATE places SET shape = ST_GeomFromEWKT('SRID=4326;POINT(1 2)') WHERE id = 2")
    parent.run("DELETE FROM places WHERE id = 1")
    converge(world)

    assert child.run("SELECT * FROM rtree_places_shape") == [(2, 1.0, 1.0, 2.0, 2.0)]


def test_gdal_reads_what_came_from_postgis(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry")
    child = GeoPackageNode(tmp_path / "tablet.gpkg")
    world = make_world(parent, {"tablet": child})
    put(parent, EVERYWHERE | RICHER)

    converge(world)

    said = subprocess.run(
        ["ogrinfo", "-ro", "-al", str(tmp_path / "tablet.gpkg")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stderr == ""
    assert "POINT (8.5 47.25)" in said.stdout
    assert "LINESTRING Z (0 0 1,1 1 2)" in said.stdout
    assert "POLYGON ((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))" in said.stdout
    assert "CURVEPOLYGON (CIRCULARSTRING (0 0,2 2,4 0,2 -2,0 0))" in said.stdout


def test_blobs_that_are_written_otherwise_are_left_alone_where_their_geometry_is_the_same(
    make_world, tmp_path, postgres
):
    parent = postgis_node(postgres, "geometry(Point,4326)")
    child = GeoPackageNode(tmp_path / "tablet.gpkg", "POINT")
    world = make_world(parent, {"tablet": child})
    big = b"GP\0\2" + struct.pack(">i4d", 4326, 1.0, 1.0, 2.0, 2.0) + struct.pack(">BIdd", 0, 1, 1.0, 2.0)
    child.run("INSERT INTO places VALUES (1, 'one', ?)", (big,))
    converge(world)

    parent.run("UPDATE places SET shape = ST_GeomFromEWKT('SRID=4326;POINT(1 2)') WHERE id = 1")
    converge(world)

    assert child.run("SELECT shape FROM places") == [(big,)]
    assert texts(parent) == {1: "SRID=4326;POINT(1 2)"}


def test_equal_edits_of_one_geometry_are_no_conflict(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry(Point,4326)")
    child = GeoPackageNode(tmp_path / "tablet.gpkg", "POINT")
    world = make_world(parent, {"tablet": child})
    put(parent, {1: EVERYWHERE[1]})
    converge(world)

    parent.run("UPDATE places SET shape = ST_GeomFromEWKT('SRID=4326;POINT(1 2)')")
    child.run("UPDATE places SET shape = ?", (to_geopackage(struct.pack("<BIdd", 1, 1, 1.0, 2.0), 4326),))
    converge(world)

    assert world.conflicts() == []


def test_a_reference_system_is_told_by_its_organisations_number(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry(Point,2056)")
    child = GeoPackageNode(tmp_path / "tablet.gpkg", "POINT", srs_id=100001)
    world = make_world(parent, {"tablet": child})
    put(parent, {1: "SRID=2056;POINT(2600000 1200000)"})
    point = normal(struct.pack("<BIdd", 1, 1, 2.0, 3.0))
    child.run("INSERT INTO places VALUES (2, 'two', ?)", (to_geopackage(point, 100001),))

    converge(world)

    assert texts(parent) == {1: "SRID=2056;POINT(2600000 1200000)", 2: "SRID=2056;POINT(2 3)"}
    assert {blob[4:8] for (blob,) in child.run("SELECT shape FROM places")} == {struct.pack("<i", 100001)}


def test_a_row_of_another_reference_system_is_set_aside_and_the_others_arrive(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry")
    child = GeoPackageNode(tmp_path / "tablet.gpkg")
    world = make_world(parent, {"tablet": child})
    put(parent, {1: EVERYWHERE[1], 2: "SRID=25832;POINT(500000 5000000)"})

    world.sync()

    assert child.run("SELECT id FROM places") == [(1,)]
    (held,) = world.held("tablet")
    assert held["error"] == (
        "a value for places.shape cannot be kept: its reference system is 25832, and the column has 4326"
    )


def test_values_that_the_parents_column_does_not_take_are_set_aside_alone(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry(Geometry,4326)")
    child = GeoPackageNode(tmp_path / "tablet.gpkg")
    world = make_world(parent, {"tablet": child})
    high = normal(struct.pack("<BIddd", 1, 1001, 1.0, 2.0, 3.0))
    child.run("INSERT INTO places VALUES (5, 'with height', ?)", (to_geopackage(high, 4326),))
    for trigger in ("INSERT", "UPDATE"):
        child.run(f"DROP TRIGGER rtree_places_shape_{trigger}")
    child.run(
        "INSERT INTO places VALUES (1, 'bad', ?), (2, 'text', 'POINT(1 2)'), (3, 'good', NULL)",
        (b"GP\0\1xx",),
    )
    line = struct.pack("<BIIdddd", 1, 2, 2, 1.0, 2.0, 3.0, 4.0)
    strange = normal(struct.pack("<BII", 1, 4, 1) + line)
    child.run("INSERT INTO places VALUES (4, 'a line among points', ?)", (to_geopackage(strange, 4326),))

    world.sync()

    assert parent.run("SELECT id FROM places") == [(3,)]
    assert sorted(conflict["kind"] for conflict in world.conflicts()) == ["rule"] * 4


@pytest.mark.parametrize("parent", ["postgresql", "sqlite", "mysql"])
def test_three_products_hold_the_same_geometries_whoever_edits(
    make_world, tmp_path, postgres, mariadb, parent
):
    nodes = {
        "postgresql": postgis_node(postgres, "geometry(Geometry,4326)"),
        "sqlite": GeoPackageNode(tmp_path / "tablet.gpkg"),
        "mysql": mariadb_node(mariadb),
    }
    postgis, tablet, maria = nodes.values()
    world = make_world(nodes.pop(parent), nodes)
    put(postgis, EVERYWHERE)
    converge(world)

    tablet.run("UPDATE places SET shape = (SELECT shape FROM places WHERE id = 3) WHERE id = 1")
    maria.run("UPDATE places SET shape = ST_GeomFromText('POINT(7 8)', 4326) WHERE id = 2")
    maria.run("INSERT INTO places VALUES (10, 'ten', ST_GeomFromText('LINESTRING(0 0,9 9)', 4326))")
    postgis.run("UPDATE places SET shape = NULL WHERE id = 4")
    tablet.run("DELETE FROM places WHERE id = 5")
    converge(world)

    expected = {key: text for key, text in EVERYWHERE.items() if key not in {5}} | {
        1: EVERYWHERE[3],
        2: "SRID=4326;POINT(7 8)",
        4: None,
        10: "SRID=4326;LINESTRING(0 0,9 9)",
    }
    assert texts(postgis) == expected
    assert ewkt_of(tablet, postgis) == expected
    assert {key: plain(text) for key, text in texts(maria).items()} == {
        key: plain(text) for key, text in expected.items()
    }
    assert world.conflicts() == []


def test_what_mariadb_does_not_know_is_set_aside_there_and_the_rest_arrives(
    make_world, tmp_path, postgres, mariadb
):
    parent = postgis_node(postgres)
    maria = mariadb_node(mariadb)
    world = make_world(parent, {"maria": maria})
    put(parent, EVERYWHERE | RICHER)

    world.sync()

    assert texts(maria).keys() == EVERYWHERE.keys()
    said = {held["row_key"]: held["error"] for held in world.held("maria")}
    assert {key: text.partition(": ")[2] for key, text in said.items()} == {
        '{"id": 21}': "MariaDB and MySQL have no heights (Z) and no measures (M)",
        '{"id": 22}': "MariaDB and MySQL have no heights (Z) and no measures (M)",
        '{"id": 23}': "MariaDB and MySQL have no empty geometry but the empty collection",
        '{"id": 24}': "MariaDB and MySQL have no heights (Z) and no measures (M)",
        '{"id": 25}': "MariaDB and MySQL have no empty geometry but the empty collection",
        '{"id": 26}': "MariaDB and MySQL have no curves and surfaces",
    }


def test_a_geometry_without_a_reference_system_is_equal_to_one_with_its_columns(
    make_world, tmp_path, postgres, mariadb
):
    parent = postgis_node(postgres, "geometry(Point,4326)")
    maria = mariadb_node(mariadb, "point")
    tablet = GeoPackageNode(tmp_path / "tablet.gpkg", "POINT")
    world = make_world(parent, {"maria": maria, "tablet": tablet})
    maria.run("INSERT INTO places VALUES (1, 'one', ST_GeomFromText('POINT(1 2)'))")

    converge(world)

    assert texts(parent) == {1: "SRID=4326;POINT(1 2)"}
    assert ewkt_of(tablet, parent) == {1: "SRID=4326;POINT(1 2)"}


def test_columns_of_different_reference_systems_are_refused(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "geometry(Point,25832)")
    world = make_world(parent, {"tablet": GeoPackageNode(tmp_path / "tablet.gpkg", "POINT")})

    with pytest.raises(FatalError, match="coordinates of reference system 25832 mean others in 4326"):
        world.sync()


def test_postgis_may_stand_in_a_schema_that_is_not_searched(make_world, tmp_path, postgres):
    parent = postgis_node(postgres, "gis.geometry(Point,4326)", schema="gis")
    child = GeoPackageNode(tmp_path / "tablet.gpkg", "POINT")
    world = make_world(parent, {"tablet": child})
    point = to_geopackage(struct.pack("<BIdd", 1, 1, 1.0, 2.0), 4326)
    child.run("INSERT INTO places VALUES (1, 'one', ?)", (point,))
    converge(world)

    parent.run("UPDATE places SET name = 'moved', shape = gis.ST_SetSRID(gis.ST_MakePoint(3, 4), 4326)")
    converge(world)

    assert child.run("SELECT name, ST_MinX(shape), ST_MinY(shape) FROM places") == [("moved", 3.0, 4.0)]
