"""The triggers by which a SQLite file records its edits: plain SQL that every program can run.

They stay silent while the node's row says that edits are being applied. SQLite has one writer, and readers see only
what was committed, so no other connection ever sees that flag, and a crash takes it back.
"""

from typing import Final

from syncd.connectors.sqlite.session import quote
from syncd.model.exchange import Tracked
from syncd.repository.addition import mark_of
from syncd.repository.naming import Names
from syncd.repository.store import (
    ALL_COLUMNS,
    BEFORE,
    DELETED,
    INSERTED,
    MOST_COLUMNS,
    UPDATED,
)

NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


TOUCHING: Final = """
SELECT name FROM (SELECT name, lower(tbl_name) AS t, replace(replace(replace(replace(replace(replace(lower(sql),
   '"', ''), '`', ''), '[', ''), ']', ''), char(10), ' '), char(9), ' ') AS said FROM sqlite_master
  WHERE type = 'trigger' AND lower(tbl_name) = lower(?) AND coalesce(?, '') IS NOT NULL AND substr(name, 1, 5) <> 'syncd')
 WHERE instr(said, 'begin') AND instr(substr(said, instr(said, 'begin')), 'update ' || t || ' ')"""
"""A trigger of SQLite changes a row by an UPDATE of the table on which it stands."""

KINDS: Final = ("insert", "update", "rekey", "delete", "replace")
"""The words in the names of all triggers that a table may have."""
ALWAYS: Final = ("insert", "update", "rekey", "delete")
"""Those that every table has."""


def triggers_of(names: Names, table: Tracked) -> dict[str, str]:
    """The name and the statement of each trigger."""
    on = quote(table.name.name)
    moved = " OR ".join(f"OLD.{quote(name)} IS NOT NEW.{quote(name)}" for name in table.key)
    silent = f"(SELECT applying FROM {quote(names.node)}) = 0"
    found = {}
    for kind, event, when, entries in (
        ("insert", "INSERT", silent, [("NEW", INSERTED, str(ALL_COLUMNS))]),
        ("update", "UPDATE", silent, [("NEW", UPDATED, _mask(table))]),
        (
            "rekey",
            f"UPDATE OF {', '.join(map(quote, table.key))}",
            f"{silent} AND ({moved})",
            [("OLD", DELETED, str(ALL_COLUMNS)), ("NEW", INSERTED, str(ALL_COLUMNS))],
        ),
        ("delete", "DELETE", silent, [("OLD", DELETED, str(ALL_COLUMNS))]),
    ):
        name = names.trigger(table.number, kind)
        body = " ".join(_entry(names, table, *entry) for entry in entries)
        found[name] = f"CREATE TRIGGER {quote(name)} AFTER {event} ON {on} WHEN {when} BEGIN {body} END"
    if table.sums:
        name = names.trigger(table.number, "replace")
        # A row that INSERT OR REPLACE takes away goes without another trigger.
        meeting = " AND ".join(f"t.{quote(key)} = NEW.{quote(key)}" for key in table.key)
        entry = _entry(names, table, "t", UPDATED, "0", f" FROM {on} t WHERE {meeting}")
        found[name] = f"CREATE TRIGGER {quote(name)} BEFORE INSERT ON {on} WHEN {silent} BEGIN {entry} END"
    return found


def _entry(names: Names, table: Tracked, row: str, op: int, mask: str, of: str = "") -> str:
    keys = ", ".join(quote(name) for name in table.key)
    values = ", ".join(f"{row}.{quote(name)}" for name in table.key)
    at = NOW if table.timed else "0"
    columns, values = f"{keys}, op, mask, at", f"{values}, {op}, {mask}, {at}"
    if table.sums:
        columns, values = f"{columns}, {BEFORE}", f"{values}, {_before(table, row, op)}"
    source = f"SELECT {values}{of}" if of else f"VALUES ({values})"
    return f"INSERT INTO {quote(names.log(table.number))} ({columns}) {source};"


def _before(table: Tracked, row: str, op: int) -> str:
    """What summed columns held before, as `addition` reads it; NULL where one is no number."""
    mark = f"'{mark_of(table.sums)}'"
    none = f"'{mark_of(table.sums)}{',' * len(table.sums)}'"
    if op == INSERTED:
        return none
    of = "OLD" if row == "NEW" else row
    held = " || ',' || ".join([mark, *(_text(f"{of}.{quote(name)}") for name in table.sums)])
    if row != "NEW":
        return held
    # The key that an update gives to a row had none before.
    same = " AND ".join(f"OLD.{quote(name)} IS NEW.{quote(name)}" for name in table.key)
    return f"CASE WHEN {same} THEN {held} ELSE {none} END"


def _text(value: str) -> str:
    """A number with all its digits."""
    return (
        f"(CASE typeof({value}) WHEN 'null' THEN '' WHEN 'integer' THEN {value}"
        f" WHEN 'real' THEN printf('%!.17g', {value})"
        f" WHEN 'text' THEN CASE WHEN {value} GLOB '*[^-+.0-9eE]*' THEN NULL ELSE {value} END END)"
    )


def _mask(table: Tracked) -> str:
    """Bit i for the i-th column: does the update change it, bit by bit?"""
    if not table.by_column or len(table.columns) > MOST_COLUMNS:
        return str(ALL_COLUMNS)
    bits = []
    for place, column in enumerate(table.columns):
        old, new = f"OLD.{quote(column.name)}", f"NEW.{quote(column.name)}"
        changed = f"({old} IS NOT {new} COLLATE BINARY OR typeof({old}) <> typeof({new}))"
        bits.append(f"({changed} << {place})" if place else changed)
    return " | ".join(bits)
