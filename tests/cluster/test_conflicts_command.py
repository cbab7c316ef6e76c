"""How a person looks at conflicts and settles them, with the real program on SQLite files."""

import csv
import getpass
import json
import subprocess
import sys

import pytest

from tests.cluster.geonodes import GeoPackageNode, postgis_node, texts
from tests.cluster.office import Office


@pytest.fixture
def office(tmp_path):
    """A cluster with one decided conflict: number 1, won by the office."""
    made = Office(tmp_path)
    made.sync()
    made.conflict()
    made.sync()
    return made


def test_list_gives_every_conflict_with_both_complete_rows(office):
    record = office.json("conflicts", "list", "assets")[0]

    assert record["parent"] == {"id": 1, "name": "of the office", "city": "Oslo"}
    assert record["child"] == {"id": 1, "name": "of Ohio", "city": "Oslo"}
    assert record["merged"] is None
    facts = ("id", "table", "key", "kind", "policy", "winner", "child_name", "state")
    assert [record[name] for name in facts] == [
        1,
        "assets",
        {"id": 1},
        "update/update",
        "parent",
        "parent",
        "Ohio",
        "auto",
    ]
    assert "update/update" in office.syncd("conflicts", "list")


def test_list_open_leaves_out_what_a_policy_decided(office):
    assert office.json("conflicts", "list", "--open") == []
    assert "no conflict waits for you" in office.syncd("conflicts", "list", "--open")


def test_diff_shows_both_rows_and_what_is_in_force_now(office):
    office.run("Office", "UPDATE assets SET city = 'Lima' WHERE id = 1")

    said = office.syncd("conflicts", "diff", "1").splitlines()
    facts = office.json("conflicts", "diff", "1")

    assert said[2].split("  ")[0] == ""
    assert any(line.startswith("*  name") and "of Ohio" in line for line in said)
    assert any(line.startswith("*  city") and "Lima" in line for line in said)
    assert facts["now"] == {"id": 1, "name": "of the office", "city": "Lima"}


def test_take_child_is_an_ordinary_edit_that_flows_to_everybody(office):
    office.syncd("conflicts", "take", "child", "1")
    office.sync()

    for name in ("Office", "Ohio", "Truck"):
        assert (1, "of Ohio", "Oslo") in office.rows(name)
    record = office.json("conflicts", "show", "1")
    assert (record["state"], record["resolved_by"]) == ("resolved", getpass.getuser())
    assert len(office.json("conflicts", "list")) == 1


def test_take_refuses_a_row_that_has_changed_since_unless_forced(office):
    office.run("Office", "UPDATE assets SET city = 'Lima' WHERE id = 1")

    said = office.syncd("conflicts", "take", "child", "1", code=4)
    assert "has changed since conflict 1 was decided" in said
    office.syncd("conflicts", "take", "child", "1", "--force", "--columns", "name")

    assert (1, "of Ohio", "Lima") in office.rows("Office")


def test_take_leaves_columns_alone_that_the_child_does_not_have(tmp_path):
    office = Office(tmp_path)
    office.run("Office", "ALTER TABLE assets ADD COLUMN price INTEGER", "UPDATE assets SET price = 7")
    office.sync()
    office.conflict()
    office.sync()

    office.syncd("conflicts", "take", "child", "1")

    assert office.rows("Office")[0] == (1, "of Ohio", "Oslo", 7)


def test_take_of_a_merged_row_that_is_not_there_is_refused(office):
    said = office.syncd("conflicts", "take", "merged", "1", code=1)

    assert said.splitlines() == ["error: conflict 1 has no merged row", "try: take parent or child"]


def test_a_number_that_no_conflict_has_is_refused(office):
    for words in (("show", "9"), ("diff", "9"), ("take", "child", "9")):
        assert "no conflict 9" in office.syncd("conflicts", *words, code=3)


def test_export_writes_csv_or_lines_of_json_by_the_ending(office):
    office.syncd("conflicts", "export", "out.csv")
    office.syncd("conflicts", "export", "out.jsonl")

    with (office.folder / "out.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    line = json.loads((office.folder / "out.jsonl").read_text().splitlines()[0])
    assert json.loads(row["child"]) == line["child"] == {"id": 1, "name": "of Ohio", "city": "Oslo"}
    assert "neither .csv nor .jsonl" in office.syncd("conflicts", "export", "out.xlsx", code=1)


def test_the_cluster_must_be_named_where_several_are_declared(office):
    text = (office.folder / "syncd.yaml").read_text()
    second = text[text.index("  assets:") :].replace("  assets:", "  others:")
    (office.folder / "syncd.yaml").write_text(text + second)

    assert "which cluster is meant?" in office.syncd("conflicts", "show", "1", code=3)
    assert office.json("conflicts", "show", "1", "--cluster", "assets")["id"] == 1
    assert [record["cluster"] for record in office.json("conflicts", "list")] == ["assets"]


@pytest.mark.postgresql
def test_people_read_geometries_as_text_and_may_decide_twice_between_two_runs(tmp_path, postgres):
    parent, tablet = postgis_node(postgres), GeoPackageNode(tmp_path / "tablet.gpkg")
    (tmp_path / "syncd.yaml").write_text(
        f"state: {{path: '{tmp_path}/state'}}\n"
        "connections:\n"
        f"  hq: {parent.connection_text()}\n  tablet: {tablet.connection_text()}\n"
        "clusters:\n  field:\n    parent: {repository: HQ, connection: hq}\n"
        "    children: [{repository: Tablet, connection: tablet, connected: true}]\n    tables: [places]\n"
    )
    parent.run("INSERT INTO places VALUES (1, 'n', 'SRID=4326;POINT(1 2)')")
    syncd(tmp_path, "sync", "field")
    parent.run("UPDATE places SET shape = 'SRID=4326;LINESTRING(0 0,1.5 1)'")
    tablet.run("UPDATE places SET shape = NULL")
    syncd(tmp_path, "sync", "field")

    said = syncd(tmp_path, "conflicts", "diff", "1")

    assert "SRID=4326;LINESTRING (0 0, 1.5 1)" in said
    assert "SRID=4326;LINESTRING (0 0, 1.5 1)" in syncd(tmp_path, "conflicts", "show", "1")
    syncd(tmp_path, "conflicts", "take", "child", "1")
    assert texts(parent) == {1: None}
    syncd(tmp_path, "conflicts", "take", "parent", "1", "--force")
    assert texts(parent) == {1: "SRID=4326;LINESTRING(0 0,1.5 1)"}
    parent.close()
    tablet.close()


def syncd(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "syncd", *words, "-c", str(folder / "syncd.yaml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
