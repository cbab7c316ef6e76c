"""What the configuration must ask other parts of syncd, as plain callables handed in by the caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncd.model.options import QueryFacts
from syncd.ports import Connector


@dataclass(frozen=True, slots=True)
class Checkers:
    """The judges of cron lines, queries, conditions and plug-in options; configuration imports none of them.

    `query` raises QueryError unless a text is one single statement; it gives what a statement that moves rows says of
    itself, None for another one. `options` raises QueryError unless a text is a list of options in the
    vendor's form, and gives the fields that they set. `condition` raises QueryError unless a text is one condition over
    the columns of a single row. `cron` takes a cron line and a zone and
    raises ScheduleError. `connector` gives the plug-in of a type and raises NotFoundError (nobody provides it) or
    FatalError (it cannot be loaded). `connector_types` names all that exist. A text that passed once is believed to
    pass again, so `query`, `options`, `condition` and `cron` must depend on their arguments alone.
    """

    query: Callable[[str], QueryFacts | None]
    cron: Callable[[str, str], None]
    connector: Callable[[str], Connector]
    connector_types: Callable[[], tuple[str, ...]]
    options: Callable[[str], Mapping[str, object]]
    condition: Callable[[str], None]
