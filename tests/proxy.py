"""A TCP proxy on loopback that can be told to misbehave: to cut, to crawl, to dawdle, to swallow answers, to let nobody in."""

import contextlib
import socket
import struct
import threading
from typing import Final

BLOCK_BYTES: Final = 65_536
SLICE_SECONDS: Final = 0.05
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER so that closing throws the connection away, as a cable that is pulled."""


class Proxy:
    """Passes connections on to a port of this machine. `_guard` guards the open connections and the listener."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._bytes_per_second = 0.0
        self._delay_seconds = 0.0
        self._swallowing = False
        self._left_bytes: int | None = None
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._serve(self._listener)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        with self._guard:
            return len(self._open) // 2

    def cut(self) -> None:
        """Throw all connections away, now."""
        with self._guard:
            cut, self._open = self._open, set()
        for end in cut:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def slow(self, bytes_per_second: float) -> None:
        """Let so many bytes pass each second, on each connection and way."""
        self._bytes_per_second = bytes_per_second

    def delay(self, seconds: float) -> None:
        """Let every block wait so long, on each way."""
        self._delay_seconds = seconds

    def cut_after(self, bytes_: int) -> None:
        """Throw all connections away once so many more bytes have passed, in the middle of whatever they are."""
        self._left_bytes = bytes_

    def swallow_answers(self) -> None:
        """Let what is sent pass, but no answer."""
        self._swallowing = True

    def refuse(self) -> None:
        """Let nobody in any more; open connections stay."""
        with self._guard:
            # A thread that waits in accept would keep a socket that is only closed.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def go_on(self) -> None:
        """Be a good proxy again."""
        self._bytes_per_second = self._delay_seconds = 0.0
        self._swallowing, self._left_bytes = False, None
        with self._guard:
            if self._listener.fileno() == -1:
                self._listener = _listen(self.port)
                self._serve(self._listener)

    def close(self) -> None:
        """End."""
        self.refuse()
        self.cut()

    def _serve(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                # Small messages would wait for the answer to the one before.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._open |= {near, far}
            for one, other, answers in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(one, other, answers), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, answers: bool) -> None:
        pause = threading.Event()
        with contextlib.suppress(OSError):
            while True:
                rate = self._bytes_per_second
                block = one.recv(max(1, int(rate * SLICE_SECONDS)) if rate else BLOCK_BYTES)
                if not block:
                    break
                if answers and self._swallowing:
                    continue
                if self._delay_seconds:
                    pause.wait(self._delay_seconds)
                block, last = self._allow(block)
                other.sendall(block)
                if last:
                    self.cut()
                    break
                if rate:
                    pause.wait(len(block) / rate)
        with self._guard:
            self._open -= {one, other}
        for end in (one, other):
            # The other way's thread may wait in it.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _allow(self, block: bytes) -> tuple[bytes, bool]:
        """What may pass of a block, and whether nothing may any more."""
        with self._guard:
            if self._left_bytes is None:
                return block, False
            passed = block[: self._left_bytes]
            self._left_bytes -= len(passed)
            if self._left_bytes:
                return passed, False
            self._left_bytes = None
            return passed, True


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener
