"""Turns a declared job into a plan, without I/O."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from syncd.engine.query import Query, digest_of, parse_query
from syncd.errors import NotFoundError, QueryError
from syncd.model.definitions import Replication
from syncd.model.plan import Plan, Relation, Stage, Transfer
from syncd.model.table import TableName


def compile_job(job: Replication, source_dialect: str, queries: Sequence[str] = ()) -> Plan:
    """The plan of one run of the job; `queries` limits it to those statements of the job, in job order.

    A statement may be given as written, or by the name of the table that it fills.

    Raises:
        QueryError: a statement of the job does not parse, or two fill the same table.
        NotFoundError: `queries` names a statement that is not in the job.
    """
    steps: list[Transfer] = []
    targets: set[TableName] = set()
    for text in job.queries:
        query = parse_query(text)
        # Stores find tables whatever the case of their names.
        folded = TableName(query.destination.name.lower(), query.destination.schema.lower())
        if folded in targets:
            raise QueryError(
                f"two queries fill the table {query.destination}",
                hint="give one of them another name: REPLICATE [other] SELECT ...",
                where=f"job '{job.name}'",
            )
        targets.add(folded)
        steps.append(_transfer(job, text, query, source_dialect))
    chosen = _choose(steps, queries, job.name) if queries else steps
    # Queries run in the order in which they are written, so each is a stage of its own.
    return Plan(job.name, job.source, job.destination, tuple(Stage((step,)) for step in chosen))


def _transfer(job: Replication, text: str, query: Query, dialect: str) -> Transfer:
    if query.select is None:
        relation = Relation(table=query.source)
    else:
        from syncd.engine.select import compile_select

        relation = compile_select(query.select, dialect, query.select_offset)
    return Transfer(
        name=str(query.destination),
        query=text,
        digest=digest_of(text),
        relation=relation,
        target=query.destination,
        options=replace(job.options, check_columns=query.check_columns or job.options.check_columns),
    )


def _choose(steps: Sequence[Transfer], queries: Sequence[str], job: str) -> list[Transfer]:
    wanted: set[str] = set()
    by_word = {step.name: step for step in steps} | {step.digest: step for step in steps}
    for text in queries:
        step = by_word.get(text) or by_word.get(_digest_or_text(text))
        if step is None:
            names = [step.name for step in steps]
            near = get_close_matches(text, names, 1)
            raise NotFoundError(
                f"the query '{text}' is not in job '{job}'",
                hint=f"did you mean '{near[0]}'?" if near else f"its queries fill: {', '.join(names)}",
            )
        wanted.add(step.name)
    return [step for step in steps if step.name in wanted]


def _digest_or_text(text: str) -> str:
    try:
        return digest_of(text)
    except QueryError:
        return text
