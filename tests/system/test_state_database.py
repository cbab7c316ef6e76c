"""The state database: transactions, migrations, versions, locks."""

import contextlib
import sqlite3

import pytest

from syncd.errors import FatalError, TransientError
from syncd.state.database import Database, migrations, moment_of, text_of


def test_a_new_database_has_the_newest_schema(tmp_path):
    database = Database(tmp_path)

    assert database.rows("PRAGMA user_version") == [(len(migrations()),)]
    assert database.rows("PRAGMA journal_mode") == [("wal",)]


def test_scripts_are_numbered_without_a_gap():
    numbers = [int(path.name.partition("-")[0]) for path in migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def test_the_verdicts_of_an_older_program_are_kept(tmp_path):
    connection = sqlite3.connect(tmp_path / "state.db")
    for script in migrations()[:2]:
        connection.executescript(script.read_text())
    connection.executescript("PRAGMA user_version = 2")
    for number, verify in enumerate(("", "check", "check")):
        connection.execute(
            'INSERT INTO runs (id, job, status, "trigger", created, attempt, generation, "full", queries, verify)'
            " VALUES (?, 'j', 'ok', 'manual', ?, 1, 1, 0, '[]', ?)",
            (f"run-{number}", f"2026-03-0{number + 1}", verify),
        )
        connection.execute(
            "INSERT INTO steps VALUES (?, 0, 't', 'ok', 0, 0, 0, 0, 0, NULL, NULL, 0, NULL, 0, '[]', NULL, 0, '[]', ?, ?)",
            (f"run-{number}", f"verdict {number}" if verify else None, "off" if verify else "hard"),
        )
    connection.execute("INSERT INTO cursors VALUES ('j', 't', '9', 12, '2026-03-01')")
    connection.commit()
    connection.close()

    database = Database(tmp_path)

    assert database.rows("SELECT * FROM verdicts") == [("j", "t", "verdict 2")]
    assert database.rows("SELECT deletes FROM cursors") == [("hard",)]


def test_a_database_of_a_newer_program_is_refused(tmp_path):
    Database(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()

    with pytest.raises(FatalError) as caught:
        Database(tmp_path)

    assert caught.value.code == "state_too_new"


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    database = Database(tmp_path)

    with contextlib.suppress(KeyError), database.transaction() as connection:
        connection.execute("INSERT INTO leases VALUES ('a', 'r', 1, 'now')")
        raise KeyError

    assert database.rows("SELECT * FROM leases") == []


def test_a_transaction_inside_another_joins_it(tmp_path):
    database = Database(tmp_path)

    with contextlib.suppress(KeyError), database.transaction():
        with database.transaction() as connection:
            connection.execute("INSERT INTO leases VALUES ('a', 'r', 1, 'now')")
        raise KeyError

    assert database.rows("SELECT * FROM leases") == []


def test_a_durable_transaction_goes_back_to_quick_ones(tmp_path):
    database = Database(tmp_path)

    with database.transaction(durable=True):
        assert database.rows("PRAGMA synchronous") == [(2,)]

    assert database.rows("PRAGMA synchronous") == [(1,)]


def test_a_lock_of_somebody_else_passes_and_is_not_damage(tmp_path):
    database = Database(tmp_path)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TransientError), database.transaction():
        raise AssertionError

    other.close()


def test_moments_are_stored_in_utc_and_come_back(clock):
    moment = clock.now()

    assert text_of(moment) == "2026-03-01T00:00:00.000000+00:00"
    assert moment_of(text_of(moment)) == moment
    assert (text_of(None), moment_of(None)) == (None, None)
