"""Collects what is wrong in data, each problem at the place where it is mended."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from syncd.config.place import Mark, Table, key_place, path_text, value_place
from syncd.errors import Problem
from syncd.model.secret import MASK

_URL_PASSWORD: Final = re.compile(r"(://[^/\s@:]*:)[^\s@]+@")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""What could break a line of output or steer a terminal."""
_SHORTEST_SCRUBBED: Final = 6
_LONGEST_SHOWN: Final = 500
_LONGEST_SEARCHED: Final = 2000


@dataclass(slots=True)
class Report:
    """The problems found so far in one tree of data."""

    root: Table
    problems: list[Problem] = field(default_factory=list)

    def at_value(
        self, path: Sequence[str | int], message: str, hint: str = "", offset: int | None = None
    ) -> None:
        """The value is wrong; `offset` points into its text where that can be seen in the file."""
        mark = value_place(self.root, path)
        column = mark.text_column + offset if offset is not None and mark.text_column else mark.column
        self.at_mark(mark._replace(column=column), path, message, hint)

    def at_key(self, path: Sequence[str | int], message: str, hint: str = "") -> None:
        """The key is wrong, or something is missing under it."""
        self.at_mark(key_place(self.root, path), path, message, hint)

    def at_mark(self, mark: Mark, path: Sequence[str | int], message: str, hint: str = "") -> None:
        """Something is wrong at a place that the path does not lead to."""
        problem = Problem(mark.file, mark.line, mark.column, path_text(path), message, hint)
        if problem not in self.problems[-20:]:  # a missing key is found once for every rule that asks for it
            self.problems.append(problem)


def ordered(problems: Iterable[Problem], files: Sequence[str], secrets: Iterable[str]) -> list[Problem]:
    """The problems by file and place, without repetitions.

    `secrets` are masked wherever they stand, as are passwords in URLs: a second net below messages that do not repeat
    values of connections in the first place.
    """
    rank = {file: position for position, file in enumerate(files)}
    hidden = sorted((text for text in secrets if len(text) >= _SHORTEST_SCRUBBED), key=len, reverse=True)
    unique = dict.fromkeys(_masked(problem, hidden) for problem in problems)
    return sorted(unique, key=lambda found: (rank.get(found.file, len(rank)), found.line, found.column))


def _masked(problem: Problem, hidden: Sequence[str]) -> Problem:
    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, MASK)
        text = _URL_PASSWORD.sub(rf"\g<1>{MASK}@", text[:_LONGEST_SEARCHED])
        text = _CONTROL.sub(" ", text)
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."

    return replace(
        problem, path=clean(problem.path), message=clean(problem.message), hint=clean(problem.hint)
    )
