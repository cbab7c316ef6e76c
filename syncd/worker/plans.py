"""Plans of jobs, compiled once and kept as long as nothing that they are made of changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from syncd.model.plan import Comparison, Plan, Stage, Transfer
from syncd.ports import Source
from syncd.worker.wire import Order

MAX_PLANS: Final = 256


class Plans:
    """The plans of the orders that a worker has seen."""

    def __init__(self) -> None:
        self._plans: dict[bytes, Plan] = {}

    def of(self, order: Order, source: Source, variables: Mapping[str, str]) -> Plan:
        """The plan of an order. A job with wildcards asks the source which tables it has.

        Raises:
            QueryError: a query does not parse, or names a variable that no event gave.
            NotFoundError: the order names a query that the job does not have.
        """
        from syncd.engine.compile import compile_job
        from syncd.engine.wildcard import find_tables
        from syncd.registry import connector

        dialect = connector(order.source.type).dialect
        tables = find_tables(source, order.job)
        key = msgspec.json.encode(
            (order.job, dialect, order.queries, dict(variables), tables, order.verify),
            enc_hook=lambda value: value.reveal(),
        )
        if key not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = compile_job(order.job, dialect, order.queries, variables, tables)
            self._plans[key] = comparing(plan, repair=order.verify == "repair") if order.verify else plan
        return self._plans[key]


def comparing(plan: Plan, *, repair: bool) -> Plan:
    """The plan that compares what another plan moves."""
    steps: list[Comparison] = [
        replace(step, repair=repair) for step in plan.steps if isinstance(step, Comparison)
    ]
    # A comparison of a part does not stand for that of the whole.
    filled = {
        step.filled_by for step in steps if step.whole and not (step.skip_modified or step.skip_deleted)
    }
    steps += [
        Comparison(
            name=step.name,
            query=step.query,
            relation=step.relation,
            target=step.target,
            options=step.options,
            repair=repair,
            filled_by=step,
        )
        for step in plan.steps
        if isinstance(step, Transfer) and step not in filled
    ]
    return replace(plan, stages=tuple(Stage((step,)) for step in steps))
