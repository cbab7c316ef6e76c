"""What a run would do, found out by asking both ends and changing nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from syncd.engine.compare import count_rows
from syncd.engine.evolve import loss
from syncd.engine.execute import failure_of
from syncd.engine.shape import Shape, shape_of
from syncd.engine.sides import range_of, sides_between
from syncd.engine.surroundings import QUERY_CHANGED, extract_of, key_of
from syncd.errors import SyncdError
from syncd.model.options import Write
from syncd.model.plan import Comparison, Plan, Transfer
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

    `mode` is how the source is read (first load, resume, incremental, captured, full), `write` how rows meet the table
    (insert, merge, append, history, replace, drop, and for CHECKCACHE compare or repair). `statements` create or change the table. `null_rows` and `future_rows` are
    among the rows to be read. `source_rows` and `target_rows` count what CHECKCACHE compares.
    `captured` is the cluster that feeds the step from its logs, `not_captured` why one that knows the table does not.
    """

    step: str
    query: str
    target: str
    source: str = ""
    source_rows: int | None = None
    target_rows: int | None = None
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
    deletes: str = "off"
    reset: str = ""
    nothing_to_do: bool = False
    warnings: tuple[str, ...] = ()
    captured: str = ""
    not_captured: str = ""
    failure: Failure | None = None


def preview(
    plan: Plan,
    source: Source,
    destination: Destination,
    mirror: Callable[[], Source] | None = None,
) -> tuple[StepPreview, ...]:
    """Ask both ends about every step of the plan. Nothing is written on either side.

    `mirror` opens the destination for reading, for steps that compare.

    Raises:
        SyncdError: an end cannot be asked at all.
    """
    standings = destination.survey([key_of(step, plan.job) for step in plan.steps])
    return tuple(
        _preview_step(step, standing, source, destination)
        if isinstance(step, Transfer)
        else _preview_comparison(step, source, destination, mirror)
        for step, standing in zip(plan.steps, standings, strict=True)
    )


def _preview_step(
    step: Transfer, standing: Standing, source: Source, destination: Destination
) -> StepPreview:
    known = StepPreview(
        step.name,
        step.query,
        str(step.target),
        reset=_reset(step, standing),
        deletes=step.options.deletes.value,
    )
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


def _preview_comparison(
    step: Comparison, source: Source, destination: Destination, mirror: Callable[[], Source] | None
) -> StepPreview:
    known = StepPreview(
        step.name,
        step.query,
        str(step.target),
        source=str(step.relation.table or "the SELECT"),
        sql=step.relation.select or "",
        write="repair" if step.repair else "compare",
    )
    try:
        sides = sides_between(step, (source, mirror() if mirror else None), destination, range_of(step))
        names = sides.source.key if step.skip_modified else sides.source.columns
        pairs = _pairs(sides.source.table, sides.table)
        known = replace(
            known, key=sides.source.key, columns=tuple(pair for pair in pairs if pair.source in names)
        )
        mine, theirs = (count_rows(side, lambda: None) for side in (sides.source, sides.target))
        return replace(known, source_rows=mine, target_rows=theirs)
    except SyncdError as error:
        return replace(known, failure=failure_of(error))


def _reset(step: Transfer, standing: Standing) -> str:
    if standing.cursor is not None and standing.digest != step.digest:
        return standing.reset or QUERY_CHANGED
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
        captured=str(facts.get("captured") or ""),
        not_captured=str(facts.get("not_captured") or ""),
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
    existing = destination.table(step.target)
    if existing is not None:
        # What can be said about the columns is said also when the step would be refused.
        known = replace(known, columns=_pairs(source_table, existing), write=_write(known, standing, step))
    shape = shape_of(step, source_table, known.check_column, standing, (source, destination), full=False)
    known = replace(
        known,
        statements=tuple(_statements(step, shape, existing, destination)),
        columns=_columns(source_table, shape.table, shape.columns),
        write="replace" if shape.replaced else _write(known, standing, step),
        warnings=(*known.warnings, *shape.warnings),
    )
    forms = [
        form
        for form in source.formats
        if form in destination.formats and destination.takes(form, source_table, shape.table)
    ]
    return replace(known, format=forms[0].value if forms else "")


def _statements(step: Transfer, shape: Shape, existing: Table | None, destination: Destination) -> list[str]:
    if shape.create or step.options.drop:
        return destination.creation(shape.table)
    if existing is not None and (shape.add or shape.widen):
        return destination.alteration(existing, shape.add, shape.widen)
    return []


def _pairs(source: Table, target: Table) -> tuple[ColumnPreview, ...]:
    folded = {column.name.lower(): column.name for column in target.columns}
    names = [folded.get(column.name.lower(), "") for column in source.columns]
    return _columns(source, target, tuple(names))


def _columns(source: Table, target: Table, names: tuple[str, ...]) -> tuple[ColumnPreview, ...]:
    found = []
    for column, name in zip(source.columns, names, strict=True):
        place = target.column(name)
        if place is not None:
            lost = loss(column.type, place.type)
            found.append(ColumnPreview(column.name, str(column.type), name, str(place.type), lost))
    return tuple(found)


def _write(known: StepPreview, standing: Standing, step: Transfer) -> str:
    if step.options.drop:
        return "drop"
    if not known.key or step.options.truncate:
        return "replace"
    if step.options.write is not Write.MERGE:
        return step.options.write.value
    return "insert" if standing.empty and known.mode in {"first load", "full"} else "merge"
