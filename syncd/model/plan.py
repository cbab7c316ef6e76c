"""What a run will do, as a value: stages in order, steps inside a stage."""

from dataclasses import dataclass

from syncd.model.table import TableName


@dataclass(frozen=True, slots=True)
class Relation:
    """What one step reads: a whole table, or a SELECT written in the source's own dialect.

    `table` is set when `select` is not, and also when the SELECT reads rows of one table without joining or grouping
    them; then `outputs` pairs the table's columns with the names under which they come out, and `star` is true
    when all of them do. So the result inherits the table's key.
    """

    table: TableName | None = None
    select: str | None = None
    outputs: tuple[tuple[str, str], ...] = ()
    star: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """One step of a replication: rows of one relation into one table.

    `name` is unique in its job. `query` is the user's statement as written and `digest` a hash of its meaning: the
    stored cursor is good only while the digest stays. `check_columns` are candidates; the first that exists is used.
    """

    name: str
    query: str
    digest: str
    relation: Relation
    target: TableName
    check_columns: tuple[str, ...] = ()
    lookback_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps whose order among each other does not matter; a stage starts when the one before it has ended."""

    steps: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole of a run: from which connection to which, in which stages. Made without I/O."""

    job: str
    source: str
    destination: str
    stages: tuple[Stage, ...]

    @property
    def steps(self) -> tuple[Transfer, ...]:
        """Every step of every stage, in order."""
        return tuple(step for stage in self.stages for step in stage.steps)
