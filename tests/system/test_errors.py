"""Every mistake that a user can make ends in at most three lines, without a traceback, with a telling exit code."""

import socket

import pytest

from syncd.control.client import call
from syncd.errors import SyncdError
from tests.system.site import Site

ONE = """
  one: {source: src, destination: dst, queries: ["REPLICATE [one]"], schedule: {every: 1 hour}}
"""
NO_DAEMON = [
    "status",
    "start one",
    "cancel one",
    "pause one",
    "resume one",
    "reload",
    "next",
    "why one",
]


def judged(result) -> tuple[int, int]:
    """The exit code and the number of lines, of a command that must not show its inside."""
    assert "Traceback" not in result.stderr + result.stdout
    return result.returncode, len(result.stderr.splitlines())


@pytest.mark.parametrize("command", NO_DAEMON)
def test_no_daemon_runs(site: Site, command: str):
    site.jobs(ONE)

    result = site.syncd(*command.split())

    assert judged(result) == (3, 2)
    assert result.stderr.startswith("error: no daemon runs on the state folder")
    assert "try: syncd run" in result.stderr


def test_unknown_names_are_answered_with_the_nearest(site: Site):
    site.jobs(ONE)
    site.table("one", 1)
    site.daemon()

    for command in (
        "start onne",
        "cancel onne",
        "pause onne",
        "why onne",
        "logs onne",
        "runs onne",
        "sync onne",
    ):
        result = site.syncd(*command.split())
        assert judged(result) == (3, 2), (command, result.stderr)
        assert "did you mean 'one'?" in result.stderr


def test_an_unknown_command_is_answered_with_the_nearest(site: Site):
    result = site.syncd("statsu")

    assert result.returncode == 2
    assert "Did you mean 'status'?" in result.stderr


def test_there_is_no_configuration(site: Site):
    result = site.syncd("run")

    code, lines = judged(result)
    assert (code, lines <= 3) == (3, True)


def test_a_configuration_with_mistakes_starts_no_daemon(site: Site):
    site.jobs(ONE.replace("queries", "querys"))

    result = site.syncd("run")

    assert judged(result)[0] == 78
    assert "did you mean 'queries'?" in result.stderr
    assert not site.state.exists()


def test_a_job_that_runs_cannot_be_started_again(site: Site):
    site.jobs("""
  slow: {source: src, destination: dst, queries: ["REPLICATE [o] SELECT a.* FROM one a, one b, one c WHERE a.id + b.id < 0"]}
""")
    site.table("one", 3000)
    daemon = site.daemon()
    daemon.call("start", job="slow")

    result = site.syncd("start", "slow")

    code, lines = judged(result)
    assert (code, lines <= 3) == (4, True)
    daemon.call("cancel", name="slow")
    assert judged(site.syncd("cancel", "slow"))[0] == 4


def test_the_state_folder_cannot_be_made(site: Site):
    site.jobs(ONE)
    site.table("one", 1)
    (site.folder / "state").write_text("a file stands in the way")

    for command in ("run", "sync one"):
        result = site.syncd(*command.split())
        code, lines = judged(result)
        assert (code, lines <= 3) == (1, True), result.stderr
        assert "state folder" in result.stderr


def test_the_state_database_is_something_else(site: Site):
    site.jobs(ONE)
    site.table("one", 1)
    site.state.mkdir()
    (site.state / "state.db").write_text("this is no database, whatever its name says" * 100)

    result = site.syncd("sync", "one")

    code, lines = judged(result)
    assert (code, lines <= 3) == (1, True), result.stderr
    assert "is damaged" in result.stderr


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\n",
        b"hello\n",
        b"{}\n",
        b'{"call": 5}\n',
        b'{"call": "explode"}\n',
        b'{"call": "start", "arguments": {"job": 5}}\n',
        b'{"call": "start", "arguments": {"nonsense": true}}\n',
        b'{"call": "runs", "arguments": {"limit": "many"}}\n',
        b"\xff\xfe\x00\n",
        b"[" * 60_000 + b"\n",
        b"x" * 200_000,
        b'{"call": "status"}',
    ],
    ids=lambda found: repr(found[:24]),
)
def test_malformed_calls_are_answered_and_hurt_nobody(site: Site, bytes_: bytes):
    site.jobs(ONE)
    daemon = site.daemon()

    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(site.state / "control.sock"))
        link.sendall(bytes_)
        link.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: link.recv(65536), b""))

    assert answer == b"" or b'"error"' in answer
    assert daemon.call("status")["daemon"]["pid"] == daemon.pid
    assert "Traceback" not in site.log()
    assert "error" not in site.log()


def test_many_clients_that_say_nothing_do_not_lock_others_out(site: Site):
    site.jobs(ONE)
    daemon = site.daemon()
    silent = []
    for _ in range(60):
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(site.state / "control.sock"))
        silent.append(link)

    assert daemon.call("status")["daemon"]["pid"] == daemon.pid

    for link in silent:
        link.close()


def test_a_client_that_goes_away_does_not_stop_the_run(site: Site):
    site.jobs(ONE)
    site.table("one", 50_000)
    daemon = site.daemon()
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(site.state / "control.sock"))
        link.sendall(b'{"call": "start", "arguments": {"job": "one", "wait": true}}\n')
        link.recv(10)

    from tests.system.site import expect_soon

    expect_soon(lambda: daemon.call("runs", job="one")[0]["status"] == "ok")


def test_the_socket_is_for_its_owner_only(site: Site):
    site.jobs(ONE)
    site.daemon()

    assert (site.state / "control.sock").stat().st_mode & 0o777 == 0o600
    assert site.state.stat().st_mode & 0o777 == 0o700
    assert (site.state / "state.db").stat().st_mode & 0o777 == 0o600


def test_a_state_folder_with_a_long_name_still_gets_a_socket(tmp_path):
    deep = tmp_path / ("long" * 20) / ("name" * 20)
    deep.mkdir(parents=True)
    site = Site(deep)
    site.environ["TMPDIR"] = str(tmp_path)
    site.jobs(ONE)
    try:
        daemon = site.daemon()

        assert daemon.call("status")["daemon"]["pid"] == daemon.pid
    finally:
        site.close()


def test_an_error_of_the_daemon_arrives_as_itself(site: Site):
    site.jobs(ONE)
    site.daemon()

    with pytest.raises(SyncdError) as caught:
        call(site.state, "start", {"job": "two"})

    assert (caught.value.code, caught.value.exit_code) == ("not_found", 3)
