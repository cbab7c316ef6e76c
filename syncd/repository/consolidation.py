"""What a parent does with a child's edits: find those that are conflicts, settle them, write the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from syncd.errors import TransientError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.cluster import ConflictPolicy
from syncd.model.exchange import Applied, Peer, Rules, TableCounts, Tracked
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.conflict import Decision, Side, decide, kind_of
from syncd.repository.node import Node
from syncd.repository.placing import (
    BUMP,
    DECIDED,
    REFUSED,
    SAME,
    WRITTEN,
    WRITTEN_AS_OURS,
    Placed,
    Placing,
)
from syncd.repository.record import Conflict, keep_conflict, settle_refused
from syncd.repository.refused import Refused
from syncd.repository.retry import Retry
from syncd.repository.store import (
    ALL_COLUMNS,
    FACTS_OF_EDITS,
    INSERTED,
    NUMBER,
    STATE,
    WHOLE,
    ForeignKey,
    Stage,
    stage_columns,
)

AT_ONCE: Final = 2_000
"""How many conflicts are in memory."""
ADOPTED: Final = 6
"""The state of a row that is the same on both sides and whose version takes the child's edit for its own."""
KEPT: Final = 7
"""The state of a row of ours that stays as its author made it, and goes to the loser of a conflict."""
MERGED: Final = 0
"""The `op` of a staged row that was made here out of two."""
STANDS: Final = -2
"""STANDS - n as a mask: a generation changed nothing, the row stands as generation n made it."""

Open = Callable[[int], Stage]


class Consolidation:
    """One child's delivery at the parent, inside the transaction that `NodeArrival` has begun."""

    def __init__(
        self,
        node: Node,
        open_stage: Open,
        foreign_keys: Sequence[ForeignKey],
        peer: Peer,
        rules: Rules,
        now: float,
        check: Check,
    ) -> None:
        self._node = node
        self._open = open_stage
        self._foreign_keys = foreign_keys
        self._peer = peer
        self._rules = rules
        self._now = now
        self._check = check
        self._counts: dict[int, TableCounts] = {}
        self._warnings: list[str] = []
        self._gen = 0
        self._oldest = node.oldest()
        self._names = {peer.number: peer.name for peer in node.peers()}

    def carry_out(self, stages: Mapping[int, Stage], aside: Sequence[Refused]) -> Applied:
        """Decide and write everything; the caller commits."""
        retry = Retry(self._node, self._open, self._peer.number, self._now)
        retry.stage()
        if not stages and not aside:
            return Applied()
        self._gen = self._node.advance().gen
        for stage in stages.values():
            self._check()
            self._count(stage.table, received=_counted(self._node, stage))
            self._refuse_outside(stage)
            self._settle(stage)
        placing = Placing(self._node.store, list(stages.values()), self._foreign_keys, self._check)
        placed = placing.place()
        for stage in stages.values():
            self._refuse_edited_meanwhile(stage)
            self._versions(stage)
        held = retry.keep(stages, placed.refused, aside)
        for stage, row in retry.settled:
            settle_refused(self._node, stage.table, row, self._moment)
        for each in retry.fresh:
            self._record_refused(each)
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
            rows = self._disputed(stage)
            if not rows:
                return
            for row in rows:
                self._judge(stage, policy, row)

    def _disputed(self, stage: Stage) -> list[tuple[Any, ...]]:
        """The next rows to judge: number, facts, then gen, author, author's gen and moment of our version (0 without
        one), is our row there, then the child's columns, then ours."""
        node, table = self._node, stage.table
        quote = node.store.quote
        first = quote(table.key[0])
        place = dict(zip(table.names, stage_columns(table), strict=True))
        row = quote(node.names.row(table.number))
        on = [
            " AND ".join(f"{side}.{quote(key)} = s.{place[key]}" for key in table.key) for side in ("v", "t")
        ]
        own = f"(v.nid = {self._peer.number} AND v.ngen <= s.s_gen)"
        inserted = "(s.s_op % 2 = 1 AND s.s_op < 4)"
        there = f"t.{first} IS NOT NULL"
        blind = "1 = 1" if table.number in self._rules.blind else "1 = 0"
        behind = f"(({there} OR v.{first} IS NOT NULL) AND (coalesce(v.gen, 0) > s.s_base OR {blind}))"
        surprise = f"({there} AND {inserted} AND {self._unseen(stage)})"
        forgotten = f"(s.s_base >= 0 AND s.s_base < {self._oldest} AND v.{first} IS NULL AND NOT {inserted})"
        whole = node.store.whole
        facts = ", ".join(f"s.{fact}" for fact in FACTS_OF_EDITS)
        versions = ", ".join(whole(f"coalesce(v.{name}, 0)") for name in ("gen", "nid", "ngen", "at"))
        both = [f"s.{name}" for name in stage_columns(table)] + [f"t.{quote(name)}" for name in table.names]
        select = (
            f"SELECT {whole(f's.{NUMBER}')}, {facts}, {versions},"
            f" {whole(f'CASE WHEN {there} THEN 1 ELSE 0 END')}, {', '.join(both)}"
            f" FROM {stage.name} s LEFT JOIN {row} v ON {on[0]}"
            f" LEFT JOIN {node.store.text_of(table.name)} t ON {on[1]}"
            f" WHERE s.{STATE} = 0 AND ({behind} OR {surprise} OR {forgotten})"
            f" AND (v.{first} IS NULL OR NOT {own}) ORDER BY s.{NUMBER} LIMIT {AT_ONCE}"
        )
        numbers = [Column(f"n{at}", WHOLE) for at in range(1 + len(FACTS_OF_EDITS) + 5)]
        columns = [*numbers, *table.columns, *table.columns]
        found: list[tuple[Any, ...]] = []
        for batch in node.store.extract(select, columns, Format.ROWS, self._check):
            found += tuples_of(batch)
        return found

    def _unseen(self, stage: Stage) -> str:
        """The condition that our row was never sent to the child, so that it cannot know what it inserts there."""
        node, table = self._node, stage.table
        where = self._rules.wheres.get(table.number, "")
        if not where:
            # What it has of this table it has wholly: what says insert there has replaced our row.
            return "1 = 0"
        quote = node.store.quote
        place = dict(zip(table.names, stage_columns(table), strict=True))
        keys = ", ".join(quote(key) for key in table.key)
        meeting = " AND ".join(f"w.{quote(key)} = s.{place[key]}" for key in table.key)
        sent = f"SELECT {keys} FROM {node.store.text_of(table.name)} WHERE ({where})"
        return f"NOT EXISTS (SELECT 1 FROM ({sent}) w WHERE {meeting})"

    def _judge(self, stage: Stage, policy: ConflictPolicy, found: tuple[Any, ...]) -> None:
        table, width = stage.table, len(stage.table.columns)
        number, gone, _, base, op, mask, at, gen, nid, _, ours_at, there = found[:12]
        theirs = None if gone else tuple(found[12 : 12 + width])
        ours = tuple(found[12 + width :]) if there else None
        stands = self._stands_since(stage, number, gen) if gen > base >= 0 else gen
        if stands <= base < gen:
            # Conflicts with others were decided in favour of the very row that this child had.
            self._assume(stage, number, gen)
            return
        if theirs == ours:
            # A version that nobody knows yet stays unknown: the rows were equal before the first contact.
            self._mark(stage, [number], ADOPTED if gen else SAME)
            self._count(table, same=1)
            return
        aligned = [column.name.lower() for column in stage.theirs.columns] == [
            name.lower() for name in table.names
        ]
        child = Side(theirs, mask if aligned else ALL_COLUMNS, self._clamped(at), self._peer.name)
        author = self._names.get(nid, "") if nid else self._node_name
        parent = Side(ours, self._mask_since(stage, found, base), ours_at, author)
        decision = decide(policy, table.names, parent, child)
        if decision.winner == "parent":
            self._assume(stage, number, stands)
            self._mark(stage, [number], KEPT if gen else BUMP)
        elif decision.winner == "child":
            self._mark(stage, [number], DECIDED)
        else:
            self._merge(stage, number, found[1:7], decision)
        key = theirs or ours or tuple(found[12 : 12 + width])
        keep_conflict(
            self._node,
            table,
            Conflict(
                at=self._moment,
                kind=kind_of(parent, child, inserted=bool(op & INSERTED) and op < 4),
                policy=_named(policy),
                winner=decision.winner,
                child=self._peer.name,
                state="open" if decision.open else "auto",
                key=key,
                parent=ours,
                theirs=theirs,
                merged=decision.row if decision.winner == "merged" else None,
                mask=child.mask,
                base=base,
            ),
        )
        self._count(table, conflicts=1, opened=int(decision.open))

    def _stands_since(self, stage: Stage, number: int, gen: int) -> int:
        """The generation that made our row as it is, though a later one counts it anew."""
        for counted, mask in self._past(stage, number):
            if counted == gen and mask <= STANDS:
                return STANDS - mask
        return gen

    def _past(self, stage: Stage, number: int) -> list[tuple[int, int]]:
        """Generations of our row with the columns that they changed."""
        table, node = stage.table, self._node
        quote = node.store.quote
        place = dict(zip(table.names, stage_columns(table), strict=True))
        meeting = " AND ".join(f"p.{quote(key)} = s.{place[key]}" for key in table.key)
        rows: Sequence[Any] = node.store.run(
            f"SELECT p.gen, p.mask FROM {quote(node.names.past(table.number))} p JOIN {stage.name} s ON {meeting}"
            f" WHERE s.{NUMBER} = {number}"
        ).rows
        return [(int(gen), int(mask)) for gen, mask in rows]

    def _assume(self, stage: Stage, number: int, base: int) -> None:
        self._node.store.run(f"UPDATE {stage.name} SET s_base = {base} WHERE {NUMBER} = {number}")

    def _merge(self, stage: Stage, number: int, facts: Sequence[int], decision: Decision) -> None:
        """Put the decided row in the place of the staged one."""
        store = self._node.store
        store.run(f"DELETE FROM {stage.name} WHERE {NUMBER} = {number}")
        # What was read here has the form of this node's own columns.
        amended = replace(stage, theirs=stage.table)
        gone, gen, base, _, mask, at = facts
        made = (gone, gen, base, MERGED, mask, at, *(decision.row or ()))
        store.fill(amended, Batch(Format.ROWS, [made], 1), self._check)
        store.filled(amended)
        rows: Sequence[Any] = store.run(f"SELECT max({NUMBER}) FROM {stage.name}").rows
        self._mark(stage, [int(rows[0][0])], DECIDED)

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
        masks = [mask for gen, mask in self._past(stage, found[0]) if gen > base]
        changed = 0
        for mask in masks:
            changed |= mask if mask > STANDS else 0
        return changed if masks else ALL_COLUMNS

    def _versions(self, stage: Stage) -> None:
        """Every row that was written is a new version, and says whose edit it is."""
        node, table = self._node, stage.table
        upsert = node.store.upsert_rows
        upsert(
            node.names,
            stage,
            f"({WRITTEN} OR s.{STATE} = {ADOPTED})",
            self._gen,
            str(self._peer.number),
            "s.s_gen",
        )
        # A row of the child's that won stays its own: what it builds on that row is no conflict.
        ours = f"s.s_op = {MERGED} OR s.{STATE} = {BUMP}"
        upsert(
            node.names,
            stage,
            WRITTEN_AS_OURS,
            self._gen,
            f"CASE WHEN {ours} THEN 0 ELSE {self._peer.number} END",
            f"CASE WHEN {ours} THEN {self._gen} ELSE s.s_gen END",
        )
        quote = node.store.quote
        row = quote(node.names.row(table.number))
        past = quote(node.names.past(table.number))
        staged = ", ".join(f"s.{name}" for name in stage.key_columns)
        meeting = " AND ".join(
            f"{row}.{quote(key)} = s.{name}" for key, name in zip(table.key, stage.key_columns, strict=True)
        )
        node.store.run(
            f"UPDATE {row} SET gen = {self._gen}"
            f" WHERE EXISTS (SELECT 1 FROM {stage.name} s WHERE s.{STATE} = {KEPT} AND {meeting})"
        )
        kept = f"s.{STATE} IN ({KEPT}, {BUMP})"
        changes = [(kept, f"{STANDS} - s.s_base")]
        if table.by_column:
            changes += [(WRITTEN, "s.s_mask"), (f"{WRITTEN_AS_OURS} AND NOT {kept}", str(ALL_COLUMNS))]
        keys = ", ".join(quote(key) for key in table.key)
        for which, mask in changes:
            node.store.run(
                f"INSERT INTO {past} ({keys}, gen, mask) SELECT {staged}, {self._gen}, {mask}"
                f" FROM {stage.name} s WHERE {which}"
            )

    def _record_refused(self, refused: Refused) -> None:
        """A row that a table refuses is a conflict with a rule, and a person is to look at it."""
        table = self._open(refused.table).table
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
                parent=None,
                theirs=None if gone else refused.row,
                merged=None,
                mask=mask,
                base=base,
            ),
        )
        self._count(table, conflicts=1, opened=1)

    def _tell_refused(self, stages: Mapping[int, Stage], placed: Placed, held: Mapping[int, int]) -> None:
        for number, count in held.items():
            table = stages[number].table if number in stages else self._open(number).table
            self._count(table, held=count)
            errors = list(placed.refused.get(number, {}).values())
            said = f": {errors[0].message}" if errors else ""
            self._warnings.append(f"{table.name}: {count} rows from '{self._peer.name}' are set aside{said}")

    def _clamped(self, at: int) -> int:
        """A child's clock that runs ahead wins nothing by that."""
        latest = round((self._now + self._rules.max_skew_seconds) * 1000)
        if at > latest:
            said = f"the clock of '{self._peer.name}' is ahead by more than {self._rules.max_skew_seconds:g} seconds"
            if said not in self._warnings:
                self._warnings.append(said)
            return latest
        return at

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


def _named(policy: ConflictPolicy) -> str:
    if policy.newest_by:
        return f"newest by {policy.newest_by}"
    return policy.winner.value
