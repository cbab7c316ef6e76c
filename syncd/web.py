"""The one place from which syncd calls web services."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from syncd.errors import FatalError, TransientError

MOST_BYTES: Final = 1_000_000
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which another try may go well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: its status code and its text, at most 1 MB of it."""

    status: int
    text: str


def call(method: str, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> Answer:
    """Send one request with a JSON body and wait for the answer. Proxies of the environment are not used.

    Raises:
        TransientError: the service does not answer, or says that it cannot now.
        FatalError: it refuses; the message holds the URL without its query.
    """
    import httpx

    place = place_of(url)
    try:
        with (
            httpx.Client(timeout=timeout_seconds, trust_env=False, follow_redirects=False) as client,
            client.stream(
                method, url, headers={"Content-Type": "application/json", **headers}, content=body
            ) as response,
        ):
            text = b""
            for block in response.iter_bytes():
                text += block
                if len(text) > MOST_BYTES:
                    raise FatalError(
                        f"{place} answers with more than {MOST_BYTES} bytes", code="answer_too_long"
                    )
            status = response.status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise FatalError(f"{place} cannot be called: {error}", hint="write an http or https URL") from error
    except httpx.HTTPError as error:
        reason = type(error).__name__
        raise TransientError(
            f"{place} does not answer: {reason}", hint="check the service and the URL"
        ) from error
    if status in PASSING:
        raise TransientError(f"{place} answers with {status}", hint="it may go well later")
    if status >= 300:
        raise FatalError(
            f"{place} answers with {status}", hint="check the URL and the credentials in `headers`"
        )
    return Answer(status, text.decode("utf-8", "replace"))


def place_of(url: str) -> str:
    """The URL without user, password, query and fragment, for messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
