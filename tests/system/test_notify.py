"""What the service manager hears."""

import signal
import socket
import time

import pytest

from tests.system.site import Site, expect_soon

ONE = """
  one: {source: src, destination: dst, queries: ["REPLICATE [one]"]}
"""


class Manager:
    """Listens like systemd does."""

    def __init__(self, site: Site) -> None:
        path = site.folder / "notify"
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.bind(str(path))
        self._link.setblocking(False)
        self.heard: list[str] = []
        site.environ["NOTIFY_SOCKET"] = str(path)

    def heard_of(self, word: str) -> bool:
        try:
            while True:
                self.heard.append(self._link.recv(4096).decode())
        except BlockingIOError:
            return any(word in one for one in self.heard)

    def close(self) -> None:
        self._link.close()


@pytest.fixture
def manager(site: Site):
    made = Manager(site)
    yield made
    made.close()


def test_ready_reload_and_stop_are_told_in_order(site: Site, manager: Manager):
    site.jobs(ONE)
    daemon = site.daemon()
    expect_soon(lambda: manager.heard_of("READY=1\nSTATUS=1 jobs, generation 1"))
    site.jobs(ONE.replace("queries", "querys"))
    daemon.process.send_signal(signal.SIGHUP)
    expect_soon(lambda: manager.heard_of("RELOADING=1\nMONOTONIC_USEC="))
    expect_soon(lambda: len([one for one in manager.heard if "READY=1" in one or manager.heard_of("-")]) == 2)
    daemon.stop()
    expect_soon(lambda: manager.heard_of("STOPPING=1"))

    words = [one.partition("=")[0] for one in manager.heard]
    assert words == ["READY", "RELOADING", "READY", "STOPPING"]


def test_the_watchdog_hears_from_the_loop_that_keeps_time(site: Site, manager: Manager):
    site.environ["WATCHDOG_USEC"] = "600000"
    site.jobs(ONE)
    daemon = site.daemon()
    expect_soon(lambda: manager.heard_of("WATCHDOG=1"))
    time.sleep(1.0)
    manager.heard_of("WATCHDOG=1")

    assert manager.heard.count("WATCHDOG=1") >= 4

    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    manager.heard_of("")
    before = len(manager.heard)
    time.sleep(0.5)
    manager.heard_of("")
    daemon.process.send_signal(signal.SIGCONT)
    assert len(manager.heard) == before
