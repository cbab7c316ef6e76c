"""The calls of Synchronize Job Data, to the letter of the document."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from syncd import workflow
from syncd.valuetable import ChildRow, child_rows, like
from syncd.workflow import (
    BAD_ARGUMENTS,
    ExportJobData,
    ImportJobData,
    SynchronizeJobData,
    SynchronizeJobData_wmx,
)

PARENT_URL = "http://ServerName/arcgis/rest/services/ServerObjectName/WMServer"
OHIO_URL = "http://ohioServer/arcgis/rest/services/SO/WMServer"
AZ_URL = "http://AZServer/arcgis/rest/services/SO/WMServer"
NAMES = ("hq", "ohio", "az")
CONFIGURATION = f"""
connections:
  hq: {{type: sqlite, path: hq.db}}
  ohio: {{type: sqlite, path: ohio.db}}
  az: {{type: sqlite, path: az.db}}
clusters:
  redlands:
    parent: {{repository: Redlands_Repository, connection: hq, url: "{PARENT_URL}"}}
    children:
      - {{repository: Ohio_Repository, connection: ohio, url: "{OHIO_URL}"}}
      - {{repository: AZ_Repository, connection: az, url: "{AZ_URL}"}}
    tables: [jobs]
"""
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Sites:
    """Three repositories under the URLs of the document's sample."""

    def __init__(self, folder):
        self.folder = folder
        for name in NAMES:
            self.run(name, "CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT)")
        self.run("hq", "INSERT INTO jobs VALUES (1, 'survey')")
        self.run("ohio", "INSERT INTO jobs VALUES (2, 'edit')")
        self.run("az", "INSERT INTO jobs VALUES (3, 'check')")

    def url(self, name):
        return f"sqlite:///{self.folder / name}.db"

    def run(self, name, sql):
        with closing(sqlite3.connect(self.folder / f"{name}.db", isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    def rows(self, name):
        return self.run(name, "SELECT id, name FROM jobs ORDER BY id")


@pytest.fixture
def sites(tmp_path, monkeypatch):
    (tmp_path / "syncd.yaml").write_text(CONFIGURATION)
    monkeypatch.setenv("SYNCD_CONFIG", str(tmp_path / "syncd.yaml"))
    return Sites(tmp_path)


def ohio(connected="true", time="2011-08-08 12:00"):
    return ["Ohio_Repository", connected, OHIO_URL, time]


def az(connected="true", time="2011-08-08 12:00"):
    return ["AZ_Repository", connected, AZ_URL, time]


def call(*rows, **options):
    clock = SimpleNamespace(now=lambda: NOW)
    return SynchronizeJobData(PARENT_URL, "Redlands_Repository", list(rows), clock=clock, **options)


def test_sample_of_the_document_runs_verbatim(sites):
    arcpy = SimpleNamespace(
        CheckOutExtension=lambda name: name, SynchronizeJobData_wmx=SynchronizeJobData_wmx
    )

    arcpy.CheckOutExtension("JTX")

    # fmt: off
    # Local variables:
    Input_Parent_Repository_URL = "http://ServerName/arcgis/rest/services/ServerObjectName/WMServer"  # noqa: N806
    Input_Parent_Repository_Name = "Redlands_Repository"  # noqa: N806
    Input_Multi_Name = "Ohio_Repository true http://ohioServer/arcgis/rest/services/SO/WMServer 2011-08-08 12:00;AZ_Repository true http://AZServer/arcgis/rest/services/SO/WMServer 2011-08-08 12:00"  # noqa: N806

    # Process: Synchronize Job Data
    done = arcpy.SynchronizeJobData_wmx(Input_Parent_Repository_URL,
                             Input_Parent_Repository_Name,
                             Input_Multi_Name)
    # fmt: on

    assert done.getOutput(0) == 0
    assert (
        sites.rows("hq")
        == sites.rows("ohio")
        == sites.rows("az")
        == [(1, "survey"), (2, "edit"), (3, "check")]
    )


def test_both_outputs_have_the_names_of_the_document(sites):
    done = call(ohio(), az())

    assert done.getOutput("Output_SynchronizeReplicaStatus") == done.getOutput(0) == done.status == 0
    assert done.getOutput("Output_LastSync") == done.getOutput(1)
    assert [row.child for row in done.getOutput(1)] == ["Ohio_Repository", "AZ_Repository"]
    with pytest.raises(KeyError):
        done.getOutput("Output_Other")
    with pytest.raises(IndexError):
        done.getOutput(2)


def test_every_child_goes_up_before_any_comes_down(sites):
    done = call(ohio(), az())

    ways = [message.split(":")[0].split()[-1] for message in done.messages]
    assert ways == ["up", "up", "down", "down"]


def test_what_one_child_changed_reaches_the_other_in_the_same_call(sites):
    call(ohio(), az())
    sites.run("az", "UPDATE jobs SET name = 'from az' WHERE id = 3")

    call(ohio(), az())

    assert (3, "from az") in sites.rows("ohio")


def test_second_call_moves_nothing(sites):
    call(ohio(), az())

    done = call(ohio(), az())

    assert [(row.up, row.down, row.conflicts) for row in done.last_sync] == [(0, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize("connected", ["false", "True", "TRUE", "yes", "1", "", True])
def test_only_true_in_small_letters_is_synchronised(sites, connected):
    done = call(ohio(), az(connected))

    assert done.status == 0
    assert sites.rows("az") == [(3, "check")]
    assert done.last_sync[1].last_sync_time == "2011-08-08 12:00"
    assert "left out" in done.last_sync[1].message
    assert ("small letters" in done.last_sync[1].message) == (str(connected).lower() == "true")


def test_unreachable_child_does_not_stop_the_others(sites):
    (sites.folder / "ohio.db").unlink()

    done = call(ohio(), az())

    assert done.status == -2
    assert sites.rows("hq") == sites.rows("az") == [(1, "survey"), (3, "check")]
    assert "no SQLite file" in done.last_sync[0].message
    assert done.last_sync[0].last_sync_time == "2011-08-08 12:00"
    assert done.last_sync[1].last_sync_time != "2011-08-08 12:00"


def test_unreachable_parent_is_status_minus_one(sites):
    (sites.folder / "hq.db").unlink()

    done = call(ohio(), az())

    assert done.status == -1
    assert len(done.last_sync) == 2
    assert sites.rows("az") == [(3, "check")]


def test_parent_that_another_run_holds_is_status_minus_four(sites):
    import fcntl

    call(ohio())
    lock = next(sites.folder.glob(".hq.db.*.lock"))
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = call(ohio())

    assert done.status == -4


def test_copy_of_a_database_is_status_minus_five(sites):
    call(ohio())
    (sites.folder / "az.db").write_bytes((sites.folder / "ohio.db").read_bytes())

    done = call(ohio(), az())

    assert done.status == -5
    assert done.last_sync[1].message


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ohio(), ohio()],
        [ohio(), ["Other", "true", OHIO_URL + "/"]],
        [["Redlands_Repository", "true", AZ_URL]],
        [["AZ_Repository", "true", PARENT_URL]],
        [["AZ_Repository", "true", OHIO_URL]],
        [["Nobody", "true", "http://nobody/WMServer"]],
        [["AZ_Repository"]],
        [["", "true", AZ_URL]],
        [[*az(), "more"]],
        ["AZ_Repository"],
        "Ohio_Repository true 'http://ohio",
    ],
    ids=range(12),
)
def test_wrong_arguments_are_status_minus_three_and_nothing_is_touched(sites, rows):
    done = SynchronizeJobData(PARENT_URL, "Redlands_Repository", rows)

    assert done.status == -3
    assert done.messages
    assert sites.run("hq", "SELECT name FROM sqlite_master WHERE name LIKE 'syncd%'") == []


@pytest.mark.parametrize(
    ("url", "name"), [(PARENT_URL, "Wrong"), ("http://nobody/WMServer", "Redlands_Repository"), ("", "")]
)
def test_wrong_parent_is_status_minus_three(sites, url, name):
    assert SynchronizeJobData(url, name, [ohio()]).status == -3


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("A true http://a/x 2011-08-08 12:00", [ChildRow("A", "true", "http://a/x", "2011-08-08 12:00")]),
        (
            "A true http://a/x;B false http://b/x",
            [ChildRow("A", "true", "http://a/x"), ChildRow("B", "false", "http://b/x")],
        ),
        (
            "'My Repo' true \"http://a/x y\" '2011-08-08 12:00'",
            [ChildRow("My Repo", "true", "http://a/x y", "2011-08-08 12:00")],
        ),
        ("'A;B' true http://a/x;", [ChildRow("A;B", "true", "http://a/x")]),
        (
            "  A   true  http://a/x   08/01/2013 11:30:45 ; ",
            [ChildRow("A", "true", "http://a/x", "08/01/2013 11:30:45")],
        ),
        ("A true # #", [ChildRow("A", "true")]),
        ("O'Brien true http://a/x", [ChildRow("O'Brien", "true", "http://a/x")]),
        ("A '' http://a/x", [ChildRow("A", "", "http://a/x")]),
        ("", []),
    ],
)
def test_text_is_parted_into_rows_and_fields(text, rows):
    assert child_rows(text) == rows


@pytest.mark.parametrize(
    ("written", "echoed"),
    [
        ("2011-08-08 12:00", "2026-03-04 05:06"),
        ("08/01/2013 11:30:45", "03/04/2026 05:06:07"),
        ("8/1/2013 11:30", "03/04/2026 05:06"),
        ("2013-08-01T11:30:45", "2026-03-04T05:06:07"),
        ("2013-08-01T11:30:45Z", "2026-03-04T05:06:07Z"),
        ("2013-08-01T11:30:45+02:00", "2026-03-04T07:06:07+02:00"),
        ("2013-08-01T11:30:45+0200", "2026-03-04T07:06:07+0200"),
        ("31.12.2013 11:30", "04.03.2026 05:06"),
        ("31/12/2013 11:30", "04/03/2026 05:06"),
        ("Thu Aug  1 11:30:45 2013", "Wed Mar  4 05:06:07 2026"),
        ("", "2026-03-04 05:06"),
        ("yesterday", "2026-03-04 05:06"),
    ],
)
def test_time_comes_back_in_the_format_in_which_it_came(written, echoed):
    assert like(written, NOW) == echoed


def test_time_that_nobody_knows_is_a_warning_only(sites):
    done = call(ohio(time="yesterday"))

    assert done.status == 0
    assert any("yesterday" in warning for warning in done.warnings)


def test_conflicts_leave_the_status_at_zero(sites):
    call(ohio())
    sites.run("hq", "UPDATE jobs SET name = 'hq' WHERE id = 1")
    sites.run("ohio", "UPDATE jobs SET name = 'ohio' WHERE id = 1")

    done = call(ohio())

    assert done.status == 0
    assert done.last_sync[0].conflicts == 1


def test_urls_of_databases_need_no_configuration(sites, monkeypatch, tmp_path):
    monkeypatch.delenv("SYNCD_CONFIG")
    monkeypatch.chdir(tmp_path / "..")
    sites.run("hq", "CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    sites.run("ohio", "CREATE TABLE drafts (id INTEGER PRIMARY KEY)")

    done = SynchronizeJobData(sites.url("hq"), "Main", [["Ohio", "true", sites.url("ohio")]])

    assert done.status == 0, done.messages
    assert sites.rows("hq") == sites.rows("ohio") == [(1, "survey"), (2, "edit")]
    assert done.last_sync[0][:2] == ("Ohio", "true")


def test_tables_may_be_named_for_urls_of_databases(sites):
    for name in ("hq", "ohio"):
        sites.run(name, "CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    sites.run("hq", "INSERT INTO notes VALUES (1)")

    done = SynchronizeJobData(
        sites.url("hq"), "Main", [["Ohio", "true", sites.url("ohio")]], tables=["notes"]
    )

    assert done.status == 0
    assert sites.run("ohio", "SELECT * FROM notes") == [(1,)]
    assert sites.rows("ohio") == [(2, "edit")]


def test_wrong_configuration_is_told_as_such(sites):
    (sites.folder / "syncd.yaml").write_text("clusters: 1\n")

    done = call(ohio())

    assert done.status == BAD_ARGUMENTS
    assert "clusters" in done.messages[0]


def test_disconnected_child_takes_part_by_the_calls_for_files(sites, tmp_path):
    there = tmp_path / "there.yaml"
    there.write_text(CONFIGURATION.replace(", connection: hq", "").replace("connection: az,", ""))
    file = tmp_path / "delta.gpkg"

    assert ExportJobData("redlands", "Ohio_Repository", file).status == 0
    assert ImportJobData(PARENT_URL, file, config=there).status == 0
    assert ExportJobData("Redlands_Repository", "Ohio_Repository", file, config=there).status == 0
    assert ImportJobData("redlands", file).status == 0

    assert sites.rows("hq") == sites.rows("ohio") == [(1, "survey"), (2, "edit")]
    again = ImportJobData("redlands", file)
    assert again.status == 0
    assert "already applied" in again.messages[0]


def test_calls_for_files_say_what_is_wrong(sites, tmp_path):
    assert ExportJobData("nobody", "Ohio_Repository", tmp_path / "f").status == -3
    assert ExportJobData("redlands", "Nobody", tmp_path / "f").status == -3
    assert ImportJobData("redlands", tmp_path / "missing").status == -3


def run_program(*words):
    return subprocess.run(
        [sys.executable, "-m", "syncd", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_commands_do_what_the_calls_do(sites):
    multi = f"Ohio_Repository true {OHIO_URL} 2011-08-08 12:00"

    good = run_program("workflow", "synchronize", PARENT_URL, "Redlands_Repository", multi, "--json")
    bad = run_program("workflow", "synchronize", PARENT_URL, "Wrong", multi)

    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["last_sync"][0]["up"] == 1
    assert bad.returncode == 1
    assert "status -3" in bad.stdout


def test_commands_for_files_go_both_ways(sites, tmp_path):
    there = tmp_path / "there.yaml"
    there.write_text(CONFIGURATION.replace(", connection: hq", "").replace("connection: az,", ""))
    file = str(tmp_path / "delta.gpkg")

    written = run_program("export", "redlands", "Ohio_Repository", file)
    applied = run_program("import", "redlands", file, "-c", str(there))
    repeated = run_program("import", "redlands", file, "-c", str(there))
    refused = run_program("sync", "redlands", "-c", str(there))
    back = run_program("workflow", "export", "redlands", "Ohio_Repository", file, "-c", str(there))
    taken = run_program("workflow", "import", "redlands", file)

    assert (written.returncode, applied.returncode, back.returncode, taken.returncode) == (0, 0, 0, 0), (
        applied.stderr
    )
    assert repeated.returncode == 0
    assert "already applied" in repeated.stdout
    assert "its parent 'Redlands_Repository' has no connection" in refused.stderr
    assert refused.returncode == 3
    assert sites.rows("hq") == sites.rows("ohio")


def test_callables_are_where_scripts_look_for_them():
    assert workflow.SynchronizeJobData_wmx is SynchronizeJobData
    assert Path(workflow.__file__).name == "workflow.py"
