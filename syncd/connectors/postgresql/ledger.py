"""The tables that a cluster keeps beside a tracked table: the log of its triggers, `own` at a child, `row` and `past` at a parent."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.quoting import plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shape import Shape, listed
from syncd.errors import FatalError
from syncd.model.exchange import Tracked

TYPES: Final = {"int": "bigint", "text": "text", "bytes": "bytea"}
RESERVED: Final = frozenset({"op", "mask", "at", "gen", "base", "nid", "ngen"})
PARENT: Final = 0
"""The number under which the parent's own versions stand among the rows of its children."""

FACTS_OF_LOG: Final = ("op smallint NOT NULL", "mask bigint NOT NULL", "at bigint NOT NULL")
FACTS_OF_OWN: Final = ("gen bigint NOT NULL", "base bigint NOT NULL", *FACTS_OF_LOG)
FACTS_OF_ROW: Final = (
    "gen bigint NOT NULL",
    "nid bigint NOT NULL",
    "ngen bigint NOT NULL",
    "at bigint NOT NULL",
)
FACTS_OF_PAST: Final = ("gen bigint NOT NULL", "mask bigint NOT NULL")

MANY_ROWS: Final = 1_000
"""From how many rows on a statement for all of them at once is worth its planning."""

EDITS: Final = "SELECT {key}, bit_or(op) AS op, bit_or(mask) AS mask, max(at) AS at FROM taken GROUP BY {key}"
"""One row for each edited row: what happened to it, all in all."""


class Ledger:
    """Where one cluster keeps the tables of one tracked table; the names are SQL texts."""

    def __init__(self, home: str, names: tuple[str, str, str, str], tracked: Tracked) -> None:
        """`home` is the schema; `names` are those of log, own, row and past."""
        self._schema = home
        self.log, self.own, self.row, self.past = (f"{quote(home)}.{quote(name)}" for name in names)
        self._plain = names
        self._tracked = tracked
        self._key = listed(tracked.key)

    def creation(self, shape: Shape, *, parent: bool) -> list[str]:
        """The statements that make the tables that are not there.

        Raises:
            FatalError: a column of the key has a name that these tables use (code ``cannot_take_part``).
        """
        taken = RESERVED.intersection(self._tracked.key)
        if taken:
            raise FatalError(
                f"{shape.found.name} cannot take part in a cluster: its key has the column {', '.join(sorted(taken))}",
                hint=f"use a key without these names: {', '.join(sorted(RESERVED))}",
                where=str(shape.found.name),
                code="cannot_take_part",
            )
        keys = [f"{quote(n)} {shape.declared(self._tracked.column(n))} NOT NULL" for n in self._tracked.key]
        primary = f"PRIMARY KEY ({self._key})"
        made = [_create(self.log, [*keys, *FACTS_OF_LOG])]
        if not parent:
            return [*made, _create(self.own, [*keys, *FACTS_OF_OWN, primary])]
        made += [_create(self.row, [*keys, *FACTS_OF_ROW, primary]), self._index("row", "gen")]
        return [*made, _create(self.past, [*keys, *FACTS_OF_PAST]), self._index("past", self._key)]

    def seal_child(self, gen: int, base: int, *, many: bool) -> str:
        """What takes the log's rows into `own`, and counts them; a row that is there keeps its base."""
        facts = ("gen", "base", "op", "mask", "at")
        change = (
            "gen = {new}.gen, op = o.op | {new}.op, mask = o.mask | {new}.mask, at = greatest(o.at, {new}.at)"
        )
        select = (
            f"SELECT {self._key}, {gen:d}::bigint AS gen, {base:d}::bigint AS base, op, mask, at FROM edits"
        )
        return f"WITH {self._taken()}, " + self._put(self.own, "o", facts, select, change, many=many)

    def seal_parent(self, gen: int, *, many: bool) -> str:
        """What takes the log's rows into `row`, and into `past` where columns are told apart; counts them."""
        past = ""
        if self._tracked.by_column:
            past = f", kept AS (INSERT INTO {self.past} ({self._key}, gen, mask) SELECT {self._key}, {gen:d}, mask FROM edits)"
        select = f"SELECT {self._key}, {gen:d}::bigint AS gen, {PARENT}::bigint AS nid, {gen:d}::bigint AS ngen, at FROM edits"
        return f"WITH {self._taken()}{past}, " + self._versions(select, many=many)

    def upsert(self, select: str, *, many: bool) -> str:
        """What puts the rows of a SELECT (key, gen, nid, ngen, at) into `row`."""
        return "WITH " + self._versions(select, many=many)

    def length(self) -> str:
        """What counts the rows of the log, up to MANY_ROWS."""
        return f"SELECT count(*) FROM (SELECT 1 FROM {self.log} LIMIT {MANY_ROWS}) l"

    def _versions(self, select: str, *, many: bool) -> str:
        facts = ("gen", "nid", "ngen", "at")
        change = ", ".join(f"{name} = {{new}}.{name}" for name in facts)
        return self._put(self.row, "r", facts, select, change, many=many)

    def _put(
        self, table: str, alias: str, facts: Sequence[str], select: str, change: str, *, many: bool
    ) -> str:
        """What follows WITH to put the rows of a SELECT into a table: by `change`, from ``{new}``, where their keys are there.

        Nobody else writes these tables meanwhile, so `many` rows may be changed and added apart: that saves a third. Few
        rows are looked up one by one, whatever the planner believes of the log's size.
        """
        columns = f"{self._key}, {', '.join(facts)}"
        same = " AND ".join(f"{alias}.{quote(name)} = e.{quote(name)}" for name in self._tracked.key)
        add = f"INSERT INTO {table} AS {alias} ({columns}) SELECT {columns} FROM news e"
        if many:
            put = (
                f"changed AS (UPDATE {table} AS {alias} SET {change.format(new='e')} FROM news e WHERE {same}),"
                f" added AS ({add} WHERE NOT EXISTS (SELECT 1 FROM {table} {alias} WHERE {same}))"
            )
        else:
            put = f"put AS ({add} ON CONFLICT ({self._key}) DO UPDATE SET {change.format(new='excluded')})"
        return f"news ({columns}) AS MATERIALIZED ({select}), {put} SELECT count(*) FROM news"

    def _taken(self) -> str:
        # One statement: what another transaction logs between two would be deleted and not taken.
        taken = f"taken AS (DELETE FROM {self.log} RETURNING {self._key}, op, mask, at)"
        return f"{taken}, edits AS ({EDITS.format(key=self._key)})"

    def _index(self, table: str, columns: str) -> str:
        name = self._plain[("log", "own", "row", "past").index(table)]
        text = f"{quote(self._schema)}.{quote(name)}"
        return f"CREATE INDEX IF NOT EXISTS {quote(name + '_found')} ON {text} ({columns})"


def create_statement(home: str, name: str, columns: dict[str, str], key: Sequence[str]) -> str:
    """What makes a table of syncd's: `columns` says int, text or bytes for each name."""
    lines = [f"{quote(column)} {TYPES[word]}" for column, word in columns.items()]
    lines += [f"PRIMARY KEY ({listed(key)})"] if key else []
    return _create(f"{quote(home)}.{quote(name)}", lines)


def has_rows(session: Session, home: str, prefix: str) -> bool:
    """Does any log whose name begins so hold a row?"""
    found = session.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {plain_literal(home)} AND c.relkind = 'r' AND c.relname ~ ('^' || {plain_literal(prefix)} || '[0-9]+_log$')"
    ).fetchall()
    tests = [f"EXISTS (SELECT 1 FROM {quote(home)}.{quote(name)})" for (name,) in found]
    return bool(tests) and session.value(f"SELECT {' OR '.join(tests)}") is True


def _create(text: str, lines: Sequence[str]) -> str:
    return f"CREATE TABLE IF NOT EXISTS {text} ({', '.join(lines)})"
