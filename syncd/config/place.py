"""Data that knows where it was written, and paths into it."""

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The way from the root to a value: keys and list indexes."""

_BARE: Final = re.compile(r"[^\W\d][\w-]*")
_OPTION: Final = re.compile(r"\s*[:=].*", re.DOTALL)


class Mark(NamedTuple):
    """A place in a file, counted from 1.

    `text_column` is the column of the first character of a scalar that stands in one line without escapes, so that an
    offset into its text can be added; 0 for everything else.
    """

    file: str
    line: int
    column: int
    text_column: int = 0


class Table(dict[str, object]):
    """A mapping, with the places of its keys and values."""

    __slots__ = ("keys_at", "mark", "values_at")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def put(self, key: str, value: object, key_at: Mark, value_at: Mark) -> None:
        """Set an entry with its places."""
        self[key] = value
        self.keys_at[key] = key_at
        self.values_at[key] = value_at

    def take(self, key: str, other: "Table") -> None:
        """Set an entry to that of another table, places included."""
        self.put(key, other[key], other.keys_at[key], other.values_at[key])


class Items(list[object]):
    """A list, with the places of its entries."""

    __slots__ = ("mark", "values_at")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.values_at: list[Mark] = []


class Resolved(str):
    """A text that came, whole or in part, from outside the file; it is never shown."""

    __slots__ = ()


class Unknown(str):
    """Stands for a value that could not be read; the reason is told once, and nothing else is asked of it."""

    __slots__ = ()


def value_place(root: Table, path: Sequence[str | int]) -> Mark:
    """Where the value at that path begins; where the path leaves the data, the nearest place above."""
    return _walk(root, path)[1]


def key_place(root: Table, path: Sequence[str | int]) -> Mark:
    """Where the key of that entry stands; for an entry of a list, the entry itself."""
    return _walk(root, path)[0]


def _walk(root: Table, path: Sequence[str | int]) -> tuple[Mark, Mark]:
    node: object = root
    key_at = value_at = root.mark
    for step in path:
        if isinstance(node, Table) and step in node:
            key_at, value_at = node.keys_at[str(step)], node.values_at[str(step)]
            node = node[str(step)]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node):
            key_at = value_at = node.values_at[step]
            node = node[step]
        else:
            break
    return key_at, value_at


def text_of(table: Table, key: str) -> str | None:
    """The text under a key; None when there is none that could be read."""
    value = table.get(key)
    return value if isinstance(value, str) and not isinstance(value, Unknown) else None


def path_text(path: Sequence[str | int]) -> str:
    """The path as people write it: ``jobs.accounts.queries[0]``, ``jobs["night load"].after``."""
    text = ""
    for depth, whole in enumerate(path):
        # where the blank after ':' is missing, the key of an option holds its value
        step = (
            _OPTION.sub("", whole)
            if isinstance(whole, str) and depth == 2 and path[0] == "connections"
            else whole
        )
        if isinstance(step, int):
            text += f"[{step}]"
        elif _BARE.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=not step.isprintable())}]"
    return text
