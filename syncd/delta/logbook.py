"""What a node keeps about delta files: the states that went out in them, and those that came in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from syncd.model.exchange import Mark
from syncd.ports import Check
from syncd.repository.replica import Replica
from syncd.repository.store import Purpose

COLUMNS: Final = {"peer": "text", "way": "text", "gen": "int", "token": "text", "facts": "text"}


class Way(StrEnum):
    """Did a file go out, or come in?"""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Entry:
    """A state in a file, and what else is to be remembered of it, as text."""

    mark: Mark
    facts: str


class Logbook:
    """The files of one node."""

    def __init__(self, port: Replica) -> None:
        self._store, self._names = port.store, port.names

    def entries(self, peer: str, way: Way) -> list[Entry]:
        """All that are known, the oldest state first."""
        if not self._store.relation_exists(self._names.files):
            return []
        rows: Sequence[Any] = self._store.run(
            f"SELECT gen, token, facts FROM {self._table} WHERE peer = ? AND way = ? ORDER BY gen",
            (peer, way.value),
        ).rows
        return [Entry(Mark(int(row[0]), str(row[1])), str(row[2])) for row in rows]

    def knows(self, peer: str, mark: Mark) -> bool:
        """Did this state come in with a file?"""
        return any(entry.mark == mark for entry in self.entries(peer, Way.IN))

    def note(self, peer: str, way: Way, marks: Sequence[Mark], facts: str, check: Check) -> None:
        """Remember states, each once; only the last of them carries `facts`."""
        if not self._store.relation_exists(self._names.files):
            self._write(lambda: self._store.create(self._names.files, COLUMNS, ()), check)
        there = {entry.mark: entry.facts for entry in self.entries(peer, way)}
        wanted = [Entry(mark, facts if mark == marks[-1] else "") for mark in marks]
        fresh = [entry for entry in wanted if entry.facts != there.get(entry.mark)]
        fresh = [entry for entry in fresh if entry.facts or entry.mark not in there]
        if fresh:
            self._write(lambda: self._put(peer, way, fresh), check)

    def _put(self, peer: str, way: Way, entries: Sequence[Entry]) -> None:
        for entry in entries:
            gen, token = entry.mark.gen, entry.mark.token
            key = (peer, way.value, token)
            self._store.run(f"DELETE FROM {self._table} WHERE peer = ? AND way = ? AND token = ?", key)
            self._store.run(
                f"INSERT INTO {self._table} (peer, way, gen, token, facts) VALUES (?, ?, {gen}, ?, ?)",
                (*key, entry.facts),
            )

    def _write(self, change: Callable[[], object], check: Check) -> None:
        self._store.begin(Purpose.SNAPSHOT, self._names, check)
        try:
            change()
            self._store.commit(check)
        finally:
            self._store.rollback()

    @property
    def _table(self) -> str:
        return self._store.quote(self._names.files)
