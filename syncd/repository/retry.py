"""Rows that were set aside come back into the stage when they are due, and leave the list when they were taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.exchange import Tracked
from syncd.model.table import Column
from syncd.repository.image import image_of, row_of
from syncd.repository.node import Node
from syncd.repository.placing import REFUSED, is_of_a_row
from syncd.repository.refused import Refused, all_refused, key_of, key_text, let_go, set_aside
from syncd.repository.store import NUMBER, STATE, WHOLE, Stage, facts_of, stage_columns

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
        self, node: Node, open_stage: Callable[[int], Stage], peer: int, now: float, base: int = 0
    ) -> None:
        """`base` is the generation that a child had before, when the rows are those of its parent."""
        self._node = node
        self._open = open_stage
        self._peer = peer
        self._now = now
        self._base = base
        self._kept = all_refused(node, peer)
        self._images = {
            (int(row["tbl"]), str(row["row_key"])): (int(row["gone"]), row["image"]) for row in self._kept
        }
        self.fresh: list[Refused] = []
        """Rows that were refused for the first time as they are."""
        self.settled: list[tuple[Tracked, tuple[Any, ...]]] = []
        """Rows that waited and were taken or replaced."""

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
        held: dict[int, int] = {}
        for each in aside:
            table = self._open(each.table).table
            facts = each.facts if self._peer else (each.facts[0], 0, self._base, 0, 0, 0)
            kept = replace(each, peer=self._peer, facts=facts)
            self._set_aside(table, kept)
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
        names = ("gone", "gen", "base", "op", "mask", "at") if stage.edits else ("gone",)
        facts = [int(row[name]) for name in names]
        store = self._node.store
        store.savepoint()
        try:
            store.fill(stage, Batch(Format.ROWS, [(*facts, *values)], 1), _never)
            store.filled(stage)
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            store.undo()
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
            f" {', '.join(f's.{name}' for name in stage_columns(table))} FROM {stage.name} s"
            f" WHERE s.{STATE} IN ({REFUSED}, {REFUSED + 1})"
        )
        columns = [*(Column(name, WHOLE) for name in names), *table.columns]
        found = []
        for batch in store.extract(select, columns, Format.ROWS, _never):
            for row in tuples_of(batch):
                numbers = tuple(int(str(fact)) for fact in row[1 : 1 + len(facts)])
                if not stage.edits:
                    numbers = (*numbers, 0, self._base, 0, 0, 0)
                error = errors.get(int(str(row[0])), OUTSIDE)
                found.append(Refused(table.number, self._peer, numbers, tuple(row[1 + len(facts) :]), error))
        return found


def _never() -> None:
    """Nothing asks for a stop between these few rows."""
