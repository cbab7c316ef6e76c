"""Builds data from a YAML parser's events.

PyYAML's own constructors know YAML 1.1, lose positions and let a second key of the same name win. No message repeats
a value, a tag or an alias: a password that lacks its quotes may look like any of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from syncd.config.place import Items, Mark, Table, Unknown, path_text
from syncd.config.scalar import resolve
from syncd.errors import Problem

MAX_DEPTH: Final = 100
MAX_ALIAS_NODES: Final = 100_000
MAX_PROBLEMS: Final = 1000

_PARSER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE: Final = "<<"
_SHOWN_STEPS: Final = 10


class StoppedError(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Anchor:
    """What a name stands for; `nodes` counts what it holds, aliases inside included, and is 0 while it is read."""

    value: object = None
    nodes: int = 0


@dataclass(slots=True)
class Reader:
    """Reads the events of one text; `problems` collects what is wrong but can be read past.

    `brackets` are the places of the flow collections that are open at the moment.
    """

    file: str
    problems: list[Problem] = field(default_factory=list)
    brackets: list[Mark] = field(default_factory=list)
    _path: list[str | int] = field(default_factory=list)
    _anchors: dict[str, _Anchor] = field(default_factory=dict)
    _nodes: int = 0
    _alias_nodes: int = 0

    def read(self, text: str) -> Table | None:
        """The mapping that the text is; None when it is empty or something else, which is noted.

        Raises:
            StoppedError: more documents than one, too deep, too many aliases, an alias inside what it names.
            yaml.YAMLError: the text is not YAML.
        """
        events = yaml.parse(text, Loader=_PARSER)
        next(events)
        start = next(events)
        if type(start) is yaml.StreamEndEvent:
            return None
        self._check_version(start)
        value, mark = self._node(next(events), events)
        next(events)
        after = next(events)
        if type(after) is not yaml.StreamEndEvent:
            message = "a second document begins here, and a configuration is one document"
            raise self._stop(
                self._mark(after), message, "remove '---' or move what follows into a file of its own"
            )
        if isinstance(value, Table) or value is None:
            return value
        if isinstance(value, Unknown):
            return None
        hint = "put a blank after each ':'" if isinstance(value, str) and ":" in value else ""
        self._note(mark, f"the file must be a mapping of keys to values, not {kind_of(value)}", hint)
        return None

    def _check_version(self, start: Any) -> None:
        if start.version and tuple(start.version) < (1, 2):
            version = ".".join(str(part) for part in start.version)
            message = f"the file asks for YAML {version}, and syncd reads YAML 1.2"
            self._note(self._mark(start), message, "remove the line that begins with %YAML")

    def _node(self, event: Any, events: Iterator[Any]) -> tuple[object, Mark]:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event)
        mark = self._mark(event)
        self._nodes += 1
        before = self._nodes
        anchor = None
        if event.anchor:
            anchor = self._anchors[event.anchor] = _Anchor()
        value: object
        if kind is yaml.ScalarEvent:
            value, mark = self._scalar(event, mark)
        elif len(self._path) >= MAX_DEPTH:
            raise self._stop(mark, f"nested deeper than {MAX_DEPTH} levels")
        elif event.flow_style:
            self.brackets.append(mark)
            value = self._collection(kind, mark, events)
            self.brackets.pop()
        else:
            value = self._collection(kind, mark, events)
        if event.tag is not None:
            self._note(mark, "tags are not allowed", "a text that begins with '!' needs quotes")
            value = Unknown()
        if anchor is not None:
            anchor.value, anchor.nodes = value, self._nodes - before + 1
        return value, mark

    def _collection(self, kind: type, mark: Mark, events: Iterator[Any]) -> Table | Items | Unknown:
        return self._table(mark, events) if kind is yaml.MappingStartEvent else self._items(mark, events)

    def _alias(self, event: Any) -> tuple[object, Mark]:
        mark = self._mark(event)
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            known = ", ".join(f"*{name}" for name in sorted(self._anchors))
            hint = "a text that begins with '*' needs quotes"
            self._note(
                mark, "there is no anchor of this name above", f"{hint}; known are {known}" if known else hint
            )
            return Unknown(), mark
        if not anchor.nodes:
            raise self._stop(mark, "this alias stands inside what it names")
        self._nodes += anchor.nodes
        self._alias_nodes += anchor.nodes
        if self._alias_nodes > MAX_ALIAS_NODES:
            raise self._stop(mark, f"the aliases of this file stand for more than {MAX_ALIAS_NODES} values")
        return anchor.value, mark

    def _scalar(self, event: Any, mark: Mark) -> tuple[object, Mark]:
        text: str = event.value
        width = event.end_mark.column - mark.column + 1 if event.end_mark.line == mark.line - 1 else -1
        if not event.implicit[0]:
            if width == len(text) + 2:
                mark = Mark(self.file, mark.line, mark.column, mark.column + 1)
            return text, mark
        if width == len(text):
            mark = Mark(self.file, mark.line, mark.column, mark.column)
        try:
            return resolve(text), mark
        except ValueError as error:
            self._note(mark, str(error))
            return Unknown(), mark

    def _items(self, mark: Mark, events: Iterator[Any]) -> Items:
        items = Items(mark)
        self._path.append(0)
        for event in events:
            if type(event) is yaml.SequenceEndEvent:
                break
            self._path[-1] = len(items)
            value, value_at = self._node(event, events)
            items.append(value)
            items.values_at.append(value_at)
        self._path.pop()
        return items

    def _table(self, mark: Mark, events: Iterator[Any]) -> Table | Unknown:
        table = Table(mark)
        merged: list[tuple[object, Mark]] = []
        broken = False
        self._path.append("")
        for event in events:
            if type(event) is yaml.MappingEndEvent:
                break
            key, key_at = self._key(event, events), self._mark(event)
            self._path[-1] = key or ""
            value, value_at = self._node(event := next(events), events)
            if event.start_mark.index == event.end_mark.index and value is None:
                value_at = key_at  # a value that is not there has no place of its own
            if key == _MERGE:
                merged.append((value, value_at))
            if key is None:
                broken = True
            elif key in table.keys_at:
                lines = f"{table.keys_at[key].line} and {key_at.line}"
                self._note(key_at, f"this key stands twice, in lines {lines}", "remove one of them")
            elif key == _MERGE:
                table.keys_at[key] = key_at
            else:
                table.put(key, value, key_at, value_at)
        for value, value_at in merged:
            self._path[-1] = _MERGE
            self._merge(table, value, value_at)
        table.keys_at.pop(_MERGE, None)
        self._path.pop()
        return Unknown() if broken and not table else table

    def _key(self, event: Any, events: Iterator[Any]) -> str | None:
        """A key's text, whatever it would mean as a value; None, with a note, when it is no text."""
        if type(event) is yaml.ScalarEvent:
            text: str = event.value
            if text or not event.implicit[0]:
                return text
            self._note(self._mark(event), "a key is missing before ':'")
            return None
        mark = self._mark(event)
        noted = len(self.problems)
        self._node(event, events)
        del self.problems[noted:]  # one sentence about a key is enough
        self._note(mark, "a key must be a text", "a value that begins with '{' or '[' needs quotes")
        return None

    def _merge(self, table: Table, value: object, mark: Mark) -> None:
        for other in value if isinstance(value, Items) else (value,):
            if isinstance(other, Unknown):
                continue
            if not isinstance(other, Table):
                self._note(mark, f"'<<' takes a mapping, such as *defaults, not {kind_of(other)}")
                continue
            for key in other:
                if key not in table:
                    table.take(key, other)

    def _mark(self, event: Any) -> Mark:
        start = event.start_mark
        return Mark(self.file, start.line + 1, start.column + 1)

    def _note(self, mark: Mark, message: str, hint: str = "") -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise self._stop(mark, f"there are more than {MAX_PROBLEMS} mistakes; reading ends here")
        self.problems.append(self._problem(mark, message, hint))

    def _stop(self, mark: Mark, message: str, hint: str = "") -> StoppedError:
        return StoppedError(self._problem(mark, message, hint))

    def _problem(self, mark: Mark, message: str, hint: str) -> Problem:
        shown = [step for step in self._path[:_SHOWN_STEPS] if step != ""]
        return Problem(self.file, mark.line, mark.column, path_text(shown), message, hint)


def kind_of(value: object) -> str:
    """What sort of value this is, in the words of messages, without the value itself."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "a mapping"
        case _:
            return "a list"
