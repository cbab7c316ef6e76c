"""Guesses what a misspelt word was meant to be."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

_NOISE: Final = re.compile(r"[\W_]+")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, whatever its case, blanks, ``-`` and ``_``; None when none is."""
    plain = {_plain(name): name for name in known}
    near = difflib.get_close_matches(_plain(word[:100]), list(plain), 1, 0.6)
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
