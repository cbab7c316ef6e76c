"""The triggers by which a SQLite file records its edits: plain SQL that every program can run.

They stay silent while the node's row says that edits are being applied. SQLite has one writer, and readers see only
what was committed, so no other connection ever sees that flag, and a crash takes it back.
"""

from syncd.connectors.sqlite.session import quote
from syncd.model.exchange import Tracked
from syncd.repository.naming import Names
from syncd.repository.store import ALL_COLUMNS, DELETED, INSERTED, MOST_COLUMNS, UPDATED

NOW: str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


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
    return found


def _entry(names: Names, table: Tracked, row: str, op: int, mask: str) -> str:
    keys = ", ".join(quote(name) for name in table.key)
    values = ", ".join(f"{row}.{quote(name)}" for name in table.key)
    at = NOW if table.timed else "0"
    return (
        f"INSERT INTO {quote(names.log(table.number))} ({keys}, op, mask, at)"
        f" VALUES ({values}, {op}, {mask}, {at});"
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
