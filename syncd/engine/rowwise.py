"""Changes to values on their way, for the few tables that need them; everything else travels untouched."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from syncd.errors import RowRejectedError
from syncd.model.batch import Batch, Format
from syncd.model.options import Options
from syncd.model.table import Kind, Table, Type

Change = Callable[[Any], Any]


def changes_zone(source: Type, target: Type) -> bool:
    """Does one of the two know its zone and the other not?"""
    return {source.kind, target.kind} == {Kind.TIMESTAMP, Kind.TIMESTAMPTZ} and source.kind is not target.kind


class Rowwise:
    """The changes that the values of a step need; `truncated` counts the texts that were cut, by column."""

    def __init__(
        self,
        source: Table,
        target: Table,
        columns: Sequence[str],
        options: Options,
        match: Sequence[str] = (),
    ) -> None:
        """`match` are the columns that tell rows apart: a text of theirs is refused, not cut."""
        self.truncated: dict[str, int] = {}
        self._made_of = (source, target, tuple(columns), options, tuple(match))
        self._changes: list[tuple[int, Change]] = []
        for index, (column, name) in enumerate(zip(source.columns, columns, strict=True)):
            place = target.column(name)
            if place is None:
                continue
            length = place.type.length
            longer = column.type.kind is not Kind.TEXT or not 0 < column.type.length <= length
            cut = options.truncate_strings and name not in match
            if cut and place.type.kind is Kind.TEXT and length and longer:
                self._changes.append((index, self._cut(name, length)))
            if options.utc_times is not None and changes_zone(column.type, place.type):
                drop = place.type.kind is Kind.TIMESTAMP
                self._changes.append((index, _zone(name, utc=options.utc_times, drop=drop)))

    @property
    def needed(self) -> bool:
        """Is there anything to change? Then rows travel as tuples."""
        return bool(self._changes)

    def anew(self) -> "Rowwise":
        """The same changes with counts of their own."""
        return Rowwise(*self._made_of)

    def add(self, other: "Rowwise") -> None:
        """Count what another one has cut."""
        for name, count in other.truncated.items():
            self.truncated[name] = self.truncated.get(name, 0) + count

    def apply(self, batch: Batch) -> Batch:
        """The batch with its values changed; its rows must be tuples."""
        if not self._changes:
            return batch
        rows = []
        for row in batch.data:
            values: list[Any] = list(row)  # type: ignore[arg-type] # ROWS batches hold tuples
            for index, change in self._changes:
                if values[index] is not None:
                    values[index] = change(values[index])
            rows.append(tuple(values))
        return Batch(Format.ROWS, rows, batch.rows)

    def _cut(self, name: str, length: int) -> Change:
        def cut(value: Any) -> Any:
            text = value if isinstance(value, str) else str(value)
            if len(text) <= length:
                return value
            self.truncated[name] = self.truncated.get(name, 0) + 1
            return text[:length]

        return cut


def _zone(name: str, *, utc: bool, drop: bool) -> Change:
    def change(value: Any) -> Any:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise RowRejectedError(
                f"a time of column {name} cannot be put into another zone: it is not within the years 1 to 9999",
                code="time_out_of_range",
            ) from error
        try:
            if drop:
                place = moment.astimezone(UTC) if utc else moment.astimezone()
                return place.replace(tzinfo=None).isoformat(sep=" ")
            known = moment.replace(tzinfo=UTC) if utc else moment.astimezone()
            return known.astimezone(UTC).isoformat(sep=" ")
        except OverflowError as error:
            raise RowRejectedError(
                f"a time of column {name} leaves the years 1 to 9999 in another zone",
                code="time_out_of_range",
            ) from error

    return change
