"""`syncd verify`, `state` and `rejects` with the real program, with and without a daemon."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.system.site import Site

JOB = """
  one:
    source: src
    destination: dst
    queries: ["REPLICATE [one]"]
    check_column: updated
"""


@pytest.fixture
def one(site: Site) -> Site:
    site.table("one", 50)
    site.jobs(JOB)
    assert site.syncd("sync", "one").returncode == 0
    return site


@pytest.fixture(params=["foreground", "daemon"])
def either(one: Site, request: pytest.FixtureRequest) -> Site:
    """The site, with the commands going through a daemon or not."""
    if request.param == "daemon":
        one.daemon()
    return one


def damage(site: Site) -> None:
    with closing(sqlite3.connect(site.folder / "dst.db")) as connection, connection:
        connection.execute("UPDATE one SET name = 'hurt' WHERE id = 7")
        connection.execute("DELETE FROM one WHERE id = 8")


def test_equal_tables_are_verified(either: Site) -> None:
    done = either.syncd("verify", "one")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "both sides are equal (checksum of 50 rows)" in done.stdout


def test_differences_are_shown_and_repaired(either: Site) -> None:
    damage(either)

    found = either.syncd("verify", "one", "--json")
    mended = either.syncd("verify", "one", "--repair")
    again = either.syncd("verify", "one")

    verdict = json.loads(found.stdout)[0]["steps"][0]["verdict"]
    assert (verdict["missing"], verdict["different"], verdict["examples"]) == (1, 1, ["[8]", "[7]"])
    assert (found.returncode, mended.returncode, again.returncode) == (1, 0, 0)
    assert either.rows("one") == either.rows("one", "src.db")


def test_status_shows_when_a_table_was_verified_and_how_deletes_are_treated(one: Site) -> None:
    damage(one)
    one.daemon()
    before = one.syncd("status", "one").stdout
    one.syncd("verify", "one")

    after = one.syncd("status", "one").stdout

    assert "never" in before
    assert "not tracked" in before
    assert "differs in 2 keys" in after


def test_status_shows_how_deletes_are_treated_whatever_ran_last(one: Site) -> None:
    one.jobs(
        JOB.replace('["REPLICATE [one]"]', '["REPLICATE [one]", "REPLICATE [two]"]') + "    deletes: hard\n"
    )
    one.table("two", 5)
    assert one.syncd("sync", "one").returncode == 0
    daemon = one.daemon()

    shown = [daemon.call("status", job="one")["cursors"]]
    daemon.call("start", job="one", verify="check", wait=True)
    shown.append(daemon.call("status", job="one")["cursors"])
    daemon.call("start", job="one", queries=["two"], wait=True)
    shown.append(daemon.call("status", job="one")["cursors"])

    assert [[step["deletes"] for step in steps] for steps in shown] == [["hard", "hard"]] * 3


def test_status_counts_deleted_rows(one: Site) -> None:
    one.jobs(JOB + "    deletes: hard\n")
    one.syncd("sync", "one")
    with closing(sqlite3.connect(one.folder / "src.db")) as connection, connection:
        connection.execute("DELETE FROM one WHERE id <= 7")
    one.syncd("sync", "one")
    one.daemon()

    shown = one.syncd("status", "one").stdout.splitlines()[1]

    assert shown.split()[-1] == "7"


def test_a_repair_is_no_new_mark(one: Site) -> None:
    damage(one)
    one.syncd("verify", "one", "--repair")

    assert "nothing to do" in one.syncd("sync", "one").stdout


def test_state_is_shown_rewound_and_reset(one: Site) -> None:
    shown = one.syncd("state", "show", "one")
    rewound = one.syncd("state", "rewind", "one", "one", "10")
    read_again = json.loads(one.syncd("sync", "one", "--json").stdout)[0]["counters"]
    one.syncd("state", "set", "one", "one", "45")
    from_there = json.loads(one.syncd("sync", "one", "--json").stdout)[0]["counters"]
    one.syncd("state", "reset", "one")
    all_again = json.loads(one.syncd("sync", "one", "--json").stdout)[0]["counters"]

    assert "50" in shown.stdout
    assert "mark 50 -> 40" in rewound.stdout
    assert (read_again["read"], read_again["unchanged"]) == (11, 11)
    assert from_there["read"] == 6
    assert (all_again["read"], all_again["unchanged"]) == (50, 50)
    assert one.rows("one") == one.rows("one", "src.db")


def test_a_cursor_that_is_not_there_is_named(one: Site) -> None:
    done = one.syncd("state", "set", "one", "other", "5")

    assert done.returncode == 3
    assert "keeps no cursor for 'other'" in done.stderr
    assert "it keeps: one" in done.stderr


def test_a_mark_that_cannot_be_is_refused(one: Site) -> None:
    done = one.syncd("state", "set", "one", "one", "yesterday")

    assert done.returncode == 1
    assert "is no number" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3


def refuse_the_third(site: Site) -> None:
    """A job with quarantine whose destination refuses one row of five."""
    site.table("one", 5)
    with closing(sqlite3.connect(site.folder / "dst.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE one (id INTEGER PRIMARY KEY, name TEXT CHECK (name NOT LIKE '%3'), updated INTEGER NOT NULL)"
        )
    site.jobs(JOB + "    quarantine: true\n")


def test_rejects_are_listed_with_key_reason_and_attempts(site: Site) -> None:
    refuse_the_third(site)
    done = site.syncd("sync", "one")

    listed = json.loads(site.syncd("rejects", "list", "one", "--json").stdout)
    plain = site.syncd("rejects", "list", "one").stdout
    values = site.syncd("rejects", "list", "one", "--values").stdout

    assert (done.returncode, "partial" in done.stdout) == (1, True)
    assert [(one["key"], one["attempts"]) for one in listed] == [("[3]", 1)]
    assert "row" not in listed[0]
    assert "name 3" not in plain
    assert "name 3" in values


def test_rejects_are_tried_again_by_one_command(site: Site) -> None:
    refuse_the_third(site)
    site.syncd("sync", "one")

    still = site.syncd("rejects", "retry", "one")
    with closing(sqlite3.connect(site.folder / "src.db")) as connection, connection:
        connection.execute("UPDATE one SET name = 'mended' WHERE id = 3")
    mended = site.syncd("rejects", "retry", "one")
    nothing = site.syncd("rejects", "retry", "one")

    assert (still.returncode, "partial" in still.stdout) == (1, True)
    assert (mended.returncode, nothing.returncode) == (0, 0)
    assert nothing.stdout == "one: no row is set aside\n"
    with closing(sqlite3.connect(site.folder / "dst.db")) as connection:
        assert connection.execute("SELECT name FROM one WHERE id = 3").fetchall() == [("mended",)]


def test_no_rejects_is_said_in_words(one: Site) -> None:
    assert one.syncd("rejects", "list", "one").stdout == "one: no row is set aside\n"


def test_a_plan_says_what_a_comparison_compares(one: Site) -> None:
    damage(one)
    one.jobs(
        JOB.replace(
            '"REPLICATE [one]"',
            '"CHECKCACHE [one]", "CHECKCACHE [one] SKIP MODIFIED", "CHECKCACHE [one] AGAINST (SELECT id, name FROM one)"',
        )
    )

    plan = one.syncd("plan", "one")
    steps = json.loads(one.syncd("plan", "one", "--json").stdout)["one"]

    assert plan.returncode == 0, plan.stdout + plan.stderr
    counts = [
        one.rows("one", "src.db"),
        one.rows("one"),
    ]
    assert {(step["source_rows"], step["target_rows"]) for step in steps} == {tuple(map(len, counts))}
    compared = [[column["source"] for column in step["columns"]] for step in steps]
    assert compared == [["id", "name", "updated"], ["id"], ["id", "name"]]
    for words in (f"source:       one, {len(counts[0])} rows", f"destination:  one, {len(counts[1])} rows"):
        assert words in plan.stdout
    assert "SELECT id, name FROM one" in plan.stdout


def test_a_job_of_comparisons_alone_is_compared_and_repaired(one: Site) -> None:
    damage(one)
    one.jobs(JOB.replace('"REPLICATE [one]"', '"CHECKCACHE [one]"'))

    found = one.syncd("verify", "one")
    mended = one.syncd("verify", "one", "--repair")

    assert (found.returncode, mended.returncode) == (1, 0)
    assert one.rows("one") == one.rows("one", "src.db")
