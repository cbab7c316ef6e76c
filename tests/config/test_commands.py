"""The commands init, check and schema, as a user calls them."""

import json
import sqlite3
from pathlib import Path

import pytest

from syncd.cli.main import main

GOOD = "connections: {crm: {type: sqlite, path: crm.db}}\n"
JOB = "jobs: {a: {source: crm, destination: crm, queries: REPLICATE A}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert isinstance(left.value.code, int)
    return left.value.code


def test_check_of_a_good_file_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("syncd.yaml").write_text(GOOD + JOB)

    assert run("check") == 0
    assert capsys.readouterr() == ("ok: 1 job, 1 connection in 1 file\n", "")


def test_check_counts_clusters_where_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = (
        "{parent: {repository: P, connection: crm}, children: [{repository: C, connected: false}], tables: t}"
    )
    Path("syncd.yaml").write_text(f"{GOOD}clusters: {{a: {cluster}, b: {cluster}}}\n")

    assert run("check") == 0
    assert capsys.readouterr().out == "ok: 0 jobs, 2 clusters, 1 connection in 1 file\n"


def test_cluster_of_the_starter_passes_the_check_once_it_is_no_comment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init") == 0
    before, _, cluster = Path("syncd.yaml").read_text().partition("# clusters:")
    Path("syncd.yaml").write_text(before + "clusters:" + cluster.replace("\n# ", "\n"))

    assert run("check") == 0
    assert capsys.readouterr().out.endswith("ok: 1 job, 1 cluster, 2 connections in 1 file\n")


def test_check_connect_opens_the_members_of_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = (
        "{parent: {repository: P, connection: crm}, children: [{repository: C, connected: false}], tables: t}"
    )
    Path("syncd.yaml").write_text(
        f"connections: {{crm: {{type: sqlite, path: gone/crm.db}}}}\nclusters: {{a: {cluster}}}\n"
    )

    assert run("check", "--connect") == 78
    assert "connections.crm: cannot be opened as a repository: " in capsys.readouterr().err


def test_check_of_a_bad_file_prints_each_problem_and_ends_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text("lgs: {}\nlimits: {max_runs: no}\n")

    assert run("check", "-c", "a.yaml") == 78
    assert capsys.readouterr() == (
        "",
        "a.yaml:1:1: lgs: unknown key (did you mean 'logs'?)\n"
        "a.yaml:2:20: limits.max_runs: must be a whole number, not the text 'no' (for example 8)\n",
    )


def test_check_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text("lgs: {}\n")
    Path("b.yaml").write_text(GOOD)

    codes = [run("check", "-c", name, "--json") for name in ("a.yaml", "b.yaml")]

    decoder = json.JSONDecoder()
    text = capsys.readouterr().out
    first, end = decoder.raw_decode(text)
    assert codes == [78, 0]
    assert first == {
        "ok": False,
        "problems": [
            {
                "file": "a.yaml",
                "line": 1,
                "column": 1,
                "path": "lgs",
                "message": "unknown key",
                "hint": "did you mean 'logs'?",
            }
        ],
    }
    assert json.loads(text[end:]) == {"ok": True, "problems": []}


def test_check_without_a_file_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.config.find.SYSTEM_FILE", Path("/nonexistent/syncd.yaml"))

    assert run("check") == 3
    assert capsys.readouterr().err.endswith("try: syncd init\n")


def test_check_connect_opens_each_connection_as_its_jobs_do(capsys: pytest.CaptureFixture[str]) -> None:
    Path("syncd.yaml").write_text(GOOD + "jobs: {a: {source: crm, destination: crm, queries: REPLICATE A}}\n")

    assert run("check", "--connect") == 78
    problem = capsys.readouterr().err
    assert problem.startswith("syncd.yaml:1:15: connections.crm: cannot be opened as a source: ")

    with sqlite3.connect("crm.db") as database:
        database.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    database.close()

    assert run("check", "--connect") == 0


def test_check_connect_never_prints_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", "/nonexistent/planted-secret.db")
    Path("syncd.yaml").write_text('connections: {crm: {type: sqlite, path: "${env:WHERE}"}}\n')

    assert run("check", "--connect") == 78
    assert "planted" not in "".join(capsys.readouterr())


def test_init_writes_a_file_that_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    assert run("check") == 0

    assert (
        capsys.readouterr().out
        == "wrote syncd.yaml\nwrote syncd.schema.json\nok: 1 job, 2 connections in 1 file\n"
    )
    assert Path("syncd.yaml").read_text().startswith("# yaml-language-server: $schema=syncd.schema.json\n")
    assert json.loads(Path("syncd.schema.json").read_text())["title"] == "syncd configuration"


def test_init_makes_folders_and_takes_any_path() -> None:
    assert run("init", "deep/er") == 0
    assert run("init", "deep/other.yaml") == 0

    names = sorted(str(path) for path in Path("deep").rglob("*.*"))
    assert names == [
        "deep/er/syncd.schema.json",
        "deep/er/syncd.yaml",
        "deep/other.yaml",
        "deep/syncd.schema.json",
    ]


def test_init_never_overwrites(capsys: pytest.CaptureFixture[str]) -> None:
    Path("syncd.yaml").write_text("mine")
    Path("new").mkdir()
    Path("new/syncd.schema.json").write_text("mine too")

    codes = [run("init"), run("init", "new")]

    assert codes == [4, 0]
    assert Path("syncd.yaml").read_text() == "mine"
    assert Path("new/syncd.schema.json").read_text() == "mine too"
    assert not Path("syncd.schema.json").exists()
    assert "'syncd.yaml' exists and is left as it is" in capsys.readouterr().err


def test_init_says_why_it_cannot_write(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")

    assert run("init", "file/syncd.yaml") == 1
    assert "cannot write" in capsys.readouterr().err


def test_schema_is_json_with_the_options_of_connectors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["$defs"]["connection"]["properties"]["type"]["enum"] == ["mysql", "postgresql", "sqlite"]
    assert "path" in printed["$defs"]["connection-sqlite"]["properties"]
