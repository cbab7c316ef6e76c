"""A planted secret is looked for in everything that syncd writes."""

import sqlite3
from contextlib import closing

from syncd.control.client import call
from syncd.errors import SyncdError
from tests.system.site import Site

SECRET = "pl4nted-S3cret/with spaces"
ENCODED = "pl4nted-S3cret%2Fwith%20spaces"
JOBS = """
  fails: {source: pg, destination: dst, queries: ["REPLICATE [one]"], retry: {attempts: 2, delay_seconds: 0.1}}
  works: {source: src, destination: dst, queries: ["REPLICATE [one]"]}
"""
CONNECTIONS = """
  pg: {type: postgresql, url: "postgresql://reader@127.0.0.1:1/nowhere", password: "${env:PLANTED}"}
"""


def test_no_output_holds_a_planted_secret(site: Site):
    site.environ["PLANTED"] = SECRET
    site.jobs(JOBS, CONNECTIONS, extra="logs: {level: debug}\n")
    site.table("one", 3)
    outputs = [site.syncd("sync", "fails", "--json"), site.syncd("--debug", "sync", "fails")]
    daemon = site.daemon()
    daemon.call("start", job="works", wait=True)
    run = daemon.call("start", job="fails", wait=True)
    site.jobs(JOBS.replace("queries", "querys", 1), CONNECTIONS)
    outputs.append(site.syncd("reload"))
    words = ("status", "status --json", "runs", "runs --json", "logs fails", "why fails", "next --json")
    outputs += [site.syncd(*one.split(), "--state", str(site.state)) for one in words]
    answers = [
        call(site.state, name, arguments)
        for name, arguments in (("status", {}), ("runs", {"limit": 100}), ("why", {"job": "fails"}))
    ]
    try:
        call(site.state, "reload")
    except SyncdError as error:
        answers.append([error.message, error.hint, error.where])
    daemon.stop()
    with closing(sqlite3.connect(site.state / "state.db")) as connection:
        dumped = "\n".join(connection.iterdump())

    assert run["status"] == "failed"
    found = {
        "commands": "".join(one.stdout + one.stderr for one in outputs),
        "answers": repr(answers),
        "state": dumped,
        "log": site.log(),
        **{str(file): file.read_text(errors="replace") for file in site.state.rglob("*") if file.is_file()},
    }
    assert "fails" in found["commands"]
    for name, text in found.items():
        assert SECRET not in text, name
        assert ENCODED not in text, name
        assert "pl4nted" not in text, name
