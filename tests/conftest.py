"""What every test may ask for: private servers, fresh databases, a clock that stands still."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings

from tests.servers import MariadbServer, PostgresServer

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

for _name in [name for name in os.environ if name.startswith(("PG", "SYNCD_", "MYSQL_"))]:
    del os.environ[_name]  # the tester's own servers and configuration must not be met by a test

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it leaves in the background deaf for Ctrl-C, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

NEEDS = {
    "postgres": "postgresql",
    "database": "postgresql",
    "two_databases": "postgresql",
    "mariadb": "mysql",
}


def pytest_configure(config: pytest.Config) -> None:
    """Leave the slow attacks out, unless `-m` says what to run."""
    if not config.option.markexpr:
        config.option.markexpr = "not soak"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the servers they ask for, so that `-m 'not postgresql'` leaves the quick ones."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in NEEDS:
                item.add_marker(NEEDS[fixture])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test proves nothing: the whole run fails."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class StillClock:
    """A clock that moves only when told to. `step` is somebody setting the wall clock."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that were passed by `advance`."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        self._now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StillClock:
    """A clock that stands at midnight of 1 March 2026, UTC."""
    return StillClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process. A test that stops it must start it again."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that is gone after the test."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def two_databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """The URLs of two empty PostgreSQL databases: a source and a destination."""
    names = (postgres.create_database(), postgres.create_database())
    yield postgres.url(names[0]), postgres.url(names[1])
    for name in names:
        postgres.drop_database(name)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB server of this test process."""
    server = MariadbServer()
    try:
        yield server
    finally:
        server.close()
