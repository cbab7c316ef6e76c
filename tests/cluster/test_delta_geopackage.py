"""A delta file of tables with geometries is a GeoPackage that GDAL reads."""

import sqlite3
import struct
import subprocess
from contextlib import closing

import pytest

from syncd.delta.geometry import CORE, UNDEFINED
from tests.cluster.geonodes import EVERYWHERE, RICHER, GeoPackageNode, postgis_node, texts
from tests.cluster.test_delta_files import Sites

TABLES = (
    "CREATE TABLE hydrants (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POINT, name TEXT(20), pressure DOUBLE);"
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, hydrant INTEGER, at DATETIME, photo BLOB);"
)
REGISTERED = (
    "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('hydrants', 'features', 'hydrants', 4326);"
    "INSERT INTO gpkg_geometry_columns VALUES ('hydrants', 'geom', 'POINT', 4326, 0, 0);"
)


def point(x, y):
    return b"GP\x00\x01" + struct.pack("<i", 4326) + struct.pack("<BIdd", 1, 1, x, y)


def geopackage():
    systems = ", ".join(
        "({})".format(
            ", ".join("'" + v.replace("'", "''") + "'" if isinstance(v, str) else str(v) for v in row)
        )
        for row in UNDEFINED
    )
    return f"{CORE} INSERT INTO gpkg_spatial_ref_sys VALUES {systems}; {TABLES} {REGISTERED}"


@pytest.fixture
def sites(tmp_path):
    made = Sites(tmp_path, geopackage(), tables=("hydrants", "visits"))
    made.run(
        "P",
        "INSERT INTO hydrants VALUES (1, ?, 'first', 4.5), (2, NULL, 'second', NULL)",
        (point(8.5, 47.25),),
    )
    made.run("P", "INSERT INTO visits VALUES (1, 1, '2026-01-02T03:04:05.000Z', x'00ff')")
    yield made
    made.close()


def ogrinfo(path, *words):
    return subprocess.run(
        ["ogrinfo", "-ro", *words, str(path)], capture_output=True, text=True, timeout=60, check=False
    )


def test_gdal_opens_it_as_a_geopackage_with_its_features(sites):
    path = sites.down()

    said = ogrinfo(path, "-al")

    assert said.returncode == 0
    assert "using driver `GPKG'" in said.stdout
    assert "Layer name: hydrants" in said.stdout
    assert "Geometry: Point" in said.stdout
    assert "Feature Count: 2" in said.stdout
    assert "POINT (8.5 47.25)" in said.stdout
    assert "pressure (Real) = 4.5" in said.stdout
    assert "Layer name: visits" in said.stdout
    assert (said.stderr, "Warning" in said.stdout) == ("", False)


def test_edits_of_a_child_are_a_geopackage_too(sites):
    sites.take("truck", sites.down())
    sites.run("truck", "UPDATE hydrants SET geom = ? WHERE fid = 1", (point(1.0, 2.0),))
    sites.run("truck", "DELETE FROM hydrants WHERE fid = 2")

    said = ogrinfo(sites.up(), "-al")

    assert "POINT (1 2)" in said.stdout
    assert said.stderr == ""


def test_geometries_arrive_unchanged(sites):
    sites.take("truck", sites.down())

    assert sites.rows("truck", "hydrants") == sites.rows("P", "hydrants")
    assert sites.rows("truck", "visits") == sites.rows("P", "visits")


def test_file_of_tables_without_geometry_is_plain_sqlite(tmp_path):
    sites = Sites(tmp_path)

    with closing(sqlite3.connect(sites.down())) as file:
        found = file.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'gpkg%'").fetchone()

    assert found == (0,)
    sites.close()


@pytest.mark.postgresql
@pytest.mark.parametrize("shape", ["geometry(Geometry,4326)", "geometry"])
def test_a_file_of_postgis_is_a_geopackage_that_a_tablet_imports(tmp_path, postgres, shape):
    sites = Sites(tmp_path, "", tables=("places",))
    for node in sites.nodes.values():
        node.close()
    parent, tablet = postgis_node(postgres, shape), GeoPackageNode(tmp_path / "tablet.gpkg")
    sites.nodes = {"P": parent, "truck": tablet}
    for key, text in (EVERYWHERE if "4326" in shape else EVERYWHERE | RICHER).items():
        parent.run("INSERT INTO places VALUES (?, 'n', ST_GeomFromEWKT(?))", (key, text))
    before = texts(parent)

    file = sites.down()
    said = ogrinfo(file, "-al")
    sites.take("truck", file)
    tablet.run("UPDATE places SET shape = (SELECT shape FROM places WHERE id = 3) WHERE id = 1")
    up = sites.up()
    sites.take("P", up)

    assert "POLYGON ((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))" in said.stdout
    assert (said.stderr, ogrinfo(up, "-al").stderr) == ("", "")
    assert texts(parent) == before | {1: before[3]}
    sites.close()
