"""Says what is wrong with a text that is not YAML, in words for people who write configurations.

The parser's own sentences name its inner states. No message repeats a part of the text, which may be a secret.
"""

import re
from collections.abc import Sequence
from typing import Final

import yaml

from syncd.config.place import Mark
from syncd.errors import Problem

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, and those that older YAML takes for the end of a line and editors do not."""

_QUOTE_HINT: Final = "put the whole value in quotes"
_INDENT_HINT: Final = "keys of one level begin in the same column"

_Finding = tuple[int, int, str, str]
"""Line and column from 0, message, hint."""


def forbidden_character(text: str, file: str) -> Problem | None:
    """The first character that must not stand in a file, if there is one."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
    message = f"the control character U+{ord(found.group()):04X} is not allowed"
    return Problem(file, line, column, "", message, 'remove it, or write "\\x.." in double quotes')


def syntax_problem(error: yaml.YAMLError, text: str, file: str, brackets: Sequence[Mark] = ()) -> Problem:
    """What the parser stumbled over, at the place where it is mended.

    `brackets` are the flow collections that were open, so that a missing bracket is shown where it was opened.
    """
    lines = [*text.split("\n"), ""]  # the parser counts the end of the text as a line of its own
    line, column, message, hint = _finding(error, lines, brackets)
    if line and not any(content.strip() for content in lines[line:]):
        line = max(index for index, content in enumerate(lines) if content.strip() or index == 0)
        column = len(lines[line].rstrip())
    return Problem(file, line + 1, column + 1, "", message, hint)


def _finding(error: yaml.YAMLError, lines: list[str], brackets: Sequence[Mark]) -> _Finding:
    context, problem = getattr(error, "context", None) or "", getattr(error, "problem", None) or ""
    at, begin = _place(error, "problem_mark"), _place(error, "context_mark")
    if "start any token" in problem or "tab character" in problem:
        return _unstartable(at, _character(lines, at))
    if "quoted scalar" in context:
        return _broken_quote(at, begin, problem, lines)
    for word, mark in (("alias", "*"), ("anchor", "&")):
        if f"scanning an {word}" in context:
            return (*begin, f"a value that begins with '{mark}' is an {word} in YAML", _QUOTE_HINT)
    if "block scalar" in context:
        return (*begin, "the text after '|' or '>' begins on the next line", _QUOTE_HINT)
    if "a tag" in context:
        return (*begin, "tags are not allowed", "a text that begins with '!' needs quotes")
    if "flow" in context:
        return _open_bracket(at, brackets, lines)
    return _block_finding(problem, at, begin, lines)


def _block_finding(problem: str, at: tuple[int, int], begin: tuple[int, int], lines: list[str]) -> _Finding:
    if "mapping values" in problem:
        return _unexpected_colon(at, lines)
    if "could not find expected ':'" in problem:
        return (*begin, "a ':' is missing after this key", "write key: value, with a blank after ':'")
    if "sequence entries" in problem:
        return (*at, "a list cannot begin here", "put '- ' on a line of its own, or write [a, b]")
    if "document start" in problem and not lines[at[0]][: at[1]].strip():
        return (*at, "this line is indented less than the first key", _INDENT_HINT)
    if "'-' indicator" in problem or "node content" in problem or "mapping keys" in problem:
        return _misplaced(at, problem, lines)
    if any(word in problem for word in ("expected key", "block end", "document start")):
        return _unexpected_text(at, lines)
    return (*at, f"this is not YAML: {problem or 'the text cannot be read'}", "")


def _place(error: yaml.YAMLError, name: str) -> tuple[int, int]:
    mark = getattr(error, name, None)
    return (mark.line, mark.column) if mark is not None else (0, 0)


def _character(lines: list[str], at: tuple[int, int]) -> str:
    line = lines[at[0]] if at[0] < len(lines) else ""
    return line[at[1]] if at[1] < len(line) else ""


def _unstartable(at: tuple[int, int], character: str) -> _Finding:
    if character == "\t":
        return (*at, "a tab stands where YAML wants blanks", "indent with blanks")
    return (*at, f"a value cannot begin with '{character}'", _QUOTE_HINT)


def _broken_quote(at: tuple[int, int], begin: tuple[int, int], problem: str, lines: list[str]) -> _Finding:
    if "end of stream" in problem or "document" in problem:
        return (*begin, "this quote is not closed", "a quote inside is written '' or \\\"")
    line = lines[at[0]] if at[0] < len(lines) else ""
    column = line.rfind("\\", 0, at[1] + 1)
    if column < 0:
        return (*begin, "this text in quotes cannot be read", "")
    message = "in double quotes '\\' begins an escape, and this is none"
    return at[0], column, message, "use single quotes, as in 'C:\\data'"


def _open_bracket(at: tuple[int, int], brackets: Sequence[Mark], lines: list[str]) -> _Finding:
    inner = brackets[-1] if brackets else None
    if inner is not None and (inner.line - 1 != at[0] or not _character(lines, at)):
        return (
            inner.line - 1,
            inner.column - 1,
            "this bracket is not closed",
            "a ',' between entries may be missing too",
        )
    return (
        *at,
        "',' or a closing bracket is missing here",
        "a text with one of [ ] { } , in it needs quotes",
    )


def _unexpected_colon(at: tuple[int, int], lines: list[str]) -> _Finding:
    line = lines[at[0]]
    if re.search(r":\s", line[: at[1]]):
        return (*at, "a second ':' in one line", "a value with ': ' in it needs quotes")
    above = next((n for n in range(at[0] - 1, -1, -1) if lines[n].split("#")[0].strip()), None)
    if above is None:
        return (*at, "a ':' cannot stand here", "")
    begin = len(lines[above]) - len(lines[above].lstrip(" "))
    if re.search(r":\s", lines[above]):
        column = len(line) - len(line.lstrip(" "))
        return (
            at[0],
            column,
            "this line is indented deeper than the key above, which has a value",
            _INDENT_HINT,
        )
    return above, begin, "a ': ' is missing in this line", "write key: value, with a blank after ':'"


def _misplaced(at: tuple[int, int], problem: str, lines: list[str]) -> _Finding:
    if "'-' indicator" in problem:
        return (
            *at,
            "entries of a list and 'key: value' are mixed on one level",
            "begin each entry with '- '",
        )
    return (*at, f"a value cannot begin with '{_character(lines, at)}'", _QUOTE_HINT)


def _unexpected_text(at: tuple[int, int], lines: list[str]) -> _Finding:
    line = lines[at[0]] if at[0] < len(lines) else ""
    character = _character(lines, at)
    if character and character in "]}":
        return (*at, f"this '{character}' closes nothing", "")
    if line[: at[1]].strip():
        return (*at, "the value ended before this text", _QUOTE_HINT)
    return (*at, "this line's indentation fits no line above", _INDENT_HINT)
