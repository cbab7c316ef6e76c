"""The table that a step fills: as it is, as it must be made, or as it must be changed first."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncd.engine.evolve import key_in_target, loss, match_columns, refuse_losses
from syncd.engine.rowwise import changes_zone
from syncd.errors import FatalError
from syncd.model.options import Deletes, Verify, Write
from syncd.model.plan import Transfer
from syncd.model.table import Column, Kind, Table, Type
from syncd.model.writing import ACTIVE, DELETED_AT, SINCE, UNTIL, Standing
from syncd.ports import Destination, Source

SHOWN_EXTRAS: Final = 10
MOMENT = Type(Kind.TIMESTAMPTZ, precision=6)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a step's rows go.

    `columns` are the table's columns in the source's order, `match` those that tell rows apart. `add` and `widen` are
    what has to be done to the table first; `table` is how it is afterwards. `replaced`: all rows go at each run.
    """

    table: Table
    columns: tuple[str, ...]
    match: tuple[str, ...]
    create: bool
    replaced: bool
    revive: str = ""
    add: tuple[Column, ...] = ()
    widen: tuple[Column, ...] = ()
    warnings: tuple[str, ...] = ()


def shape_of(
    step: Transfer,
    source: Table,
    check_column: str | None,
    standing: Standing,
    ends: tuple[Source, Destination],
    *,
    full: bool,
) -> Shape:
    """Find out where the rows of `source` go. Asks the destination and changes nothing.

    Raises:
        FatalError: the table cannot take the rows unharmed, or the options ask for what these rows cannot have.
    """
    options = step.options
    match = _match(step, source, check_column)
    existing = ends[1].table(step.target)
    if existing is not None:
        refuse_own_source(step, existing, *ends)
    replaced = options.truncate or options.drop or not match
    if existing is None or options.drop:
        new = _new(step, source, match, ends[1], replaced=replaced)
        return replace(new, create=existing is None, warnings=_lost(ends[1], existing))
    if not match and not (full or options.truncate):
        refuse_foreign_rows(existing, standing)
    return _existing(step, source, match, existing, ends[1], replaced=replaced)


def _lost(destination: Destination, existing: Table | None) -> tuple[str, ...]:
    extras = destination.extras(existing.name) if existing is not None else []
    if existing is None or not extras:
        return ()
    shown = ", ".join(extras[:SHOWN_EXTRAS]) + (" and more" if len(extras) > SHOWN_EXTRAS else "")
    return (f"drop makes {existing.name} anew without {shown}: truncate keeps them",)


def refuse_own_source(step: Transfer, table: Table, source: Source, destination: Destination) -> None:
    """A table that is copied onto itself could only lose or repeat rows.

    Raises:
        FatalError: both ends mean the same table.
    """
    read = source.identity(step.relation)
    if read and read == destination.identity(step.target):
        raise FatalError(
            f"source and destination of {step.name} are the same table, {table.name}",
            hint="name another destination: REPLICATE [copy] SELECT ...",
            code="same_table",
        )


def refuse_foreign_rows(table: Table, standing: Standing) -> None:
    """Without a key all rows are replaced; those that this step did not write may be somebody's.

    Raises:
        FatalError: the table is not empty, and this step never filled it.
    """
    if standing.revision == 0 and not standing.empty:
        raise FatalError(
            f"table {table.name} holds rows that this job did not write, and without a key all would be replaced",
            hint="empty it, name another destination, or run once with --full to let its rows go",
            code="foreign_rows",
        )


def _match(step: Transfer, source: Table, check_column: str | None) -> tuple[str, ...]:
    """The source's columns by which rows are told apart; empty when all rows are replaced."""
    options = step.options
    if options.truncate or options.drop:
        return source.key
    proven = options.deletes is not Deletes.OFF or options.verify is Verify.CHECKSUM
    wanted = options.write is not Write.MERGE or proven or check_column is not None
    if not source.key and wanted:
        others = "`deletes` and `verify`" if proven and check_column is None else "the check column"
        raise FatalError(
            f"{step.relation.table or 'the query'} has no primary key, so changed rows cannot be matched",
            hint=f"add a primary key at the source, name one with `key`, or leave out {others} to replace all"
            " rows each run",
            code="key_missing",
        )
    if options.write is Write.MERGE:
        return source.key
    if check_column is None:
        raise FatalError(
            f"write: {options.write.value} needs a check column: without one every run would bring all rows again",
            hint="name a column that grows with every change: check_column",
            code="check_column_missing",
        )
    # A new version of a row has another check value; the same version read again is the same row.
    add = options.write is Write.APPEND and check_column not in source.key
    return (*source.key, check_column) if add else source.key


def _new(
    step: Transfer, source: Table, match: tuple[str, ...], destination: Destination, *, replaced: bool
) -> Shape:
    wanted = replace(source, key=match, columns=(*source.columns, *_own_columns(step)))
    if step.options.write is Write.HISTORY:
        wanted = replace(wanted, key=(*match, SINCE))
    designed = _with_types(destination.design(wanted, step.target), _defined(step, source, destination))
    names = designed.column_names[: len(source.columns)]
    refuse_losses(source, designed, names, _allowed(step, source, designed, names))
    return Shape(designed, names, match, create=True, replaced=replaced, revive=_revive(step))


def _existing(
    step: Transfer,
    source: Table,
    match: tuple[str, ...],
    table: Table,
    destination: Destination,
    *,
    replaced: bool,
) -> Shape:
    options = step.options
    defined = _defined(step, source, destination)
    wanted = replace(source, key=(), columns=(*source.columns, *_own_columns(step)))
    designed = _with_types(destination.design(wanted, step.target), defined)
    add = _added(step, table, designed)
    after = replace(table, columns=(*table.columns, *add))
    columns = match_columns(source, after)
    widen = _as_defined(step, source, after, columns, defined)
    if options.alter_schema:
        widen += _widened(source, after, columns, designed, defined)
    after = _with_types(after, {column.name: column.type for column in widen})
    refuse_losses(source, after, columns, _allowed(step, source, after, columns))
    name_of = dict(zip(source.column_names, columns, strict=True))
    keys = tuple(name_of[name] for name in match)
    if not replaced:
        key_in_target(after, (*keys, SINCE) if options.write is Write.HISTORY else keys)
    return Shape(
        after,
        columns,
        keys,
        create=False,
        replaced=replaced,
        revive=_revive(step),
        add=tuple(add),
        widen=tuple(widen),
        warnings=_spare(table, columns) if options.alter_schema else (),
    )


def _added(step: Transfer, table: Table, designed: Table) -> list[Column]:
    """The columns that the table has to get; they may be NULL, because its old rows have no value there.

    Raises:
        FatalError: the table cannot become a history, because its old rows have no times.
    """
    missing = [column for column in designed.columns if not _has(table, column.name)]
    if any(column.name == SINCE for column in missing):
        raise FatalError(
            f"table {table.name} is no history: it has no column {SINCE}",
            hint="name a table that does not exist yet: REPLICATE [history] SELECT ...",
            code="no_history",
        )
    return [
        replace(column, nullable=True)
        for column in missing
        if column.name == DELETED_AT or step.options.alter_schema
    ]


def _spare(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    own = {*columns, DELETED_AT, SINCE, UNTIL, ACTIVE}
    names = ", ".join(name for name in table.column_names if name not in own)
    return (f"{names} of {table.name} is not in the source: new rows have no value there",) if names else ()


def _own_columns(step: Transfer) -> tuple[Column, ...]:
    """The columns that syncd adds to the source's."""
    found: tuple[Column, ...] = ()
    if step.options.write is Write.HISTORY:
        found = (
            Column(SINCE, MOMENT, nullable=False),
            Column(UNTIL, MOMENT),
            Column(ACTIVE, Type(Kind.BOOLEAN), nullable=False),
        )
    elif step.options.deletes is Deletes.SOFT:
        found = (Column(DELETED_AT, MOMENT),)
    return found


def _revive(step: Transfer) -> str:
    soft = step.options.deletes is Deletes.SOFT and step.options.write is not Write.HISTORY
    return DELETED_AT if soft else ""


def _defined(step: Transfer, source: Table, destination: Destination) -> dict[str, Type]:
    """The types that the query defines, by the source's names.

    Raises:
        FatalError: a column of the definitions is none of the source, or the destination knows no such type.
    """
    return {_name_in(source, each.name): destination.type_of(each.type) for each in step.columns}


def _with_types(table: Table, types: dict[str, Type]) -> Table:
    return replace(
        table,
        columns=tuple(
            replace(column, type=types[column.name]) if column.name in types else column
            for column in table.columns
        ),
    )


def _as_defined(
    step: Transfer, source: Table, table: Table, columns: Sequence[str], defined: dict[str, Type]
) -> list[Column]:
    """The columns that have to become as wide as the query defines them.

    Raises:
        FatalError: a column is narrower than its definition or of another family, and may not be changed.
    """
    found = []
    for column, name in zip(source.columns, columns, strict=True):
        place, wanted = table.column(name), defined.get(column.name)
        if place is None or wanted is None or _holds(place.type, wanted):
            continue
        widens = _holds(wanted, replace(place.type, vacant=False))
        if not (widens and step.options.alter_schema):
            raise FatalError(
                f"column {name} of {table.name} is {place.type}, and the query defines it as {wanted}",
                hint="set alter_schema: true to widen it, or leave its definition out"
                if widens
                else "give the column that type, or leave its definition out",
                code="definition_differs",
            )
        found.append(replace(place, type=wanted))
    return found


def _holds(place: Type, values: Type) -> bool:
    """Is the column of the same family, and wide enough for all values of this type?"""
    return place.kind in {values.kind, Kind.ANY} and not loss(values, place)


def _widened(
    source: Table, table: Table, columns: Sequence[str], designed: Table, defined: Container[str]
) -> list[Column]:
    """The columns that have to become wider, each with its new type: that of the source's values, or else text.

    Those that the query defines stay as it defines them.
    """
    found = []
    for column, name in zip(source.columns, columns, strict=True):
        place, wanted = table.column(name), designed.column(column.name)
        if column.name in defined or place is None or wanted is None or not loss(column.type, place.type):
            continue
        if changes_zone(column.type, place.type):
            continue
        text = replace(wanted.type, kind=Kind.TEXT, native="text", length=0, padded=False, vacant=False)
        for candidate in (wanted.type, text):
            if not loss(column.type, candidate) and not loss(replace(place.type, vacant=False), candidate):
                found.append(replace(place, type=candidate))
                break
    return found


def _allowed(step: Transfer, source: Table, target: Table, columns: Sequence[str]) -> frozenset[str]:
    """The source's columns that lose only what the options allow, because each value is converted on its way."""
    if step.options.utc_times is None:
        return frozenset()
    return frozenset(
        column.name
        for column, name in zip(source.columns, columns, strict=True)
        if (place := target.column(name)) is not None and changes_zone(column.type, place.type)
    )


def _has(table: Table, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in table.columns)


def _name_in(table: Table, name: str) -> str:
    found = next((each for each in table.column_names if each.lower() == name.lower()), None)
    if found is None:
        raise FatalError(
            f"the column definition of {name} has no column in the source",
            hint=f"it has: {', '.join(table.column_names[:12])}",
            code="column_missing",
        )
    return found
