"""One-way jobs with geometries between PostGIS, GeoPackages and MariaDB: they arrive equal, in the form of each store."""

import pytest

from syncd.model.geopackage import from_geopackage
from syncd.model.options import Verify
from syncd.model.run import Status
from tests.cluster.geonodes import EVERYWHERE, RICHER, GeoPackageNode, plain
from tests.stores import MysqlStore, Pair, PostgresStore, SqliteStore

pytestmark = [pytest.mark.postgresql, pytest.mark.mysql]

JOB = "REPLICATE [places]"
TEXT = {
    "postgresql": "SELECT id, ST_AsEWKT(shape) FROM places",
    "mysql": "SELECT id, CONCAT('SRID=', ST_SRID(shape), ';', ST_AsText(shape)) FROM places",
}


@pytest.fixture
def stores(postgres, mariadb, tmp_path):
    made = {
        "postgis": PostgresStore(postgres),
        "plain": PostgresStore(postgres),
        "mysql": MysqlStore(mariadb),
    }
    made["postgis"].execute("CREATE EXTENSION postgis")
    GeoPackageNode(tmp_path / "tablet.gpkg").close()
    made["sqlite"] = SqliteStore(tmp_path / "tablet.gpkg")
    made["file"] = SqliteStore(tmp_path / "plain.db")
    yield made
    for store in made.values():
        store.close()


def fill(store, rows, shape="geometry"):
    store.execute(f"CREATE TABLE places (id bigint PRIMARY KEY, name varchar(40), shape {shape})")
    read = "ST_GeomFromEWKT(%s)" if store.type == "postgresql" else "ST_GeomFromText(%s, 4326)"
    for key, text in rows.items():
        shown = text if store.type == "postgresql" else text and plain(text).partition(";")[2]
        store.execute(f"INSERT INTO places VALUES (%s, 'n', {read})", (key, shown))


def texts(store):
    return {key: plain(text) for key, text in store.rows(TEXT[store.type])}


def run(source, destination, *queries, **options):
    outcome = Pair(source, destination).run(
        *(queries or (JOB,)), check=None, verify=Verify.CHECKSUM, **options
    )
    assert outcome.failure is None, outcome.failure
    assert outcome.status is Status.OK, outcome.steps
    assert outcome.steps[0].verdict is not None
    assert outcome.steps[0].verdict.same
    return outcome


def test_postgis_fills_a_table_of_a_geopackage_and_is_filled_from_it(stores):
    fill(stores["postgis"], EVERYWHERE | RICHER)
    run(stores["postgis"], stores["sqlite"])

    back = "REPLICATE [back] SELECT * FROM [places]"
    run(stores["sqlite"], stores["postgis"], back)

    rows = stores["postgis"].rows("SELECT id, ST_AsEWKT(shape) FROM back")
    assert sorted(rows) == sorted(stores["postgis"].rows(TEXT["postgresql"]))
    assert stores["postgis"].rows(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'back'::regclass AND attname = 'shape'"
    ) == [("geometry",)]


def test_a_second_run_leaves_equal_geometries_alone(stores):
    fill(stores["postgis"], EVERYWHERE)
    run(stores["postgis"], stores["sqlite"])

    again = run(stores["postgis"], stores["sqlite"], full=True)

    assert (again.counters.inserted, again.counters.updated) == (0, 0)


@pytest.mark.parametrize("goal", ["postgis", "mysql", "sqlite"])
def test_mariadb_gives_its_geometries_to_all(stores, goal):
    fill(stores["mysql"], EVERYWHERE)
    query = JOB if goal == "sqlite" else "REPLICATE [back] SELECT * FROM [places]"
    run(stores["mysql"], stores[goal], query)

    if goal == "sqlite":
        run(stores["sqlite"], stores["postgis"], "REPLICATE [back] SELECT * FROM [places]")
        goal = "postgis"
    store = stores[goal]
    found = store.rows(TEXT[store.type].replace("places", "back"))
    assert {key: plain(text) for key, text in found} == {key: plain(text) for key, text in EVERYWHERE.items()}


@pytest.mark.parametrize("source", ["postgis", "sqlite"])
def test_mariadb_takes_geometries_from_the_others(stores, source):
    fill(stores["postgis"], EVERYWHERE)
    if source == "sqlite":
        run(stores["postgis"], stores["sqlite"])
    run(stores[source], stores["mysql"])

    assert texts(stores["mysql"]) == {key: plain(text) for key, text in EVERYWHERE.items()}


def test_a_height_that_mariadb_cannot_keep_is_refused_with_its_reason(stores):
    fill(stores["postgis"], {1: EVERYWHERE[1], 21: RICHER[21]})

    outcome = Pair(stores["postgis"], stores["mysql"]).run(JOB, check=None)
    careful = Pair(stores["postgis"], stores["mysql"]).run(JOB, check=None, quarantine=True)

    assert "have no heights (Z)" in outcome.failure.message
    assert careful.status is Status.PARTIAL
    assert texts(stores["mysql"]) == {1: EVERYWHERE[1]}


@pytest.mark.parametrize("goal", ["plain", "file"])
def test_a_store_without_geometries_keeps_them_as_bytes_and_gives_them_back(stores, goal):
    fill(stores["postgis"], EVERYWHERE | RICHER)
    run(stores["postgis"], stores[goal])

    stores["postgis"].execute("CREATE TABLE back (id bigint PRIMARY KEY, name varchar(40), shape geometry)")
    run(stores[goal], stores["postgis"], "REPLICATE [back] SELECT * FROM [places]")

    there = stores["postgis"].rows(TEXT["postgresql"])
    assert sorted(stores["postgis"].rows("SELECT id, ST_AsEWKT(shape) FROM back")) == sorted(there)
    kind = stores[goal].rows("SELECT shape FROM places WHERE id = 1")[0][0]
    assert (
        bytes(kind).hex()
        == stores["postgis"].rows("SELECT encode(shape::bytea, 'hex') FROM places WHERE id = 1")[0][0]
    )


def test_a_table_of_a_geopackage_is_copied_with_its_blobs_as_they_are(stores):
    fill(stores["postgis"], EVERYWHERE | RICHER)
    run(stores["postgis"], stores["sqlite"])
    run(stores["sqlite"], stores["file"])

    rows = stores["sqlite"].rows("SELECT * FROM places ORDER BY id")
    assert stores["file"].rows("SELECT * FROM places ORDER BY id") == rows
    assert (
        from_geopackage(rows[0][2]).hex()
        == stores["postgis"].rows("SELECT encode(shape::bytea, 'hex') FROM places WHERE id = 1")[0][0]
    )


def test_columns_of_postgis_keep_their_limits_between_two_databases(stores, postgres):
    other = PostgresStore(postgres)
    other.execute("CREATE EXTENSION postgis")
    fill(stores["postgis"], {22: RICHER[22]}, "geometry(PointZM,4326)")

    run(stores["postgis"], other)

    assert texts(other) == texts(stores["postgis"])
    assert other.rows("SELECT type, srid, coord_dimension FROM geometry_columns") == [("POINT", 4326, 4)]
    other.close()
