"""Gives a table of a SQLite file more columns, or wider ones.

SQLite can add a column; for another type the table is made anew, in the order that its documentation gives under
"Making Other Kinds Of Table Schema Changes", and nothing of it is lost.
"""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.sqlite import ledger
from syncd.connectors.sqlite.definition import Creation, read_creation, strict_type
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.storage import affinity_of
from syncd.connectors.sqlite.types import declaration
from syncd.errors import FatalError, SyncdError
from syncd.model.table import Column
from syncd.ports import Check

NEW: Final = "syncd_altered"
ROWID_NAMES: Final = ("rowid", "_rowid_", "oid")


def alteration(session: Session, name: str, add: Sequence[Column], widen: Sequence[Column]) -> list[str]:
    """The statements that add columns to a table and give others another type.

    Raises:
        FatalError: it is a view, or a virtual table.
    """
    row = session.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
    ).fetchone()
    if row is None:
        raise FatalError(f"{name} is no table", hint="only tables can be altered")
    creation = read_creation(str(row[0]))
    if widen:
        return _rebuilding(session, name, creation, add, widen)
    return [
        f"ALTER TABLE {quote(name)} ADD COLUMN {quote(column.name)} {_declared(creation, column)}"
        for column in add
    ]


def alter(session: Session, name: str, add: Sequence[Column], widen: Sequence[Column], check: Check) -> None:
    """Do it in one transaction; the cursors of all jobs follow the table."""
    # Neither dropping the old table nor naming the new one shall touch what refers to them.
    session.execute("PRAGMA foreign_keys=OFF")
    session.execute("PRAGMA legacy_alter_table=ON")
    try:
        session.begin_writing(check)
        before = ledger.relation_of(session, name)
        for statement in alteration(session, name, add, widen):
            check()
            session.execute(statement)
        if ledger.has_table(session, ledger.CURSORS):
            session.execute(ledger.FOLLOW_TABLE, (ledger.relation_of(session, name), before))
        session.patient("COMMIT", check)
    finally:
        session.rollback()
        session.execute("PRAGMA legacy_alter_table=OFF")


def _rebuilding(
    session: Session, name: str, creation: Creation, add: Sequence[Column], widen: Sequence[Column]
) -> list[str]:
    wide = {column.name.lower(): column for column in widen}
    types = {
        each.name: _declared(creation, wide[each.name.lower()])
        for each in creation.columns
        if each.name.lower() in wide
    }
    added = [(column.name, _declared(creation, column)) for column in add]
    names, values = _copied(session, name, types)
    kept = session.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        " ORDER BY type",
        (name,),
    ).fetchall()
    sequence = []
    if ledger.has_table(session, "sqlite_sequence"):
        sequence = [
            f"UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = {_text(name)}), 0))"
            f" WHERE name = {_text(NEW)}"
        ]
    return [
        creation.changed(NEW, types, added),
        f"INSERT INTO {quote(NEW)} ({names}) SELECT {values} FROM {quote(name)}",
        *sequence,
        f"DROP TABLE {quote(name)}",
        f"ALTER TABLE {quote(NEW)} RENAME TO {quote(name)}",
        *(str(row[0]) for row in kept),
    ]


def _copied(session: Session, name: str, types: dict[str, str]) -> tuple[str, str]:
    """The columns that are copied, and the expressions for them; computed columns compute themselves."""
    columns = [
        row[1] for row in session.execute(f"PRAGMA table_xinfo({quote(name)})").fetchall() if row[6] == 0
    ]
    values = [
        # SQLite's own conversion would cut a fraction to 15 digits.
        f"syncd_text({quote(column)})" if affinity_of(types.get(column, "BLOB")) == "text" else quote(column)
        for column in columns
    ]
    names = [quote(column) for column in columns]
    taken = {column.lower() for column in columns}
    rowid = next((each for each in ROWID_NAMES if each not in taken), None)
    if rowid is not None and _has_rowid(session, name, rowid):
        return ", ".join([rowid, *names]), ", ".join([rowid, *values])
    return ", ".join(names), ", ".join(values)


def _has_rowid(session: Session, name: str, rowid: str) -> bool:
    try:
        session.execute(f"SELECT {rowid} FROM {quote(name)} LIMIT 0")
    except SyncdError:
        return False
    return True


def _declared(creation: Creation, column: Column) -> str:
    return strict_type(column) if creation.strict else declaration(column)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
