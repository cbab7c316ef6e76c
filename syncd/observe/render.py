"""Records as lines: JSON for machines, aligned text for people."""

import json
from typing import Final

from syncd.observe.record import Record, Value

LONGEST_LINE: Final = 65_536
"""In bytes; what common log shippers take."""
ELLIPSIS: Final = "…"
# Some readers take these for the end of a line; JSON allows them raw inside a string.
_LINE_ENDS: Final = {0x2028: "\\u2028", 0x2029: "\\u2029", 0x85: "\\u0085"}
_HEAD: Final = {"@timestamp", "log.level", "message", "event.action", "service.name", "service.version"}
_COLOURS: Final = {"debug": "\x1b[2m", "info": "", "warning": "\x1b[33m", "error": "\x1b[31m"}


def json_line(record: Record) -> bytes:
    """One line of JSON with its newline, at most 64 kB: values are cut until it fits, and ``log.truncated`` says so."""
    line = _encode(record)
    for longest in (8192, 1024, 128, 16):
        if len(line) <= LONGEST_LINE:
            return line
        cut = {key: _cut(value, longest) for key, value in record.items()}
        line = _encode({**cut, "log.truncated": True})
    if len(line) <= LONGEST_LINE:
        return line
    head: Record = {key: value for key, value in cut.items() if key in _HEAD or key in {"run", "job", "step"}}
    return _encode({**head, "log.truncated": True})


def console_line(record: Record, colour: bool) -> bytes:
    """One line for a person: time of day, level, message, then the facts as key=value."""
    level = str(record.get("log.level", "info"))
    time = str(record.get("@timestamp", ""))[11:23]
    facts = " ".join(f"{key}={_plain(value)}" for key, value in record.items() if key not in _HEAD)
    start = _COLOURS.get(level, "") if colour else ""
    end = "\x1b[0m" if start else ""
    text = f"{time} {start}{level:7}{end} {_plain_message(record):28} {facts}".rstrip()
    return text.encode("utf-8", "backslashreplace")[: LONGEST_LINE - 1] + b"\n"


def _encode(record: Record) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        text = text.translate(_LINE_ENDS)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _cut(value: Value, longest: int) -> Value:
    if isinstance(value, str) and len(value) > longest:
        return value[: longest - 1] + ELLIPSIS
    if isinstance(value, list):
        few = [str(_cut(item, longest)) for item in value[: longest // 16]]
        return few if len(few) == len(value) else [*few, ELLIPSIS]
    return value


def _plain_message(record: Record) -> str:
    return " ".join(str(record.get("message", "")).split())


def _plain(value: Value) -> str:
    text = ",".join(value) if isinstance(value, list) else str(value)
    printable = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return f'"{printable}"' if " " in printable or not printable else printable
