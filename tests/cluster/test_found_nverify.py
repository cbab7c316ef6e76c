"""What a new user found in files, comparisons and messages of a cluster."""

import sqlite3
from contextlib import closing

import pytest

from tests.cluster.office import Office

CHILDREN = "      - {repository: Ohio, connection: ohio}\n      - {repository: Truck, connection: truck, connected: 'false'}\n"


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


@pytest.mark.parametrize("name", ["precious.db", "report.txt", "empty", "other.delta"])
def test_an_export_never_takes_the_place_of_another_file(tmp_path, name):
    office = Office(tmp_path, CHILDREN)
    office.sync()
    path = office.folder / name
    if name.endswith(".txt") or name == "empty":
        path.write_text("my only copy" * (name != "empty"))
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE syncd_header (name TEXT, value TEXT)")
            if name == "other.delta":
                connection.execute("INSERT INTO syncd_header VALUES ('cluster', '\"others\"')")
    before = path.read_bytes()

    said = office.syncd("export", "assets", "Truck", str(path), code=1)

    assert "is no delta file of cluster 'assets'" in said
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["office.db", "ohio.db", "truck.db"])
def test_an_export_never_takes_the_place_of_a_connections_database(tmp_path, name):
    office = Office(tmp_path, CHILDREN)
    office.sync()
    path = office.folder / name
    if name == "truck.db":
        path.unlink()
    before = path.read_bytes() if path.exists() else None

    said = office.syncd("export", "assets", "Truck", str(path), code=1)

    assert f"is the database of connection '{path.stem}'" in said
    assert (path.read_bytes() if path.exists() else None) == before


def test_an_export_may_replace_an_earlier_delta_file_of_its_cluster(tmp_path):
    office = Office(tmp_path, CHILDREN)
    office.syncd("export", "assets", "Truck", str(tmp_path / "to-truck.delta"))
    office.run("Office", "INSERT INTO assets VALUES (11, 'later', 'Oslo')")

    said = office.syncd("export", "assets", "Truck", str(tmp_path / "to-truck.delta"))

    assert "rows: 11 of assets" in said
