"""Private database servers for tests and benchmarks, started from the binaries that the system has.

Each server has its own folder, socket and loopback port, runs as an unprivileged user when the tests run as root, is
told to die with the process that started it, and is stopped by its own process id.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psycopg

GUARDED_USER: Final = "guarded"
GUARDED_PASSWORD: Final = "correct horse battery staple"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
SOCKET_FOLDER_LONGEST: Final = 60
"""A socket's path may have about a hundred characters."""

FAST_AND_UNSAFE: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_connections": "60",
    "shared_buffers": "32MB",
}
"""What tests want: a server whose data need not survive a power cut."""

_HBA: Final = f"""
local all {GUARDED_USER} scram-sha-256
host  all {GUARDED_USER} 127.0.0.1/32 scram-sha-256
local all all trust
host  all all 127.0.0.1/32 trust
host  replication all 127.0.0.1/32 trust
"""


class MissingServerError(Exception):
    """The programs of a server are not installed; the message says how to get them."""


class PostgresServer:
    """A PostgreSQL server with a superuser ``postgres``, who needs no password, and a role that does."""

    def __init__(
        self, settings: Mapping[str, str] = FAST_AND_UNSAFE, standby_of: "PostgresServer | None" = None
    ) -> None:
        """With `standby_of` it follows that server and may only be read."""
        self._standby_of = standby_of
        self._programs = postgres_programs()
        self._settings = dict(settings)
        self._user = _account("postgres")
        self._folder = _private_folder("syncd-pg-", self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.port = _free_port()
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    @property
    def programs(self) -> Path:
        """The folder with `psql` and its companions of the same version."""
        return self._programs

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._folder / "log").read_text(errors="replace")

    def url(self, database: str = "postgres") -> str:
        """The address of a database for the superuser, by TCP."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = "postgres") -> str:
        """The same by the Unix socket."""
        return f"postgresql://postgres@/{database}?host={self._folder}&port={self.port}"

    def guarded_url(self, database: str = "postgres", password: str | None = GUARDED_PASSWORD) -> str:
        """The address for a role that may read and write all tables and needs a password: the right one or yours."""
        secret = "" if password is None else ":" + password.replace("%", "%25").replace(" ", "%20")
        return f"postgresql://{GUARDED_USER}{secret}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database; its name."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser, outside a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Start it again after `stop` or `kill`, on the same port and with the same data."""
        assert self._process is None, "the server runs already"
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [
            str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-k", str(self._folder),
            "-p", str(self.port), "-clisten_addresses=127.0.0.1", *options,
        ]  # fmt: skip
        self._process = _spawn(command, self._user, self._folder / "log", "QUIT")
        _await_ready(self._accepts, self._process, self._folder / "log")

    def stop(self) -> None:
        """Stop it in order: clients are thrown out, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop it as a crash would: nothing is written any more; `start` then recovers."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove everything it wrote."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        data = self._folder / "data"
        if self._standby_of is not None:
            copy = [
                "-D",
                str(data),
                "-d",
                self._standby_of.url(),
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ]
            _run([str(self._programs / "pg_basebackup"), *copy], self._user)
            return
        options = ["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        _run([str(self._programs / "initdb"), "-D", str(data), *options], self._user)
        (data / "pg_hba.conf").write_text(_HBA)

    def _accepts(self) -> bool:
        try:
            with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
                found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [GUARDED_USER])
                if not found.fetchall():
                    password = psycopg.sql.Literal(GUARDED_PASSWORD)
                    create = psycopg.sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format(password)
                    connection.execute(create)
                    connection.execute("GRANT pg_read_all_data, pg_write_all_data TO guarded")
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, with_signal: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end_process(process, with_signal)


class MariadbServer:
    """A MariaDB server with a user ``tester`` who may do everything and needs no password."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        """`options` of the command line come last, so they win over those that suit tests."""
        self._server = _program("mariadbd", "mysqld")
        self._client = _program("mariadb", "mysql")
        self._options = tuple(options)
        self._user = _account("mysql")
        self._folder = _private_folder("syncd-my-", self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.port = _free_port()
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    def url(self, database: str = "mysql") -> str:
        """The address of a database, by TCP."""
        return f"mysql://tester@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database; its name."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        self.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database."""
        self.query(f"DROP DATABASE IF EXISTS {name}")

    def query(self, statement: str, database: str = "mysql") -> str:
        """Run a statement through the server's own client: the rows as tab-separated lines."""
        command = [
            self._client, "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}",
            "--user=tester", "--batch", "--skip-column-names", f"--execute={statement}", database,
        ]  # fmt: skip
        return _run(command, None).strip()

    def start(self) -> None:
        """Start it again after `stop` or `kill`, on the same port and with the same data."""
        assert self._process is None, "the server runs already"
        command = [
            self._server, "--no-defaults", f"--datadir={self._folder}/data", f"--socket={self._folder}/socket",
            f"--pid-file={self._folder}/pid", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--init-file={self._folder}/init.sql", "--skip-name-resolve", "--local-infile=1",
            "--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
            f"--tmpdir={self._folder}", *self._options,
        ]  # fmt: skip
        self._process = _spawn(command, self._user, self._folder / "log", "KILL")
        _await_ready(self._accepts, self._process, self._folder / "log")

    def stop(self) -> None:
        """Stop it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove everything it wrote."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        install = _program("mariadb-install-db", "mysql_install_db")
        data = f"--datadir={self._folder}/data"
        # Temporary tables of two servers in one folder may have the same names.
        own = [data, f"--tmpdir={self._folder}"]
        _run(
            [install, "--no-defaults", *own, "--skip-test-db", "--auth-root-authentication-method=normal"],
            self._user,
        )
        create = "CREATE USER IF NOT EXISTS tester@'127.0.0.1' IDENTIFIED BY '';"
        grant = "GRANT ALL ON *.* TO tester@'127.0.0.1' WITH GRANT OPTION;"
        (self._folder / "init.sql").write_text(f"{create}\n{grant}\n")

    def _accepts(self) -> bool:
        try:
            return self.query("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False

    def _end(self, with_signal: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end_process(process, with_signal)


def postgres_programs() -> Path:
    """The folder with the newest `postgres` and `initdb`."""
    folders = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if folders:
        return max(folders, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    found = shutil.which("postgres")
    if found is None:
        raise MissingServerError("PostgreSQL's server is not installed; run: apt-get install postgresql")
    return Path(found).resolve().parent


def _program(*names: str) -> str:
    """The first of these programs that is installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    for name in names:
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    raise MissingServerError(f"MariaDB's {names[0]} is not installed; run: apt-get install mariadb-server")


def _account(preferred: str) -> pwd.struct_passwd | None:
    """Whom to run as: nobody else, unless this is root, whom these servers refuse."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(preferred)
    except KeyError:
        return pwd.getpwnam("nobody")


def _private_folder(prefix: str, user: pwd.struct_passwd | None) -> Path:
    """A new folder with a path short enough for a socket in it, owned by the server's user."""
    parent = tempfile.gettempdir()
    if len(parent) > SOCKET_FOLDER_LONGEST or user is not None:
        parent = "/tmp"  # noqa: S108 - mkdtemp below makes the private part; others may not enter root's TMPDIR
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _identity(user: pwd.struct_passwd | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _run(command: Sequence[str], user: pwd.struct_passwd | None) -> str:
    """Run a program to its end: what it printed. Raises CalledProcessError with what it complained about."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
        env=_environment(),
        **_identity(user),
    )  # type: ignore[call-overload]  # the identity arguments are all or none
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        error.add_note(done.stderr[-2000:])
        raise error
    printed: str = done.stdout
    return printed


def _spawn(
    command: Sequence[str], user: pwd.struct_passwd | None, log: Path, last_signal: str
) -> "subprocess.Popen[bytes]":
    """Start a server that gets `last_signal` when this process dies, however it dies."""
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", last_signal, "--"] if setpriv else []
    with log.open("ab") as output:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            **_identity(user),
        )  # type: ignore[call-overload]  # the identity arguments are all or none
    return process


def _await_ready(accepts: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not accepts():
        if process.poll() is not None or time.monotonic() > deadline:
            _end_process(process, signal.SIGKILL)
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _end_process(process: "subprocess.Popen[bytes]", with_signal: int) -> None:
    if process.poll() is None:
        process.send_signal(with_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
