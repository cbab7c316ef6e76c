"""Lines of COPY text on their way into one table: by LOAD DATA LOCAL, or by INSERT where the server takes none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.connectors.mysql.copytext import fields_of_line, lines_of, place_of, to_load, writers_of
from syncd.connectors.mysql.failure import DUPLICATE, ROW, column_of, refusal
from syncd.connectors.mysql.session import Load, Session, literal, quote
from syncd.connectors.mysql.shapes import entering
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.table import Column, Table
from syncd.ports import Check

LINES_AT_ONCE: Final = 500
"""How many rows one INSERT has."""
QUIET: Final = frozenset({4038})
"""Numbers of notes that only explain the warning behind them."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Where rows enter: a table as SQL, its columns that take them, the rows' own columns, and how they travel."""

    text: str
    columns: tuple[Column, ...]
    source: Table
    format: Format = Format.ROWS

    @property
    def places(self) -> list[str]:
        """How each field becomes a value, as SQL with ``{v}`` for the field."""
        return [
            place_of(column, target, self.format)
            for column, target in zip(self.source.columns, self.columns, strict=True)
        ]


class Loading:
    """One stream of rows into a gate."""

    def __init__(self, session: Session, gate: Gate, name: str, check: Check) -> None:
        """`name` is how errors call the table."""
        self._session = session
        self._gate = gate
        self._name = name
        self._check = check
        self._writers = writers_of(gate.source)
        self._sent = self._taken = self._warned = 0
        self._load: Load | None = session.load(_load_statement(gate), check)

    def write(self, batch: Batch) -> None:
        """Send one batch."""
        try:
            data = batch.data if isinstance(batch.data, bytes) else self._lines(batch)
        except UnicodeEncodeError as error:
            raise RowRejectedError(
                f"a text for {self._name} is not valid Unicode", hint="mend the value", where=self._name
            ) from error
        self._sent += batch.rows
        if self._load is not None:
            if data:
                self._load.write(to_load(data))
        elif data:
            self._insert(data)

    def _lines(self, batch: Batch) -> bytes:
        return lines_of(entering(_rows(batch), self._gate.columns), self._writers)

    def end(self) -> int:
        """How many rows arrived.

        Raises:
            RowRejectedError: the table refuses one of them, or would have changed a value.
            FatalError: with code key_exists, when a key is there already.
        """
        if self._load is not None:
            load, self._load = self._load, None
            self._taken, warned = load.end()
            self.heed(warned)
        if self._taken != self._sent:
            raise FatalError(
                f"{self._sent} rows were sent to {self._name} and {self._taken} arrived",
                hint="nothing of this window was kept",
                code="counters_do_not_balance",
            )
        return self._taken

    def heed(self, count: int) -> None:
        """Raise what the last statement's warnings say, when it has some: the server has changed a value or left a row out."""
        if count:
            heed(self._session, self._name)

    def _insert(self, data: bytes) -> None:
        lines = data[:-1].split(b"\n")
        names = ", ".join(quote(column.name) for column in self._gate.columns)
        places = self._gate.places
        for start in range(0, len(lines), LINES_AT_ONCE):
            self._check()
            rows = [
                f"({', '.join(p.replace('{v}', _field(f)) for p, f in zip(places, fields_of_line(line), strict=True))})"
                for line in lines[start : start + LINES_AT_ONCE]
            ]
            result = self._session.execute(
                f"INSERT INTO {self._gate.text} ({names}) VALUES {', '.join(rows)}", check=self._check
            )
            self._taken += result.changed
            self.heed(result.warnings)


def heed(session: Session, name: str) -> None:
    """Raise what the warnings of the last statement say about a row."""
    found = [(number, text) for number, text in session.warnings() if number not in QUIET]
    # A value that does not fit comes first: it may be why a key seems to be there twice.
    found.sort(key=lambda each: (each[0] not in ROW, each[0] not in DUPLICATE))
    if found:
        raise named(refusal(*found[0], session.place), name, column_of(found[0][1]))


def named(error: SyncdError, name: str, column: str = "") -> SyncdError:
    """The error with the table's own name, and its column when one is known."""
    column = column or error.where.rpartition(".")[2]
    where = f"{name}.{column}" if column else name
    return type(error)(error.message, hint=error.hint, where=where, code=error.code)


def _rows(batch: Batch) -> Sequence[Sequence[Any]]:
    return batch.data if not isinstance(batch.data, bytes) else ()


def _field(field: bytes | None) -> str:
    return "NULL" if field is None else literal(field.decode())


def _load_statement(gate: Gate) -> str:
    fields, sets = [], []
    for index, (column, place) in enumerate(zip(gate.columns, gate.places, strict=True)):
        if place == "{v}":
            fields.append(quote(column.name))
        else:
            fields.append(f"@v{index}")
            sets.append(f"{quote(column.name)} = {place.replace('{v}', f'@v{index}')}")
    return (
        f"LOAD DATA LOCAL INFILE 'syncd' INTO TABLE {gate.text} CHARACTER SET utf8mb4"
        " FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
        f" ({', '.join(fields)}){' SET ' + ', '.join(sets) if sets else ''}"
    )
