"""How rows that were collected beside a table meet the rows that stand in it."""

from dataclasses import dataclass
from typing import Final

from syncd.connectors.mysql.session import Result, Session, quote
from syncd.connectors.mysql.types import SHAPES, family
from syncd.model.following import unbalanced
from syncd.model.run import Counters
from syncd.model.table import Kind, Table, Type
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Target

STAGE: Final = "syncd_stage"
STATE: Final = "syncd_state"
"""A column of the stage: 0 for a new row, 1 for one that is there already, 2 for one that is there and differs."""
NEW, SAME, CHANGED = 0, 1, 2
INDEXED_CHARACTERS: Final = 191


@dataclass(frozen=True, slots=True)
class Place:
    """A table and the columns by which its rows are matched, as SQL."""

    target: Target
    text: str

    @property
    def match(self) -> tuple[str, ...]:
        """The columns by which rows are told apart."""
        return self.target.match or self.target.table.key

    def on(self, other: str = "s") -> str:
        """Rows of the table t and of another one that are the same row, by the key's own collation."""
        return " AND ".join(f"t.{quote(name)} = {other}.{quote(name)}" for name in self.match)


def create_stage(place: Place, name: str, columns: tuple[str, ...], *, state: bool) -> str:
    """The statement that makes a temporary table like some columns of the table, with the matched ones as its key."""
    table = place.target.table
    key = ", ".join(_indexed(table, column) for column in place.match)
    unique = "PRIMARY KEY" if all(_has_length(_type(table, column)) for column in place.match) else "INDEX"
    extra = f"{STATE} tinyint NOT NULL DEFAULT {NEW}, " if state else ""
    names = ", ".join(quote(column) for column in columns)
    rules = f"({extra}{unique} ({key}))"
    return f"CREATE TEMPORARY TABLE {name} {rules} ENGINE=InnoDB AS SELECT {names} FROM {place.text} LIMIT 0"


def compare(session: Session, place: Place, more: str = "") -> tuple[int, int]:
    """Say of each collected row what it is; how many are new, and how many differ."""
    table, columns = place.target.table, place.target.columns
    unlike = [
        differs(f"t.{quote(name)}", f"s.{quote(name)}", _type(table, name))
        for name in columns
        if _compared(place, name)
    ]
    if place.target.revive:
        unlike.append(f"t.{quote(place.target.revive)} IS NOT NULL")
    session.execute(
        f"UPDATE {STAGE} s JOIN {place.text} t ON {place.on()}{more}"
        f" SET s.{STATE} = IF({' OR '.join(unlike) or 'FALSE'}, {CHANGED}, {SAME})"
    )
    row = session.execute(
        f"SELECT IFNULL(SUM({STATE} = {NEW}), 0), IFNULL(SUM({STATE} = {CHANGED}), 0) FROM {STAGE}"
    ).rows[0]
    return int(row[0]), int(row[1])


def merge(session: Session, place: Place, arrived: int) -> tuple[Counters, list[Result]]:
    """Insert the new rows and update those that differ."""
    inserted, updated = compare(session, place)
    sets = [f"t.{quote(n)} = s.{quote(n)}" for n in place.target.columns if _compared(place, n)]
    if place.target.revive:
        sets.append(f"t.{quote(place.target.revive)} = NULL")
    done = []
    if updated:
        done.append(
            session.execute(
                f"UPDATE {place.text} t JOIN {STAGE} s ON {place.on()} SET {', '.join(sets)} WHERE s.{STATE} = {CHANGED}"
            )
        )
    done.append(_insert(session, place, f"{STATE} = {NEW}") if inserted else Result((), 0, 0))
    changed = sum(result.changed for result in done)
    if changed != inserted + updated:
        raise unbalanced(str(place.target.table.name), inserted + updated, changed)
    return Counters(arrived, inserted, updated, arrived - inserted - updated), done


def keep_history(session: Session, place: Place, arrived: int) -> tuple[Counters, list[Result]]:
    """End the active versions of rows that differ, and add a new version of these and of new rows."""
    active = f" AND t.{quote(ACTIVE)} = 1"
    inserted, updated = compare(session, place, active)
    now = moment_after(session, place, STAGE, f" WHERE s.{STATE} <> {SAME}")
    ended = session.execute(
        f"UPDATE {place.text} t JOIN {STAGE} s ON {place.on()}{active}"
        f" SET t.{quote(UNTIL)} = {now}, t.{quote(ACTIVE)} = 0 WHERE s.{STATE} = {CHANGED}"
    )
    extra = (f", {quote(SINCE)}, {quote(UNTIL)}, {quote(ACTIVE)}", f", {now}, NULL, 1")
    added = _insert(session, place, f"{STATE} <> {SAME}", extra)
    if ended.changed != updated or added.changed != inserted + updated:
        raise unbalanced(str(place.target.table.name), inserted + updated, added.changed)
    return Counters(arrived, inserted, updated, arrived - inserted - updated), [ended, added]


def moment_after(session: Session, place: Place, other: str, where: str = "") -> str:
    """The present as SQL, later than the beginning and the end of every version that matches a row of the other table."""
    last = f"MAX(GREATEST(t.{quote(SINCE)}, IFNULL(t.{quote(UNTIL)}, t.{quote(SINCE)})))"
    text = session.value(
        f"SELECT GREATEST(UTC_TIMESTAMP(6), IFNULL({last} + INTERVAL 1 MICROSECOND, UTC_TIMESTAMP(6)))"
        f" FROM {other} s JOIN {place.text} t ON {place.on()}{where}"
    )
    return f"CAST('{text}' AS DATETIME(6))"


def differs(old: str, new: str, kind: Type) -> str:
    """Not the same value, whatever a collation says; `old` and `new` are SQL of that type."""
    word = family(kind.native)
    if word == "json":
        # MySQL's own type has no bytes to compare; MariaDB's is a text.
        old, new = f"CAST({old} AS CHAR)", f"CAST({new} AS CHAR)"
    if kind.kind in {Kind.TEXT, Kind.BYTES, Kind.JSON, Kind.ARRAY, Kind.GEOMETRY} and word not in {
        "inet4",
        "inet6",
    }:
        return f"NOT (CAST({old} AS BINARY) <=> CAST({new} AS BINARY))"
    return f"NOT ({old} <=> {new})"


def _insert(session: Session, place: Place, which: str, extra: tuple[str, str] = ("", "")) -> Result:
    names = ", ".join(quote(name) for name in place.target.columns)
    return session.execute(
        f"INSERT INTO {place.text} ({names}{extra[0]}) SELECT {names}{extra[1]} FROM {STAGE} WHERE {which}"
    )


def _compared(place: Place, name: str) -> bool:
    """Can two rows that match differ here? Texts that a collation takes for one can."""
    return name not in place.match or _type(place.target.table, name).kind is Kind.TEXT


def _type(table: Table, name: str) -> Type:
    column = table.column(name)
    return column.type if column is not None else Type(Kind.ANY)


def _has_length(kind: Type) -> bool:
    unlimited = kind.kind in {Kind.TEXT, Kind.BYTES, Kind.JSON} and not kind.length
    return not (unlimited or family(kind.native) in SHAPES | {"tinytext"}) or family(kind.native) in {
        "inet4",
        "inet6",
    }


def _indexed(table: Table, name: str) -> str:
    return quote(name) if _has_length(_type(table, name)) else f"{quote(name)}({INDEXED_CHARACTERS})"
