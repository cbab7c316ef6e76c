"""The one place from which syncd calls web services."""

import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from syncd.errors import FatalError, TransientError
from syncd.ports import Check

MOST_BYTES: Final = 1_000_000
GLANCE_SECONDS: Final = 0.05
"""How often a call looks whether it shall stop."""
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which another try may go well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: its status code and its text, at most 1 MB of it."""

    status: int
    text: str


def call(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float, check: Check
) -> Answer:
    """Send one request with a JSON body and wait for the answer. Proxies of the environment are not used.

    `timeout_seconds` is the time for the whole call. `check` is called again and again; what it raises ends the call.

    Raises:
        TransientError: the service does not answer in time, or says that it cannot now.
        FatalError: it refuses, or the URL or a header cannot be sent; the message holds the URL without its query.
    """
    import asyncio

    place = place_of(url)
    for name, value in headers.items():
        if not (value.isascii() and value.replace("\t", " ").isprintable() and value == value.strip()):
            raise FatalError(
                f"{place} cannot be called: the header {name} holds what no header can",
                hint="write printable ASCII, without blanks around it",
                code="bad_header",
            )
    answer = asyncio.run(
        _in_time(
            _exchange(method, url, {"Content-Type": "application/json", **headers}, body),
            place,
            timeout_seconds,
            check,
        )
    )
    if answer.status in PASSING:
        raise TransientError(f"{place} answers with {answer.status}", hint="it may go well later")
    if answer.status >= 300:
        raise FatalError(
            f"{place} answers with {answer.status}", hint="check the URL and the credentials in `headers`"
        )
    return answer


def place_of(url: str) -> str:
    """The URL without user, password, query and fragment, for messages.

    Raises:
        FatalError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise FatalError(
            "a URL has a host or a port that cannot be",
            hint="write http://host:port/path, with a port up to 65535",
            code="bad_url",
        ) from error
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


async def _in_time(
    exchange: Coroutine[Any, Any, Answer], place: str, timeout_seconds: float, check: Check
) -> Answer:
    """The answer, unless the time is over or `check` raises before it is there."""
    import asyncio

    deadline = time.monotonic() + timeout_seconds
    task = asyncio.create_task(exchange)
    try:
        while not (await asyncio.wait({task}, timeout=GLANCE_SECONDS))[0]:
            check()
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{place} does not answer within {timeout_seconds:g} s",
                    hint="check the service, or raise timeout_seconds",
                )
    finally:
        task.cancel()
        await asyncio.wait({task})
    return task.result()


async def _exchange(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    import httpx

    place = place_of(url)
    try:
        async with (
            # The time of the whole call is limited by whoever waits for it.
            httpx.AsyncClient(timeout=None, trust_env=False, follow_redirects=False) as client,  # noqa: S113  # see above
            client.stream(method, url, headers=headers, content=body) as response,
        ):
            text = b""
            async for block in response.aiter_bytes():
                text += block
                if len(text) > MOST_BYTES:
                    raise FatalError(
                        f"{place} answers with more than {MOST_BYTES} bytes", code="answer_too_long"
                    )
            return Answer(response.status_code, text.decode("utf-8", "replace"))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise FatalError(
            f"{place} cannot be called: {type(error).__name__}",
            hint="write an http or https URL, and headers of printable ASCII",
        ) from error
    except httpx.HTTPError as error:
        reason = type(error).__name__
        raise TransientError(
            f"{place} does not answer: {reason}", hint="check the service and the URL"
        ) from error
