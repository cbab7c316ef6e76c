"""What a SQLite file keeps so that both sides' additions to a column count: its values before the first edit of each generation."""

from typing import Final

from syncd.connectors.sqlite.definition import key_columns
from syncd.connectors.sqlite.session import Session, quote
from syncd.model.exchange import Tracked
from syncd.repository.naming import Names
from syncd.repository.store import BEFORE, keyed

TOLD_OF: Final = f"group_concat(b.gen || ':' || coalesce(b.{BEFORE}, '?'), ';')"
ROWID: Final = ("rowid", "_rowid_", "oid")
"""Names of the number that orders a log's rows; a column of the user may hide one."""


def create(session: Session, names: Names, table: Tracked) -> None:
    """Make `begun`, and the log's column for it, unless they are there; nothing where no columns are summed."""
    if not table.sums:
        return
    log = names.log(table.number)
    keys = key_columns(session, table.name.name, [table.column(name) for name in table.key])
    ordered = ", ".join(quote(name) for name in table.key)
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {quote(names.begun(table.number))}"
        f" ({keys}, gen INTEGER, {BEFORE} TEXT, PRIMARY KEY ({ordered}, gen)) WITHOUT ROWID"
    )
    there = session.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (log, BEFORE)).fetchone()
    if there is None:
        session.execute(f"ALTER TABLE {quote(log)} ADD COLUMN {BEFORE} TEXT")


def seal(session: Session, names: Names, table: Tracked, gen: int) -> None:
    """Take from the log what each row's first edit found."""
    if not table.sums:
        return
    log, keys = quote(names.log(table.number)), ", ".join(quote(name) for name in table.key)
    order = next(name for name in ROWID if name not in {key.lower() for key in table.key})
    session.execute(
        f"INSERT INTO {quote(names.begun(table.number))} ({keys}, gen, {BEFORE})"
        f" SELECT {keys}, {gen}, {BEFORE} FROM {log}"
        f" WHERE {order} IN (SELECT min({order}) FROM {log} GROUP BY {keys}) AND {keyed(quote, table)}"
    )
