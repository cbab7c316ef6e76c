"""Rows that were set aside come back into the stage when they are due, and leave the list when they were taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.exchange import Tracked
from syncd.model.table import Column
from syncd.repository.addition import joined, start_of, told_of
from syncd.repository.entrance import fill
from syncd.repository.image import image_of, row_of
from syncd.repository.node import Node
from syncd.repository.placing import REFUSED, is_of_a_row
from syncd.repository.refused import Refused, all_refused, key_of, key_text, let_go, set_aside
from syncd.repository.store import NUMBER, STATE, TEXT, TOLD, WHOLE, Stage, facts_of, stage_columns

FACTS: Final = ("gone", "gen", "base", "op", "mask", "at")
"""The facts of a refused row; of a parent's only the first counts."""
MOST: Final = 1_000
"""How many are tried again at once."""
OUTSIDE: Final = FatalError(
    "the row is outside what this child may send",
    hint="give it a value that the child's condition takes, or set allow_outside",
    code="outside_filter",
)


class Retry:
    """The refused rows of one peer (0: those of the parent, at a child) beside one delivery."""

    def __init__(
        self,
        node: Node,
        open_stage: Callable[[int], Stage],
        peer: int,
        now: float,
        *,
        base: int = 0,
        received: int | None = None,
    ) -> None:
        """`base` is the generation that a child had before, when the rows are those of its parent.

        `received` is the child's generation that the parent had before, when they are those of a child; see `start_of`.
        """
        self._node = node
        self._open = open_stage
        self._peer = peer
        self._now = now
        self._base = base
        self._received = received
        self._kept = all_refused(node, peer)
        self._images = {
            (int(row["tbl"]), str(row["row_key"])): (int(row["gone"]), row["image"]) for row in self._kept
        }
        self.fresh: list[Refused] = []
        """Rows that were refused for the first time as they are."""
        self.settled: list[tuple[Tracked, tuple[Any, ...]]] = []
        """Rows that waited and were taken or replaced."""
        self._formless: dict[int, int] = {}
        """How many of each table still have no form here."""

    def stage(self) -> None:
        """Put what is due beside what arrived, unless something newer of the same row arrived."""
        due = [row for row in self._kept if int(row["next_try"]) <= self._now * 1000][:MOST]
        for row in due:
            number = int(row["tbl"])
            try:
                stage = self._open(number)
            except KeyError:
                # The table is not tracked any more, or did not take part this time.
                continue
            values = row_of(stage.table.names, str(row["image"]))
            if self._number_of(stage, values) is None:
                self._put(stage, row, values)

    def join(self, stages: Mapping[int, Stage]) -> None:
        """What arrived takes the place of an older edit of its row that waits: it adds what that one was to add too.

        To be called before `stage`.
        """
        for row in self._kept:
            stage = stages.get(int(row["tbl"]))
            if stage is None or not stage.told:
                continue
            store, values = self._node.store, row_of(stage.table.names, str(row["image"]))
            number = self._number_of(stage, values)
            if number is not None:
                found = store.run(f"SELECT {TOLD} FROM {stage.name} WHERE {NUMBER} = {number}").rows[0][0]
                told = self._joined(stage, row, values, found)
                store.run(f"UPDATE {stage.name} SET {TOLD} = ? WHERE {NUMBER} = {number}", (told,))

    def keep(
        self,
        stages: Mapping[int, Stage],
        refused: Mapping[int, Mapping[int, SyncdError]],
        aside: Sequence[Refused],
    ) -> dict[int, int]:
        """Forget those that were taken or replaced, keep those that were not; how many of each table are kept anew."""
        for row in self._kept:
            stage = stages.get(int(row["tbl"]))
            if stage is None:
                continue
            number = self._number_of(stage, row_of(stage.table.names, str(row["image"])))
            if number is not None and not self._is_refused(stage, number):
                let_go(self._node, stage.table, self._peer, [str(row["row_key"])])
                self.settled.append((stage.table, row_of(stage.table.names, str(row["image"]))))
        held = dict(self._formless)
        for each in aside:
            table = self._open(each.table).table
            facts = each.facts if self._peer else (each.facts[0], 0, self._base, 0, 0, 0)
            self._set_aside(table, replace(each, peer=self._peer, facts=facts, told=self._told_aside(each)))
            held[each.table] = held.get(each.table, 0) + 1
        for number, stage in stages.items():
            rows = self._refused_rows(stage, refused.get(number, {}))
            for each in rows:
                self._set_aside(stage.table, each)
            if rows:
                held[number] = held.get(number, 0) + len(rows)
        return held

    def _set_aside(self, table: Tracked, refused: Refused) -> None:
        before = self._images.get((table.number, key_text(table, refused.row)))
        set_aside(self._node, table, refused, self._now)
        if before != (refused.facts[0], image_of(table.names, refused.row)):
            self.fresh.append(refused)
            if before is not None:
                self.settled.append((table, refused.row))

    def _put(self, stage: Stage, row: Mapping[str, Any], values: Sequence[Any]) -> None:
        facts = tuple(int(row[name]) for name in FACTS)
        told = (row["told"],) if stage.told else ()
        batch = Batch(Format.ROWS, [(*facts[: len(facts_of(edits=stage.edits))], *values, *told)], 1)
        store, table = self._node.store, stage.table
        store.savepoint()
        try:
            fill(store, stage, batch, _never)
            store.filled(stage)
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            store.undo()
            again = Refused(table.number, self._peer, facts, tuple(values), error, row["told"])
            set_aside(self._node, table, again, self._now)
            self._formless[table.number] = self._formless.get(table.number, 0) + 1
            return
        store.release()

    def _number_of(self, stage: Stage, values: Sequence[Any]) -> int | None:
        """The number of the staged row with this key."""
        place = dict(zip(stage.table.names, stage_columns(stage.table), strict=True))
        condition = " AND ".join(f"{place[name]} = ?" for name in stage.table.key)
        rows: Sequence[Any] = self._node.store.run(
            f"SELECT max({NUMBER}) FROM {stage.name} WHERE {condition}", list(key_of(stage.table, values))
        ).rows
        return int(rows[0][0]) if rows and rows[0][0] is not None else None

    def _is_refused(self, stage: Stage, number: int) -> bool:
        rows: Sequence[Any] = self._node.store.run(
            f"SELECT {STATE} FROM {stage.name} WHERE {NUMBER} = {number}"
        ).rows
        return int(rows[0][0]) in {REFUSED, REFUSED + 1}

    def _refused_rows(self, stage: Stage, errors: Mapping[int, SyncdError]) -> list[Refused]:
        """The staged rows that were not written, with their values as they would travel."""
        store, table = self._node.store, stage.table
        facts = facts_of(edits=stage.edits)
        names = [NUMBER, *facts]
        select = (
            f"SELECT {', '.join(store.whole(f's.{name}') for name in names)},"
            f" {', '.join(f's.{name}' for name in stage_columns(table))}, {f's.{TOLD}' if stage.told else 'NULL'}"
            f" FROM {stage.name} s"
            f" WHERE s.{STATE} IN ({REFUSED}, {REFUSED + 1})"
        )
        columns = [*(Column(name, WHOLE) for name in names), *table.columns, Column(TOLD, TEXT)]
        found = []
        for batch in store.extract(select, columns, Format.ROWS, _never):
            for row in tuples_of(batch):
                numbers = tuple(int(str(fact)) for fact in row[1 : 1 + len(facts)])
                if not stage.edits:
                    numbers = (*numbers, 0, self._base, 0, 0, 0)
                error = errors.get(int(str(row[0])), OUTSIDE)
                values, told = tuple(row[1 + len(facts) : -1]), self._chosen(table, row[-1])
                found.append(Refused(table.number, self._peer, numbers, values, error, told))
        return found

    def _chosen(self, table: Tracked, told: object) -> str | None:
        """What a row that is set aside tells of its start: what was received until then is no guide later."""
        return told_of(start_of(None if told is None else str(told), self._received, table), table)

    def _joined(
        self, stage: Stage, row: Mapping[str, Any], values: Sequence[Any], told: object
    ) -> str | None:
        table = stage.table
        start = start_of(None if told is None else str(told), self._received, table)
        return told_of(joined(table, start, values, start_of(row["told"], self._received, table)), table)

    def _told_aside(self, refused: Refused) -> str | None:
        """The same for a row that never came to be staged."""
        stage = self._open(refused.table)
        if not stage.told:
            return None
        key = key_text(stage.table, refused.row)
        same = (row for row in self._kept if int(row["tbl"]) == refused.table and str(row["row_key"]) == key)
        for row in same:
            return self._joined(stage, row, row_of(stage.table.names, str(row["image"])), refused.told)
        return self._chosen(stage.table, refused.told)


def _never() -> None:
    """Nothing asks for a stop between these few rows."""
