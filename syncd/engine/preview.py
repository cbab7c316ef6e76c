"""What a run would do, found out by asking both ends and changing nothing."""

from dataclasses import dataclass, replace
from typing import Any

from syncd.engine.evolve import key_in_target, loss, match_columns, refuse_losses
from syncd.engine.execute import failure_of
from syncd.engine.transfer import extract_of, key_of, refuse_foreign_rows, refuse_own_source
from syncd.errors import SyncdError
from syncd.model.plan import Plan, Transfer
from syncd.model.run import Failure
from syncd.model.table import Table
from syncd.model.writing import Standing
from syncd.ports import Destination, Reading, Source


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """One column's way: names and types on both sides, and what a value may lose (empty: nothing)."""

    source: str
    source_type: str
    target: str
    target_type: str
    loss: str


@dataclass(frozen=True, slots=True)
class StepPreview:
    """What one step would do. `failure` says why it would be refused; what is known until then is filled in.

    `mode` is how the source is read (first load, resume, incremental, full), `write` how rows meet the table
    (insert, merge, replace). `statements` create the table when it does not exist. `null_rows` and `future_rows` are
    among the rows to be read.
    """

    step: str
    query: str
    target: str
    mode: str = ""
    write: str = ""
    format: str = ""
    sql: str = ""
    windows: tuple[str, ...] = ()
    rows_estimated: int | None = None
    mark_from: str | None = None
    check_column: str | None = None
    indexed: bool = False
    null_rows: int = 0
    future_rows: int = 0
    key: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    columns: tuple[ColumnPreview, ...] = ()
    reset: str = ""
    nothing_to_do: bool = False
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


def preview(plan: Plan, source: Source, destination: Destination) -> tuple[StepPreview, ...]:
    """Ask both ends about every step of the plan. Nothing is written on either side.

    Raises:
        SyncdError: an end cannot be asked at all.
    """
    steps = [step for step in plan.steps if isinstance(step, Transfer)]
    standings = destination.survey([key_of(step, plan.job) for step in steps])
    return tuple(
        _preview_step(step, standing, source, destination)
        for step, standing in zip(steps, standings, strict=True)
    )


def _preview_step(
    step: Transfer, standing: Standing, source: Source, destination: Destination
) -> StepPreview:
    known = StepPreview(step.name, step.query, str(step.target), reset=_reset(step, standing))
    try:
        extract = extract_of(step, standing, full=False)
        facts = source.explain(extract)
        quiet = extract.cursor is not None and source.unchanged([extract])[0]
        reading = source.open(extract, destination.formats, lambda: None)
        try:
            known = _with_reading(known, reading, facts, quiet=quiet)
            return _with_target(known, step, standing, reading.table, source, destination)
        finally:
            reading.close()
    except SyncdError as error:
        return replace(known, failure=failure_of(error))


def _reset(step: Transfer, standing: Standing) -> str:
    if standing.cursor is not None and standing.digest != step.digest:
        return standing.reset or "the query changed"
    return standing.reset


def _with_reading(known: StepPreview, reading: Reading, facts: Any, *, quiet: bool) -> StepPreview:
    return replace(
        known,
        mode=reading.mode,
        sql=str(facts.get("sql", "")),
        windows=tuple(window.text for window in reading.windows()),
        rows_estimated=reading.rows_estimated,
        mark_from=reading.mark_from,
        check_column=reading.check_column,
        indexed=bool(facts.get("index")),
        null_rows=int(facts.get("null_rows") or 0),
        future_rows=int(facts.get("future_rows") or 0),
        key=reading.table.key,
        reset=known.reset or reading.reset,
        nothing_to_do=quiet,
        warnings=reading.warnings,
    )


def _with_target(
    known: StepPreview,
    step: Transfer,
    standing: Standing,
    source_table: Table,
    source: Source,
    destination: Destination,
) -> StepPreview:
    table = destination.table(step.target)
    statements: tuple[str, ...] = ()
    if table is None:
        table = destination.design(source_table, step.target)
        statements = tuple(destination.creation(table))
        columns = table.column_names
    else:
        columns = match_columns(source_table, table)
    known = replace(
        known,
        statements=statements,
        columns=_columns(source_table, table, columns),
        write=_write(known, standing),
    )
    if not statements:
        refuse_own_source(step, table, source, destination)
        if not source_table.key:
            refuse_foreign_rows(table, standing)
        refuse_losses(source_table, table, columns)
        key_in_target(source_table, table, columns)
    forms = [
        form
        for form in source.formats
        if form in destination.formats and destination.takes(form, source_table, table)
    ]
    return replace(known, format=forms[0].value if forms else "")


def _columns(source: Table, target: Table, names: tuple[str, ...]) -> tuple[ColumnPreview, ...]:
    found = []
    for column, name in zip(source.columns, names, strict=True):
        place = target.column(name)
        if place is not None:
            lost = loss(column.type, place.type)
            found.append(ColumnPreview(column.name, str(column.type), name, str(place.type), lost))
    return tuple(found)


def _write(known: StepPreview, standing: Standing) -> str:
    if not known.key:
        return "replace"
    return "insert" if standing.empty and known.mode in {"first load", "full"} else "merge"
