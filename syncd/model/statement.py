"""Takes the values out of SQL that is told to people: a statement's literals may be rows and secrets."""

import re
from typing import Final

HIDDEN: Final = "?"

_DOUBLE: Final = r'"(?:[^"]|"")*"'
_TICK: Final = r"`(?:[^`]|``)*`"
_BRACKET: Final = r"\[[^\]]*\]"
_BLOCK: Final = r"/\*.*?\*/"
_LINE: Final = r"--[^\n]*"
_PLAIN: Final = r"'(?:[^']|'')*(?:'|\Z)"
_ESCAPED: Final = r"'(?:[^'\\]|\\.|'')*(?:'|\Z)"

_PARTS: Final = {
    "sqlite": (f"{_DOUBLE}|{_TICK}|{_BRACKET}", f"{_LINE}|{_BLOCK}", _PLAIN),
    "postgresql": (
        _DOUBLE,
        f"{_LINE}|{_BLOCK}",
        rf"\b[eE]{_ESCAPED}|{_PLAIN}|(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z)",
    ),
    "mysql": (
        _TICK,
        rf"--(?=\s|\Z)[^\n]*|\#[^\n]*|{_BLOCK}",
        rf"""{_ESCAPED}|"(?:[^"\\]|\\.|"")*(?:"|\Z)""",
    ),
}
"""Of each dialect: how names are quoted, how comments are written, how texts are."""

_PATTERNS: Final = {
    dialect: re.compile(f"(?P<name>{names})|(?P<comment>{comments})|(?:{texts})", re.DOTALL)
    for dialect, (names, comments, texts) in _PARTS.items()
}


def without_texts(sql: str, dialect: str) -> str:
    """The statement with ``?`` for each literal text; numbers and quoted names stay, comments become blanks.

    `dialect` is sqlite, postgresql or mysql (with double quotes around texts). A text that is never closed is hidden
    to the end of the statement.
    """
    return _PATTERNS[dialect].sub(_hidden, sql)


def _hidden(match: re.Match[str]) -> str:
    if match["name"] is not None:
        return match["name"]
    return " " if match["comment"] is not None else HIDDEN
