"""Configurations of several files, and where files are looked for."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from syncd.config.load import find_configuration, load_configuration
from syncd.errors import ConfigError, NotFoundError, SyncdError
from syncd.model.configuration import Configuration
from syncd.registry import connector
from syncd.worker.judge import checkers

CONNECTIONS = "connections: {crm: {type: sqlite, path: crm.db}}\n"
JOB = "{source: crm, destination: crm, queries: REPLICATE A}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")


def load(path: str | None = "syncd.yaml", **environ: str) -> Configuration:
    return load_configuration(Path(path) if path else None, checkers(), {"STATE_DIRECTORY": "st", **environ})


def problems(path: str | None = "syncd.yaml", **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, **environ)
    return [str(problem) for problem in caught.value.problems]


def test_drop_ins_are_joined_in_the_order_of_their_names() -> None:
    write(
        {
            "syncd.yaml": CONNECTIONS,
            "conf.d/20.yaml": f"jobs: {{b: {JOB}}}",
            "conf.d/10.yaml": f"jobs: {{a: {JOB}}}",
            "conf.d/empty.yaml": "# nothing yet\n",
            "conf.d/.hidden.yaml": "no: [",
            "conf.d/notes.txt": "no: [",
        }
    )

    configuration = load()

    assert list(configuration.jobs) == ["a", "b"]
    assert configuration.files == ("syncd.yaml", "conf.d/10.yaml", "conf.d/20.yaml", "conf.d/empty.yaml")
    assert str(configuration.jobs["b"].origin) == "conf.d/20.yaml:1"


def test_job_in_two_files_is_refused_naming_both_places() -> None:
    write({"syncd.yaml": f"{CONNECTIONS}jobs:\n  a: {JOB}\n", "conf.d/x.yaml": f"jobs:\n  a: {JOB}\n"})

    assert problems() == [
        "conf.d/x.yaml:2:3: jobs.a: this job stands twice, in syncd.yaml:3 and conf.d/x.yaml:2 (rename one of them)"
    ]


def test_connection_in_two_drop_ins_is_refused() -> None:
    write({"syncd.yaml": "{}", "conf.d/a.yaml": CONNECTIONS, "conf.d/b.yaml": f"\n{CONNECTIONS}"})

    assert problems() == [
        "conf.d/b.yaml:2:15: connections.crm: this connection stands twice, in conf.d/a.yaml:1 and conf.d/b.yaml:2 "
        "(rename one of them)"
    ]


def test_other_sections_stand_in_one_file_only() -> None:
    write({"syncd.yaml": "state: {path: a}\n", "conf.d/x.yaml": "# more\nstate: {history: {}}\nlogs: {}\n"})

    assert problems() == [
        "conf.d/x.yaml:2:1: state: this section stands in two files, syncd.yaml:1 and conf.d/x.yaml:2 "
        "(keep it in one of them)"
    ]


def test_anchors_and_x_keys_belong_to_their_own_file() -> None:
    write({"syncd.yaml": f"x-a: &a 1\n{CONNECTIONS}", "conf.d/x.yaml": "x-a: 2\njobs: {a: *a}\n"})

    assert problems() == [
        "conf.d/x.yaml:2:11: jobs.a: there is no anchor of this name above (a text that begins with '*' needs quotes)"
    ]


def test_every_file_tells_all_its_problems_in_order() -> None:
    write(
        {
            "syncd.yaml": "logs: {level: loud}\nconnections: {crm: {type: sqlite, pth: x}}\n",
            "conf.d/b.yaml": "jobs: [",
            "conf.d/a.yaml": f"jobs: {{a: {JOB.replace('crm', 'crn', 1)}, b: {{source: crm}}}}\n",
        }
    )

    found = [problem.split(" (")[0] for problem in problems()]

    assert found == [
        "syncd.yaml:1:15: logs.level: must be one of debug, info, warning, error, not 'loud'",
        "syncd.yaml:2:35: connections.crm.pth: unknown key",
        "conf.d/a.yaml:1:66: jobs.b: 'destination' is missing",
        "conf.d/a.yaml:1:66: jobs.b: 'queries' is missing",
        "conf.d/b.yaml:1:7: this bracket is not closed",
    ]


def test_unknown_names_are_not_told_while_a_file_cannot_be_read() -> None:
    jobs = f"jobs: {{a: {JOB.replace('}', ', after: b}')}}}"
    write({"syncd.yaml": jobs, "conf.d/a.yaml": "connections: {crm: "})

    assert [problem.split(": ")[0] for problem in problems()] == ["conf.d/a.yaml:1:14"]


@pytest.mark.parametrize("section", ["connections: []", "connections: !include x.yaml"])
def test_unknown_names_are_not_told_while_connections_are_no_mapping(section: str) -> None:
    write({"syncd.yaml": f"{section}\njobs: {{a: {JOB}}}"})

    assert len(problems()) == 1


def test_file_that_ends_in_yml_is_not_passed_over() -> None:
    write({"syncd.yaml": CONNECTIONS, "conf.d/jobs.yml": "{}"})

    assert problems() == [
        "conf.d/jobs.yml: is not read, because it ends in .yml (call it jobs.yaml, or put a dot before its name)"
    ]


def test_managed_folder_in_the_state_folder_is_read_last() -> None:
    write(
        {
            "etc/syncd.yaml": f"state: {{path: ../var}}\n{CONNECTIONS}",
            "var/managed.d/a.yaml": f"jobs: {{a: {JOB}}}",
        }
    )

    configuration = load("etc/syncd.yaml")

    assert configuration.state.path == str(Path("var").absolute())
    assert configuration.files[-1].endswith("var/managed.d/a.yaml")
    assert list(configuration.jobs) == ["a"]


def test_managed_file_holds_connections_jobs_and_clusters_only() -> None:
    write({"syncd.yaml": CONNECTIONS, "st/managed.d/a.yaml": "x-a: 1\nlogs: {}\nconnections: {}\n"})

    assert problems() == [
        "st/managed.d/a.yaml:1:1: x-a: only connections, jobs and clusters may stand in a managed file",
        "st/managed.d/a.yaml:2:1: logs: only connections, jobs and clusters may stand in a managed file",
    ]


def test_managed_job_may_not_have_the_name_of_a_written_one() -> None:
    write({"syncd.yaml": f"{CONNECTIONS}jobs: {{a: {JOB}}}", "st/managed.d/a.yaml": f"jobs: {{a: {JOB}}}"})

    assert "syncd.yaml:2 and st/managed.d/a.yaml:1" in problems()[0]


def test_check_creates_nothing() -> None:
    write({"syncd.yaml": f"state: {{path: new}}\n{CONNECTIONS}"})

    load()

    assert [path.name for path in Path().iterdir()] == ["syncd.yaml"]


def test_folder_with_a_main_file_is_that_file() -> None:
    write(
        {"etc/syncd.yaml": CONNECTIONS, "etc/other.yaml": "no: [", "etc/conf.d/a.yaml": f"jobs: {{a: {JOB}}}"}
    )

    assert load("etc").files == ("etc/syncd.yaml", "etc/conf.d/a.yaml")


def test_folder_without_a_main_file_is_all_its_files() -> None:
    write({"etc/b.yaml": CONNECTIONS, "etc/a.yaml": f"jobs: {{a: {JOB}}}", "etc/c.yaml": ""})

    assert load("etc").files == ("etc/a.yaml", "etc/b.yaml", "etc/c.yaml")


def test_folder_without_files_is_not_found() -> None:
    write({"etc/readme.md": ""})

    with pytest.raises(NotFoundError, match=r"there is no \*\.yaml in the folder 'etc'"):
        load("etc")


def test_configuration_is_looked_for_in_the_usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    write({"system.yaml": "{}", "syncd.yaml": "{}", "named.yaml": "{}"})
    monkeypatch.setattr("syncd.config.find.SYSTEM_FILE", Path("system.yaml"))

    first = find_configuration(None, {"SYNCD_CONFIG": "named.yaml"})
    second = find_configuration(None, {})
    Path("syncd.yaml").unlink()
    third = find_configuration(None, {"SYNCD_CONFIG": ""})

    assert [str(first), str(second), str(third)] == ["named.yaml", "syncd.yaml", "system.yaml"]


def test_missing_configuration_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.config.find.SYSTEM_FILE", Path("/nonexistent/syncd.yaml"))

    with pytest.raises(NotFoundError) as caught:
        find_configuration(None, {})

    assert caught.value.hint == "syncd init"
    for place in ("SYNCD_CONFIG", "./syncd.yaml", "/nonexistent/syncd.yaml"):
        assert place in caught.value.message


@pytest.mark.parametrize(("path", "environ"), [(Path("no.yaml"), {}), (None, {"SYNCD_CONFIG": "no.yaml"})])
def test_named_configuration_that_is_not_there_is_not_found(
    path: Path | None, environ: dict[str, str]
) -> None:
    with pytest.raises(NotFoundError, match=r"'no\.yaml'"):
        find_configuration(path, environ)


BROKEN_BYTES = {
    "latin 1": (b"a: 1\nb: gr\xfc\xdfe\n", "f.yaml:2:6: the byte 0xFC is not UTF-8 (save it as UTF-8)"),
    "cut letter": ("a: ü".encode()[:-1], "f.yaml:1:4: the byte 0xC3 is not UTF-8 (save it as UTF-8)"),
    "utf-16": ("a: 1\n".encode("utf-16"), "f.yaml:1:1: the file is UTF-16 (save it as UTF-8)"),
    "utf-32": ("a: 1\n".encode("utf-32"), "f.yaml:1:1: the file is UTF-32 (save it as UTF-8)"),
    "mark of byte order": (b"\xef\xbb\xbflgs: {}", "f.yaml:1:1: lgs: unknown key"),
    "nothing": (b"", "f.yaml:1:1: the file is empty (write {} if it is meant to declare nothing)"),
    "next line": (b"a: 1\nb: x\xc2\x85y", "f.yaml:2:5: the control character U+0085 is not allowed"),
    "line separator": (b"a: x\xe2\x80\xa8", "f.yaml:1:5: the control character U+2028 is not allowed"),
    "null byte": (b"a: 1\nb: \0", "f.yaml:2:4: the control character U+0000 is not allowed"),
    "too large": (
        b"#" + b" " * 10_000_000,
        "f.yaml: the file is larger than 10000000 bytes (split it into conf.d/*.yaml)",
    ),
}


@pytest.mark.parametrize(("data", "problem"), BROKEN_BYTES.values(), ids=BROKEN_BYTES)
def test_file_of_wrong_bytes_is_refused(data: bytes, problem: str) -> None:
    Path("f.yaml").write_bytes(data)

    assert problems("f.yaml")[0].startswith(problem)


def test_main_file_that_is_a_folder_or_a_dangling_link_is_a_problem() -> None:
    Path("etc/syncd.yaml").mkdir(parents=True)
    Path("link.yaml").symlink_to("nowhere.yaml")

    assert problems("etc") == ["etc/syncd.yaml: cannot read the file: Is a directory"]
    assert problems("link.yaml") == ["link.yaml: cannot read the file: No such file or directory"]


def test_reference_to_a_file_is_relative_to_the_file_that_names_it() -> None:
    write(
        {
            "etc/syncd.yaml": "{}",
            "etc/conf.d/a.yaml": 'connections: {a: {type: postgresql, database: d, password: "${file:secret}"}}',
            "etc/conf.d/secret": "planted\n\n",
            "etc/secret": "wrong",
            "secret": "wrong",
        }
    )

    password = load("etc").connections["a"].options["password"]

    assert password is not None
    assert not isinstance(password, str | int | float)
    assert password.reveal() == "planted\n"


def test_credential_is_read_from_the_folder_of_the_service_manager() -> None:
    write(
        {
            "creds/crm": "planted\r\n",
            "syncd.yaml": 'connections: {a: {type: postgresql, database: d, password: "${credential:crm}"}}',
        }
    )

    password = load(CREDENTIALS_DIRECTORY="creds").connections["a"].options["password"]

    assert password is not None
    assert not isinstance(password, str | int | float)
    assert password.reveal() == "planted"


def test_credential_that_is_not_there_is_named() -> None:
    write({"creds/x": "", "syncd.yaml": 'connections: {a: {type: sqlite, path: "${credential:crm}"}}'})

    assert problems(CREDENTIALS_DIRECTORY="creds") == [
        "syncd.yaml:1:39: connections.a.path: cannot read the credential 'crm': No such file or directory"
    ]


def test_secret_file_that_is_no_text_is_refused_without_its_bytes() -> None:
    Path("key").write_bytes(b"\xff\xfe")
    write({"syncd.yaml": 'connections: {a: {type: sqlite, path: "${file:key}"}}'})

    assert problems() == ["syncd.yaml:1:39: connections.a.path: the file 'key' is not UTF-8 text"]


def test_file_that_may_not_be_read_is_a_problem() -> None:
    write({"syncd.yaml": "{}"})
    Path("syncd.yaml").chmod(0)

    if os.geteuid() == 0:
        assert stat.S_IMODE(Path("syncd.yaml").stat().st_mode) == 0  # root reads it all the same
        assert load().files == ("syncd.yaml",)
    else:
        assert problems() == ["syncd.yaml: cannot read the file: Permission denied"]


def test_database_file_is_relative_to_the_file_that_names_it() -> None:
    write({"etc/syncd.yaml": "connections: {a: {type: sqlite, path: data/a.db}}"})

    path = load("etc").connections["a"].options["path"]

    assert str(path).endswith("/etc/data/a.db")


def test_database_file_may_stand_in_a_reference() -> None:
    write({"syncd.yaml": 'connections: {a: {type: sqlite, path: "${env:FILE}"}}'})

    connection = load(FILE="/planted/a.db").connections["a"]

    with pytest.raises(SyncdError, match=r"/planted/a\.db"):
        connector("sqlite").open_source(connection.options)
