"""The temporary table beside the target, in which rows wait until they are matched or checked."""

from dataclasses import dataclass
from typing import Final

from syncd.connectors.postgresql.creation import full_name
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shapes import comparable
from syncd.connectors.postgresql.types import is_limited_text
from syncd.errors import FatalError, RowRejectedError
from syncd.model.batch import Format
from syncd.model.table import Column, Kind, Table, Type
from syncd.model.writing import Mode, Target

STAGE: Final = "syncd_stage"
STAGED: Final = f"pg_temp.{STAGE}"
ANALYZED_ROWS: Final = 1_000
"""From how many rows on the planner is told what stands in a temporary table."""


@dataclass(frozen=True, slots=True)
class Place:
    """The table that takes the rows, with what matching them needs.

    `text` is its quoted name, `columns` those that come, `match` those by which rows are told apart; all quoted.
    `guarded` are columns with a limit that a row may exceed by blanks alone, which the server would cut silently:
    they are staged as text.
    """

    table: Table
    text: str
    columns: tuple[str, ...]
    match: tuple[str, ...]
    guarded: tuple[Column, ...]

    @property
    def names(self) -> str:
        """The columns as a list in SQL."""
        return ", ".join(self.columns)

    @property
    def others(self) -> tuple[str, ...]:
        """The columns that come and are not matched by."""
        return tuple(name for name in self.columns if name not in self.match)

    @property
    def meeting(self) -> str:
        """When a row s meets a row t of the table, as a condition."""
        return " AND ".join(f"t.{name} = s.{name}" for name in self.match)

    @property
    def differs(self) -> str:
        """When a staged row s differs from the row t that it meets, as a condition.

        The row's image is compared, so 1.0 is not 1.00, and types without equality are no trouble.
        """
        if not self.others:
            return "false"
        return f"{self.image('t')} *<> {self.image('s')}"

    def image(self, of: str) -> str:
        """The columns that are not matched by, of a row of that name, as one record to compare."""
        guarded = {quote(column.name) for column in self.guarded}
        types = {quote(column.name): column.type for column in self.table.columns}
        names = [(name, f"{of}.{name}::text" if name in guarded else f"{of}.{name}") for name in self.others]
        return image([comparable(text, types[name]) if name in types else text for name, text in names])


def place_of(target: Target, table: Table) -> Place:
    """Where the rows of a target go: `table` is the target's own, or the one that will take its place."""
    match = target.match or target.table.key
    return Place(
        table,
        full_name(table.name),
        tuple(quote(name) for name in target.columns),
        tuple(quote(name) for name in match),
        _guarded(target),
    )


def image(names: list[str]) -> str:
    """These columns as one record, whose binary images can be compared."""
    return f"ROW({', '.join(names)})::record"


def create_stage(session: Session, place: Place) -> None:
    """Make the temporary table; it goes with the transaction."""
    guarded = {quote(column.name) for column in place.guarded}
    columns = ", ".join(f"{name}::text AS {name}" if name in guarded else name for name in place.columns)
    session.execute(
        f"CREATE TEMP TABLE {STAGE} ON COMMIT DROP AS SELECT {columns} FROM {place.text} WITH NO DATA"
    )


def check_stage(session: Session, place: Place, rows: int) -> None:
    """Tell the planner what was staged, and refuse texts that their column would cut.

    Raises:
        RowRejectedError: a text is longer than its column, if only by blanks.
    """
    if rows >= ANALYZED_ROWS:
        session.execute(f"ANALYZE {STAGED}")
    if not place.guarded:
        return
    tests = ", ".join(
        f"coalesce(bool_or(char_length({quote(column.name)}) > {column.type.length}), false)"
        for column in place.guarded
    )
    found = session.execute(f"SELECT {tests} FROM {STAGED}").fetchone() or ()
    for column, longer in zip(place.guarded, found, strict=True):
        if longer:
            raise RowRejectedError(
                f"a text is too long for column {column.name} of {place.table.name}: it takes {column.type.length} characters",
                hint="give the column a wider type, or cut the text in a SELECT",
                where=f"{place.table.name.name}.{column.name}",
            )


def refuse_repeated(session: Session, place: Place) -> None:
    """Refuse staged rows with the same key; where no unique index does.

    Raises:
        FatalError: two staged rows have the same key.
    """
    match = ", ".join(place.match)
    twice = f"SELECT EXISTS (SELECT 1 FROM {STAGED} GROUP BY {match} HAVING count(*) > 1)"
    if session.value(twice):
        raise repeated(place.table, "")


def refuse_without_key(session: Session, place: Place) -> None:
    """Refuse staged rows with NULL in a column by which they are matched: they would be new each time.

    Raises:
        RowRejectedError: there is such a row.
    """
    optional = [
        name
        for name in place.match
        if any(quote(column.name) == name and column.nullable for column in place.table.columns)
    ]
    if not optional:
        return
    empty = " OR ".join(f"{name} IS NULL" for name in optional)
    if session.value(f"SELECT EXISTS (SELECT 1 FROM {STAGED} WHERE {empty})"):
        raise RowRejectedError(
            f"a row for {place.table.name} has no value in {', '.join(optional)}, by which rows are matched",
            hint="leave such rows out with a WHERE, or match by other columns",
            where=place.table.name.name,
        )


def repeated(table: Table, where: str) -> FatalError:
    """What to say about a query that gives the same key more than once."""
    return FatalError(
        f"the query for {table.name} gives the same key more than once",
        hint="a row of the destination can take only one of them: add a condition or GROUP BY",
        where=where or str(table.name),
        code="duplicate_key",
    )


def must_stage(target: Target) -> bool:
    """Can the rows not go straight into the table?"""
    return target.careful or target.mode in {Mode.MERGE, Mode.HISTORY} or bool(_guarded(target))


def may_cut(source: Type, target: Type) -> bool:
    """Would the server cut blanks off a text of the one type silently, so that it fits into the other?"""
    fits = source.kind is Kind.TEXT and 0 < source.length <= target.length
    return is_limited_text(target) and not fits


def _guarded(target: Target) -> tuple[Column, ...]:
    if target.format is Format.PGCOPY:
        # Only rows between equal types travel like this.
        return ()
    found = []
    for source, name in zip(target.source.columns, target.columns, strict=True):
        column = target.table.column(name)
        if column is None or not may_cut(source.type, column.type):
            continue
        found.append(column)
    return tuple(found)
