"""What a run will do, as a value: stages in order, steps inside a stage."""

from dataclasses import dataclass, field
from typing import Final

from syncd.model.options import Options
from syncd.model.table import TableName

LAST_MARK: Final = "{syncd:last_mark}"
NEXT_MARK: Final = "{syncd:next_mark}"
"""What stands in a SELECT for REPLICATE_LASTMODTIME() and REPLICATE_NEXTINTERVAL(): the source puts its literals there."""


@dataclass(frozen=True, slots=True)
class Within:
    """Rows whose `column` is at or above `start` and below `end` (ISO text or whole numbers; None: no limit).

    With `nulls`, rows without a value belong to them.
    """

    column: str
    start: str | int | None = None
    end: str | int | None = None
    nulls: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """What one step reads: a whole table, or a SELECT written in the source's own dialect.

    `table` is set when `select` is not, and also when the SELECT reads rows of one table without joining or grouping
    them; then `outputs` pairs the table's columns with the names under which they come out, and `star` is true
    when all of them do. So the result inherits the table's key. `include` and `exclude` choose among a table's columns.
    `only_null` leaves the rows in which that column is NULL, `within` those in a range; both are for comparing.
    """

    table: TableName | None = None
    select: str | None = None
    outputs: tuple[tuple[str, str], ...] = ()
    star: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only_null: str = ""
    within: Within | None = None

    @property
    def bounded(self) -> bool:
        """Does the SELECT say itself between which marks it reads?"""
        return self.select is not None and (LAST_MARK in self.select or NEXT_MARK in self.select)


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A destination column's type as the user declares it, for example ``varchar(40)``."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One step of a replication: rows of one relation into one table.

    `name` is unique in its job. `query` is the user's statement as written and `digest` a hash of its meaning and of
    the options that decide what is read: the stored cursor is good only while the digest stays.
    """

    name: str
    query: str
    digest: str
    relation: Relation
    target: TableName
    options: Options = field(default_factory=Options)
    columns: tuple[ColumnDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One step that compares a destination's table with what the source has, and mends it when `repair` is set.

    `skip_modified` compares keys alone, `skip_deleted` lets surplus rows stay. `start` and `end` (exclusive) limit
    both sides by the check column. The statement is CHECKCACHE. `filled_by` is the step of the job that fills the table, None
    when none does; its options hold, and rows are mended as it would write them.
    """

    name: str
    query: str
    relation: Relation
    target: TableName
    options: Options = field(default_factory=Options)
    repair: bool = False
    skip_modified: bool = False
    skip_deleted: bool = False
    start: str | int | None = None
    end: str | int | None = None
    filled_by: Transfer | None = None

    @property
    def whole(self) -> bool:
        """Does it compare all that the step moves which fills the table?"""
        filled_by = self.filled_by
        ranged = self.start is not None or self.end is not None
        return filled_by is not None and filled_by.relation == self.relation and not ranged


Step = Transfer | Comparison


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps whose order among each other does not matter; a stage starts when the one before it has ended."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole of a run: from which connection to which, in which stages. Made without I/O."""

    job: str
    source: str
    destination: str
    stages: tuple[Stage, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of every stage, in order."""
        return tuple(step for stage in self.stages for step in stage.steps)
