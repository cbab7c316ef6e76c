"""Rows of a peer on their way into a node: staged beside the tables, then decided and written in one transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from syncd.cluster_ports import Known
from syncd.errors import BusyError, SyncdError, TransientError
from syncd.model.batch import Batch, tuples_of
from syncd.model.exchange import Applied, Block, Mark, Peer, Role, Rules, Tracked
from syncd.ports import Check
from syncd.repository.absence import catch_up
from syncd.repository.consolidation import Consolidation
from syncd.repository.crash import crash_point
from syncd.repository.delivery import Delivery
from syncd.repository.departure import seal
from syncd.repository.entrance import fill
from syncd.repository.node import PARENT, Node
from syncd.repository.own import learn
from syncd.repository.placing import is_of_a_row
from syncd.repository.refused import Refused
from syncd.repository.store import ForeignKey, Purpose, Stage, facts_of

Now = Callable[[], float]


class NodeArrival:
    """One delivery. Tables are `tables` here and `theirs` at the sender, in the same order."""

    def __init__(
        self,
        node: Node,
        every: Sequence[Tracked],
        tables: Sequence[Tracked],
        theirs: Sequence[Tracked],
        rules: Sequence[ForeignKey],
        now: Now,
        *,
        edits: bool,
    ) -> None:
        self._node = node
        self._every = every
        self._rules = rules
        self._now = now
        self._stages: dict[int, Stage] = {}
        self._filled: dict[int, int] = {}
        self._doubted: set[int] = set()
        self._aside: list[Refused] = []
        self._wanted = {
            mine.number: Stage(node.names.stage(mine.number), mine, other, edits)
            for mine, other in zip(tables, theirs, strict=True)
        }

    def stage(self, block: Block, check: Check) -> None:
        """Take rows of a table."""
        stage = self._open(block.table)
        batch = Batch(block.format, block.data, block.rows)
        if block.table in self._doubted:
            self._carefully(stage, batch, check)
        else:
            fill(self._node.store, stage, batch, check)

    def staged(self, table: int) -> int:
        """The table's rows are all there."""
        if table not in self._stages:
            return 0
        self._filled[table] = self._node.store.filled(self._stages[table])
        crash_point("staged")
        return self._filled[table]

    def doubt(self, table: int) -> None:
        """Begin the table anew, and look at each row that has no form here."""
        if table in self._stages:
            self._node.store.empty(self._stages.pop(table))
        self._doubted.add(table)

    def apply_edits(self, peer: Peer, mark: Mark, rules: Rules, check: Check) -> Applied:
        """Consolidate a child's edits at the parent."""
        node = self._node
        crash_point("before edits are applied")
        with self._transaction(check):
            known = node.peer(peer.name)
            if known.received != peer.received or known.number != peer.number:
                raise _moved(node, f"child '{peer.name}'")
            self._lock()
            seal(node, Role.PARENT, self._every)
            step = Consolidation(node, self._every, self._open, self._rules, peer, rules, self._now(), check)
            applied = step.carry_out(self._stages, self._aside)
            crash_point("edits are placed")
            # The child has all that it was sent; what was refused is kept here.
            node.put_peer(replace(known, received=mark, last_seen=self._now()))
        crash_point("after edits are applied")
        return applied

    def apply_versions(
        self, since: Mark, mark: Mark, whole: Mapping[int, str], known: Known, check: Check
    ) -> Applied:
        """Write the parent's rows at a child."""
        node = self._node
        for number in whole:
            self._open(number)
            if number not in self._filled:
                self.staged(number)
        crash_point("before versions are applied")
        with self._transaction(check):
            parent = node.peer(PARENT)
            if parent.received != since:
                raise _moved(node, "the parent's changes")
            self._lock()
            # What the parent has is no longer unsent, and may be overwritten by what it made of it.
            learn(node, self._every, known.received, known.held)
            seal(node, Role.CHILD, self._every)
            step = Delivery(node, self._open, self._rules, since.gen, self._now(), check)
            applied = step.carry_out(self._stages, whole, self._aside)
            # Who inserted one of these rows meanwhile had not seen the parent's: that edit counts from before them.
            seal(node, Role.CHILD, self._every)
            skipped = {number for number, count in applied.counts.items() if count.skipped}
            catch_up(node, self._wanted, skipped, mark.gen)
            crash_point("versions are placed")
            sent = Mark(known.received, known.token)
            node.put_peer(replace(parent, received=mark, sent=sent, last_seen=self._now()))
            node.thin_marks(sent.gen)
        crash_point("after versions are applied")
        return applied

    def close(self) -> None:
        """Forget what was staged."""
        self._node.store.rollback()
        for stage in self._stages.values():
            self._node.store.empty(stage)
        self._stages.clear()

    @contextmanager
    def _transaction(self, check: Check) -> Iterator[None]:
        store = self._node.store
        store.begin(Purpose.APPLY, self._node.names, check)
        try:
            yield
            store.commit(check)
        finally:
            store.rollback()

    def _lock(self) -> None:
        """Hold the rows that are to be changed; which table somebody else has in his hands belongs to the message."""
        for stage in self._stages.values():
            try:
                self._node.store.lock(stage)
            except TransientError as error:
                if error.code != "row_locked":
                    raise
                raise TransientError(
                    f"{error.message} in {stage.table.name}", hint=error.hint, code=error.code
                ) from error

    def _open(self, number: int) -> Stage:
        if number not in self._stages:
            stage = self._wanted[number]
            self._node.store.make_stage(stage)
            self._stages[number] = stage
        return self._stages[number]

    def _carefully(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Take these rows, and set aside those that have no form here."""
        rows = tuples_of(batch)
        try:
            fill(self._node.store, stage, batch, check)
            self._node.store.filled(stage)
        except SyncdError as error:
            if not is_of_a_row(error):
                raise
            if len(rows) == 1:
                self._aside.append(self._refusal(stage, rows[0], error))
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                self._carefully(stage, Batch(batch.format, half, len(half)), check)

    def _refusal(self, stage: Stage, row: tuple[object, ...], error: SyncdError) -> Refused:
        facts = len(facts_of(edits=stage.edits))
        numbers = tuple(int(str(fact)) for fact in row[:facts])
        if not stage.edits:
            numbers = (*numbers, 0, 0, 0, 0, 0)
        end = facts + len(stage.table.columns)
        told = row[end] if stage.told else None
        return Refused(
            stage.table.number, 0, numbers, tuple(row[facts:end]), error, None if told is None else str(told)
        )


def _moved(node: Node, what: str) -> BusyError:
    return BusyError(
        f"somebody else has brought {what} to {node.store.place} meanwhile",
        hint="nothing was written; the next run goes on from there",
        code="cursor_moved",
    )
