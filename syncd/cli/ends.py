"""Opens both ends of a job for commands that ask them and run nothing."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncd.model.configuration import Configuration
from syncd.model.plan import Plan, Stage, Step
from syncd.ports import Destination, Source

VARIABLE: Final = re.compile(r"\{env:([^\W\d][\w.-]*)\}")
BOUND: Final = re.compile(r"\b(?:START|END)\b[\s=]*'?\{env:([^\W\d][\w.-]*)\}", re.IGNORECASE)
"""A variable where a comparison begins or ends: a date or a whole number."""


@dataclass(frozen=True, slots=True)
class Ends:
    """A job's plan, and its connections, open; `mirror` opens the destination for reading until they are closed."""

    plan: Plan
    source: Source
    destination: Destination
    mirror: Callable[[], Source] | None = None


@contextlib.contextmanager
def destination_of(configuration: Configuration, name: str) -> Iterator[Destination]:
    """Open a job's destination alone; it is closed afterwards.

    Raises:
        SyncdError: it cannot be opened.
    """
    from syncd.registry import connector

    at = configuration.connections[configuration.jobs[name].destination]
    with contextlib.closing(connector(at.type).open_destination(at.options)) as destination:
        yield destination


@contextlib.contextmanager
def ends_of(configuration: Configuration, name: str) -> Iterator[Ends]:
    """Open both connections of a job and compile it; both are closed afterwards.

    No event takes place, so a variable stands for its own name.

    Raises:
        SyncdError: a connection cannot be opened, or a query does not fit the source.
    """
    from syncd.engine.compile import compile_job
    from syncd.engine.wildcard import find_tables
    from syncd.registry import connector

    job = configuration.jobs[name]
    at = configuration.connections[job.source]
    with contextlib.ExitStack() as stack:
        source = connector(at.type).open_source(at.options)
        stack.callback(source.close)
        destination = stack.enter_context(destination_of(configuration, name))
        tables = find_tables(source, job)
        dialect = connector(at.type).dialect
        names = placeholders(job.queries)
        plan = compile_job(job, dialect, variables=names, tables=tables)
        goal = configuration.connections[job.destination]

        def mirror() -> Source:
            return stack.enter_context(contextlib.closing(connector(goal.type).open_source(goal.options)))

        readable = "source" in connector(goal.type).roles
        plan = without_types(plan, names) if dialect == "postgres" else plan
        yield Ends(plan, source, destination, mirror if readable else None)


def placeholders(queries: Sequence[str]) -> dict[str, str]:
    """A value for each variable of the queries: its name as they write it, 0 where only a number or a date can stand."""
    text = "\n".join(queries)
    return {name: f"{{env:{name}}}" for name in VARIABLE.findall(text)} | dict.fromkeys(
        BOUND.findall(text), "0"
    )


def without_types(plan: Plan, names: Mapping[str, str]) -> Plan:
    """The plan with NULL for its placeholders, their names beside it: a store may take no such text for a number."""

    def changed(step: Step) -> Step:
        select = step.relation.select
        for value in names.values() if select is not None else ():
            select = str(select).replace(f"'{value}'", f"NULL /* {value} */")
        return replace(step, relation=replace(step.relation, select=select))

    return replace(plan, stages=tuple(Stage(tuple(map(changed, stage.steps))) for stage in plan.stages))
