"""The socket of a connection, with waits that can be stopped and blocks of whole rows.

It takes the place of PyMySQL's own socket and of the file that it reads from, so that every wait of the driver ends
soon after a stop. Reads fill one buffer; a row that has arrived is cut from it without another call.
"""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Generator
from typing import Final

from syncd.errors import TransientError
from syncd.ports import Check

READ_BYTES: Final = 256 * 1024
WAIT_MILLISECONDS: Final = 200
"""How long a wait for the server lasts before the run looks whether it shall stop."""
LEAVE_SECONDS: Final = 3.0
"""How long the server may take to end a statement that nobody wants any more."""
AGAIN_SECONDS: Final = 0.5
LONGEST_PACKET: Final = 0xFFFFFF
END_BYTES: Final = 9
"""A packet that begins with 254 and is shorter ends a result."""

_HEADER: Final = struct.Struct("<I")


class Wire:
    """One thread reads and writes; `stopping` may be set from another."""

    def __init__(self, connected: socket.socket, place: str, interrupt: Callable[[], None]) -> None:
        """`interrupt` makes the server end the statement that runs on this connection."""
        self._socket = connected
        self._place = place
        self._interrupt = interrupt
        self._data = b""
        self._at = 0
        self._poll_in = select.poll()
        self._poll_in.register(connected, select.POLLIN)
        self._poll_out = select.poll()
        self._poll_out.register(connected, select.POLLOUT)
        self._progress = time.monotonic()
        self._interrupted = self._asked = self._deadline = 0.0
        self.check: Check | None = None
        self.stopping = False
        self.stopped: BaseException | None = None
        self.limit_seconds = 0.0
        self.streaming = False
        connected.settimeout(0)

    # What PyMySQL asks of a socket and of the file that it makes of it.

    def settimeout(self, seconds: float | None) -> None:
        """Does nothing: waits end by `stopping` and `limit_seconds`."""

    def sendall(self, data: bytes) -> None:
        """Send everything; returns when all has left, so that memory stays bounded."""
        view = memoryview(data)
        self._progress = time.monotonic()
        while view:
            try:
                sent = self._socket.send(view[:READ_BYTES])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(self._poll_out)
                continue
            view = view[sent:]
            self._progress = time.monotonic()

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; fewer when the server closed the connection."""
        missing = self._at + size - len(self._data)
        if missing > 0:
            self._fill(missing)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def begin(self) -> None:
        """A new statement starts: nothing has been asked to end it yet."""
        self._progress = time.monotonic()
        self._interrupted = self._asked = 0.0
        self.stopped = None

    def blocks(self) -> Generator[list[bytes]]:
        """The rows of a result as undecoded packets, in blocks as they arrive.

        Ends at the result's end. The last packet of an error is given back alone: it begins with 255.
        """
        self.streaming = True
        while True:
            block: list[bytes] = []
            data, at, end = self._data, self._at, len(self._data)
            while end - at >= 4:
                size = _HEADER.unpack_from(data, at)[0] & LONGEST_PACKET
                stop = at + 4 + size
                if size == LONGEST_PACKET or stop > end:
                    break
                first = data[at + 4]
                if first >= 254 and (first == 255 or size < END_BYTES):
                    self._at = stop
                    self.streaming = False
                    if block:
                        yield block
                    if first == 255:
                        yield [data[at + 4 : stop]]
                    return
                block.append(data[at + 4 : stop])
                at = stop
            self._at = at
            if block:
                yield block
            elif self._size_of_next() == LONGEST_PACKET:
                yield [self._long_packet()]

    def drain(self, seconds: float) -> None:
        """Have the server end a result, and throw away what it has sent already.

        Raises:
            ConnectionAbortedError: that takes longer than so many seconds.
        """
        self.begin()
        self._deadline = time.monotonic() + seconds
        try:
            self._interrupt()
            for _ in self.blocks():
                pass
        finally:
            self._deadline = 0.0

    def _size_of_next(self) -> int:
        """How long the next packet is, which is in the buffer afterwards, unless it is the first part of a longer row."""
        self._ensure(4)
        size: int = _HEADER.unpack_from(self._data, self._at)[0] & LONGEST_PACKET
        if size < LONGEST_PACKET:
            self._ensure(4 + size)
        return size

    def _long_packet(self) -> bytes:
        pieces = []
        size = LONGEST_PACKET
        while size == LONGEST_PACKET:
            self._ensure(4)
            size = _HEADER.unpack_from(self._data, self._at)[0] & LONGEST_PACKET
            self._ensure(4 + size)
            pieces.append(self._data[self._at + 4 : self._at + 4 + size])
            self._at += 4 + size
        return b"".join(pieces)

    def _ensure(self, size: int) -> None:
        """Have so many bytes in the buffer."""
        missing = self._at + size - len(self._data)
        if missing > 0:
            self._fill(missing)
        if len(self._data) - self._at < size:
            raise TransientError(f"{self._place}: the connection was lost", hint="it is tried again")

    def _fill(self, missing: int) -> None:
        pieces = [self._data[self._at :]]
        self._at = 0
        while missing > 0:
            piece = self._receive()
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        self._data = b"".join(pieces)

    def _receive(self) -> bytes:
        while True:
            try:
                piece = self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(self._poll_in)
                continue
            self._progress = time.monotonic()
            return piece

    def _wait(self, poller: "select.poll") -> None:
        while not poller.poll(WAIT_MILLISECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        """Ask the server to end the statement once a stop was asked for; give the connection up when it does not."""
        if self.check is not None and self.stopped is None:
            try:
                self.check()
            except BaseException as error:  # noqa: BLE001 - raised again when the server's answer has arrived
                self.stopped = error
        now = time.monotonic()
        if self._deadline and now > self._deadline:
            raise ConnectionAbortedError("the rest of a result does not arrive")
        if self.stopping or self.stopped is not None:
            self._asked = self._asked or now
            if now - self._asked > LEAVE_SECONDS:
                raise ConnectionAbortedError("the server does not end the statement")
            if now - self._interrupted > AGAIN_SECONDS:
                # A wish to stop that comes just before the statement begins is forgotten by the server.
                self._interrupted = now
                self._interrupt()
        elif self.limit_seconds and now - self._progress > self.limit_seconds:
            self.stopped = TransientError(
                f"{self._place}: no progress for {self.limit_seconds:g} seconds",
                hint="it is tried again; give a longer command_timeout_seconds when that is normal",
                code="timeout",
            )
