"""How rows that stand beside a table of a SQLite file become its own: by a merge, or as versions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from syncd.connectors.sqlite.definition import collations_of
from syncd.connectors.sqlite.geopackage import SAME
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.storage import affinity_of, keep, keepers_of
from syncd.connectors.sqlite.types import declaration
from syncd.errors import FatalError, SyncdError
from syncd.model.following import unbalanced
from syncd.model.run import Counters
from syncd.model.table import Kind, Type
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Target

STAGE_NAME: Final = "syncd_stage"
STAGE: Final = f"temp.{STAGE_NAME}"
GONE_NAME: Final = "syncd_gone"
GONE: Final = f"temp.{GONE_NAME}"

PRESENT: Final = "SELECT strftime('%Y-%m-%d %H:%M:%f000+00', 'now')"


class Matching:
    """The rows of one target as they are told apart, and the statements for them."""

    def __init__(self, session: Session, target: Target, match: Sequence[str]) -> None:
        self._session, self._target, self._match = session, target, match
        self._table = str(target.table.name)
        self._into = quote(target.table.name.name)
        self._keys = [quote(name) for name in match]
        self._others = [name for name in target.columns if name not in match]
        self._collations = self._find_collations()

    def stage(self) -> None:
        """Make the empty table beside the target's, with the same declarations, so that values are stored alike."""
        self._make(STAGE_NAME, self._target.columns)

    def merge(self, rows: int) -> Counters:
        """The staged rows become the table's; `rows` is how many they are."""
        run = self._session.execute
        new = self._value(
            f"SELECT count(*) FROM {STAGE} s WHERE NOT EXISTS (SELECT 1 FROM {self._into} t WHERE {self._on()})"
        )
        joined = f"FROM {STAGE} s JOIN {self._into} t ON {self._on()}"
        changed = self._value(f"SELECT count(*) {joined} WHERE {self._differs('t', 's')}")
        names = ", ".join(quote(name) for name in self._target.columns)
        if set(self._match) == set(self._target.table.key):
            # WHERE true keeps SQLite from reading ON as a join condition.
            arrived = run(
                f"INSERT INTO {self._into} ({names}) SELECT {names} FROM {STAGE} WHERE true"
                f" ON CONFLICT ({', '.join(self._keys)}) DO {self._action()}"
            ).rowcount
        else:
            if self._value(f"SELECT count(*) {joined}") != rows - new:
                raise self._ambiguous()
            arrived = self._update_then_insert(names)
        if arrived != new + changed:
            raise unbalanced(self._table, new + changed, arrived)
        return Counters(rows, new, changed, rows - new - changed)

    def keep_history(self, rows: int) -> Counters:
        """The staged rows become active versions where they are new or have changed, and the old versions end."""
        run = self._session.execute
        active = f"t.{quote(ACTIVE)} AND {self._on()}"
        changed = f"{active} AND {self._differs('t', 's')}"
        if self._value(f"SELECT count(*) FROM {STAGE} s JOIN {self._into} t ON {active}") > self._value(
            f"SELECT count(*) FROM {STAGE} s WHERE EXISTS (SELECT 1 FROM {self._into} t WHERE {active})"
        ):
            raise self._ambiguous()
        # Also versions that ended already: one of the same key must not begin before they did.
        now = self._moment(
            f"SELECT max(coalesce(t.{quote(UNTIL)}, t.{quote(SINCE)})) FROM {STAGE} s"
            f" JOIN {self._into} t ON {self._on()}"
        )
        ended = run(
            f"UPDATE {self._into} AS t SET {quote(UNTIL)} = ?, {quote(ACTIVE)} = 0 FROM {STAGE} s WHERE {changed}",
            (now,),
        ).rowcount
        names = ", ".join(quote(name) for name in (*self._target.columns, SINCE, UNTIL, ACTIVE))
        values = ", ".join(f"s.{quote(name)}" for name in self._target.columns)
        added = run(
            f"INSERT INTO {self._into} ({names}) SELECT {values}, ?, NULL, 1 FROM {STAGE} s"
            f" WHERE NOT EXISTS (SELECT 1 FROM {self._into} t WHERE {active})",
            (now,),
        ).rowcount
        return Counters(rows, added - ended, ended, rows - added)

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str) -> int:
        """Rows with these keys go, or `mark` says since when they are gone; how many."""
        chosen = self._choose(keys)
        now = str(self._value(PRESENT))
        if mark:
            sql = f"UPDATE {self._into} SET {quote(mark)} = ? WHERE {quote(mark)} IS NULL AND {chosen}"
            return self._session.execute(sql, (now,)).rowcount
        return self._session.execute(f"DELETE FROM {self._into} WHERE {chosen}").rowcount

    def end(self, keys: Sequence[tuple[object, ...]]) -> int:
        """The active versions with these keys end; how many."""
        chosen = f"{quote(ACTIVE)} AND {self._choose(keys)}"
        now = self._moment(f"SELECT max({quote(SINCE)}) FROM {self._into} WHERE {chosen}")
        sql = f"UPDATE {self._into} SET {quote(UNTIL)} = ?, {quote(ACTIVE)} = 0 WHERE {chosen}"
        return self._session.execute(sql, (now,)).rowcount

    def named(self, error: SyncdError) -> SyncdError:
        """The error with the table's own name for the place beside it where rows are collected."""
        if STAGE_NAME not in error.message:
            return error
        if error.code == "key_exists":
            return FatalError(
                f"the query for {self._table} gives the same key more than once",
                hint="a row of the destination can take only one of them: add a condition or GROUP BY",
                where=self._table,
                code="duplicate_key",
            )
        message = error.message.replace(STAGE_NAME, self._table)
        return type(error)(message, hint=error.hint, where=error.where, code=error.code)

    def _make(self, name: str, columns: Sequence[str]) -> None:
        parts = []
        for column in columns:
            found = self._target.table.column(column)
            # A key without a value would match nothing, and be inserted by every run.
            rule = f" NOT NULL{self._collations.get(column, '')}" if column in self._match else ""
            parts.append(f"{quote(column)} {declaration(found) if found else ''}{rule}")
        self._session.execute(f"DROP TABLE IF EXISTS temp.{name}")
        self._session.execute(
            f"CREATE TEMP TABLE {name} ({', '.join(parts)}, PRIMARY KEY ({', '.join(self._keys)}))"
        )

    def _find_collations(self) -> Mapping[str, str]:
        """COLLATE clauses of the key's columns: two keys that the table takes for one are one in the stage too."""
        return collations_of(self._session, self._target.table.name.name, self._match)

    def _choose(self, keys: Sequence[tuple[object, ...]]) -> str:
        """A condition for the rows with these keys, which are collected for it."""
        self._make(GONE_NAME, self._match)
        places = [
            self._target.columns.index(name) if name in self._target.columns else -1 for name in self._match
        ]
        keepers = dict(keepers_of(self._target.source, self._target.table, self._target.columns))
        own = tuple((at, keepers[place]) for at, place in enumerate(places) if place in keepers)
        slots = ", ".join("?" * len(self._match))
        rows = keep(keys, own) if own else keys
        self._session.insert(f"INSERT OR IGNORE INTO {GONE} VALUES ({slots})", rows)
        names = ", ".join(self._keys)
        return f"({names}) IN (SELECT {names} FROM {GONE})"

    def _on(self) -> str:
        return " AND ".join(f"t.{key} = s.{key}" for key in self._keys)

    def _differs(self, old: str, new: str) -> str:
        conditions = []
        for name in self._others:
            column = self._target.table.column(name)
            kind = column.type if column is not None else Type(Kind.TEXT, "TEXT")
            conditions.append(differs(f"{old}.{quote(name)}", f"{new}.{quote(name)}", kind))
        if self._target.revive:
            conditions.append(f"{old}.{quote(self._target.revive)} IS NOT NULL")
        return any_of(conditions)

    def _sets(self, new: str) -> list[str]:
        sets = [f"{quote(name)} = {new}.{quote(name)}" for name in self._others]
        return [*sets, f"{quote(self._target.revive)} = NULL"] if self._target.revive else sets

    def _action(self) -> str:
        sets = self._sets("excluded")
        if not sets:
            return "NOTHING"
        return f"UPDATE SET {', '.join(sets)} WHERE {self._differs(self._into, 'excluded')}"

    def _update_then_insert(self, names: str) -> int:
        sets = self._sets("s")
        updated = 0
        if sets:
            updated = self._session.execute(
                f"UPDATE {self._into} AS t SET {', '.join(sets)} FROM {STAGE} s"
                f" WHERE {self._on()} AND {self._differs('t', 's')}"
            ).rowcount
        inserted = self._session.execute(
            f"INSERT INTO {self._into} ({names}) SELECT {names} FROM {STAGE} s"
            f" WHERE NOT EXISTS (SELECT 1 FROM {self._into} t WHERE {self._on()})"
        ).rowcount
        return updated + inserted

    def _ambiguous(self) -> FatalError:
        return FatalError(
            f"table {self._table} holds several rows with the same {', '.join(self._match)}",
            hint="rows are matched by these columns: remove the doubles, or match by others",
            where=self._table,
            code="duplicate_key",
        )

    def _moment(self, last: str) -> str:
        """The present, or one microsecond after the latest moment of the versions that `last` asks for."""
        now, latest = str(self._value(PRESENT)), self._value(last)
        if latest is None or now > str(latest):
            return now
        later = datetime.fromisoformat(str(latest)) + timedelta(microseconds=1)
        return f"{later:%Y-%m-%d %H:%M:%S.%f}+00"

    def _value(self, sql: str) -> Any:
        return self._session.execute(sql).fetchone()[0]


def any_of(conditions: list[str]) -> str:
    """The conditions joined by OR as a balanced tree: SQLite limits how deep an expression may be."""
    if not conditions:
        return "0"
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({any_of(conditions[:middle])} OR {any_of(conditions[middle:])})"


def differs(old: str, new: str, kind: Type) -> str:
    """The condition that two columns of one type hold different values, bit by bit; geometries may have other headers."""
    # Not equal bit by bit: no collation of the column's, and 1 is not 1.0 nor '1'.
    differs = f"{old} IS NOT {new} COLLATE BINARY OR typeof({old}) <> typeof({new})"
    if kind.kind is Kind.GEOMETRY:
        return f"(({differs}) AND {SAME}({old}) IS NOT {SAME}({new}))"
    if affinity_of(kind.native) == "none":
        # Only columns without a type keep the sign of -0.0, which no comparison sees.
        differs += f" OR ({old} = 0 AND syncd_negative({old}) <> syncd_negative({new}))"
    return f"({differs})"
