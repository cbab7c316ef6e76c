"""What a new user found in files, comparisons and messages of a cluster."""

import re
import sqlite3
import time
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


CODED = "CREATE TABLE assets (id INTEGER PRIMARY KEY, name TEXT UNIQUE, city TEXT)"


def test_rows_that_are_set_aside_are_told_of_by_verify_and_by_each_later_run(tmp_path):
    office = Office(tmp_path, table=CODED)
    office.sync()
    office.run("Ohio", "INSERT INTO assets VALUES (20, 'twice', 'of Ohio')")
    office.run("Truck", "INSERT INTO assets VALUES (30, 'twice', 'of Truck')")
    office.sync()

    compared = office.syncd("cluster", "verify", "assets", code=1)
    again = office.sync()
    steps = {step["step"]: step for step in office.json("cluster", "verify", "assets", code=1)[0]["steps"]}

    assert "hold what the parent holds, but for 2 rows that are set aside" in compared
    assert "2 rows are still set aside" in again
    assert steps["Truck assets"]["verdict"]["held"] == 2
    assert steps["Ohio assets"]["verdict"]["held"] == 0
    assert steps["Ohio assets"]["status"] == "ok"


def test_nothing_is_said_of_rows_set_aside_once_they_were_taken(tmp_path):
    office = Office(tmp_path, table=CODED)
    office.sync()
    office.run("Ohio", "INSERT INTO assets VALUES (20, 'twice', 'of Ohio')")
    office.run("Truck", "INSERT INTO assets VALUES (30, 'twice', 'of Truck')")
    office.sync()
    office.run("Truck", "DELETE FROM assets WHERE id = 30")

    office.site.syncd("sync", "assets", "--full")
    said = office.sync()

    assert "set aside" not in said
    assert "all children hold what the parent holds in" in office.syncd("cluster", "verify", "assets")


NAMED = "CREATE TABLE assets (id TEXT PRIMARY KEY, name TEXT, city TEXT)"


@pytest.mark.parametrize("whose", ["Office", "Ohio"])
def test_verify_names_rows_without_a_key_and_promises_no_repair_of_them(tmp_path, whose):
    office = Office(tmp_path, table=NAMED)
    office.sync()
    office.run(whose, "INSERT INTO assets VALUES (NULL, 'nameless', 'Oslo'), (NULL, 'nameless', 'Oslo')")

    said = office.syncd("cluster", "verify", "assets", code=1)
    verdicts = [step["verdict"] for step in office.json("cluster", "verify", "assets", code=1)[0]["steps"]]

    assert f"'{whose}': assets" in said
    assert "--repair" not in said
    assert "hold what the parent holds" not in said
    assert [verdict for verdict in verdicts if verdict["missing"] + verdict["surplus"]] == []


def test_a_copy_of_a_child_is_refused_with_the_command_that_mends_it(office):
    office.sync()
    office.folder.joinpath("truck.db").write_bytes(office.folder.joinpath("ohio.db").read_bytes())

    refused = office.sync(code=1)
    assert "syncd cluster untrack assets Truck" in refused
    office.syncd("cluster", "untrack", "assets", "Truck", "--yes")

    office.sync()
    assert office.rows("Truck") == office.rows("Office")


def test_the_way_to_clean_a_child_that_is_declared_no_more_works(office):
    office.sync()
    ohio = "      - {repository: Ohio, connection: ohio}\n"
    office.configure(ohio)

    said = office.syncd("cluster", "remove-child", "assets", "Truck")
    assert "declare it again with its connection and `connected: false`" in said
    assert "syncd cluster untrack assets Truck" in said
    office.configure(f"{ohio}      - {{repository: Truck, connection: truck, connected: 'false'}}\n")
    office.syncd("cluster", "untrack", "assets", "Truck", "--yes")

    assert office.kept("Truck") == []


def test_a_parent_that_was_untracked_is_not_called_restored(office):
    office.sync()
    office.run("Ohio", "UPDATE assets SET name = 'edited' WHERE id = 1")
    office.sync()
    office.syncd("cluster", "untrack", "assets", "Office", "--yes")

    for _ in range(2):
        said = office.sync(code=1)
        assert "knows nothing of this cluster any more" in said
        assert "syncd cluster untrack assets Ohio; syncd cluster untrack assets Truck" in said
    for child in ("Ohio", "Truck"):
        office.syncd("cluster", "untrack", "assets", child, "--yes")

    office.sync()
    assert office.rows("Truck") == office.rows("Office")


def test_names_with_blanks_stand_in_their_columns(tmp_path):
    truck = "      - {repository: Truck 7, connection: truck}\n"
    office = Office(tmp_path, truck, tables='["valve box"]')
    for name in ("Office", "Truck"):
        office.run(name, 'CREATE TABLE "valve box" (id INTEGER PRIMARY KEY, name TEXT)')
    office.run("Office", "INSERT INTO \"valve box\" VALUES (1, 'one')")

    synced = office.sync().splitlines()
    compared = office.syncd("cluster", "verify", "assets").splitlines()

    assert re.split(" {2,}", synced[1])[:2] == ["Truck 7", "down"]
    assert re.split(" {2,}", compared[1])[:2] == ["Truck 7", "valve box"]


def test_a_column_that_does_not_exist_is_named_before_a_row_that_moved(office):
    office.sync()
    office.conflict()
    office.sync()
    office.run("Office", "UPDATE assets SET city = 'moved' WHERE id = 1")

    said = office.syncd("conflicts", "take", "child", "1", "--columns", "nope,name", code=1)

    assert "has no column nope" in said
    assert "columns: id, name, city" in said


def test_status_at_the_site_of_a_child_shows_what_is_known_there(tmp_path):
    office = Office(tmp_path, CHILDREN)
    office.syncd("export", "assets", "Truck", str(tmp_path / "down"))
    office.site.write(
        "state: {path: ./state}\nconnections: {truck: {type: sqlite, path: truck.db}}\nclusters:\n  assets:\n"
        "    parent: {repository: Office}\n    tables: [assets]\n"
        "    children: [{repository: Truck, connection: truck, connected: 'false'}]\n"
    )

    before = office.syncd("cluster", "status")
    office.syncd("import", "assets", str(tmp_path / "down"))
    office.run("Truck", "UPDATE assets SET name = 'edited' WHERE id < 3")
    after = office.syncd("cluster", "status", "assets")

    assert "Truck: it has received nothing yet" in before
    assert "Truck: 1 tables tracked, 2 rows edited that the parent may not have, 0 set aside" in after
    assert office.json("cluster", "status")[0]["unsent"] == 2


def eventually(condition, seconds=25):
    """Wait until it holds; False when it does not come true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_watched_child_whose_file_comes_back_gets_what_it_missed(tmp_path):
    office = Office(tmp_path, more="    watch: true\n    retry: {attempts: 1}\n")
    office.sync()
    daemon = office.site.daemon()
    try:
        why, following = office.syncd("why", "assets"), office.syncd("next")
        away = (tmp_path / "ohio.db").rename(tmp_path / "away.db")
        office.run("Office", "INSERT INTO assets VALUES (11, 'missed', 'Oslo')")
        assert eventually(lambda: len(office.rows("Truck")) == 11)
        # The run that missed it is over: nothing but its coming back can start another.
        assert eventually(lambda: office.json("status", "assets")["jobs"][0]["run"] is None)
        # Longer than the watch takes to see that a file is gone.
        time.sleep(1)
        away.rename(tmp_path / "ohio.db")

        assert eventually(lambda: len(office.rows("Ohio")) == 11)
    finally:
        daemon.kill()
    assert "It runs as soon as one of its repositories is edited." in why
    assert "as soon as a repository is edited: assets" in following


def test_plan_and_status_announce_a_parent_that_was_restored(office):
    office.sync()
    before = (office.folder / "office.db").read_bytes()
    office.run("Ohio", "UPDATE assets SET name = 'sent' WHERE id = 1")
    office.sync()
    (office.folder / "office.db").write_bytes(before)

    planned = office.site.syncd("plan", "assets").stdout
    status = office.syncd("cluster", "status")

    assert "was restored from a copy: 'Ohio', 'Truck' have seen later states of it" in planned
    assert "was restored from a copy: 'Ohio', 'Truck' have seen later states of it" in status
    assert "on_parent_restore: refill" in planned
