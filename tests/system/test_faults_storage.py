"""Full disks, refused rows and changed tables: a clear word, nothing half, and the next run is right."""

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PostgresServer
from tests.system.faults import PAIRS, Field, PostgresEnd, SqliteEnd, make_end
from tests.system.site import Site

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.mysql, pytest.mark.timeout(180)]

BEFORE, AFTER = 2_000, 60_000


@pytest.fixture
def make_field(site: Site, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes the field of a pair."""
    made: list[Field] = []
    fixtures = {"postgresql": "postgres", "mysql": "mariadb"}

    def make(pair: str) -> Field:
        kinds = pair.split(">")
        source, destination = (
            make_end(kind, site.folder / f"{side}.db", lambda kind: request.getfixturevalue(fixtures[kind]))
            for kind, side in zip(kinds, ("source", "destination"), strict=True)
        )
        made.append(Field(site, source, destination))
        return made[-1]

    yield make
    site.close()
    for field in made:
        field.source.close()
        field.destination.close()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of that size on a folder."""
    folder.mkdir()
    mount(folder, f"size={megabytes}m")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)], check=True)


def check_full_disk(field: Field, folder: Path) -> None:
    """Rows that no longer fit fail the run with a clear word; with more room the next one is right."""
    field.source.execute(field.source.fill(1, BEFORE))
    field.job("deletes: hard", rows_per_second=1_000_000)
    field.finish(field.begin())
    field.source.execute(
        "UPDATE t SET updated = 1 WHERE id = 1",
        field.source.fill(BEFORE + 1, AFTER),
        "DELETE FROM t WHERE id = 5",
    )

    failed = field.site.syncd("sync", "job")

    assert failed.returncode == 1, failed.stdout
    assert "full" in failed.stdout or "No space left" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert BEFORE <= field.arrived() < AFTER - 1
    assert field.statuses() == ["ok", "failed"]
    mount(folder, "remount,size=128m")
    field.finish(field.begin())
    field.judge()


def test_a_full_disk_under_a_file_fails_the_run_and_more_room_mends_it(
    site: Site, postgres: PostgresServer
) -> None:
    folder = site.folder / "disk"
    with small_disk(folder, 4):
        source = PostgresEnd(postgres)
        field = Field(site, source, SqliteEnd(folder / "destination.db"))
        try:
            check_full_disk(field, folder)
        finally:
            source.close()


@pytest.mark.parametrize("mode", ["truncate: true", "drop: true"])
def test_a_full_disk_keeps_the_old_rows_of_a_table_that_is_replaced(site: Site, mode: str) -> None:
    folder = site.folder / "disk"
    with small_disk(folder, 4):
        field = Field(site, SqliteEnd(site.folder / "source.db"), SqliteEnd(folder / "destination.db"))
        field.source.execute(field.source.fill(1, BEFORE))
        field.job(mode, rows_per_second=1_000_000)
        field.finish(field.begin())
        field.source.execute("UPDATE t SET name = 'new'", field.source.fill(BEFORE + 1, AFTER))

        failed = field.site.syncd("sync", "job")

        assert failed.returncode == 1
        assert "full" in failed.stdout
        assert field.arrived() == BEFORE
        assert field.destination.rows("SELECT count(*) FROM t WHERE name = 'new'") == [(0,)]
        mount(folder, "remount,size=128m")
        field.finish(field.begin())
        field.judge()


def test_a_full_tablespace_fails_the_run_and_more_room_mends_it(
    site: Site, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Path(f"/tmp/syncd-disk-{os.getpid()}")  # noqa: S108 - the server's user must reach it
    try:
        with small_disk(folder, 4):
            place = folder / "space"
            place.mkdir()
            owner = Path(f"/proc/{postgres.pid}").stat()
            os.chown(place, owner.st_uid, owner.st_gid)
            postgres.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            end = PostgresEnd(postgres)
            try:
                postgres.execute(f"ALTER DATABASE {end.name} SET default_tablespace = small")
                check_full_disk(Field(site, SqliteEnd(site.folder / "source.db"), end), folder)
            finally:
                end.close()
                postgres.execute("DROP TABLESPACE small")
    finally:
        folder.rmdir()


@pytest.mark.parametrize("pair", PAIRS)
def test_rows_that_are_refused_all_the_time_never_hold_up_the_others(make_field: Any, pair: str) -> None:
    field = make_field(pair)
    source, site = field.source, field.site
    field.job("deletes: hard", "quarantine: true", "schedule: {every: 1 second}", rows_per_second=1_000_000)
    field.destination.execute(
        "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, name text CHECK (name NOT LIKE 'poison%'), updated bigint)"
    )
    daemon = site.daemon()
    for turn in range(8):
        low = turn * 3000
        source.execute(source.fill(low + 1, low + 2990), source.fill(low + 2991, low + 3000, "poison"))
        source.execute(
            f"UPDATE t SET name = 'poison again', updated = updated + 100000 WHERE id = {low + 7}",
            f"UPDATE t SET name = 'mended', updated = updated + 100000 WHERE id = {low - 5}",
            f"DELETE FROM t WHERE id IN ({low - 4}, {low + 9})",
        )
        time.sleep(0.7)
    daemon.stop()
    site.syncd("sync", "job")

    assert field.statuses()[-1] == "partial"
    assert "failed" not in field.statuses()
    wanted = "SELECT id, name FROM t WHERE name NOT LIKE 'poison%' ORDER BY id"
    aside = "SELECT id FROM t WHERE name LIKE 'poison%' ORDER BY id"
    set_aside = field.destination.rows('SELECT "key" FROM syncd_rejects')
    assert sorted(int(key.strip("[]")) for (key,) in set_aside) == [key for (key,) in source.rows(aside)]
    kept = {key for (key,) in source.rows(aside)}
    assert [row for row in field.destination.rows(wanted) if row[0] not in kept] == source.rows(wanted)
    field.judge_traces()


@pytest.mark.parametrize("pair", PAIRS)
def test_columns_that_come_and_go_during_runs_arrive_with_alter_schema(make_field: Any, pair: str) -> None:
    field = make_field(pair)
    source, site = field.source, field.site
    source.execute(source.fill(1, 30_000))
    field.job("deletes: hard", "alter_schema: true", "schedule: {every: 1 second}", rows_per_second=30_000)
    daemon = site.daemon()
    touch = "UPDATE t SET updated = {} + id WHERE id % 2 = {}"
    changes = (
        ("ALTER TABLE t ADD COLUMN extra text", "UPDATE t SET extra = 'e' || id, updated = 100000 + id"),
        ("ALTER TABLE t RENAME COLUMN extra TO other", touch.format(200_000, 0)),
        ("ALTER TABLE t ADD COLUMN short bigint", touch.format(300_000, 1)),
        ("ALTER TABLE t DROP COLUMN short", touch.format(400_000, 0)),
    )
    for statements in changes:
        time.sleep(0.6)
        source.execute(*statements)
    field.destination.execute("ALTER TABLE t ADD COLUMN theirs bigint")
    source.execute("UPDATE t SET updated = 500000 + id")
    daemon.stop()
    field.finish(field.begin())

    field.judge(columns="id, name, updated, other")
    assert field.statuses()[-1] == "ok"


@pytest.mark.parametrize("pair", PAIRS)
def test_a_new_column_without_alter_schema_is_refused_by_name_until_it_is_there(
    make_field: Any, pair: str
) -> None:
    field = make_field(pair)
    field.source.execute(field.source.fill(1, 5_000))
    field.job("deletes: hard")
    field.finish(field.begin())
    field.source.execute(
        "ALTER TABLE t ADD COLUMN extra bigint", "UPDATE t SET extra = id, updated = updated + 9000"
    )

    refused = field.site.syncd("sync", "job")
    field.destination.execute("ALTER TABLE t ADD COLUMN extra bigint")
    field.finish(field.begin())

    assert refused.returncode == 1
    assert "extra" in refused.stdout
    field.judge(columns="id, name, updated, extra")


@pytest.mark.parametrize("pair", PAIRS)
def test_a_column_that_is_gone_at_the_destination_is_named_or_made_again(make_field: Any, pair: str) -> None:
    field = make_field(pair)
    field.source.execute(field.source.fill(1, 5_000))
    field.job("deletes: hard")
    field.finish(field.begin())
    field.destination.execute("ALTER TABLE t DROP COLUMN name")
    field.source.execute("UPDATE t SET updated = updated + 9000")

    refused = field.site.syncd("sync", "job")
    field.job("deletes: hard", "alter_schema: true")
    field.finish(field.begin())

    assert refused.returncode == 1
    assert "no column for name of the source" in refused.stdout
    field.judge()


KEPT = {
    "truncate": ("truncate: true", ""),
    "drop": ("drop: true", ""),
    "history": ("write: history", "WHERE _syncd_end IS NULL"),
    "soft": ("deletes: soft", ""),
    "merge": ("deletes: hard", ""),
}
READ_ROWS = 8_000


class Reader(threading.Thread):
    """Somebody who counts the destination's rows all the time."""

    def __init__(self, field: Field, where: str) -> None:
        super().__init__(daemon=True)
        self._field, self._where = field, where
        self._done = threading.Event()
        self.counts: dict[int, int] = {}
        self.errors: list[str] = []

    def run(self) -> None:
        with self._field.destination.open() as connection:
            while not self._done.wait(0.002):
                try:
                    with closing(connection.cursor()) as cursor:
                        cursor.execute(f"SELECT count(*) FROM t {self._where}")
                        count = int(cursor.fetchall()[0][0])
                except Exception as error:  # noqa: BLE001  # whatever a reader sees is what the test is about
                    self.errors.append(f"{type(error).__name__}: {error}")
                else:
                    self.counts[count] = self.counts.get(count, 0) + 1

    def stop(self) -> None:
        self._done.set()
        self.join(20)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("pair", PAIRS)
def test_readers_never_see_a_half_table_however_often_runs_are_killed(
    make_field: Any, pair: str, kept: str
) -> None:
    field = make_field(pair)
    option, where = KEPT[kept]
    source = field.source
    source.execute(source.fill(1, READ_ROWS))
    field.job(option, rows_per_second=1_000_000)
    field.finish(field.begin())
    reader = Reader(field, where)
    reader.start()
    chance = random.Random(kept)
    for turn in range(1, 5):
        source.execute(
            f"UPDATE t SET name = 'turn {turn}', updated = {turn * READ_ROWS} + id WHERE id % 3 <> {turn % 3}"
        )
        process = field.begin()
        time.sleep(0.2 + chance.random() * 0.6)
        process.kill()
        process.wait()
    field.finish(field.begin())
    reader.stop()

    assert reader.errors == []
    assert set(reader.counts) == {READ_ROWS}
    field.judge(where)
