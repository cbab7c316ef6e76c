"""Staged rows that have to go and at which only others point that have to go too: they are taken out together.

One by one each of them is still pointed at. So they first stop pointing at each other, where their columns may be empty.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from syncd.model.exchange import Tracked
from syncd.repository.store import NUMBER, STATE, ForeignKey, Stage, Store

GROUP: Final = 20
"""Added to the state of rows that may go together."""

Pointed = Callable[[Stage, ForeignKey, str], str]
"""Gives for a stage and a rule the condition that a row x points at a staged one; the text is added to what x must be."""


class Circles:
    """The stages with rows that could not be deleted, and the rules of the database. States up to `below` are waiting ones."""

    def __init__(
        self, store: Store, stages: Sequence[Stage], rules: Sequence[ForeignKey], below: int
    ) -> None:
        self._store = store
        self._stages = {stage.table.name.folded: stage for stage in stages}
        self._rules = [rule for rule in rules if rule.parent.folded in self._stages]
        self._below = below

    def find(self, pointed: Pointed) -> Mapping[str, Sequence[int]]:
        """The numbers of the rows that may go together, by the names of their stages; states are as before.

        Cost: a round over all of them for each link of a chain that leads out of the group.
        """
        for stage in self._stages.values():
            self._store.run(
                f"UPDATE {stage.name} SET {STATE} = {STATE} + {GROUP} WHERE s_gone = 1 AND {STATE} < {self._below}"
            )
        while any(self._leave(stage, pointed) for stage in self._stages.values()):
            pass
        found: dict[str, Sequence[int]] = {}
        for stage in self._stages.values():
            numbers = self._numbers(stage, f"{STATE} >= {GROUP}")
            self._shift(stage, numbers)
            if numbers:
                found[stage.name] = numbers
        return found

    def part(self, found: Mapping[str, Sequence[int]]) -> None:
        """Let these rows point at none of each other, as far as their columns may be empty."""
        for rule in self._rules:
            stage = self._stages.get(rule.table.folded)
            if stage is None or stage.name not in found:
                continue
            table, quote = stage.table, self._store.quote
            loose = [name for name in rule.columns if _may_be_empty(table, name)]
            if not loose:
                continue
            sets = ", ".join(f"{quote(name)} = NULL" for name in loose)
            keys = ", ".join(quote(key) for key in table.key)
            staged = ", ".join(f"s.{name}" for name in stage.key_columns)
            for listed in listed_parts(found[stage.name]):
                self._store.run(
                    f"UPDATE {self._store.text_of(table.name)} SET {sets}"
                    f" WHERE ({keys}) IN (SELECT {staged} FROM {stage.name} s WHERE s.{NUMBER} IN ({listed}))"
                )

    def _leave(self, stage: Stage, pointed: Pointed) -> bool:
        """Take the rows out of the group at which one points that stays; were there any?"""
        conditions = [
            pointed(stage, rule, self._stays(rule))
            for rule in self._rules
            if rule.parent.folded == stage.table.name.folded
        ]
        if not conditions:
            return False
        numbers = self._numbers(stage, f"{STATE} >= {GROUP} AND ({' OR '.join(conditions)})")
        self._shift(stage, numbers)
        return bool(numbers)

    def _stays(self, rule: ForeignKey) -> str:
        """The row x that points is not in the group."""
        stage = self._stages.get(rule.table.folded)
        if stage is None:
            return ""
        pairs = zip(stage.table.key, stage.key_columns, strict=True)
        same = " AND ".join(f"x.{self._store.quote(key)} = z.{place}" for key, place in pairs)
        return f" AND NOT EXISTS (SELECT 1 FROM {stage.name} z WHERE {same} AND z.{STATE} >= {GROUP})"

    def _numbers(self, stage: Stage, condition: str) -> list[int]:
        rows: Sequence[Any] = self._store.run(f"SELECT {NUMBER} FROM {stage.name} WHERE {condition}").rows
        return [int(row[0]) for row in rows]

    def _shift(self, stage: Stage, numbers: Sequence[int]) -> None:
        for listed in listed_parts(numbers):
            self._store.run(
                f"UPDATE {stage.name} SET {STATE} = {STATE} - {GROUP} WHERE {NUMBER} IN ({listed})"
            )


def listed_parts(numbers: Sequence[int], size: int = 2_000) -> list[str]:
    """Numbers as lists for SQL that are not too long."""
    return [", ".join(map(str, numbers[start : start + size])) for start in range(0, len(numbers), size)]


def _may_be_empty(table: Tracked, name: str) -> bool:
    column = next((column for column in table.columns if column.name.lower() == name.lower()), None)
    return column is not None and column.nullable and column.name not in table.key
