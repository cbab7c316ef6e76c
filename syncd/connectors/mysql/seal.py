"""The log's rows get a generation: those that are committed, without waiting for the others.

A statement that reads the log and writes elsewhere would wait for rows that are not committed yet, as would one that deletes by a
condition. So the rows are copied first in a way that sees committed ones alone, and then deleted by their numbers.
"""

from contextlib import closing
from typing import Final

from syncd.connectors.mysql import summing
from syncd.connectors.mysql.keeping import ORDER, kept
from syncd.connectors.mysql.loading import Gate, Loading
from syncd.connectors.mysql.reading import Origin, batches_of
from syncd.connectors.mysql.session import Session, quote
from syncd.connectors.mysql.types import read_type
from syncd.model.batch import Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import BEFORE, BORN, HAPPENED, INSERTED, TEXT, WHOLE

TAKEN: Final = "syncd_taken"
BORN_OR_NOT: Final = f"BIT_OR(op) | IF(MIN({ORDER} * 8 + op) % 8 = {INSERTED}, {BORN}, 0)"
"""What happened to a row, and whether the first of it was that it was inserted."""
OWN_NODE: Final = 0
"""Whose edit it is when it was made at the parent itself."""


def seal_child(
    session: Session, names: Names, table: Tracked, gen: int, base: int, *, live: bool, check: Check
) -> int:
    """Take the rows into `own`; how many different ones. `live`: statements see what was committed before they began."""
    if not _take(session, names, table, live=live, check=check):
        return 0
    summing.seal(session, names, table, gen, TAKEN, check)
    key = ", ".join(quote(name) for name in table.key)
    session.execute(
        f"INSERT INTO {kept(session, names.own(table.number))} ({key}, gen, base, op, mask, at)"
        f" SELECT {key}, {gen}, {base}, {BORN_OR_NOT}, CAST(BIT_OR(mask) AS SIGNED), MAX(at) FROM {TAKEN} GROUP BY {key}"
        f" ON DUPLICATE KEY UPDATE gen = VALUES(gen), op = op | (VALUES(op) & {HAPPENED}),"
        " mask = CAST(mask | VALUES(mask) AS SIGNED), at = GREATEST(at, VALUES(at))",
        check=check,
    )
    return _leave(session, names, table, check)


def seal_parent(session: Session, names: Names, table: Tracked, gen: int, *, live: bool, check: Check) -> int:
    """Take the rows into `row` as the parent's own, and into `past` when columns count; how many different ones."""
    if not _take(session, names, table, live=live, check=check):
        return 0
    key = ", ".join(quote(name) for name in table.key)
    session.execute(
        f"INSERT INTO {kept(session, names.row(table.number))} ({key}, gen, nid, ngen, at)"
        f" SELECT {key}, {gen}, {OWN_NODE}, {gen}, MAX(at) FROM {TAKEN} GROUP BY {key}"
        " ON DUPLICATE KEY UPDATE gen = VALUES(gen), nid = VALUES(nid), ngen = VALUES(ngen), at = VALUES(at)",
        check=check,
    )
    if table.by_column:
        session.execute(
            f"INSERT INTO {kept(session, names.past(table.number))} ({key}, gen, mask)"
            f" SELECT {key}, {gen}, CAST(BIT_OR(mask) AS SIGNED) FROM {TAKEN} GROUP BY {key}",
            check=check,
        )
    return _leave(session, names, table, check)


def _take(session: Session, names: Names, table: Tracked, *, live: bool, check: Check) -> bool:
    """Copy the rows that are committed into a temporary table; False when there are none."""
    log = kept(session, names.log(table.number))
    if session.value(f"SELECT EXISTS (SELECT 1 FROM {log})") != "1":
        return False
    session.execute(f"DROP TEMPORARY TABLE IF EXISTS {TAKEN}")
    session.execute(f"CREATE TEMPORARY TABLE {TAKEN} LIKE {log}")
    if live:
        # At this level of isolation alone such a statement does not lock what it reads.
        session.execute(f"INSERT INTO {TAKEN} SELECT * FROM {log}", check=check)
    else:
        _carry(session, log, table, check)
    return True


def _carry(session: Session, log: str, table: Tracked, check: Check) -> None:
    """Read the rows, which only a plain SELECT does without locks, and send them back."""
    columns = (
        Column(ORDER, read_type("bigint unsigned"), nullable=False),
        *(Column(name, table.column(name).type, nullable=False) for name in table.key),
        *(Column(name, WHOLE, nullable=False) for name in ("op", "mask", "at")),
        *([Column(BEFORE, TEXT)] if table.sums else []),
    )
    rows = Table(TableName(TAKEN), columns)
    with closing(batches_of(session, Origin(rows, f"{log} AS t"), Format.COPYTEXT, check)) as batches:
        lines = list(batches)
    loading = Loading(session, Gate(TAKEN, columns, rows, Format.COPYTEXT), str(table.name), check)
    for batch in lines:
        loading.write(batch)
    loading.end()


def _leave(session: Session, names: Names, table: Tracked, check: Check) -> int:
    """Delete what was taken from the log, row by row; how many different keys there were."""
    key = ", ".join(quote(name) for name in table.key)
    session.execute(
        f"DELETE l FROM {TAKEN} s STRAIGHT_JOIN {kept(session, names.log(table.number))} l ON l.{ORDER} = s.{ORDER}",
        check=check,
    )
    rows = int(session.value(f"SELECT COUNT(*) FROM (SELECT 1 FROM {TAKEN} GROUP BY {key}) k"))
    session.execute(f"DROP TEMPORARY TABLE {TAKEN}")
    return rows
