"""The two tables of a step as they are compared: who reads them, and which column stands for which."""

from dataclasses import dataclass, replace

from syncd.engine.compare import Side
from syncd.engine.evolve import match_columns
from syncd.engine.surroundings import Surroundings, comparable
from syncd.errors import FatalError, NotFoundError
from syncd.model.choice import override_key
from syncd.model.following import find_check_column
from syncd.model.options import Deletes, Options, Write
from syncd.model.plan import Comparison, Relation, Transfer, Within
from syncd.model.table import Table
from syncd.model.writing import DELETED_AT, UNTIL
from syncd.ports import Comparable, Destination, Source


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a comparison; `table` is the destination's table as a destination sees it."""

    source: Side
    target: Side
    table: Table
    revive: str


def sides_of(
    step: Transfer | Comparison,
    around: Surroundings,
    within: Within | None = None,
    *,
    counted: bool = False,
) -> Sides:
    """Look up both tables of a step that runs, as `sides_between` does."""
    return sides_between(
        step,
        (around.source, around.mirror() if around.mirror else None),
        around.destination,
        within,
        counted=counted,
    )


def sides_between(
    step: Transfer | Comparison,
    ends: tuple[Source, Source | None],
    destination: Destination,
    within: Within | None = None,
    *,
    counted: bool = False,
) -> Sides:
    """Look up both tables and pair their columns; with `counted`, rows need no key.

    `ends` are the source and the destination opened for reading.

    Raises:
        NotFoundError: the destination has no such table.
        FatalError: the rows have no key, or an end cannot be compared.
    """
    source = comparable(ends[0], "source")
    mirror = comparable(ends[1], "destination")
    options = step.options
    _refuse_uncomparable(step)
    table = destination.table(step.target)
    if table is None:
        raise NotFoundError(
            f"the destination has no table {step.target} to compare",
            hint="run the job first",
            where=step.name,
        )
    mine = override_key(source.describe(step.relation), options.key)
    if not mine.key and not counted:
        raise FatalError(
            f"{step.relation.table or 'the query'} has no primary key, so rows cannot be told apart",
            hint="add a primary key at the source, or name one with `key`",
            code="key_missing",
        )
    columns = match_columns(mine, table)
    name_of = dict(zip(mine.column_names, columns, strict=True))
    keys = tuple(name_of[name] for name in mine.key)
    where = _within(within, mine, name_of, options.check_columns)
    return Sides(
        Side(source, replace(step.relation, within=where[0]), mine, mine.key, mine.column_names, options),
        _mirror(mirror, table, options, keys, columns, where[1]),
        table,
        _revive(options),
    )


def range_of(step: Transfer | Comparison) -> Within | None:
    """The rows that a comparison is about, when it is not about all: START and END, or what `start` leaves out."""
    if isinstance(step, Comparison) and (step.start is not None or step.end is not None):
        return Within("", step.start, step.end)
    start = step.options.start
    return Within("", start, nulls=True) if start is not None and step.options.check_columns else None


def _refuse_uncomparable(step: Transfer | Comparison) -> None:
    if step.relation.bounded:
        raise FatalError(
            f"{step.name} says itself what is new, so what it gives cannot be compared with the table",
            hint="compare with the whole table: CHECKCACHE [t] AGAINST [t]",
            code="not_comparable",
        )
    if step.options.write is Write.APPEND:
        raise FatalError(
            f"{step.name} keeps every version of a row beside the others, so it cannot be compared with the source",
            hint="leave out `verify` and `deletes` where write is append",
            code="not_comparable",
        )


def _mirror(
    mirror: Comparable,
    table: Table,
    options: Options,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
    within: Within | None,
) -> Side:
    present = UNTIL if options.write is Write.HISTORY else _revive(options)
    if present and table.column(present) is None:
        present = ""
    relation = Relation(table=table.name, only_null=present, within=within)
    return Side(mirror, relation, mirror.describe(Relation(table=table.name)), keys, columns)


def _revive(options: Options) -> str:
    return DELETED_AT if options.deletes is Deletes.SOFT and options.write is not Write.HISTORY else ""


def _within(
    within: Within | None, table: Table, name_of: dict[str, str], candidates: tuple[str, ...]
) -> tuple[Within | None, Within | None]:
    """The range over the check column, by its name on each side."""
    column = find_check_column(table, candidates) if within is not None else None
    if within is None or column is None:
        return None, None
    return replace(within, column=column.name), replace(within, column=name_of[column.name])
