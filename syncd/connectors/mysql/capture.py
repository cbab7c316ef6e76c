"""The triggers that write down which rows were edited, in plain SQL."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from syncd.connectors.mysql.cascade import Cascades
from syncd.connectors.mysql.keeping import kept
from syncd.connectors.mysql.merging import differs
from syncd.connectors.mysql.session import Session, literal, quote
from syncd.connectors.mysql.summing import before
from syncd.model.exchange import Tracked
from syncd.model.table import TableName
from syncd.repository.naming import Names
from syncd.repository.store import ALL_COLUMNS, BEFORE, DELETED, INSERTED, MOST_COLUMNS, UPDATED

NOW: Final = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
EXISTING: Final = """
SELECT TRIGGER_NAME, EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT
  FROM information_schema.TRIGGERS WHERE """
TOUCHING: Final = """
SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
 WHERE EVENT_OBJECT_TABLE = ? AND EVENT_OBJECT_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND ACTION_TIMING = 'BEFORE'
   AND EVENT_MANIPULATION IN ('INSERT', 'UPDATE') AND INSTR(UPPER(ACTION_STATEMENT), 'SET') > 0
   AND LEFT(TRIGGER_NAME, 5) <> 'syncd'"""
"""Only what fires before a row is written can give it other values."""
OWN_KINDS: Final = r"(insert|update|delete|follow_(delete|update)_\d+)"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger as it is or should be."""

    name: str
    table: TableName
    timing: str
    event: str
    body: str

    @property
    def place(self) -> str:
        """Its full name as SQL: it lives where its table does."""
        return f"{quote(self.table.schema)}.{quote(self.name)}"

    @property
    def text(self) -> str:
        """What follows CREATE."""
        table = f"{quote(self.table.schema)}.{quote(self.table.name)}"
        return f"TRIGGER {self.place} {self.timing} {self.event} ON {table} FOR EACH ROW {self.body}"


def silence(names: Names) -> str:
    """The variable of a connection that keeps a cluster's triggers silent in it."""
    return f"@syncd_apply_{names.slug}"


def install(session: Session, names: Names, table: Tracked) -> None:
    """Make the triggers that are not there as they should be, and drop others that write the table's log.

    Raises:
        FatalError: the table cannot be captured, or the user may not make triggers.
        TransientError: somebody uses a table for too long.
    """
    wanted = triggers(session, names, table)
    there = _existing(session, names, table)
    for trigger in wanted:
        if trigger not in there:
            _create(session, trigger)
    stay = {trigger.place for trigger in wanted}
    for trigger in there:
        if trigger.place not in stay:
            session.execute(f"DROP TRIGGER IF EXISTS {trigger.place}")


def remove(session: Session, names: Names, table: Tracked) -> None:
    """Drop all of them, wherever they are."""
    for trigger in _existing(session, names, table):
        session.execute(f"DROP TRIGGER IF EXISTS {trigger.place}")


def complete(session: Session, names: Names, table: Tracked) -> bool:
    """Are all of them there and as they would be made now? Only the tables are looked at that need one."""
    wanted = set(triggers(session, names, table))
    return wanted == set(_existing(session, names, table, {trigger.table for trigger in wanted}))


def hears(session: Session, names: Names, table: Tracked) -> bool:
    """Has the table itself a trigger for every kind of edit?"""
    name = _full_name(session, table)
    found = {each.name for each in _existing(session, names, table, {name}) if each.table == name}
    return {names.trigger(table.number, kind) for kind in ("insert", "update", "delete")} <= found


def triggers(session: Session, names: Names, table: Tracked) -> list[Trigger]:
    """All that a tracked table needs: three of its own, and those of tables whose rows take some of its rows with them."""
    name, log = _full_name(session, table), _log(session, names, table)
    made = [
        Trigger(names.trigger(table.number, event.lower()), name, "AFTER", event, _guarded(names, body))
        for event, body in (
            ("INSERT", _logged(table, log, [("NEW", INSERTED, str(ALL_COLUMNS))])),
            ("UPDATE", _update(table, log)),
            ("DELETE", _logged(table, log, [("OLD", DELETED, str(ALL_COLUMNS))])),
        )
    ]
    together: dict[tuple[TableName, str], list[str]] = {}
    for cascade in Cascades(session, table, log, _moment(table)).all():
        together.setdefault((cascade.origin, cascade.event), []).append(cascade.statement)
    for number, ((origin, event), statements) in enumerate(sorted(together.items()), 1):
        kind = f"follow_{event.lower()}_{number}"
        body = _guarded(names, "; ".join(statements))
        made.append(Trigger(names.trigger(table.number, kind), origin, "BEFORE", event, body))
    return made


def _existing(
    session: Session, names: Names, table: Tracked, among: Collection[TableName] = ()
) -> list[Trigger]:
    """The triggers that were made for a tracked table, on these tables or on all.

    Another database of the server may be a node of the same cluster: its triggers write another log.
    """
    name = _full_name(session, table)
    log = f"INSERT INTO {_log(session, names, table)} ("
    ours = re.compile(re.escape(names.trigger(table.number, "")) + OWN_KINDS)
    places = " OR ".join(
        f"(EVENT_OBJECT_SCHEMA = {literal(each.schema)} AND EVENT_OBJECT_TABLE = {literal(each.name)})"
        for each in among
    )
    rows = session.execute(EXISTING + (places or "TRUE")).rows
    found = [Trigger(row[0], TableName(row[2], row[1]), *row[3:]) for row in rows]
    return [each for each in found if ours.fullmatch(each.name) and (each.table == name or log in each.body)]


def _full_name(session: Session, table: Tracked) -> TableName:
    return TableName(table.name.name, table.name.schema or session.schema)


def _log(session: Session, names: Names, table: Tracked) -> str:
    return kept(session, names.log(table.number))


def _create(session: Session, trigger: Trigger) -> None:
    if session.maria:
        session.execute(f"CREATE OR REPLACE {trigger.text}")
        return
    # Nobody may write while the table has no trigger.
    session.execute(f"LOCK TABLES {quote(trigger.table.schema)}.{quote(trigger.table.name)} WRITE")
    try:
        session.execute(f"DROP TRIGGER IF EXISTS {trigger.place}")
        session.execute(f"CREATE {trigger.text}")
    finally:
        session.clean("UNLOCK TABLES")


def _guarded(names: Names, statements: str) -> str:
    return f"IF {silence(names)} IS NULL THEN {statements}; END IF"


def _logged(table: Tracked, log: str, rows: list[tuple[str, int, str]]) -> str:
    """Write rows into the log: for each whether it is OLD or NEW, what happened, and the mask."""
    keys = ", ".join(quote(name) for name in table.key)
    values = ", ".join(
        f"({', '.join(f'{row}.{quote(name)}' for name in table.key)}, {op}, {mask}, {_moment(table)}{_before(table, op)})"
        for row, op, mask in rows
    )
    before = f", {BEFORE}" if table.sums else ""
    return f"INSERT INTO {log} ({keys}, op, mask, at{before}) VALUES {values}"


def _before(table: Tracked, op: int) -> str:
    if not table.sums:
        return ""
    return f", {before(table, 'OLD' if op != INSERTED else '')}"


def _update(table: Tracked, log: str) -> str:
    """A changed key is one row that went and one that came."""
    moved = " OR ".join(_changed(table, name) for name in table.key)
    both = [("OLD", DELETED, str(ALL_COLUMNS)), ("NEW", INSERTED, str(ALL_COLUMNS))]
    one = [("NEW", UPDATED, _mask(table))]
    return f"IF {moved} THEN {_logged(table, log, both)}; ELSE {_logged(table, log, one)}; END IF"


def _changed(table: Tracked, name: str) -> str:
    return differs(f"OLD.{quote(name)}", f"NEW.{quote(name)}", table.column(name).type)


def _mask(table: Tracked) -> str:
    if not table.by_column or len(table.columns) > MOST_COLUMNS:
        return str(ALL_COLUMNS)
    # The key did not change here.
    bits = [
        f"IF({_changed(table, column.name)}, {1 << place}, 0)"
        for place, column in enumerate(table.columns)
        if column.name not in table.key
    ]
    return " | ".join(bits) or "0"


def _moment(table: Tracked) -> str:
    return NOW if table.timed else "0"
