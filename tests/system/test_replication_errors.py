"""What a user can do wrong ends in an error that says what failed, on what, why and what to try, and tells no secret."""

import os
import socket
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import FatalError, NotFoundError, SyncdError, TransientError
from syncd.registry import connector
from tests.servers import GUARDED_PASSWORD, GUARDED_USER, PostgresServer
from tests.stores import Outcome, Pair, PostgresStore, SqliteStore, Store

VALUE = "topsecretvalue"
PASSWORD = "pa:ss@wörd/%41"


def check(error: Any, code: str, *words: str) -> None:
    """The error has this code, names these things, and gives a hint; neither value nor password is in it."""
    assert error is not None, "the run succeeded"
    said = f"{error.message} | {error.hint} | {error.where}"
    assert error.code == code, said
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
    assert error.hint, f"there is no hint: {said}"
    assert VALUE not in said
    for secret in (PASSWORD, GUARDED_PASSWORD, "pa%3Ass"):
        assert secret not in said


def opened(kind: str, **options: Any) -> SyncdError:
    for opener in (connector(kind).open_source, connector(kind).open_destination):
        with pytest.raises(SyncdError) as caught:
            opener(options)
    return caught.value


def table(store: Store, columns: str = "v text", name: str = "t") -> None:
    store.execute(f"CREATE TABLE {name} (id {store.integer} PRIMARY KEY, {columns})")


def run(pair: Pair, *queries: str, **options: Any) -> Outcome:
    outcome = pair.run(*queries, **{"check": None, **options})
    for name in ("t", "syncd_stage"):
        if isinstance(pair.destination, PostgresStore):
            assert name != "syncd_stage" or not pair.destination.rows(
                "SELECT 1 WHERE to_regclass('syncd_stage') IS NOT NULL"
            )
    return outcome


@pytest.mark.postgresql
@pytest.mark.parametrize("password", [PASSWORD, None], ids=["wrong", "none"])
def test_wrong_password(postgres: PostgresServer, password: str | None) -> None:
    options: dict[str, Any] = {"url": f"postgresql://{GUARDED_USER}@127.0.0.1:{postgres.port}/postgres"}
    if password:
        options["password"] = password

    error = opened("postgresql", **options)

    assert isinstance(error, FatalError)
    check(error, "connection_refused", "password", f"127.0.0.1:{postgres.port}/postgres")


@pytest.mark.postgresql
def test_wrong_password_inside_the_url(postgres: PostgresServer) -> None:
    url = f"postgresql://{GUARDED_USER}:pa%3Ass@127.0.0.1:{postgres.port}/postgres"

    check(opened("postgresql", url=url), "connection_refused", "password rejected", "127.0.0.1")


def test_host_that_is_down() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    error = opened("postgresql", url=f"postgresql://u:{'x' * 9}@127.0.0.1:{port}/crm")

    assert isinstance(error, TransientError)
    check(error, "unavailable", f"127.0.0.1:{port}/crm", "connection refused", "`host`")


def test_host_that_does_not_exist() -> None:
    check(
        opened("postgresql", host="nowhere.invalid", database="crm"),
        "unavailable",
        "nowhere.invalid",
        "no such host",
    )


def test_url_that_is_none() -> None:
    check(opened("postgresql", url="postgresql://a:b%zz@h/d?bogus=1"), "failed", "url")


@pytest.mark.postgresql
def test_database_that_is_missing(postgres: PostgresServer) -> None:
    check(opened("postgresql", url=postgres.url("nothere")), "not_found", "nothere", "`database`")


def test_file_that_is_missing_is_none_to_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        connector("sqlite").open_source({"path": str(tmp_path / "no.db")})

    check(caught.value, "not_found", "no.db", "`path`")


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is a letter, and no database at all" * 50)

    check(opened("sqlite", path=str(tmp_path / "x.db")), "failed", "x.db", "not a sound SQLite database")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    check(opened("sqlite", path=str(tmp_path)), "failed", "folder")


def test_table_that_is_missing(pair: Pair) -> None:
    table(pair.source, name="accounts")

    check(run(pair, "REPLICATE [acounts]").failure, "not_found", "acounts", "'accounts'")


def test_query_with_a_column_that_is_missing(pair: Pair) -> None:
    table(pair.source)

    check(run(pair, "REPLICATE [t] SELECT id, nope FROM t").failure, "failed", "nope")


def test_check_column_that_is_missing(pair: Pair) -> None:
    table(pair.source, "updated text")

    check(run(pair, check="updatedd").failure, "check_column_missing", "updatedd", "'updated'")


def test_check_column_of_a_table_without_key(pair: Pair) -> None:
    pair.source.execute("CREATE TABLE t (updated date)")

    check(run(pair, check="updated").failure, "key_missing", "no primary key")


def test_column_that_the_destination_lacks(pair: Pair) -> None:
    table(pair.source, "v text, extra text")
    table(pair.destination)

    check(run(pair).failure, "column_missing", "extra", "table", "add the column")


def test_key_that_the_destination_lacks(pair: Pair) -> None:
    table(pair.source)
    pair.destination.execute(f"CREATE TABLE t (id {pair.destination.integer}, v text)")

    check(run(pair).failure, "key_differs", "no primary key", "(id)")


def test_type_that_does_not_fit(pair: Pair) -> None:
    table(pair.source, "v text")
    pair.source.execute(f"INSERT INTO t VALUES (1, '{VALUE}')")
    table(pair.destination, "v integer")

    check(run(pair).failure, "type_loss", "v (", "loses")


@pytest.mark.postgresql
def test_text_that_is_too_long(pg_pair: Pair) -> None:
    table(pg_pair.source, "v text")
    pg_pair.source.execute(f"INSERT INTO t VALUES (1, '{VALUE}')")
    table(pg_pair.destination, "v varchar(5)")

    check(run(pg_pair).failure, "row_rejected", "t.v", "too long")


@pytest.mark.postgresql
def test_number_that_is_too_large_is_not_shown(pg_pair: Pair) -> None:
    table(pg_pair.source, "v int")
    pg_pair.source.execute("INSERT INTO t VALUES (1, 77777)")
    table(pg_pair.destination, "v smallint")
    pg_pair.destination.execute("INSERT INTO t VALUES (2, 2)")

    failure = run(pg_pair).failure

    check(failure, "row_rejected", "t.v", "out of range")
    assert "77777" not in failure.message + failure.where + failure.hint
    assert "syncd_stage" not in failure.message + failure.where


def test_null_where_none_may_stand(pair: Pair) -> None:
    table(pair.source)
    pair.source.execute("INSERT INTO t VALUES (1, NULL)")
    table(pair.destination, "v text NOT NULL")

    check(run(pair).failure, "row_rejected", "v", "t")


def test_further_column_that_must_have_a_value(pair: Pair) -> None:
    table(pair.source)
    pair.source.execute(f"INSERT INTO t VALUES (1, '{VALUE}')")
    table(pair.destination, "v text, must text NOT NULL")

    check(run(pair).failure, "row_rejected", "must")


def test_rule_of_the_destination_that_a_row_breaks(pair: Pair) -> None:
    table(pair.source)
    pair.source.execute(f"INSERT INTO t VALUES (1, '{VALUE}')")
    table(pair.destination, "v text, CONSTRAINT tiny CHECK (length(v) < 3)")

    check(run(pair).failure, "row_rejected", "tiny")


def test_second_unique_rule_of_the_destination(pair: Pair) -> None:
    table(pair.source)
    pair.source.execute(f"INSERT INTO t VALUES (1, '{VALUE}'), (2, '{VALUE}')")
    table(pair.destination, "v text UNIQUE")

    check(run(pair).failure, "key_exists", "unique")


@pytest.mark.postgresql
def test_names_longer_than_postgresql_keeps(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("postgresql"))
    long = "c" * 64
    table(pair.source, f"{long} text")

    check(run(pair).failure, "name_too_long", long, "63")


@pytest.mark.postgresql
def test_role_that_may_not_read(make_store: Callable[[str], Any], postgres: PostgresServer) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    table(pair.source)
    postgres.execute("DROP ROLE IF EXISTS poor")
    postgres.execute("CREATE ROLE poor LOGIN")
    source = connector("postgresql").open_source(pair.source.options(user="poor"))
    destination = connector("sqlite").open_destination(pair.destination.options())

    failure = pair.run_on(source, destination, check=None).failure

    source.close()
    destination.close()
    check(failure, "forbidden", "permission denied", "t", "grant")


@pytest.mark.postgresql
def test_role_that_may_not_create(make_store: Callable[[str], Any], postgres: PostgresServer) -> None:
    pair = Pair(make_store("sqlite"), make_store("postgresql"))
    table(pair.source)
    pair.destination.execute("REVOKE CREATE ON SCHEMA public FROM public")
    postgres.execute("DROP ROLE IF EXISTS poor")
    postgres.execute("CREATE ROLE poor LOGIN")
    source = connector("sqlite").open_source(pair.source.options())
    destination = connector("postgresql").open_destination(pair.destination.options(user="poor"))

    failure = pair.run_on(source, destination, check=None).failure

    source.close()
    destination.close()
    check(failure, "forbidden", "permission denied", "public")


def test_file_that_may_only_be_read(make_store: Callable[[str], Any], tmp_path: Path) -> None:
    """Root may write everything, so the file says it itself."""
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    table(pair.source)
    target = sqlite3.connect(tmp_path / "ro.db")
    target.execute("CREATE TABLE x (y)")
    target.close()
    path = tmp_path / "ro.db"
    path.chmod(stat.S_IRUSR)
    if os.geteuid() == 0:
        # Bytes 18 and 19 hold the version that a writer must know; 3 makes it read-only for this one.
        with path.open("r+b") as file:
            file.seek(18)
            file.write(b"\x03")
    source = connector("sqlite").open_source(pair.source.options())

    with pytest.raises(SyncdError) as caught:
        write_to(path, pair, source)
    source.close()

    check(caught.value, "failed", "ro.db", "permissions")


def write_to(path: Path, pair: Pair, source: Any) -> None:
    """Open the file and run; raises what the one or the other says."""
    destination = connector("sqlite").open_destination({"path": str(path)})
    try:
        failure = pair.run_on(source, destination, check=None).failure
    finally:
        destination.close()
    raise FatalError(failure.message, hint=failure.hint, where=failure.where, code=failure.code)


def test_disk_that_is_full(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    table(pair.source)
    pair.source.execute("INSERT INTO t SELECT 0, 'x'")
    for number in range(1, 300):
        pair.source.execute("INSERT INTO t VALUES (?, ?)", (number, VALUE * 500))
    source = connector("sqlite").open_source(pair.source.options())
    destination = connector("sqlite").open_destination(pair.destination.options())
    destination._session.execute("PRAGMA max_page_count = 20")

    failure = pair.run_on(source, destination, check=None).failure

    source.close()
    destination.close()
    check(failure, "disk_full", "store1.db", "free space")
    assert pair.destination.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'") == [(0,)]


def test_file_that_another_program_keeps_locked(make_store: Callable[[str], Any], monkeypatch: Any) -> None:
    from syncd.connectors.sqlite import session

    monkeypatch.setattr(session, "LOCK_SECONDS", 0.2)
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    table(pair.source)
    assert isinstance(pair.destination, SqliteStore)
    pair.destination.connection.execute("BEGIN IMMEDIATE")

    failure = run(pair).failure
    pair.destination.connection.rollback()

    assert failure.transient
    check(failure, "unavailable", "store1.db", "locked")


@pytest.mark.postgresql
def test_two_spellings_of_one_column(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("postgresql"), make_store("sqlite"))
    table(pair.source, 'v text, "V" text')

    failure = run(pair).failure

    assert failure is not None
    assert "V" in failure.message or "v" in failure.message


def test_query_that_gives_two_columns_one_name(pair: Pair) -> None:
    table(pair.source)

    check(run(pair, "REPLICATE [t] SELECT id, v, v FROM t").failure, "failed", "'v'", "AS")


def test_sqlite_has_no_schemas(make_store: Callable[[str], Any]) -> None:
    pair = Pair(make_store("sqlite"), make_store("sqlite"))
    table(pair.source)
    with pytest.raises(SyncdError) as caught:
        run(pair, "REPLICATE [crm].[t] FROM [t]")

    check(caught.value, "failed", "crm")
