"""What may stand in which column: the rules by which a type is taken over, and the losses that are refused."""

from syncd.errors import FatalError
from syncd.model.table import Column, Kind, Table, TableName, Type

AS_TEXT = frozenset(Kind) - {Kind.BYTES, Kind.GEOMETRY, Kind.ANY}
"""Families whose values have one exact text form, which a text column without limit can hold."""


NO_GEOMETRY = "binary values that are no geometries"


def loss(source: Type, target: Type) -> str:
    """What a value of the source's type may lose in the target's; empty when nothing.

    Equal declarations of one product never lose. The rule is about every value that the type may hold, not about
    those that a table holds today.
    """
    if source.vacant:
        return ""
    if source.srid and target.srid and source.srid != target.srid:
        return f"its place: coordinates of reference system {source.srid} mean others in {target.srid}"
    if source.product and source.product == target.product and source.native == target.native:
        return ""
    if target.kind is Kind.ANY:
        return ""
    if source.kind is Kind.ANY:
        # The rows say which; a source with dynamic types checks each value against the target.
        return ""
    if source.kind is not target.kind:
        return _loss_across(source, target)
    return _loss_within(source, target)


def _loss_across(source: Type, target: Type) -> str:
    pair = (source.kind, target.kind)
    if target.padded:
        return "its exact text: the column fills it up with blanks"
    if target.kind is Kind.TEXT and source.kind in AS_TEXT:
        return f"text longer than {target.length} characters is refused" if target.length else ""
    if pair == (Kind.INTEGER, Kind.DECIMAL):
        digits = {16: 5, 32: 10}.get(source.bits, 19)
        fits = not target.precision or target.precision - target.scale >= digits
        return "" if fits else f"whole numbers of more than {target.precision - target.scale} digits"
    if pair == (Kind.INTEGER, Kind.FLOAT):
        exact = source.bits and source.bits < (64 if target.bits != 32 else 32)
        return "" if exact else "digits of large whole numbers"
    if pair in {(Kind.DATE, Kind.TIMESTAMP), (Kind.TIME, Kind.INTERVAL)}:
        return ""
    if pair == (Kind.TIMESTAMPTZ, Kind.TIMESTAMP):
        return "" if source.utc else "the time zone"
    if pair == (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return "" if target.utc else "the meaning: the time zone of the source's values is not known"
    if pair == (Kind.GEOMETRY, Kind.BYTES):
        return f"values of more than {target.length} bytes" if target.length else ""
    if pair == (Kind.BYTES, Kind.GEOMETRY):
        return NO_GEOMETRY
    if target.kind is Kind.FLOAT and source.kind is Kind.DECIMAL:
        exact = 0 < source.precision <= (15 if target.bits != 32 else 6)
        return "" if exact else "digits"
    return f"its type: {source.kind.value} does not go into {target.kind.value}"


def _loss_within(source: Type, target: Type) -> str:
    match source.kind:
        case Kind.INTEGER | Kind.FLOAT:
            if target.bits and source.bits > target.bits:
                wide = f"values of more than {target.bits} bits"
                return wide if source.kind is Kind.INTEGER else "digits"
        case Kind.DECIMAL:
            return _loss_of_digits(source, target)
        case Kind.TEXT | Kind.BYTES:
            if target.padded and not (source.padded and source.length == target.length):
                return "its exact text: the column fills it up with blanks"
            if target.length and (not source.length or source.length > target.length):
                return f"text longer than {target.length} characters"
        case Kind.TIME | Kind.TIMESTAMP | Kind.TIMESTAMPTZ | Kind.INTERVAL:
            if source.precision > target.precision:
                return f"fractions of a second after the first {target.precision} digits"
        case Kind.JSON | Kind.ARRAY:
            if source.product == target.product and source.native != target.native:
                return f"its form: {source.native} is not {target.native}"
        case _:
            return ""
    return ""


def _loss_of_digits(source: Type, target: Type) -> str:
    if not target.precision:
        return ""
    if not source.precision or source.scale > target.scale:
        return f"digits after the first {target.scale} decimals"
    if source.precision - source.scale > target.precision - target.scale:
        return f"numbers of more than {target.precision - target.scale} whole digits"
    return ""


REFUSED_BY_STORE = (
    "text longer than",
    "values of more than",
    "numbers of more than",
    "whole numbers of more than",
    NO_GEOMETRY,
)
"""Losses that a strict store turns into an error for the one row that does not fit; the others happen silently."""


def match_columns(source: Table, target: Table) -> tuple[str, ...]:
    """The target's columns that take the source's, in the source's order: by exact name, else ignoring case.

    Raises:
        FatalError: a column has no place; the message names all of them.
    """
    exact = {column.name: column.name for column in target.columns}
    folded: dict[str, list[str]] = {}
    for column in target.columns:
        folded.setdefault(column.name.lower(), []).append(column.name)
    found: list[str] = []
    missing: list[str] = []
    for column in source.columns:
        near = folded.get(column.name.lower(), [])
        name = exact.get(column.name) or (near[0] if len(near) == 1 else None)
        if name is None or name in found:
            missing.append(column.name)
        else:
            found.append(name)
    if missing:
        raise FatalError(
            f"table {target.name} has no column for {', '.join(missing)} of the source",
            hint="add the column there, or name the columns to copy: REPLICATE [t] SELECT a, b FROM [t]",
            code="column_missing",
        )
    return tuple(found)


def refuse_losses(
    source: Table, target: Table, columns: tuple[str, ...], allowed: frozenset[str] = frozenset()
) -> None:
    """Refuse a pairing of columns in which a value could change without anybody noticing.

    `allowed` are columns of the source that are let pass.

    Raises:
        FatalError: names each column and what it would lose.
    """
    problems = [
        f"{column.name} ({column.type}) into {name} ({place.type}) loses {said}"
        for column, name in zip(source.columns, columns, strict=True)
        if column.name not in allowed
        and (place := target.column(name)) is not None
        and (said := loss(column.type, place.type))
        and not said.startswith(REFUSED_BY_STORE)
    ]
    if problems:
        raise FatalError(
            f"table {target.name} cannot hold every value: {'; '.join(problems)}",
            hint="give the destination column a wider type, or convert in a SELECT with CAST",
            code="type_loss",
        )


def key_in_target(table: Table, wanted: tuple[str, ...]) -> None:
    """Refuse a table in which rows could not be matched.

    Raises:
        FatalError: its key is not made of the wanted columns.
    """
    if wanted and set(wanted) != set(table.key):
        has = f"the key ({', '.join(table.key)})" if table.key else "no primary key"
        raise FatalError(
            f"table {table.name} has {has}; rows are matched by ({', '.join(wanted)})",
            hint="give the destination table that primary key, or let syncd create the table",
            code="key_differs",
        )


def renamed(table: Table, name: TableName, types: dict[str, Type]) -> Table:
    """The table under another name, with other types for its columns; keys are NOT NULL."""
    columns = tuple(
        Column(column.name, types[column.name], column.nullable and column.name not in table.key)
        for column in table.columns
    )
    return Table(name, columns, table.key)
