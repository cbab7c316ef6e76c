"""What is done before and after a run, with the real program."""

import json
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.pairs import MakeStore
from tests.system.site import Site, lines


def job(events: str, queries: str = '["REPLICATE [one]"]', more: str = "") -> str:
    return (
        f"  one:\n    source: src\n    destination: dst\n    queries: {queries}\n    check_column: updated\n"
        f"{more}    events:\n{events}"
    )


def facts(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site.folder / "facts.json").read_text())
    return found


@pytest.fixture
def one(site: Site) -> Site:
    site.table("one", 10)
    return site


def test_a_post_event_hears_how_the_run_ended(one: Site) -> None:
    one.jobs(job("      post: {command: [sh, -c, 'cat > facts.json; echo $SYNCD_JOBSTATUS > status']}\n"))

    done = one.syncd("sync", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (one.folder / "status").read_text() == "ok\n"
    told = facts(one)
    assert (told["JobName"], told["Source"], told["Destination"]) == ("one", "src", "dst")
    assert told["RecordsAffected"] == 10
    assert told["QueryResults"][0]["inserted"] == 10
    assert told["Runtime"] >= 0


@pytest.mark.parametrize("verbosity", [1, 2])
@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
def test_a_post_event_may_read_the_log_of_the_run(one: Site, verbosity: int, daemon: bool) -> None:
    copy = "cat > facts.json; cp $SYNCD_LOGFILE copy"
    post = f"      post: {{command: [sh, -c, '{copy}']}}\n"
    one.jobs(job(post, more=f"    verbosity: {verbosity}\n"))
    if daemon:
        one.daemon()

    done = one.syncd("sync", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    last = lines((one.folder / "copy").read_text())[-1]
    assert (last["event.action"], last["run"]) == ("step-ended", facts(one)["RunId"])


def test_a_post_event_runs_after_a_failed_run_too(one: Site) -> None:
    one.jobs(job("      post: {command: [sh, -c, 'cat > facts.json']}\n", '["REPLICATE [nothing]"]'))

    assert one.syncd("sync", "one").returncode == 1
    assert facts(one)["JobStatus"] == "failed"
    assert "nothing" in facts(one)["Detail"]


def test_a_post_event_that_fails_makes_a_good_run_partial(one: Site) -> None:
    one.jobs(job("      post: {command: ['false']}\n"))

    done = one.syncd("sync", "one")

    assert done.returncode == 1
    assert "partial" in done.stdout
    assert "the post-event failed" in done.stdout
    assert len(one.rows("one")) == 10


def test_a_pre_event_that_fails_fails_the_run_before_it_reads(one: Site) -> None:
    one.jobs(job("      pre: {command: [sh, -c, 'echo no tape >&2; exit 4']}\n"))

    done = one.syncd("sync", "one")

    assert done.returncode == 1
    assert "no tape" in done.stdout
    assert one.rows("one") == []


def test_a_pre_event_may_veto(one: Site) -> None:
    one.jobs(job("      pre: {command: [echo, CancelJob=true]}\n"))

    done = one.syncd("sync", "one")

    assert "skipped" in done.stdout
    assert one.rows("one") == []


def test_variables_are_values_and_never_sql(one: Site) -> None:
    attack = "7' OR '1'='1"
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    one.jobs(job(f"""      pre: {{command: [echo, "env:who={attack}"]}}\n""", f'["{query}"]'))

    done = one.syncd("sync", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    assert one.rows("one") == []


def test_a_variable_chooses_rows(one: Site) -> None:
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    one.jobs(job("""      pre: {command: [echo, "env:who=name 7"]}\n""", f'["{query}"]'))

    assert one.syncd("sync", "one").returncode == 0
    assert [row[0] for row in one.rows("one")] == [7]


def test_a_variable_that_nobody_gave_fails_the_query(one: Site) -> None:
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    one.jobs(job("      pre: {command: [echo, hello]}\n", f'["{query}"]'))

    done = one.syncd("sync", "one")

    assert done.returncode == 1
    assert "who" in done.stdout
    assert one.rows("one") == []


def test_statements_run_on_a_connection(one: Site) -> None:
    one.jobs(
        job(
            '      pre: {sql: "CREATE TABLE IF NOT EXISTS began (at TEXT)"}\n'
            "      post: {sql: \"INSERT INTO began VALUES ('now')\", connection: dst}\n"
        )
    )

    done = one.syncd("sync", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(one.folder / "dst.db")) as connection:
        assert connection.execute("SELECT at FROM began").fetchall() == [("now",)]


ENDLESS = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(1000)",
    "mysql": "SELECT SLEEP(1000)",
}


@pytest.mark.parametrize("when", ["pre", "post"])
def test_a_statement_ends_when_its_time_is_over(
    one: Site, make_store: MakeStore, kind: str, when: str
) -> None:
    options = json.dumps({"type": kind, **make_store(kind).options()})
    one.jobs(
        job(f'      {when}: {{sql: "{ENDLESS[kind]}", connection: other, timeout_seconds: 0.5}}\n'),
        f"  other: {options}\n",
    )
    began = time.monotonic()

    done = one.syncd("sync", "one")

    assert f"the {when}-event failed: the statement took longer than 0.5 s" in done.stdout
    assert ("partial" in done.stdout) is (when == "post")
    assert time.monotonic() - began < 20


def test_events_are_in_the_log_of_the_run(one: Site) -> None:
    one.jobs(job("      pre: {command: [echo, hello]}\n"))
    one.syncd("sync", "one")

    log = one.syncd("logs", "one", "--json").stdout

    assert '"event.action":"hook-ended"' in log.replace(": ", ":")


@pytest.mark.parametrize(
    ("verbosity", "statements", "windows", "progress"),
    [(1, False, False, False), (2, False, True, False), (3, True, True, False), (5, True, True, True)],
)
def test_verbosity_decides_what_the_log_of_a_run_holds(
    one: Site, verbosity: int, statements: bool, windows: bool, progress: bool
) -> None:
    one.jobs(job("      pre: {command: [echo, hello]}\n", more=f"    verbosity: {verbosity}\n"))
    one.syncd("sync", "one")

    log = one.syncd("logs", "one", "--json").stdout

    assert ("statement-sent" in log) is statements
    assert ("window-committed" in log) is windows
    assert ("step-progressed" in log) is progress
    assert "run-ended" in log


def test_a_header_of_a_web_event_is_secret_everywhere(one: Site) -> None:
    secret = "planted-hook-secret"
    one.jobs(
        job(
            '      post: {url: "http://127.0.0.1:9/x", headers: {Authorization: "${env:HOOK}"}, timeout_seconds: 2}\n',
            more="    verbosity: 5\n",
        )
    )

    done = one.syncd("sync", "one", environ={"HOOK": secret})
    seen = done.stdout + done.stderr + one.syncd("logs", "one", "--json").stdout
    files = b"".join(path.read_bytes() for path in one.folder.rglob("*") if path.is_file())

    assert "the post-event failed" in done.stdout
    assert secret not in seen
    assert secret.encode() not in files


def test_the_value_of_a_variable_is_in_no_log(one: Site) -> None:
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    one.jobs(
        job("""      pre: {command: [echo, "env:who=name 7"]}\n""", f'["{query}"]', "    verbosity: 3\n")
    )
    one.syncd("sync", "one")

    log = one.syncd("logs", "one", "--json").stdout

    assert "WHERE name = ?" in log
    assert "name 7" not in log


@pytest.mark.parametrize("when", ["pre", "post"])
@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:99999/", "http://127.0.0.1:9/', headers: {X-A: 'pä'}, method: 'PUT"]
)
def test_an_event_that_cannot_be_called_ends_the_run(one: Site, when: str, target: str) -> None:
    one.jobs(job(f"      {when}: {{url: '{target}'}}\n"))

    done = one.syncd("sync", "one")

    assert done.returncode == 1
    assert f"the {when}-event failed" in done.stdout


def test_verify_uses_the_variables_of_the_pre_event(one: Site) -> None:
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    pre = """      pre: {command: [echo, "env:who=name 7"]}\n"""
    one.jobs(job(pre + "      post: {command: [touch, posted]}\n", f'["{query}"]'))
    one.syncd("sync", "one")
    (one.folder / "posted").unlink()

    done = one.syncd("verify", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    assert not (one.folder / "posted").exists()


def test_commands_that_run_nothing_need_no_variables(one: Site) -> None:
    query = "REPLICATE [one] SELECT * FROM one WHERE name = {env:who}"
    check = "CHECKCACHE [one] START {env:since} END {env:until}"
    pre = """      pre: {command: [printf, "env:who=name 7\\nenv:since=7\\nenv:until=8\\n"]}\n"""
    one.jobs(job(pre, f'["{query}", "{check}"]'))
    assert one.syncd("sync", "one").returncode == 0, one.syncd("logs", "one").stdout

    plan = one.syncd("plan", "one")
    rejects = one.syncd("rejects", "list", "one")
    (one.folder / "src.db").unlink()
    states = [
        one.syncd("state", *words)
        for words in (
            ("show", "one"),
            ("set", "one", "one", "6"),
            ("rewind", "one", "one", "2"),
            ("reset", "one"),
        )
    ]

    assert (plan.returncode, plan.stderr) == (0, "")
    assert "WHERE name = '{env:who}'" in plan.stdout
    assert "the pre-event gives the variables" in plan.stdout
    assert (rejects.returncode, rejects.stdout) == (0, "one: no row is set aside\n")
    assert [done.returncode for done in states] == [0] * 4, states
    assert "7" in states[0].stdout
