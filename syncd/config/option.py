"""The options of a job: which go together, what the vendor's form of them says, and what all of them mean."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final

import msgspec

from syncd.config.checkers import Checkers
from syncd.config.fault import judged, read_text_at, tell_fault
from syncd.config.number import is_number
from syncd.config.place import Path, Table, Unknown, text_of
from syncd.config.report import Report
from syncd.model.bound import parse_bound
from syncd.model.duration import parse_interval
from syncd.model.options import (
    Conflict,
    Deletes,
    Interval,
    Options,
    QueryFacts,
    Write,
    conflicts,
    target_of,
)
from syncd.model.table import TableName

OTHER_OPTIONS: Final = "other_options"
LISTS: Final = ("queries", "after", "exclude", "key", "check_column")
"""Keys under which a single text may stand for a list of one."""

_FIELDS: Final = frozenset(field.name for field in fields(Options))
_KEYS: Final = {"check_columns": "check_column"}
"""Fields that are called otherwise in YAML."""

_CONTENTIOUS: Final = frozenset(
    ("truncate", "drop", "write", "deletes", "interval", "lookback_seconds", "start")
)
"""Fields that may be in each other's way."""
_MEANT: Final = _CONTENTIOUS | {"table_prefix", "destination_schema"}
"""Those, and the ones that say which table a query fills."""


def key_of(field: str) -> str:
    """What a field of Options is called in a job's YAML."""
    return _KEYS.get(field, field)


def check_options(report: Report, path: Path, job: Table, checkers: Checkers) -> None:
    """Report what the schema cannot say about the options of one job; values of a wrong type are left to it."""
    read_text_at(report, (*path, "interval"), text_of(job, "interval"), parse_interval)
    read_text_at(report, (*path, "start"), text_of(job, "start"), parse_bound)
    others = _other_options(report, path, job, checkers)
    filled: set[TableName] = set()
    meant = not _MEANT.isdisjoint((*job, *others))
    for at, facts in _queries(path, job, checkers):
        settings = facts.settings
        if _MEANT.isdisjoint(settings) and not meant:
            _check_target(report, at, facts.names, filled)
            continue
        options = _known(job, {**others, **settings})
        _check_target(report, at, facts.names and target_of(facts.names, options), filled)
        for conflict in conflicts(options):
            if not settings.keys().isdisjoint(conflict.fields):
                report.at_value(at, conflict.message, conflict.hint)
            elif not others.keys().isdisjoint(conflict.fields):
                report.at_value((*path, OTHER_OPTIONS), conflict.message, conflict.hint)
            else:
                _tell(report, path, job, conflict)


def options_of(data: dict[str, Any], checkers: Checkers) -> tuple[Options, Mapping[str, object]]:
    """The options of a checked job, taken out of `data`, and what `other_options` sets for the job as a whole."""
    text = data.pop(OTHER_OPTIONS, "")
    others = dict(checkers.options(text)) if text else {}
    plain = {field: data.pop(key_of(field)) for field in _FIELDS if key_of(field) in data}
    if "interval" in plain:
        others["interval"] = parse_interval(plain.pop("interval"))
    if isinstance(plain.get("start"), str):
        others["start"] = parse_bound(plain.pop("start"))
    own: dict[str, Any] = {field: value for field, value in others.items() if field in _FIELDS}
    whole = {field: value for field, value in others.items() if field not in _FIELDS}
    return replace(msgspec.convert(plain, Options), **own), whole


def _other_options(report: Report, path: Path, job: Table, checkers: Checkers) -> Mapping[str, object]:
    text = text_of(job, OTHER_OPTIONS)
    if not text:
        return {}
    found, settings = judged(checkers.options, str(text))
    if found:
        tell_fault(report, (*path, OTHER_OPTIONS), text, found)
    if not isinstance(settings, Mapping):
        return {}
    for field in settings:
        if key_of(field) in job:
            message = f"sets '{key_of(field)}', which this job sets as well"
            report.at_value((*path, OTHER_OPTIONS), message, "remove one of them")
    return settings


def _check_target(report: Report, at: Path, target: TableName | None, filled: set[TableName]) -> None:
    """Report a table that another query before it fills; `filled` are the tables so far, and gains this one."""
    if target is None:
        return
    folded = target.folded
    if folded in filled:
        message = "fills the same table as another query of this job"
        report.at_value(at, message, "give one of them another name: REPLICATE [other] SELECT ...")
    filled.add(folded)


def _queries(path: Path, job: Table, checkers: Checkers) -> Iterator[tuple[Path, QueryFacts]]:
    """Where each query stands that moves rows, and what it says; the job itself where none can be read."""
    queries = job.get("queries")
    at: Path = (*path, "queries")
    places: list[tuple[Path, object]] = [(at, queries)] if isinstance(queries, str) else []
    if isinstance(queries, list):
        places = [((*at, index), query) for index, query in enumerate(queries)]
    moved = False
    for place, query in places:
        if isinstance(query, str) and query and not isinstance(query, Unknown):
            facts = judged(checkers.query, str(query)).result
            if isinstance(facts, QueryFacts):
                moved = True
                yield place, facts
    if not moved:
        # A query that cannot be read may name a check column.
        yield path, QueryFacts({"check_columns": ("unknown",)}, None)


def _known(job: Table, settings: Mapping[str, object]) -> Options:
    """The options that are contentious or name the table, as far as they can be read."""
    write, deletes = job.get("write"), job.get("deletes")
    lookback, column = job.get("lookback_seconds"), job.get("check_column")
    options = Options(
        check_columns=("given",) if column else (),
        lookback_seconds=lookback if is_number(lookback) else 0.0,
        start=0 if "start" in job else None,
        interval=Interval(seconds=1) if "interval" in job else None,
        write=Write(write) if isinstance(write, str) and write in set(Write) else Write.MERGE,
        deletes=Deletes(deletes) if isinstance(deletes, str) and deletes in set(Deletes) else Deletes.OFF,
        truncate=job.get("truncate") is True,
        drop=job.get("drop") is True,
        table_prefix=text_of(job, "table_prefix") or "",
        destination_schema=text_of(job, "destination_schema") or "",
    )
    own: dict[str, Any] = {field: value for field, value in settings.items() if field in _FIELDS}
    return replace(options, **own)


def _tell(report: Report, path: Path, job: Table, conflict: Conflict) -> None:
    """Say it where the job sets the last of the options that it is about."""
    keys = {key_of(field) for field in conflict.fields}
    last = [key for key in job if key in keys][-1]
    message = conflict.message.removeprefix(f"{last}: ").removeprefix(f"{last} ")
    report.at_key((*path, last), message, conflict.hint)
