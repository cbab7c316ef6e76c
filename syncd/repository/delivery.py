"""What a child does with the parent's rows: leave alone what has an unsent edit here, and write the rest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncd.model.exchange import Applied, TableCounts
from syncd.ports import Check
from syncd.repository.node import Node
from syncd.repository.placing import Placing
from syncd.repository.refused import PARENTS, Refused
from syncd.repository.retry import Retry
from syncd.repository.store import ForeignKey, Stage


class Delivery:
    """One delivery at a child, inside the transaction that `NodeArrival` has begun."""

    def __init__(
        self,
        node: Node,
        open_stage: Callable[[int], Stage],
        foreign_keys: Sequence[ForeignKey],
        base: int,
        now: float,
        check: Check,
    ) -> None:
        """`base` is the parent's generation that the child had before."""
        self._node = node
        self._open = open_stage
        self._foreign_keys = foreign_keys
        self._base = base
        self._now = now
        self._check = check

    def carry_out(
        self, stages: Mapping[int, Stage], whole: Mapping[int, str], aside: Sequence[Refused]
    ) -> Applied:
        """Write everything that may be written; the caller commits."""
        node = self._node
        retry = Retry(node, self._open, PARENTS, self._now, base=self._base)
        retry.stage()
        counts: dict[int, TableCounts] = {}
        for number, stage in stages.items():
            self._check()
            rows: Sequence[Any] = node.store.run(f"SELECT count(*) FROM {stage.name}").rows
            skipped = node.store.unstage_owned(node.names, stage) if stage.table.captured else 0
            counts[number] = TableCounts(received=int(rows[0][0]), skipped=skipped)
            if number in whole:
                node.store.stage_missing(node.names, stage)
        placed = Placing(node.store, list(stages.values()), self._foreign_keys, self._check).place()
        for number, counted in placed.counts.items():
            counts[number] = counts.get(number, TableCounts()) + counted
        warnings = []
        kept = retry.keep(stages, placed.refused, aside)
        for number, count in kept.items():
            counts[number] = counts.get(number, TableCounts()) + TableCounts(held=count)
            errors = list(placed.refused.get(number, {}).values()) or [each.error for each in aside]
            said = f": {errors[0].message}" if errors else ""
            name = self._open(number).table.name
            warnings.append(f"{name}: {count} rows of the parent are set aside{said}")
        return Applied(counts, tuple(warnings))
