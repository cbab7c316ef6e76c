"""Reads one YAML text into data that knows where each part of it stands."""

from dataclasses import dataclass

import yaml

from syncd.config.place import Table
from syncd.config.reader import Reader, StoppedError
from syncd.config.syntax import forbidden_character, syntax_problem
from syncd.errors import Problem


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data and what is wrong with its YAML.

    `root` is None when there is nothing to go on with: the text is empty, broken, or no mapping.
    """

    root: Table | None
    problems: tuple[Problem, ...] = ()

    @property
    def empty(self) -> bool:
        """The text holds nothing but blanks and comments."""
        return self.root is None and not self.problems


def parse_document(text: str, file: str) -> Document:
    """Read YAML 1.2 without tags: one document whose root is a mapping. Never raises.

    Mistakes that leave the structure clear (a key that stands twice, a tag) are noted and reading goes on; one that
    does not ends it. Cost: one pass; aliases share what they name.
    """
    character = forbidden_character(text, file)
    if character is not None:
        return Document(None, (character,))
    reader = Reader(file)
    try:
        root = reader.read(text)
    except StoppedError as stopped:
        return Document(None, (*reader.problems, stopped.problem))
    except yaml.YAMLError as error:
        return Document(None, (*reader.problems, syntax_problem(error, text, file, reader.brackets)))
    return Document(root, tuple(reader.problems))
