"""Tuples as lines of COPY text, a whole column of a batch at a time.

No function of ours runs for a single value in the common case: a batch of texts is looked at once for what has to be
escaped, and whole numbers are printed by one call of `map`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from syncd.errors import RowRejectedError

NUL: Final = "\x00"
_ESCAPES: Final = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
"""What COPY text has to escape; the backslash first, because the others make some."""


def lines_of(rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows of None, int, float, str and bytes as whole lines.

    Raises:
        RowRejectedError: a text holds a NUL.
        UnicodeEncodeError: a text is not valid Unicode.
    """
    columns = [_fields(column) for column in zip(*rows, strict=True)]
    if not columns:
        return b"\n" * len(rows)
    lines = "\n".join(map("\t".join, zip(*columns, strict=True)))
    return (lines + "\n").encode()


def _fields(column: Sequence[Any]) -> Iterable[str]:
    try:
        # Joining tells most cheaply that all values are texts.
        return _escaped(column, "".join(column))
    except TypeError:
        kinds = set(map(type, column))
    if type(None) in kinds:
        given = iter(_fields([value for value in column if value is not None]))
        return ["\\N" if value is None else next(given) for value in column]
    if len(kinds) > 1:
        return [next(iter(_fields((value,)))) for value in column]
    return _WRITERS[kinds.pop()](column)


def _escaped(texts: Sequence[str], together: str) -> Iterable[str]:
    if NUL in together:
        raise RowRejectedError(
            "a text holds a NUL character, which PostgreSQL cannot hold", hint="mend the value at the source"
        )
    for char, escaped in _ESCAPES:
        if char in together:
            texts = [text.replace(char, escaped) for text in texts]
    return texts


def _hex(values: Sequence[bytes]) -> Iterable[str]:
    return ["\\\\x" + value.hex() for value in values]


_WRITERS: Final[dict[type, Callable[[Sequence[Any]], Iterable[str]]]] = {
    int: lambda numbers: map(str, numbers),
    float: lambda numbers: map(repr, numbers),
    bytes: _hex,
}
