"""Rows that the server changes by itself because a row that they point at goes or changes: no trigger of theirs fires.

So triggers of the tables pointed at write them into the log, before it happens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncd.connectors.mysql.participant import ACTING, Rule, rules_of
from syncd.connectors.mysql.session import Session, quote
from syncd.connectors.mysql.summing import before
from syncd.errors import FatalError
from syncd.model.exchange import Tracked
from syncd.model.table import TableName
from syncd.repository.store import ALL_COLUMNS, BEFORE, DELETED, INSERTED, UPDATED


@dataclass(frozen=True, slots=True)
class Cascade:
    """What a trigger of `origin` has to write down before a row of it goes (`event` DELETE) or changes (UPDATE)."""

    origin: TableName
    event: str
    statement: str


@dataclass(frozen=True, slots=True)
class _Way:
    """Rules from the table that is written to down to the tracked one: each row of a level points at one above it."""

    origin: TableName
    rules: tuple[Rule, ...]


class Cascades:
    """The statements for one tracked table."""

    def __init__(self, session: Session, table: Tracked, log: str, moment: str) -> None:
        """`log` is the table's log as SQL, `moment` the value of its column `at`."""
        self._session = session
        self._table = table
        self._name = TableName(table.name.name, table.name.schema or session.schema)
        self._log = log
        self._moment = moment
        self._rules: dict[TableName, list[Rule]] = {}

    def all(self) -> list[Cascade]:
        """Every one.

        Raises:
            FatalError: what would change cannot be said in one statement (code ``cascade_cycle``).
        """
        deletes = [Cascade(way.origin, "DELETE", self._deleted(way)) for way in self._ways()]
        updates = [
            Cascade(rule.key.parent, "UPDATE", self._updated(rule))
            for rule in self._of(self._name)
            if rule.on_update in ACTING and rule.key.parent != self._name
        ]
        return deletes + updates

    @property
    def _facts(self) -> str:
        return f"op, mask, at, {BEFORE}" if self._table.sums else "op, mask, at"

    def _of(self, name: TableName) -> list[Rule]:
        if name not in self._rules:
            self._rules[name] = rules_of(self._session, name)
        return self._rules[name]

    def _ways(self) -> Iterator[_Way]:
        if self._own(self._name):
            yield _Way(self._name, ())
        for rule in self._of(self._name):
            own = rule.key.parent == self._name
            if rule.on_delete in ACTING and not (own and rule.on_delete == "CASCADE"):
                way = _Way(rule.key.parent, (rule,))
                yield way
                yield from self._above(way, (self._name,) if not own else ())

    def _above(self, way: _Way, seen: tuple[TableName, ...]) -> Iterator[_Way]:
        for rule in self._of(way.origin):
            parent = rule.key.parent
            if rule.on_delete != "CASCADE" or parent == way.origin:
                continue
            if parent in seen:
                raise _cycle(self._name, parent)
            longer = _Way(parent, (rule, *way.rules))
            yield longer
            yield from self._above(longer, (*seen, way.origin))

    def _own(self, name: TableName) -> list[Rule]:
        """Rules by which rows of a table go with rows of the same table."""
        return [rule for rule in self._of(name) if rule.key.parent == name and rule.on_delete == "CASCADE"]

    def _deleted(self, way: _Way) -> str:
        """Write down the rows that go, or lose what they point at, with a row of the way's origin."""
        gone = not way.rules or way.rules[-1].on_delete == "CASCADE"
        op = DELETED if gone else UPDATED
        levels = [self._first(way)]
        for number, rule in enumerate(way.rules, 1):
            levels.append(self._level(number, rule, way.rules[number:]))
        last = f"l{len(levels) - 1}"
        keys = [quote(name) for name in self._table.key]
        told = [before(self._table, "r")] if self._table.sums else []
        values = ", ".join([*(f"r.{key}" for key in keys), str(op), str(ALL_COLUMNS), self._moment, *told])
        return (
            f"INSERT INTO {self._log} ({', '.join(keys)}, {self._facts}) WITH RECURSIVE {', '.join(levels)}"
            f" SELECT {values} FROM {last} r"
        )

    def _first(self, way: _Way) -> str:
        names = self._needed(way.origin, way.rules)
        row = ", ".join(f"OLD.{quote(name)} AS {quote(name)}" for name in names)
        return self._closed(0, way.origin, names, f"SELECT {row}")

    def _level(self, number: int, rule: Rule, further: Sequence[Rule]) -> str:
        key = rule.key
        names = self._needed(key.table, further)
        return self._closed(number, key.table, names, _pointing(rule, names, f"l{number - 1}"))

    def _closed(self, number: int, table: TableName, names: Sequence[str], first: str) -> str:
        """A level of rows, with all rows of its table that point at it and go with it."""
        more = "".join(f" UNION {_pointing(rule, names, f'l{number}')}" for rule in self._own(table))
        # Read with a lock, else a row that was just committed might not be seen.
        lock = " LOCK IN SHARE MODE" if number or more else ""
        return f"l{number} AS ({first}{more}{lock})"

    def _needed(self, table: TableName, further: Sequence[Rule]) -> list[str]:
        """The columns of a level that the next one, or the log, asks for."""
        last = (*self._table.key, *self._table.sums)
        names = list(further[0].key.parent_columns if further else last)
        for rule in self._own(table):
            names += rule.key.parent_columns
        return list(dict.fromkeys(names))

    def _updated(self, rule: Rule) -> str:
        """Write down the rows that follow when what they point at changes."""
        key = rule.key
        self._refuse_chain(rule)
        pairs = list(zip(key.columns, key.parent_columns, strict=True))
        match = " AND ".join(f"t.{quote(own)} = OLD.{quote(theirs)}" for own, theirs in pairs)
        unlike = " OR ".join(f"NOT (NEW.{quote(c)} <=> OLD.{quote(c)})" for c in key.parent_columns)
        moved = {own: f"NEW.{quote(theirs)}" for own, theirs in pairs}
        names = ", ".join(quote(name) for name in self._table.key)
        old = [f"t.{quote(name)}" for name in self._table.key]
        new = [moved.get(name, value) for name, value in zip(self._table.key, old, strict=True)]
        forms = [(old, UPDATED, "t")] if old == new else [(old, DELETED, "t"), (new, INSERTED, "")]
        inserts = "; ".join(
            f"INSERT INTO {self._log} ({names}, {self._facts})"
            f" SELECT {', '.join(values)}, {op}, {ALL_COLUMNS}, {self._moment}"
            f"{f', {before(self._table, row)}' if self._table.sums else ''}"
            f" FROM {_text(key.table)} t WHERE {match} LOCK IN SHARE MODE"
            for values, op, row in forms
        )
        return f"IF {unlike} THEN {inserts}; END IF"

    def _refuse_chain(self, rule: Rule) -> None:
        """A change that comes to the table pointed at from a third one fires no trigger there."""
        moved = set(rule.key.parent_columns)
        for above in self._of(rule.key.parent):
            if above.on_update in ACTING and moved & set(above.key.columns):
                raise FatalError(
                    f"a change of {above.key.parent} goes on through {above.key.table} to {self._name} without a trigger",
                    hint="use ON UPDATE RESTRICT in one of these foreign keys",
                    where=str(self._name),
                    code="cascade_cycle",
                )


def _pointing(rule: Rule, names: Sequence[str], level: str) -> str:
    """The rows that point at rows of a level."""
    key = rule.key
    on = " AND ".join(
        f"t.{quote(own)} = p.{quote(theirs)}"
        for own, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    row = ", ".join(f"t.{quote(name)}" for name in names)
    return f"SELECT {row} FROM {level} p JOIN {_text(key.table)} t ON {on}"


def _text(name: TableName) -> str:
    return f"{quote(name.schema)}.{quote(name.name)}"


def _cycle(name: TableName, parent: TableName) -> FatalError:
    return FatalError(
        f"deleting a row of {parent} goes in a circle of foreign keys to {name} without a trigger",
        hint="use ON DELETE RESTRICT in one of these foreign keys",
        where=str(name),
        code="cascade_cycle",
    )
