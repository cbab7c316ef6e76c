"""The private servers themselves: they start, keep data over a crash, guard what they should and leave nothing."""

from pathlib import Path

import psycopg
import pytest

from tests import servers
from tests.servers import MariadbServer, MissingServerError, PostgresServer


def test_two_databases_are_empty_and_apart(two_databases):
    source, destination = two_databases

    with psycopg.connect(source) as connection:
        connection.execute("CREATE TABLE here (id int)")

    with psycopg.connect(destination) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == []


def test_committed_rows_survive_a_crash_of_the_server(postgres):
    name = postgres.create_database()
    postgres.execute("CREATE TABLE kept AS SELECT 7 AS id", name)
    postgres.execute("CHECKPOINT", name)

    postgres.kill()
    postgres.start()

    with psycopg.connect(postgres.url(name)) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]
    postgres.drop_database(name)


def test_restart_keeps_the_port(postgres):
    before = postgres.url()

    postgres.restart()

    with psycopg.connect(before) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_guarded_role_needs_its_password(postgres):
    with psycopg.connect(postgres.guarded_url()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (servers.GUARDED_USER,)

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.guarded_url(password="wrong"))


def test_socket_and_logical_decoding_are_there(postgres):
    with psycopg.connect(postgres.socket_url()) as connection:
        assert connection.execute("SHOW wal_level").fetchone() == ("logical",)


def test_closed_server_leaves_no_folder_and_no_process():
    server = PostgresServer()
    folder, pid = server._folder, server.pid

    server.close()

    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_missing_programs_are_reported_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(servers, "Path", lambda _: Path("/nowhere"))

    with pytest.raises(MissingServerError, match="apt-get install postgresql"):
        servers.postgres_programs()
    with pytest.raises(MissingServerError, match="apt-get install mariadb-server"):
        servers._program("mariadbd-of-no-version")


def test_mariadb_starts_and_answers(mariadb: MariadbServer):
    name = mariadb.create_database()

    assert mariadb.query("SELECT 1, DATABASE()", name) == f"1\t{name}"
    mariadb.drop_database(name)
