"""Stages: temporary tables with rows that arrived from another node and wait to be judged."""

import re
from typing import Final

from syncd.connectors.postgresql.copyin import CopyIn
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shape import Shape
from syncd.connectors.postgresql.shapes import entering
from syncd.connectors.postgresql.staging import ANALYZED_ROWS, may_cut
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.store import NUMBER, STATE, TOLD, Stage, facts_of

FILL: Final = "syncd_fill"
"""The savepoint to which a fill returns when the server takes no part of it."""
WORN_ROWS: Final = 10_000
"""How many rows a stage may have held before it is made anew: deleted ones still take place."""
TOO_LONG: Final = "syncd_too_long_c"
"""Begins the name of the rule that a column's text is too long for; the column's number follows."""
_PLACE: Final = re.compile(r"\bc(\d+)$")


def text_of(stage: Stage) -> str:
    """A stage's name as SQL."""
    return f"pg_temp.{quote(stage.name)}"


def columns_of(stage: Stage) -> tuple[str, ...]:
    """What rows that arrive are made of: the facts, then the table's columns, then what edits tell of sums."""
    return stage.fields


def staged_key(stage: Stage) -> tuple[str, ...]:
    """The stage's columns that hold the key, in the key's order."""
    names = [column.name for column in stage.table.columns]
    return tuple(f"c{names.index(name)}" for name in stage.table.key)


def creation(stage: Stage, shape: Shape) -> str:
    """The statement that makes a stage. A key is never NULL, also that of a deleted row."""
    key = staged_key(stage)
    theirs = {column.name: column for column in stage.theirs.columns}
    lines = [f"{name} bigint NOT NULL" for name in facts_of(edits=stage.edits)]
    # A cache: the next number then costs no look at the sequence.
    lines.append(f"{NUMBER} bigint GENERATED ALWAYS AS IDENTITY (CACHE 10000)")
    lines.append(f"{STATE} smallint NOT NULL DEFAULT 0")
    for number, column in enumerate(stage.table.columns):
        name = f"c{number}"
        source = theirs.get(column.name, stage.theirs.columns[number])
        rule = f"{name} {_declared(shape, column, source, number)}"
        lines.append(f"{rule} NOT NULL" if name in key else rule)
    if stage.told:
        lines.append(f"{TOLD} text")
    return f"CREATE TEMP TABLE {quote(stage.name)} ({', '.join(lines)})"


def _declared(shape: Shape, column: Column, source: Column, number: int) -> str:
    if not may_cut(source.type, column.type):
        return shape.declared(column)
    # The column's own type would cut blanks off without a word.
    whole = shape.declared(column).replace(f"({column.type.length})", "", 1)
    return f"{whole} CONSTRAINT {TOO_LONG}{number} CHECK (char_length(c{number}) <= {column.type.length})"


class Stages:
    """The stages of one connection. A small one is emptied and used again, because making a table takes milliseconds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: dict[str, tuple[str, int]] = {}
        self._fillings: dict[str, Filling] = {}

    def make(self, stage: Stage, shape: Shape) -> None:
        """Have an empty stage of that name with these columns."""
        self._fillings[stage.name] = Filling(self._session, stage)
        sql = creation(stage, shape)
        if self.empty(stage) and self._made[stage.name][0] == sql:
            return
        self._session.execute(f"DROP TABLE IF EXISTS {text_of(stage)}")
        self._session.execute(sql)
        self._made[stage.name] = sql, 0

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows; raises as `Filling.add`."""
        self._filling(stage).add(batch, check)

    def end(self, stage: Stage) -> int:
        """End the filling; how many rows there are."""
        rows = self._filling(stage).end()
        if stage.name in self._made:
            sql, used = self._made[stage.name]
            self._made[stage.name] = sql, used + rows
        return rows

    def rows(self, stage: Stage) -> int:
        """How many rows the stage has been given."""
        return self._filling(stage).rows

    def _filling(self, stage: Stage) -> "Filling":
        """A stage may be filled further after it was ended, and in a transaction of which a part was undone."""
        if stage.name not in self._fillings:
            self._fillings[stage.name] = Filling(self._session, stage)
        return self._fillings[stage.name]

    def empty(self, stage: Stage) -> bool:
        """Take its rows away; True when the table is still there."""
        if self._made.get(stage.name, ("", WORN_ROWS))[1] < WORN_ROWS:
            self._session.execute(f"DELETE FROM {text_of(stage)}")
            return True
        self._made.pop(stage.name, None)
        self._session.execute(f"DROP TABLE IF EXISTS {text_of(stage)}")
        return False

    def forget(self) -> None:
        """Something was undone, perhaps the making of a table: each is made anew."""
        self._made.clear()
        self._fillings.clear()


class Filling:
    """Rows on their way into one stage. Blocks of bytes are one COPY; tuples are one COPY for each batch."""

    def __init__(self, session: Session, stage: Stage) -> None:
        self._session = session
        self._stage = stage
        self._copy: CopyIn | None = None
        self.rows = 0

    def add(self, batch: Batch, check: Check) -> None:
        """Add rows.

        Raises:
            RowRejectedError: a value has no form here; of tuples, nothing of this batch is kept then.
        """
        try:
            if batch.format is Format.PGCOPY and isinstance(batch.data, bytes):
                self._copy = self._copy or self._begin(" (FORMAT binary)", check)
                self._copy.write(batch.data)
            elif batch.rows and not isinstance(batch.data, bytes):
                self._add_rows(batch, check)
        except SyncdError as error:
            raise _named(error, self._stage) from error

    def end(self) -> int:
        """How many rows there are in all; the planner knows of them from now on."""
        if self._copy is not None:
            copy, self._copy = self._copy, None
            try:
                self.rows += copy.end()
            except SyncdError as error:
                raise _named(error, self._stage) from error
        if self.rows >= ANALYZED_ROWS:
            gone = (STATE, "s_gone", *staged_key(self._stage))
            self._session.execute(f"ANALYZE {text_of(self._stage)} ({', '.join(gone)})")
        return self.rows

    def _add_rows(self, batch: Batch, check: Check) -> None:
        inside = self._session.in_transaction
        if inside:
            self._session.execute(f"SAVEPOINT {FILL}")
        copy = self._begin("", check)
        try:
            columns = self._stage.table.columns
            facts = len(facts_of(edits=self._stage.edits))
            copy.write_rows(entering(tuples_of(batch), columns, facts))
            self.rows += copy.end()
        except RowRejectedError:
            self._session.return_to(FILL) if inside else self._session.rollback()
            raise
        if inside:
            self._session.execute(f"RELEASE SAVEPOINT {FILL}")

    def _begin(self, options: str, check: Check) -> CopyIn:
        columns = ", ".join(columns_of(self._stage))
        return CopyIn(self._session, f"COPY {text_of(self._stage)} ({columns}) FROM STDIN{options}", check)


def _named(error: SyncdError, stage: Stage) -> SyncdError:
    """The error with the names of the user's table and column."""
    table = stage.table.name.name
    where, message, hint = error.where, error.message, error.hint
    found = _PLACE.search(where)
    if TOO_LONG in message:
        number = int(message.partition(TOO_LONG)[2].partition('"')[0])
        column = stage.table.columns[number]
        where = f"{table}.{column.name}"
        message = f"a text is too long for column {column.name} of {stage.table.name}: it takes {column.type.length} characters"
        hint = "give the column a wider type"
    elif where.startswith(stage.name) and found:
        where = f"{table}.{stage.table.columns[int(found[1])].name}"
        message = f"{message} (column {where.rpartition('.')[2]} of {stage.table.name})"
    message = message.replace(stage.name, table)
    if isinstance(error, FatalError):
        return type(error)(message, hint=hint, where=where.replace(stage.name, table), code=error.code)
    return error
