"""Staged rows into the user's table: updated where they differ, inserted, deleted."""

from syncd.connectors.postgresql.arrival import staged_key, text_of
from syncd.connectors.postgresql.session import quote
from syncd.connectors.postgresql.shape import Shape, listed
from syncd.connectors.postgresql.shapes import comparable
from syncd.connectors.postgresql.staging import image
from syncd.model.table import Column
from syncd.repository.store import Stage, stage_columns


class Settling:
    """The statements for one stage. `log` is the log's name as SQL, empty when nothing is captured here."""

    def __init__(self, stage: Stage, shape: Shape, log: str) -> None:
        self._stage = stage
        self._shape = shape
        self._log = log
        self._text = shape.found.text
        names = [column.name for column in stage.table.columns]
        self._places = dict(zip(names, stage_columns(stage.table), strict=True))

    @property
    def meeting(self) -> str:
        """When a row t of the table and a staged row s have the same key."""
        return self.meeting_of("t")

    def meeting_of(self, alias: str) -> str:
        """When a row of a table with the key's columns and a staged row s have the same key."""
        pairs = zip(self._stage.table.key, staged_key(self._stage), strict=True)
        return " AND ".join(f"{alias}.{quote(name)} = s.{place}" for name, place in pairs)

    def lock(self) -> str:
        """Lock the rows of the table that are staged, in the order of their keys."""
        order = listed(self._stage.table.key, "t")
        # Rows that point at these may still be inserted: no key is changed.
        return (
            f"SELECT count(*) FROM (SELECT 1 FROM {self._text} t JOIN {text_of(self._stage)} s ON {self.meeting}"
            f" ORDER BY {order} FOR NO KEY UPDATE OF t) held"
        )

    def update(self, which: str) -> str:
        """Change the rows that differ from their staged ones; empty when there is nothing that may be changed."""
        settable = self._shape.settable
        if not settable:
            return ""
        sets = ", ".join(f"{quote(name)} = s.{self._places[name]}" for name in settable)
        return (
            f"UPDATE {self._text} AS t SET {sets} FROM {text_of(self._stage)} s"
            f" WHERE {self.meeting} AND ({which}) AND {self._differs()}{self._unlogged()}"
        )

    def exchange(self, which: str) -> str:
        """The same for rows that take each other's unique values: they go, and come again changed, in one statement."""
        others = self._shape.others
        kept = "".join(f", t.{quote(name)} AS k{number}" for number, name in enumerate(others))
        names = ", ".join(quote(name) for name in [*self._places, *others])
        values = [
            *(f"s.{place}" for place in self._places.values()),
            *(f"gone.k{n}" for n in range(len(others))),
        ]
        return (
            f"WITH gone AS (DELETE FROM {self._text} AS t USING {text_of(self._stage)} s WHERE {self.meeting} AND ({which})"
            f" AND {self._differs()}{self._unlogged()} RETURNING s.s_n{kept})"
            f" INSERT INTO {self._text} ({names}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values)}"
            # The order makes all of them go before the first comes.
            f" FROM gone JOIN {text_of(self._stage)} s ON s.s_n = gone.s_n ORDER BY gone.s_n"
        )

    def insert(self, which: str, *, careful: bool) -> str:
        """Add the rows that the table lacks. `careful` leaves alone what somebody inserts meanwhile; else that is an error."""
        names = listed(tuple(self._places))
        values = ", ".join(f"s.{place}" for place in self._places.values())
        conflict = f" ON CONFLICT ({listed(self._stage.table.key)}) DO NOTHING" if careful else ""
        return (
            f"INSERT INTO {self._text} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {text_of(self._stage)} s"
            f" WHERE ({which}) AND NOT EXISTS (SELECT 1 FROM {self._text} t WHERE {self.meeting}){conflict}"
        )

    def delete(self, which: str) -> str:
        """Delete the rows with the keys of staged ones."""
        return (
            f"DELETE FROM {self._text} AS t USING {text_of(self._stage)} s"
            f" WHERE {self.meeting} AND ({which}){self._unlogged()}"
        )

    def stage_missing(self, own: str) -> str:
        """Stage the rows as deleted that are neither staged nor edited here."""
        stage = text_of(self._stage)
        keys = [f"t.{quote(name)}" for name in self._stage.table.key]
        return (
            f"INSERT INTO {stage} (s_gone, {', '.join(staged_key(self._stage))}) SELECT 1, {', '.join(keys)}"
            f" FROM {self._text} AS t WHERE NOT EXISTS (SELECT 1 FROM {stage} s WHERE {self.meeting})"
            f" AND NOT EXISTS (SELECT 1 FROM {own} o WHERE {self._same_key('o')}){self._unlogged()}"
        )

    def _same_key(self, other: str) -> str:
        return " AND ".join(f"{other}.{quote(name)} = t.{quote(name)}" for name in self._stage.table.key)

    def _differs(self) -> str:
        return differs(self._shape, self._shape.settable, "t", "s")

    def _unlogged(self) -> str:
        """A row that was inserted and logged after the seal was not locked: it must not be overwritten."""
        if not self._log:
            return ""
        same = " AND ".join(f"l.{quote(name)} = t.{quote(name)}" for name in self._stage.table.key)
        return f" AND NOT EXISTS (SELECT 1 FROM {self._log} l WHERE {same})"


def differs(shape: Shape, names: tuple[str, ...], old: str, new: str) -> str:
    """When one of these columns has another value in a row of the table than in a staged one; values compare by their bytes."""
    if not names:
        return "false"
    columns = {column.name: (number, column) for number, column in enumerate(shape.tracked.columns)}
    # A column of a domain has its type's name, and only values of one type have comparable images.
    held = [_comparable(f"{old}.{quote(name)}", columns[name][1]) for name in names]
    staged = [_comparable(f"{new}.c{columns[name][0]}", columns[name][1]) for name in names]
    return f"{image(held)} *<> {image(staged)}"


def _comparable(value: str, column: Column) -> str:
    return comparable(f"{value}::{_loose(column.type.native)}", column.type)


def _loose(native: str) -> str:
    """A text type without its limit, to which a text may be brought without being cut."""
    return "character varying" if native.startswith("character varying(") and native.endswith(")") else native
