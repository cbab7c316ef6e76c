"""Opens both ends of a job for commands that ask them and run nothing."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from syncd.model.definitions import Configuration
from syncd.model.plan import Plan
from syncd.ports import Destination, Source


@dataclass(frozen=True, slots=True)
class Ends:
    """A job's plan, and its connections, open."""

    plan: Plan
    source: Source
    destination: Destination


@contextlib.contextmanager
def ends_of(configuration: Configuration, name: str) -> Iterator[Ends]:
    """Open both connections of a job and compile it; both are closed afterwards.

    Raises:
        SyncdError: a connection cannot be opened, or a query does not fit the source.
    """
    from syncd.engine.compile import compile_job, has_wildcards
    from syncd.registry import connector

    job = configuration.jobs[name]
    source_at = configuration.connections[job.source]
    destination_at = configuration.connections[job.destination]
    with contextlib.ExitStack() as stack:
        source = connector(source_at.type).open_source(source_at.options)
        stack.callback(source.close)
        destination = connector(destination_at.type).open_destination(destination_at.options)
        stack.callback(destination.close)
        tables = tuple(source.tables()) if has_wildcards(job) else ()
        plan = compile_job(job, connector(source_at.type).dialect, tables=tables)
        yield Ends(plan, source, destination)
