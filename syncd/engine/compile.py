"""Turns a declared job into a plan, without I/O."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from syncd.engine.placeholder import variable_value
from syncd.engine.query import digest_of, parse_query
from syncd.engine.statement import CacheCheck, Query
from syncd.engine.wildcard import Tables, expand
from syncd.errors import NotFoundError, QueryError, ScheduleError
from syncd.model.bound import parse_bound
from syncd.model.definitions import Replication
from syncd.model.options import Deletes, Options, Verify, conflicts, target_of
from syncd.model.plan import Comparison, Plan, Relation, Stage, Step, Transfer
from syncd.model.table import TableName

DECISIVE: Final = ("check_columns", "start", "key", "write", "truncate", "drop", "utc_times", "quarantine")
"""Options that decide what is read or how it is kept: other values make a new load."""

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_TABLES: Final = Tables()


def compile_job(
    job: Replication,
    source_dialect: str,
    queries: Sequence[str] = (),
    variables: Mapping[str, str] = _NO_VARIABLES,
    tables: Tables = _NO_TABLES,
) -> Plan:
    """The plan of one run of the job; `queries` limits it to those statements of the job, in job order.

    A statement may be given as written, or by the name of its step. `variables` are what ``{env:Name}`` stands for,
    `tables` what its wildcards can find in the source (see `find_tables`).

    Raises:
        QueryError: a statement of the job does not parse, two fill the same table, a wildcard finds nothing, a
            variable is not set, or options do not go together.
        NotFoundError: `queries` names a statement that is not in the job.
    """
    return _Compiling(job, source_dialect, variables, tables).plan(queries)


@dataclass(slots=True)
class _Compiling:
    """The steps made so far, and by which words each of them may be chosen."""

    job: Replication
    dialect: str
    variables: Mapping[str, str]
    tables: Tables
    steps: list[Step] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)
    targets: set[TableName] = field(default_factory=set)
    settings: dict[str, Sequence[tuple[str, object]]] = field(default_factory=dict)

    def plan(self, queries: Sequence[str]) -> Plan:
        parsed = [(text, parse_query(text)) for text in self.job.queries]
        explicit = {
            target_of(query.destination, self.options(query.settings)).folded
            for _, query in parsed
            if isinstance(query, Query) and not query.wildcard
        }
        for text, query in parsed:
            if isinstance(query, CacheCheck):
                self.settings[self.add(self.comparison(text, query), text)] = query.settings
            elif query.wildcard:
                for each, found in expand(text, query, self.tables, self.job.exclude):
                    transfer = self.transfer(each, found)
                    if transfer.target.folded not in explicit:
                        self.fill(transfer, text)
            else:
                self.fill(self.transfer(text, query), text)
        self.pair()
        chosen = self.chosen(queries) if queries else self.steps
        # Queries run in the order in which they are written, so each is a stage of its own.
        stages = tuple(Stage((step,)) for step in chosen)
        return Plan(self.job.name, self.job.source, self.job.destination, stages)

    def pair(self) -> None:
        """Tell each comparison which step fills its table, and give it that step's options beneath its own."""
        fills = {step.target.folded: step for step in self.steps if isinstance(step, Transfer)}
        for place, step in enumerate(self.steps):
            filled_by = fills.get(step.target.folded) if isinstance(step, Comparison) else None
            if isinstance(step, Comparison) and filled_by is not None:
                given = dict(self.settings[step.name])
                options = replace(filled_by.options, **given)  # type: ignore[arg-type]  # as in `options`
                self.steps[place] = replace(
                    step, filled_by=filled_by, options=options, target=filled_by.target
                )

    def options(self, settings: Sequence[tuple[str, object]], key: tuple[str, ...] = ()) -> Options:
        """The job's options with those of one query on top."""
        given = dict(settings) | ({"key": key} if key else {})
        return replace(self.job.options, **given)  # type: ignore[arg-type]  # read_option made each for its field

    def transfer(self, text: str, query: Query) -> Transfer:
        options = self.options(query.settings, query.key)
        for conflict in conflicts(options):
            raise self.refusal(f"{query.destination}: {conflict.message}", conflict.hint)
        relation = self.relation(query)
        if relation.bounded and not options.check_columns:
            raise self.refusal(
                f"{query.destination}: REPLICATE_LASTMODTIME() and REPLICATE_NEXTINTERVAL() need a check_column",
                "name the column that shows what changed",
            )
        if relation.bounded and (options.deletes is not Deletes.OFF or options.verify is not Verify.OFF):
            raise self.refusal(
                f"{query.destination}: a query that says itself what is new cannot be compared with the table",
                "leave out `deletes` and `verify` for it: WITH DeleteMode=off, Verify=off",
            )
        said = {name for name, _ in query.settings} | ({"key"} if query.key else set())
        return Transfer(
            name=str(query.destination),
            query=text,
            digest=_digest(text, options, said, relation.select or "" if self.takes_variables(text) else ""),
            relation=relation,
            target=target_of(query.destination, options),
            options=options,
            columns=query.columns,
        )

    def takes_variables(self, text: str) -> bool:
        """Does the meaning of the query depend on what the pre-event gave?"""
        return bool(self.variables) and "{env:" in text

    def relation(self, query: Query) -> Relation:
        if query.select is None:
            return Relation(table=query.source, include=query.include, exclude=query.exclude)
        from syncd.engine.select import compile_query

        return compile_query(query, self.dialect, self.variables)

    def comparison(self, text: str, query: CacheCheck) -> Comparison:
        options = self.options(query.settings)
        start, end = self.bound(query, query.start, "START"), self.bound(query, query.end, "END")
        if not options.check_columns and (start is not None or end is not None):
            raise self.refusal(
                f"CHECKCACHE {query.table}: START and END need a check_column",
                "name the column that shows what changed",
            )
        return Comparison(
            name=f"CHECKCACHE {query.table}",
            query=text,
            relation=self.compared(query),
            target=target_of(query.table, options),
            options=options,
            repair=query.repair,
            skip_modified=query.skip_modified,
            skip_deleted=query.skip_deleted,
            start=start,
            end=end,
        )

    def compared(self, query: CacheCheck) -> Relation:
        if query.select is None:
            return Relation(table=query.source)
        from syncd.engine.select import compile_select

        return compile_select(query.select, self.dialect, query.select_offset, self.variables)

    def bound(self, query: CacheCheck, value: str | int | None, keyword: str) -> str | int | None:
        if not isinstance(value, str) or not value.startswith("{env:"):
            return value
        place = query.places[keyword]
        try:
            return parse_bound(variable_value(value, self.variables, place))
        except ScheduleError as error:
            # The value came from outside, so that the message does not repeat it.
            raise QueryError(
                f"{keyword}: the value of {value} is neither a date nor a whole number", offset=place
            ) from error

    def fill(self, step: Transfer, text: str) -> None:
        """Add a step that fills a table which no other step fills."""
        folded = step.target.folded
        if folded in self.targets:
            raise self.refusal(
                f"two queries fill the table {step.target}",
                "give one of them another name: REPLICATE [other] SELECT ...",
            )
        self.targets.add(folded)
        self.add(step, text)

    def add(self, step: Step, text: str) -> str:
        """Add a step under a name of its own, and give that name."""
        name, number = step.name, 1
        while name in self.words and any(other.name == name for other in self.steps):
            number += 1
            name = f"{step.name} ({number})"
        self.steps.append(replace(step, name=name))
        for word in {name, digest_of(text), digest_of(step.query)}:
            self.words.setdefault(word, []).append(name)
        return name

    def refusal(self, message: str, hint: str) -> QueryError:
        return QueryError(message, hint=hint, where=f"job '{self.job.name}'")

    def chosen(self, queries: Sequence[str]) -> list[Step]:
        wanted: set[str] = set()
        for text in queries:
            found = self.words.get(text) or self.words.get(_digest_or_text(text))
            if found is None:
                names = [step.name for step in self.steps]
                near = get_close_matches(text, names, 1)
                raise NotFoundError(
                    f"the query '{text}' is not in job '{self.job.name}'",
                    hint=f"did you mean '{near[0]}'?" if near else f"its queries fill: {', '.join(names)}",
                )
            wanted.update(found)
        return [step for step in self.steps if step.name in wanted]


def _digest(text: str, options: Options, said: set[str], filled: str = "") -> str:
    """A hash of a statement's meaning and of the decisive options beside it; those that it says itself are in its text.

    `filled` is the statement with the values of its variables: another value means other rows.
    """
    plain = digest_of(text)
    if filled:
        plain = hashlib.sha256(f"{plain}\x1f{filled}".encode()).hexdigest()[:16]
    defaults = {one.name: one.default for one in fields(Options)}
    values = asdict(options)
    beside = {name: values[name] for name in DECISIVE if name not in said and values[name] != defaults[name]}
    if not beside:
        return plain
    return hashlib.sha256(f"{plain}\x1f{json.dumps(beside, sort_keys=True)}".encode()).hexdigest()[:16]


def _digest_or_text(text: str) -> str:
    try:
        return digest_of(text)
    except QueryError:
        return text
