"""The control socket's end in the daemon: takes one request per connection and never falls over one."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from syncd.control.protocol import MAX_REQUEST_BYTES, Answer, ErrorText, Request, error_text
from syncd.errors import SyncdError

REQUEST_SECONDS: Final = 10.0
SEND_SECONDS: Final = 30.0
LAST_ANSWERS_SECONDS: Final = 0.3
MAX_CONNECTIONS: Final = 64

Tell = Callable[[object], Awaitable[None]]
Handler = Callable[[dict[str, object], Tell], Awaitable[object]]
"""Takes the arguments and a way to send items; gives the answer."""

_log = logging.getLogger(__name__)
_REQUESTS: Final = msgspec.json.Decoder(Request)


class Endpoint:
    """Listens, decodes, calls the handler of that name and sends what it gives."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self.path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take calls from now on. Only the owner of the state folder may do this: a socket found there is stale."""
        self.path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            door.bind(os.fspath(self.path))
        finally:
            os.umask(mask)
        door.setblocking(False)
        self._server = await asyncio.start_unix_server(self._accept, sock=door, limit=MAX_REQUEST_BYTES)

    async def close(self) -> None:
        """Take no more calls and hang up."""
        if self._server is not None:
            self._server.close()
        if self._open:
            await asyncio.wait(self._open, timeout=LAST_ANSWERS_SECONDS)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        # A client that went away, or that is hung up on because the daemon ends, hurts nobody.
        with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
            try:
                await self._serve(reader, writer)
            finally:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(answer: Answer) -> None:
            writer.write(msgspec.json.encode(answer) + b"\n")
            await asyncio.wait_for(writer.drain(), SEND_SECONDS)

        async def tell(item: object) -> None:
            await send(Answer(item=msgspec.Raw(msgspec.json.encode(item))))

        if len(self._open) > MAX_CONNECTIONS:
            return await send(_refusal("busy", "too many clients talk to the daemon", "try again"))
        try:
            text = await asyncio.wait_for(reader.readuntil(b"\n"), REQUEST_SECONDS)
            request = _REQUESTS.decode(text)
        except (asyncio.IncompleteReadError, TimeoutError):
            return None
        except asyncio.LimitOverrunError:
            return await send(_refusal("too_long", f"the request is longer than {MAX_REQUEST_BYTES} bytes"))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return await send(_refusal("bad_request", f"the request is not understood: {error}"))
        return await send(await self._answered(request, tell, reader))

    async def _answered(self, request: Request, tell: Tell, reader: asyncio.StreamReader) -> Answer:
        handler = self._handlers.get(request.call)
        if handler is None:
            return _refusal("bad_request", f"there is no call '{request.call[:40]}'")
        answer: asyncio.Future[object] = asyncio.ensure_future(handler(request.arguments, tell))
        gone = asyncio.ensure_future(_hung_up(reader))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ConnectionResetError("the client went away")
            return Answer(answer=msgspec.Raw(msgspec.json.encode(answer.result())))
        except SyncdError as error:
            return Answer(error=error_text(error))
        except msgspec.ValidationError as error:
            return _refusal("bad_request", f"the arguments of '{request.call}' are not understood: {error}")
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  # here a request ends; the daemon goes on whatever it asked for
            _log.error("a call failed", exc_info=error, extra={"facts": {"call": request.call}})
            return _refusal(
                "internal", f"'{request.call}' failed: {type(error).__name__}", "see the daemon's log"
            )
        finally:
            answer.cancel()
            gone.cancel()


async def _hung_up(reader: asyncio.StreamReader) -> None:
    """Ends when the client does; what it says after its request is not listened to."""
    while await reader.read(4096):
        pass


def _refusal(code: str, message: str, hint: str = "") -> Answer:
    return Answer(error=ErrorText(code=code, message=message, hint=hint))
