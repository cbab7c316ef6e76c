"""What a parent does with a child's edits: find those that are conflicts, settle them, write the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from syncd.errors import RowRejectedError, SyncdError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.cluster import ConflictPolicy
from syncd.model.exchange import Applied, Peer, Rules, TableCounts, Tracked
from syncd.ports import Check
from syncd.repository.addition import held_start, start_of, summed, told_of
from syncd.repository.conflict import Decision, Side, decide, kind_of
from syncd.repository.dispute import AT_ONCE, disputed
from syncd.repository.gained import fill_gained
from syncd.repository.mask import narrowed, places_of, widened
from syncd.repository.node import Node
from syncd.repository.placing import (
    BUMP,
    DECIDED,
    REFUSED,
    SAME,
    Placed,
    Placing,
)
from syncd.repository.present import present_rows
from syncd.repository.record import Conflict, forget_conflict, keep_conflict, settle_refused
from syncd.repository.refused import Refused
from syncd.repository.retry import Retry
from syncd.repository.store import (
    ALL_COLUMNS,
    BORN,
    DELETED,
    INSERTED,
    NUMBER,
    STATE,
    ForeignKey,
    Stage,
    stage_columns,
)
from syncd.repository.version import (
    ADOPTED,
    KEPT,
    MERGED,
    STANDS,
    note_author,
    past_of,
    standing_of,
    write_versions,
)

Open = Callable[[int], Stage]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a record of a conflict says beside both rows; `key` is a row with the key's values."""

    kind: str
    policy: str
    key: Sequence[Any]
    base: int


class Consolidation:
    """One child's delivery at the parent, inside the transaction that `NodeArrival` has begun."""

    def __init__(
        self,
        node: Node,
        every: Sequence[Tracked],
        open_stage: Open,
        foreign_keys: Sequence[ForeignKey],
        peer: Peer,
        rules: Rules,
        now: float,
        check: Check,
    ) -> None:
        self._node = node
        self._whole = {table.number: table.names for table in every}
        self._open = open_stage
        self._foreign_keys = foreign_keys
        self._peer = peer
        self._rules = rules
        known = peer.received.gen >= 0 or rules.fresh
        self._received = peer.received.gen if known else None
        self._now = now
        self._check = check
        self._counts: dict[int, TableCounts] = {}
        self._warnings: list[str] = []
        self._decided: dict[tuple[int, int], tuple[int, Sequence[Any], int]] = {}
        """By table and row: the record of a conflict that the parent's row did not win, what was sent, and whether it is open."""
        self._gen = 0
        self._formless: dict[int, dict[int, SyncdError]] = {}
        """Rows whose sum has no form here, with the errors."""
        self._oldest = node.oldest()
        self._names = {peer.number: peer.name for peer in node.peers()}

    def carry_out(self, stages: Mapping[int, Stage], aside: Sequence[Refused]) -> Applied:
        """Decide and write everything; the caller commits."""
        retry = Retry(self._node, self._open, self._peer.number, self._now, received=self._received)
        retry.join(stages)
        retry.stage()
        if not stages and not aside:
            return Applied()
        self._gen = self._node.advance().gen
        for stage in stages.values():
            self._check()
            self._count(stage.table, received=_counted(self._node, stage))
            fill_gained(self._node, stage, self._rules.gained.get(stage.table.number, ()))
            self._refuse_outside(stage)
            if stage.table.timed:
                self._slow_down(stage)
            self._settle(stage)
        placing = Placing(self._node.store, list(stages.values()), self._foreign_keys, self._check)
        placed = placing.place()
        for stage in stages.values():
            self._refuse_edited_meanwhile(stage)
            mask = widened("s.s_mask", self._places(stage.table))
            write_versions(self._node, stage, self._peer.number, self._gen, mask)
            self._take_back(stage, placed.refused.get(stage.table.number, {}))
        for number, errors in self._formless.items():
            placed.refused.setdefault(number, {}).update(errors)
        held = retry.keep(stages, placed.refused, aside)
        for table, row in retry.settled:
            settle_refused(self._node, table, row, self._moment, self._peer.name)
        self._record_refused(retry.fresh)
        self._tell_refused(stages, placed, held)
        for number, counts in placed.counts.items():
            self._counts[number] = self._counts.get(number, TableCounts()) + counts
        return Applied(self._counts, tuple(self._warnings))

    def _count(self, table: Tracked, **counted: int) -> None:
        self._counts[table.number] = self._counts.get(table.number, TableCounts()) + TableCounts(**counted)

    def _refuse_outside(self, stage: Stage) -> None:
        """Rows that the child's condition leaves out are not for it to send."""
        table = stage.table
        where = self._rules.wheres.get(table.number, "")
        if not where or table.number in self._rules.allow_outside:
            return
        store = self._node.store
        named = ", ".join(
            f"{place} AS {store.quote(name)}"
            for place, name in zip(stage_columns(table), table.names, strict=True)
        )
        rows: Sequence[Any] = store.run(
            f"SELECT {NUMBER} FROM (SELECT {NUMBER}, s_gone, {named} FROM {stage.name}) t"
            f" WHERE s_gone = 0 AND NOT coalesce(({where}), 1 = 0)"
        ).rows
        numbers = [int(row[0]) for row in rows]
        self._mark(stage, numbers, REFUSED)
        if numbers:
            self._warnings.append(
                f"{table.name}: {len(numbers)} rows from '{self._peer.name}' are outside what it may send, and are set aside"
            )

    def _settle(self, stage: Stage) -> None:
        """Look at every edit that was not made on the parent's present version."""
        policy = self._rules.policies.get(stage.table.number, ConflictPolicy())
        while True:
            self._check()
            rows = disputed(self._node, stage, self._rules, self._peer.number, self._oldest, self._check)
            if not rows:
                return
            for row in rows:
                self._judge(stage, policy, row)

    def _judge(self, stage: Stage, policy: ConflictPolicy, found: tuple[Any, ...]) -> None:
        table, width = stage.table, len(stage.table.columns)
        number, gone, _, base, op, mask, at, gen, nid, _, ours_at, there = found[:12]
        theirs = None if gone else tuple(found[12 : 12 + width])
        ours = tuple(found[12 + width : 12 + 2 * width]) if there else None
        stands, makers = standing_of(self._node, stage, number, gen) if gen > base else (gen, set())
        if stands <= base < gen or (self._peer.number in makers and theirs != ours):
            # Conflicts with others were decided in favour of the very row that this child had, or had made itself.
            self._assume(stage, number, gen)
            return
        inserted = bool(op & BORN) or (bool(op & INSERTED) and op < DELETED)
        if gone and inserted and (gen <= base or table.number in self._rules.blind):
            # It took back a row that it had made itself, and never had ours.
            self._mark(stage, [number], SAME)
            return
        start = start_of(found[-1], self._received, table) if policy.summed else None
        sums = summed(table, ours, theirs, start) if ours is not None and theirs is not None else {}
        if theirs == ours and all(ours is not None and ours[place] == total for place, total in sums.items()):
            self._adopt(stage, number, stands, gen, nid)
            return
        child = Side(theirs, mask if _aligned(stage) else ALL_COLUMNS, at, self._peer.name, sums)
        author = self._names.get(nid, "") if nid else self._node_name
        parent = Side(ours, self._mask_since(stage, found, base), ours_at, author)
        decision = decide(policy, table.names, parent, child)
        if decision.winner == "parent":
            self._assume(stage, number, stands)
        # A merged row differs from ours by what was added, also if it has to wait.
        told = told_of(held_start(table, ours) if ours and start else None, table)
        number = self._put(stage, number, found[1:8], decision, told)
        if number is None:
            return
        kind = kind_of(parent, child, inserted=inserted)
        key = theirs or ours or tuple(found[12 : 12 + width])
        record = self._record(table, Judged(kind, _named(policy), key, base), parent, child, decision)
        if decision.winner != "parent":
            sent = (*found[1:7], found[-1]) if stage.told else found[1:7]
            self._decided[table.number, number] = (record, sent, int(decision.open))

    def _record(self, table: Tracked, judged: "Judged", parent: Side, child: Side, decision: Decision) -> int:
        """Keep a record of a conflict; its number."""
        record = keep_conflict(
            self._node,
            table,
            Conflict(
                at=self._moment,
                kind=judged.kind,
                policy=judged.policy,
                winner=decision.winner,
                child=self._peer.name,
                state="open" if decision.open else "auto",
                key=judged.key,
                parent=parent.row,
                theirs=child.row,
                merged=decision.row if decision.winner == "merged" else None,
                mask=child.mask,
                base=judged.base,
            ),
        )
        self._count(table, conflicts=1, opened=int(decision.open))
        return record

    def _assume(self, stage: Stage, number: int, base: int) -> None:
        self._node.store.run(f"UPDATE {stage.name} SET s_base = {base} WHERE {NUMBER} = {number}")

    def _adopt(self, stage: Stage, number: int, stands: int, gen: int, author: int) -> None:
        """Both have the same row. A version that nobody knows yet stays unknown: the rows were equal before the first contact."""
        self._assume(stage, number, stands)
        self._mark(stage, [number], ADOPTED if gen else SAME)
        if author:
            note_author(self._node, stage, number, author, self._gen)
        self._count(stage.table, same=1)

    def _put(
        self, stage: Stage, number: int, facts: Sequence[int], decision: Decision, told: str | None
    ) -> int | None:
        """Mark the winner, or put the merged row in the place of the staged one; `facts` end with our row's generation."""
        if decision.winner == "merged":
            return self._merge(stage, number, facts[:6], decision, told)
        kept = KEPT if facts[6] else BUMP
        self._mark(stage, [number], DECIDED if decision.winner == "child" else kept)
        return number

    def _merge(
        self, stage: Stage, number: int, facts: Sequence[int], decision: Decision, told: str | None
    ) -> int | None:
        """Put the decided row in the place of the staged one; its number, None when a sum has no form here: then that one waits."""
        gone, gen, base, _, mask, at = facts
        made = (gone, gen, base, MERGED, mask, at, *(decision.row or ()), *((told,) if stage.told else ()))
        store = self._node.store
        store.savepoint()
        try:
            done = self._replace(stage, number, made, DECIDED)
        except RowRejectedError as error:
            store.undo()
            self._mark(stage, [number], REFUSED)
            self._formless.setdefault(stage.table.number, {})[number] = error
            return None
        store.release()
        return done

    def _replace(self, stage: Stage, number: int, made: Sequence[Any], state: int) -> int:
        """Put another row, with its facts, in the place of a staged one; its number."""
        store = self._node.store
        store.run(f"DELETE FROM {stage.name} WHERE {NUMBER} = {number}")
        # What was read here has the form of this node's own columns.
        amended = replace(stage, theirs=stage.table)
        store.fill(amended, Batch(Format.ROWS, [tuple(made)], 1), self._check)
        store.filled(amended)
        rows: Sequence[Any] = store.run(f"SELECT max({NUMBER}) FROM {stage.name}").rows
        self._mark(stage, [int(rows[0][0])], state)
        return int(rows[0][0])

    def _take_back(self, stage: Stage, refused: dict[int, SyncdError]) -> None:
        """What the table refuses is not decided: the child's own row is set aside, and judged when it is tried again."""
        table = stage.table
        for number in [number for number in refused if (table.number, number) in self._decided]:
            record, facts, opened = self._decided[table.number, number]
            theirs = forget_conflict(self._node, table, record)
            if theirs is not None:
                made = (*facts[:6], *theirs, *facts[6:])
                refused[self._replace(stage, number, made, REFUSED)] = refused.pop(number)
            self._count(table, conflicts=-1, opened=-opened)

    def _refuse_edited_meanwhile(self, stage: Stage) -> None:
        """A row that somebody inserted after our own edits were counted was left alone, and must be judged first."""
        node, table = self._node, stage.table
        if not table.captured:
            return
        quote = node.store.quote
        place = dict(zip(table.names, stage_columns(table), strict=True))
        meeting = " AND ".join(f"l.{quote(key)} = s.{place[key]}" for key in table.key)
        log = quote(node.names.log(table.number))
        if node.store.run(f"SELECT 1 FROM {log} l JOIN {stage.name} s ON {meeting} LIMIT 1").rows:
            raise TransientError(
                f"a row of {table.name} at {node.store.place} was edited while edits of '{self._peer.name}' were applied",
                hint="nothing was written; it is tried again",
                code="edited_meanwhile",
            )

    def _mask_since(self, stage: Stage, found: tuple[Any, ...], base: int) -> int:
        """Which columns of our row changed after `base`; all of them where nobody knows."""
        if not stage.table.by_column or base < self._oldest or not found[11]:
            return ALL_COLUMNS
        masks = [mask for gen, mask in past_of(self._node, stage, found[0]) if gen > base]
        changed = 0
        for mask in masks:
            changed |= mask if mask > STANDS else 0
        return narrowed(changed, self._places(stage.table)) if masks else ALL_COLUMNS

    def _places(self, table: Tracked) -> tuple[int, ...]:
        return places_of(table.names, self._whole.get(table.number, table.names))

    def _record_refused(self, fresh: Sequence[Refused]) -> None:
        """Rows that a table refuses are conflicts with a rule, and a person is to look at them."""
        for number in sorted({each.table for each in fresh}):
            table = self._open(number).table
            rows = [each for each in fresh if each.table == number]
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                present = present_rows(self._node, table, [each.row for each in some], self._check)
                for each, ours in zip(some, present, strict=True):
                    self._keep_refused(table, each, ours)

    def _keep_refused(self, table: Tracked, refused: Refused, ours: tuple[Any, ...] | None) -> None:
        gone, _, base, _, mask, _ = refused.facts
        keep_conflict(
            self._node,
            table,
            Conflict(
                at=self._moment,
                kind="unique" if refused.error.code == "key_exists" else "rule",
                policy=refused.error.message,
                winner="parent",
                child=self._peer.name,
                state="open",
                key=refused.row,
                parent=ours,
                theirs=None if gone else refused.row,
                merged=None,
                mask=mask,
                base=base,
            ),
        )

    def _tell_refused(self, stages: Mapping[int, Stage], placed: Placed, held: Mapping[int, int]) -> None:
        for number, count in held.items():
            table = stages[number].table if number in stages else self._open(number).table
            self._count(table, held=count)
            errors = list(placed.refused.get(number, {}).values())
            said = f": {errors[0].message}" if errors else ""
            self._warnings.append(f"{table.name}: {count} rows from '{self._peer.name}' are set aside{said}")

    def _slow_down(self, stage: Stage) -> None:
        """A child's clock that runs ahead wins nothing by that: its edits were made after its last run, and no more is known."""
        limit = self._rules.max_skew_seconds
        latest = round((self._now + limit) * 1000)
        counted = round(min(self._peer.last_seen or self._now, self._now) * 1000)
        if self._node.store.run(f"UPDATE {stage.name} SET s_at = {counted} WHERE s_at > {latest}").changed:
            said = f"the clock of '{self._peer.name}' is ahead by more than {limit:g} seconds: its edits count as made at its last run"
            if said not in self._warnings:
                self._warnings.append(said)

    def _mark(self, stage: Stage, numbers: Sequence[int], state: int) -> None:
        for start in range(0, len(numbers), AT_ONCE):
            listed = ", ".join(map(str, numbers[start : start + AT_ONCE]))
            self._node.store.run(f"UPDATE {stage.name} SET {STATE} = {state} WHERE {NUMBER} IN ({listed})")

    @property
    def _node_name(self) -> str:
        return self._node.name()

    @property
    def _moment(self) -> str:
        return datetime.fromtimestamp(self._now, UTC).isoformat(timespec="milliseconds")


def _counted(node: Node, stage: Stage) -> int:
    rows: Sequence[Any] = node.store.run(f"SELECT count(*) FROM {stage.name}").rows
    return int(rows[0][0])


def _aligned(stage: Stage) -> bool:
    """Do both sides name their columns alike?"""
    return [name.lower() for name in stage.theirs.names] == [name.lower() for name in stage.table.names]


def _named(policy: ConflictPolicy) -> str:
    if policy.newest_by:
        return f"newest by {policy.newest_by}"
    return policy.winner.value
