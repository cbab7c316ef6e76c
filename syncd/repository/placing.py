"""Brings staged rows into the users' tables: as few statements as possible, and row by row only what is refused.

What has to go goes first, children before their parents, as far as nothing points at it; then rows come, parents first; then
what was refused is tried again as long as that helps. So rows may hand unique values to each other, and rules between
tables hold after every statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.exchange import TableCounts
from syncd.model.table import TableName
from syncd.ports import Check
from syncd.repository.circle import Circles, listed_parts
from syncd.repository.dangling import dangling, is_late
from syncd.repository.store import NUMBER, STATE, ForeignKey, Stage, Store, stage_columns

READY: Final = 0
"""To be written as its sender made it."""
DECIDED: Final = 1
"""To be written as this node decided."""
BUMP: Final = 2
"""This node's own row stays, and counts as a new version."""
SAME: Final = 3
"""Both sides hold the same."""
REFUSED: Final = 4
"""Added to the state of a row that the table refuses."""
FREE: Final = 10
"""Added to the state of a row that may be deleted: nothing points at it."""

WRITTEN: Final = f"s.{STATE} IN ({READY}, {READY + FREE})"
WRITTEN_AS_OURS: Final = f"s.{STATE} IN ({DECIDED}, {BUMP}, {DECIDED + FREE})"
ROW_CODES: Final = frozenset({"key_exists", "duplicate_key", "still_referenced"})


@dataclass(slots=True)
class Placed:
    """What became of the staged rows; `refused` gives for each table the errors by the rows' numbers."""

    counts: dict[int, TableCounts] = field(default_factory=dict)
    refused: dict[int, dict[int, SyncdError]] = field(default_factory=dict)

    def add(self, number: int, **counted: int) -> None:
        """Count rows of a table."""
        self.counts[number] = self.counts.get(number, TableCounts()) + TableCounts(**counted)


def is_of_a_row(error: SyncdError) -> bool:
    """Is a row to blame, and not the statement, the server or a stop?"""
    return isinstance(error, RowRejectedError) or (isinstance(error, FatalError) and error.code in ROW_CODES)


class Placing:
    """Stages of one delivery, in the order in which their tables depend on each other."""

    def __init__(
        self, store: Store, stages: Sequence[Stage], rules: Sequence[ForeignKey], check: Check
    ) -> None:
        self._store = store
        self._rules = rules
        self._check = check
        self._stages = in_order(stages, rules)
        self._emptied: set[TableName] = set()
        """Tables at which no rule points, and whose rows that had to go are gone."""
        self._banned: dict[int, dict[int, SyncdError]] = {}
        """Rows that break a rule at the end of the transaction; they are not tried again in this one."""
        self.placed = Placed()

    def place(self) -> Placed:
        """Write everything that the tables take."""
        if not any(is_late(stage, rule) for stage in self._stages for rule in self._rules):
            return self._place_all()
        # What points at nothing already does not come from here.
        before = self._dangling((READY, DECIDED, BUMP, SAME))
        while True:
            self._store.savepoint()
            self._ban()
            self._place_all()
            after = self._dangling((READY, DECIDED))
            broken = {
                number: {at: error for at, error in found.items() if at not in before[number]}
                for number, found in after.items()
            }
            if not any(broken.values()):
                self._store.release()
                return self.placed
            self._store.undo()
            for number, found in broken.items():
                self._banned.setdefault(number, {}).update(found)
            self.placed = Placed()
            self._emptied.clear()

    def _dangling(self, states: Sequence[int]) -> dict[int, dict[int, SyncdError]]:
        return {
            stage.table.number: {**dangling(self._store, stage, self._rules, states)}
            for stage in self._stages
        }

    def _ban(self) -> None:
        """Leave out the rows that would break a rule at the end; the first one that does takes others with it."""
        for stage in self._stages:
            for number, error in self._banned.get(stage.table.number, {}).items():
                self._refuse(stage, number, error)

    def _place_all(self) -> Placed:
        self._delete_free()
        left = [stage for stage in self._stages if self._undeleted(stage, "LIMIT 1")]
        for stage in self._stages:
            self._write(stage)
        if left:
            # What pointed at them may point elsewhere now.
            self._delete_free()
        self._try_again()
        if left and self._delete_circles(left):
            self._try_again()
        for stage in left:
            self._hold_undeleted(stage)
        return self.placed

    def _delete_free(self) -> bool:
        """Delete what nothing points at, until that frees nothing more; was anything deleted?"""
        ever = False
        while True:
            gone = sum(self._delete_round(stage) for stage in reversed(self._stages))
            ever = ever or gone > 0
            if not gone or not self._rules:
                return ever

    def _delete_round(self, stage: Stage) -> int:
        store, name = self._store, stage.name
        table = stage.table.name.folded
        pointed = [f"NOT {self._pointed(stage, rule)}" for rule in self._rules if rule.parent.folded == table]
        if not pointed:
            if table not in self._emptied:
                self._emptied.add(table)
                deleted = store.delete(stage, f"s.s_gone = 1 AND s.{STATE} < {BUMP}")
                self.placed.add(stage.table.number, deleted=deleted)
                return deleted
            return 0
        conditions = [f"{STATE} < {BUMP}", "s_gone = 1", *pointed]
        marked = store.run(
            f"UPDATE {name} SET {STATE} = {STATE} + {FREE} WHERE {' AND '.join(conditions)}"
        ).changed
        if not marked:
            return 0
        self._check()
        # The planner believes that no row has the new state until it is told.
        store.filled(stage)
        # Those of an earlier round are gone already.
        deleted = store.delete(stage, f"s.s_gone = 1 AND s.{STATE} IN ({READY + FREE}, {DECIDED + FREE})")
        self.placed.add(stage.table.number, deleted=deleted)
        return marked

    def _pointed(self, stage: Stage, rule: ForeignKey, more: str = "") -> str:
        """The condition on staged rows that a row x points at theirs by this rule, and meets `more`."""
        table = stage.table
        quote, text = self._store.quote, self._store.text_of
        place = dict(zip(table.names, stage_columns(table), strict=True))
        same = " AND ".join(f"t.{quote(key)} = {stage.name}.{place[key]}" for key in table.key)
        points = " AND ".join(
            # The column pointed at says which values are equal.
            f"t.{quote(theirs)} = x.{quote(mine)}"
            for mine, theirs in zip(rule.columns, rule.parent_columns, strict=True)
        )
        itself = ""
        if rule.table.folded == rule.parent.folded:
            own = " AND ".join(f"x.{quote(key)} = t.{quote(key)}" for key in table.key)
            itself = f" AND NOT ({own})"
        return (
            f"EXISTS (SELECT 1 FROM {text(table.name)} t JOIN {text(rule.table)} x ON {points}"
            f" WHERE {same}{itself}{more})"
        )

    def _delete_circles(self, left: Sequence[Stage]) -> bool:
        """Delete rows at which only rows point that have to go too; were there any?"""
        store = self._store
        circles = Circles(store, left, self._rules, BUMP)
        found = circles.find(self._pointed)
        if not found:
            return False
        counts, emptied = dict(self.placed.counts), set(self._emptied)
        store.savepoint()
        try:
            circles.part(found)
            self._delete_free()
            for stage in left:
                self._delete_together(stage, found.get(stage.name, ()))
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            store.undo()
            self.placed.counts, self._emptied = counts, emptied
            return False
        store.release()
        return True

    def _delete_together(self, stage: Stage, numbers: Sequence[int]) -> None:
        """A circle within one table that may not be parted goes in one statement, where the product looks at its end."""
        there = sorted(set(numbers) & set(self._undeleted(stage)))
        for listed in listed_parts(there):
            self._check()
            deleted = self._store.delete(stage, f"s.{NUMBER} IN ({listed})")
            self.placed.add(stage.table.number, deleted=deleted)
            self._shift(stage, listed, FREE)

    def _write(self, stage: Stage) -> None:
        error = self._attempt(stage, f"s.s_gone = 0 AND s.{STATE} < {BUMP}")
        if error is None:
            return
        rows: Sequence[Any] = self._store.run(
            f"SELECT {NUMBER} FROM {stage.name} WHERE s_gone = 0 AND {STATE} < {BUMP} ORDER BY {NUMBER}"
        ).rows
        self._narrow(stage, [int(row[0]) for row in rows], error)

    def _narrow(self, stage: Stage, numbers: Sequence[int], error: SyncdError) -> None:
        """The rows of these numbers were refused together: find which of them are to blame, and write the others."""
        if len(numbers) == 1:
            self._refuse(stage, numbers[0], error)
            return
        middle = len(numbers) // 2
        for half in (numbers[:middle], numbers[middle:]):
            self._check()
            said = self._attempt(
                stage,
                f"s.s_gone = 0 AND s.{STATE} < {BUMP} AND s.{NUMBER} BETWEEN {half[0]} AND {half[-1]}",
            )
            if said is not None:
                self._narrow(stage, half, said)

    def _attempt(self, stage: Stage, which: str) -> SyncdError | None:
        """Write these rows, or nothing and say why the table refuses them."""
        store = self._store
        store.savepoint()
        try:
            updated = store.update(stage, which)
            inserted = store.insert(stage, which)
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            store.undo()
            return error
        store.release()
        self.placed.add(stage.table.number, updated=updated, inserted=inserted)
        return None

    def _refuse(self, stage: Stage, number: int, error: SyncdError) -> None:
        self._shift(stage, str(number), REFUSED)
        self.placed.refused.setdefault(stage.table.number, {})[number] = error

    def _try_again(self) -> None:
        """Rows that were refused may be taken once others have gone or come."""
        progress = any(self.placed.refused.values())
        while progress:
            self._check()
            progress = self._delete_free()
            for stage in self._stages:
                refused = self.placed.refused.get(stage.table.number, {})
                for number in refused.keys() - self._banned.get(stage.table.number, {}).keys():
                    self._shift(stage, str(number), -REFUSED)
                    error = self._attempt(stage, f"s.{NUMBER} = {number}")
                    if error is None:
                        del refused[number]
                        progress = True
                    else:
                        self._refuse(stage, number, error)
                progress = self._swap(stage, refused) or progress

    def _swap(self, stage: Stage, refused: dict[int, SyncdError]) -> bool:
        """Rows that keep each other's unique values are taken out together and put back in; did that help?"""
        clashing = [number for number, error in refused.items() if error.code == "key_exists"]
        if len(clashing) < 2 or self._is_pointed_at(stage):
            return False
        store = self._store
        which = f"s.{NUMBER} IN ({', '.join(map(str, clashing))})"
        store.savepoint()
        try:
            updated = store.exchange(stage, which)
            inserted = store.insert(stage, which)
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            store.undo()
            return False
        store.release()
        self._shift(stage, ", ".join(map(str, clashing)), -REFUSED)
        self.placed.add(stage.table.number, updated=updated, inserted=inserted)
        for number in clashing:
            del refused[number]
        return True

    def _is_pointed_at(self, stage: Stage) -> bool:
        """Would deleting a row of the table change rows of others?"""
        return any(rule.acts and rule.parent.folded == stage.table.name.folded for rule in self._rules)

    def _hold_undeleted(self, stage: Stage) -> None:
        """Rows that should go and that others point at stay, and are tried again later."""
        for number in self._undeleted(stage):
            error = FatalError(
                f"a row of {stage.table.name} was deleted elsewhere, and rows of this repository still point at it",
                hint="delete or change these rows; it is tried again",
                code="still_referenced",
            )
            self._refuse(stage, number, error)

    def _undeleted(self, stage: Stage, most: str = "") -> list[int]:
        """Rows that should go and are there."""
        if stage.table.name.folded in self._emptied:
            return []
        rows: Sequence[Any] = self._store.run(
            f"SELECT {NUMBER} FROM {stage.name} WHERE s_gone = 1 AND {STATE} < {BUMP} {most}"
        ).rows
        return [int(row[0]) for row in rows]

    def _shift(self, stage: Stage, listed: str, by: int) -> None:
        self._store.run(f"UPDATE {stage.name} SET {STATE} = {STATE} + {by} WHERE {NUMBER} IN ({listed})")


def in_order(stages: Sequence[Stage], rules: Sequence[ForeignKey]) -> list[Stage]:
    """The stages so that a table comes after those that its rows point at; circles are cut anywhere."""
    by_name: Mapping[TableName, Stage] = {stage.table.name.folded: stage for stage in stages}
    found: list[Stage] = []
    visiting: set[TableName] = set()

    def visit(name: TableName) -> None:
        stage = by_name.get(name)
        if stage is None or stage in found or name in visiting:
            return
        visiting.add(name)
        for rule in rules:
            if rule.table.folded == name:
                visit(rule.parent.folded)
        found.append(stage)

    for stage in stages:
        visit(stage.table.name.folded)
    return found
