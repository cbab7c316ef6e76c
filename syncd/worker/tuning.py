"""How the ports of one run behave: how long a statement may take, and who hears of it."""

from typing import Final

from syncd.model.event import StatementSent
from syncd.model.reading import Tuning
from syncd.ports import Emit
from syncd.worker.wire import AnyOrder, Order

STATEMENTS: Final = 3
"""From this verbosity on, statements are told."""


def tuning_of(order: AnyOrder, emit: Emit, end: str, *, limited: bool = True) -> Tuning:
    """The tuning of a port at one `end` of the run: source or destination; only the latter's time is ever limited."""

    def trace(statement: str) -> None:
        emit(StatementSent(order.run, order.work.name, end, statement))

    seconds = 0.0
    if isinstance(order, Order) and limited and end == "destination":
        seconds = order.job.options.command_timeout_seconds
    return Tuning(seconds, trace if order.work.verbosity >= STATEMENTS else None)
