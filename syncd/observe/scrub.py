"""The second net under secrets: whatever slips into a text is masked before it is written anywhere."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from syncd.model.secret import MASK
from syncd.observe.record import Record, Value

SHORTEST: Final = 6
"""Shorter secrets are words; masking them would make a log unreadable and guard nothing."""
LONGEST_IN_URL: Final = 512

_GUARDED_NAME: Final = r"[\w-]{0,40}(?:password|passwd|pwd|token|secret|api_?key)"
_PATTERNS: Final = (
    # user:password@ of a URL, up to the last @ of the word, since people forget to encode theirs.
    (re.compile(rf"(://[^\s/:@\"'<>]{{0,100}}:)[^\s\"'<>]{{1,{LONGEST_IN_URL}}}@"), rf"\1{MASK}@"),
    # password=..., token=... in a query, a connection string or an assignment.
    (re.compile(rf"(?i)({_GUARDED_NAME}\s?=\s?)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&;,'\"]+)"), rf"\1{MASK}"),
    # "password": "..." in JSON, YAML or the repr of a mapping.
    (re.compile(rf"(?i)(['\"]{_GUARDED_NAME}['\"]\s?:\s?)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"), rf"\1'{MASK}'"),
    (re.compile(r"(?i)(\bauthorization['\"]?\s?[:=]\s?['\"]?)(\w+\s)?[^\s'\",]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)(\bbearer\s)[\w.~+/=-]{8,}"), rf"\1{MASK}"),
)  # fmt: skip
_SUSPECT: Final = re.compile(r"://|=|['\"]\s?:|(?i:authorization|bearer\s)")
"""Something that every one of these patterns needs: most texts have none of it."""


class Scrubber:
    """Masks the secrets it was told of, in plain, URL-encoded, escaped and base64 form, and what looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace the known secrets, as a new configuration does. Those shorter than six characters are left out."""
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if _SUSPECT.search(text):
            for pattern, mask in _PATTERNS:
                text = pattern.sub(mask, text)
        return text

    def record(self, record: Record) -> Record:
        """The record without secrets in any of its values; the keys stay as they are."""
        return {key: self._value(value) for key, value in record.items()}

    def _value(self, value: Value) -> Value:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.text(item) for item in value]
        return value


def _forms(secret: str) -> set[str]:
    """The ways in which programs write a secret."""
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    encoded = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), form) for form in encoded}
    return {secret} | escaped | encoded | lower | set(_base64_forms(secret))


def _base64_forms(secret: str) -> Iterable[str]:
    """The base64 of any text that holds the secret contains one of these, wherever the secret begins in it."""
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode("ascii")
        # Characters that mix in bits of neighbours are left out at both ends.
        core = whole[(0, 2, 3)[before] : len(whole) - (0, 3, 2)[(before + len(raw)) % 3]]
        if len(core) >= SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")
