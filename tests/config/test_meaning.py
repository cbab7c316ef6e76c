"""What a configuration means once it is loaded: values, defaults, secrets, digest, speed."""

import gc
import os
import subprocess
import sys
import time
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.config.diff import difference
from syncd.config.load import load_configuration
from syncd.errors import ConfigError
from syncd.model.definitions import (
    CatchUp,
    Configuration,
    History,
    Limits,
    Logs,
    Origin,
    Overlap,
    Replication,
    Retry,
    Schedule,
    State,
)
from syncd.model.secret import Secret
from syncd.service import checkers

ROOT = Path(__file__).parents[2]
ENVIRON = {"STATE_DIRECTORY": "/nonexistent"}
SECRET = "hunter-secret-73"
PLAIN = {
    str,
    int,
    float,
    bool,
    type(None),
    Secret,
    datetime,
    tuple,
    dict,
    Origin,
    CatchUp,
    Overlap,
    Retry,
    Schedule,
}


def load(text: str, folder: Path, **environ: str) -> Configuration:
    file = folder / "syncd.yaml"
    file.write_text(text, encoding="utf-8")
    return load_configuration(file, checkers(), {**ENVIRON, **environ})


def test_full_example_means_what_it_says() -> None:
    configuration = load_configuration(ROOT / "config" / "full.yaml", checkers(), ENVIRON)

    job = configuration.jobs["accounts"]
    assert configuration.state == State("/var/lib/syncd", History(30, 500))
    assert configuration.logs == Logs("debug", "json", 14, 2048)
    assert configuration.limits == Limits(8)
    assert configuration.connections["crm"].max_runs == 2
    assert configuration.connections["crm"].options["port"] == 5433
    assert configuration.connections["crm"].options["password"] == Secret("not-a-real-password")
    assert job.queries[1].startswith("REPLICATE [Invoices] SELECT Id")
    assert job.retry == Retry(3, 5.0, 300.0)
    assert job.schedule == Schedule(
        cron="0-30/5 * * * *",
        timezone="Europe/Berlin",
        start=datetime(2025, 12, 31, 23, tzinfo=UTC),
        end=datetime(2029, 12, 31, 23, tzinfo=UTC),
        occurrences=100_000,
        jitter_seconds=30.0,
        catch_up=CatchUp.NONE,
        overlap=Overlap.QUEUE,
    )
    assert configuration.jobs["local copy"].after == ("accounts",)
    assert configuration.jobs["local copy"].queries == ("REPLICATE [Accounts]",)
    assert configuration.jobs["heartbeat"].schedule == Schedule(every_seconds=5400.0)


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    configuration = load(
        "connections: {c: {type: sqlite, path: a}}\njobs: {j: {source: c, destination: c, queries: REPLICATE a}}",
        tmp_path,
    )

    assert configuration.jobs["j"] == Replication(
        "j", "c", "c", ("REPLICATE a",), origin=Origin(str(tmp_path / "syncd.yaml"), 2, 8)
    )
    assert (configuration.logs, configuration.limits) == (Logs(), Limits())
    assert configuration.state == State("/nonexistent")


def test_no_value_is_of_a_type_of_the_reader(tmp_path: Path) -> None:
    configuration = load(
        "connections: {c: {type: sqlite, path: '${env:A}', max_runs: 1}}\n"
        "jobs: {j: {source: c, destination: c, queries: ['REPLICATE ${env:A}'], description: '${env:A}', after: [i]},\n"
        "  i: {source: c, destination: c, queries: REPLICATE a, schedule: {every: 1h}, lookback_seconds: 5}}",
        tmp_path,
        A="x",
    )

    values = [
        value for job in configuration.jobs.values() for value in (getattr(job, f.name) for f in fields(job))
    ]
    values += [entry for value in values if isinstance(value, tuple) for entry in value]
    values += [
        *configuration.connections["c"].options.values(),
        *configuration.connections,
        *configuration.jobs,
    ]
    assert {type(value) for value in values} <= PLAIN
    assert type(configuration.jobs["i"].options.lookback_seconds) is float


STATES = {
    "systemd": ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, False, "/var/lib/a"),
    "xdg": ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, False, "/x/syncd"),
    "home": ({"HOME": "/h"}, False, "/h/.local/state/syncd"),
    "root": ({"HOME": "/root"}, True, "/var/lib/syncd"),
    "nobody": ({}, False, "/var/lib/syncd"),
}


@pytest.mark.parametrize(("environ", "root", "path"), STATES.values(), ids=STATES)
def test_state_has_a_place_without_being_told(
    environ: dict[str, str], root: bool, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    (tmp_path / "syncd.yaml").write_text("{}")

    assert load_configuration(tmp_path, checkers(), environ).state.path == path


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("~/st", "/home/u/st"),
        ("/var/st/", "/var/st"),
        ("st", "FOLDER/st"),
        ("../st", "PARENT/st"),
        ("${env:HOME}", "/home/u"),
    ],
)
def test_state_path_is_relative_to_its_file_or_the_home(written: str, path: str, tmp_path: Path) -> None:
    expected = path.replace("FOLDER", str(tmp_path)).replace("PARENT", str(tmp_path.parent))

    assert load(f"state: {{path: '{written}'}}", tmp_path, HOME="/home/u").state.path == expected


def test_digest_counts_meaning_and_secrets_only(tmp_path: Path) -> None:
    job = "jobs: {j: {source: c, destination: c, queries: REPLICATE a, schedule: {every: 60s}}}\n"
    connection = "connections: {c: {type: sqlite, path: '${env:A}'}}\n"

    first = load(connection + job, tmp_path, A="1")
    moved = load("# moved\n" + job.replace("60s", "1 minute") + connection, tmp_path, A="1")
    other = load(connection + job, tmp_path, A="2")

    assert first.digest == moved.digest != other.digest
    assert not difference(first, moved)
    assert difference(first, other).changed == ("connection c",)


LEAKS = [
    "connections: {c: {type: postgresql, password: SECRET}}",
    "connections: {c: {type: postgresql, database: d, port: SECRET, sslmode: SECRET, connect_timeout_seconds: SECRET}}",
    "connections: {c: {type: postgresql, database: d, password: [SECRET], url: {a: SECRET}, host: 5}}",
    "connections: {c: {type: postgresql, database: d, passwort: SECRET, password:SECRET, PASSWORD=SECRET}}",
    "connections: {c: {type: 'postgresql://u:SECRET@h/d'}, d: 'postgresql://u:SECRET@h/d', e: [SECRET], f: SECRET}",
    "connections: 'postgresql://u:SECRET@h/d'",
    "connections:\n  c:\n    type: postgresql\n    password: SECRET: x\n",
    "connections:\n  c:\n    type: postgresql\n    password: 'SECRET\n",
    "connections:\n  c:\n    password: !SECRET x\n    url: *SECRET\n    host: &SECRET &SECRET\n",
    "connections:\n  c:\n    password = SECRET\n    type: x\n",
    "connections:\n  c:\n    password\n    SECRET: x\n     y: z\n",
    "connections: {c: {type: postgresql, database: d, password: '${SECRET}', user: '${vault:SECRET}'}}",
    "password: SECRET\nSECRET\n",
    "jobs: {j: {password: SECRET}}",
    "connections: {c: {type: postgresql, url: '${env:E}', host: 'x${env:E', port: '${env:E}', nope: '${env:E}'}}",
    "connections: {c: {type: '${env:E}', max_runs: '${env:E}'}}",
    "state: {path: '${env:E}', history: '${env:E}'}\nlogs: {level: '${env:E}', max_age_days: '${env:E}', x: '${env:E}'}",
    "jobs: {j: {source: '${env:E}', destination: 'a${env:E}', queries: ['${env:E}', 'REPLICATE ${env:E} x'], after: '${env:E}'}}",
    "jobs: {j: {schedule: {cron: '${env:E}', every: '${env:E}', timezone: '${env:E}', start: '${env:E}', end: '${env:E}'}}}",
    "jobs: {j: {enabled: '${env:E}', retry: '${env:E}', lookback_seconds: '${env:E}', schedule: '${env:E}'}}",
]


@pytest.mark.parametrize("text", LEAKS, ids=range(len(LEAKS)))
def test_planted_secret_is_in_no_problem(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text.replace("SECRET", SECRET), tmp_path, E=SECRET)

    shown = "".join(f"{problem!r}" for problem in caught.value.problems) + repr(caught.value.args)
    assert caught.value.problems
    assert "hunter" not in shown
    assert "secret-73" not in shown


def test_secrets_of_a_loaded_configuration_are_not_printed(tmp_path: Path) -> None:
    configuration = load(
        "connections:\n"
        "  a: {type: postgresql, database: d, password: SECRET}\n"
        "  b: {type: postgresql, url: 'postgresql://u:SECRET@h/d'}\n"
        "  c: {type: sqlite, path: '${env:E}'}\n".replace("SECRET", SECRET),
        tmp_path,
        E=SECRET,
    )

    assert "hunter" not in repr(configuration)


def is_good(text: str, folder: Path) -> bool:
    try:
        load(text, folder)
    except ConfigError:
        return False
    return True


def test_truncated_configuration_never_gives_a_traceback(tmp_path: Path) -> None:
    text = (ROOT / "config" / "full.yaml").read_text(encoding="utf-8")
    (tmp_path / "example.password").write_text("x")

    outcomes = [is_good(text[:end], tmp_path) for end in range(0, len(text), 29)]

    assert set(outcomes) == {True, False}


def many_jobs(count: int) -> str:
    jobs = "".join(
        f"  job {n}:\n    source: crm\n    destination: dw\n    description: Number {n}\n"
        f"    queries:\n      - REPLICATE [Table{n}]\n      - REPLICATE [Other{n}]\n    check_column: Updated\n"
        f'    schedule:\n      cron: "{n % 60} {n % 24} * * *"\n      timezone: Europe/Berlin\n      overlap: queue\n'
        f"    retry: {{attempts: 3, delay_seconds: 2}}\n    timeout_seconds: 600\n"
        for n in range(count)
    )
    return f"connections:\n  crm: {{type: sqlite, path: a.db}}\n  dw: {{type: sqlite, path: b.db}}\njobs:\n{jobs}"


def test_10_000_jobs_are_checked_within_5_seconds(tmp_path: Path) -> None:
    text = many_jobs(10_000)
    began = time.process_time()

    configuration = load(text, tmp_path)

    assert time.process_time() - began < 5
    assert len(configuration.jobs) == 10_000


def test_1_000_jobs_are_loaded_again_within_a_quarter_of_a_second(tmp_path: Path) -> None:
    text = many_jobs(1_000)
    seconds = []
    for _ in range(5):
        began = time.process_time()
        load(text, tmp_path)
        seconds.append(time.process_time() - began)

    assert min(seconds) < 0.25
    assert gc.isenabled()


def test_loading_imports_no_sql_parser_no_driver_and_no_jsonschema() -> None:
    program = "import sys, syncd.config.load; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "yaml" in loaded
    assert not {"sqlglot", "jsonschema", "psycopg", "sqlite3", "httpx"} & set(loaded)
