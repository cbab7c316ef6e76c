"""Guesses what a misspelt word was meant to be."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

_SHORTEST_BEGINNING: Final = 4
_NOISE: Final = re.compile(r"[\W_]+")


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known word that is most like this one, whatever its case, blanks, ``-`` and ``_``; None when none is."""
    plain = {_plain(name): name for name in known}
    wanted = _plain(word[:100])
    near = difflib.get_close_matches(wanted, list(plain), 1, likeness)
    if not near and len(wanted) >= _SHORTEST_BEGINNING:
        near = sorted((name for name in plain if name.startswith(wanted)), key=len)
    return plain[near[0]] if near else None


def suggest(word: str, known: Iterable[str], what: str = "known") -> str:
    """A hint: "did you mean 'x'?", else the list of what is known when it is short enough to be read."""
    names = sorted(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean '{near}'?"
    listed = ", ".join(names)
    return f"{what}: {listed}" if names and len(listed) <= 200 else ""


def _plain(word: str) -> str:
    return _NOISE.sub("", word).lower()
