"""Reads the text of a file, or says why it cannot."""

import codecs
from pathlib import Path
from typing import Final

from syncd.errors import Problem

MAX_BYTES: Final = 10_000_000

_OTHER_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HINT: Final = "save it as UTF-8"


def read_text(path: Path) -> str | Problem:
    """The text of a UTF-8 file of at most 10 MB, without a byte order mark, with ``\\n`` for every line's end."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Problem(str(path), 0, 0, "", f"cannot read the file: {error.strerror}")
    if len(data) > MAX_BYTES:
        return Problem(
            str(path), 0, 0, "", f"the file is larger than {MAX_BYTES} bytes", "split it into conf.d/*.yaml"
        )
    return decode(data, str(path))


def decode(data: bytes, file: str) -> str | Problem:
    """The text of these bytes; the problem, if any, is at the first byte that is not UTF-8."""
    for mark, name in _OTHER_ENCODINGS:
        if data.startswith(mark):
            return Problem(file, 1, 1, "", f"the file is {name}", _HINT)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Problem(file, line, column, "", f"the byte 0x{data[error.start]:02X} is not UTF-8", _HINT)
    return text.replace("\r\n", "\n").replace("\r", "\n")
