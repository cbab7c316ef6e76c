"""What a SQLite file remembers about the steps that fill it: their cursors, and the rows that were set aside."""

import json
from collections.abc import Sequence
from typing import Any, Final

from syncd.connectors.sqlite.catalog import find_table
from syncd.connectors.sqlite.session import Session
from syncd.model.following import cursor_moved
from syncd.model.table import TableName
from syncd.model.writing import Reject, StepKey, StoredCursor, Target

CURSORS: Final = "syncd_cursors"
REJECTS: Final = "syncd_rejects"
CREATE_CURSORS: Final = f"""CREATE TABLE IF NOT EXISTS {CURSORS} (
  job TEXT NOT NULL, step TEXT NOT NULL, target TEXT NOT NULL, digest TEXT NOT NULL,
  revision INTEGER NOT NULL, cursor TEXT NOT NULL, mark TEXT, relation TEXT NOT NULL,
  row_count INTEGER NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (job, step))"""
CREATE_REJECTS: Final = f"""CREATE TABLE IF NOT EXISTS {REJECTS} (
  job TEXT NOT NULL, step TEXT NOT NULL, target TEXT NOT NULL, key TEXT NOT NULL, names TEXT NOT NULL,
  row TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL, attempts INTEGER NOT NULL,
  PRIMARY KEY (job, step, key))"""
NOW: Final = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

READ_CURSOR: Final = (
    f"SELECT revision, cursor, mark, digest, row_count, relation FROM {CURSORS} WHERE job = ? AND step = ?"
)
LIST_CURSORS: Final = f"SELECT step, target, revision, cursor, mark, digest, row_count, updated FROM {CURSORS} WHERE job = ? ORDER BY step"
UPDATE_CURSOR: Final = (
    f"UPDATE {CURSORS} SET target = ?, digest = ?, revision = revision + 1, cursor = ?, mark = ?, relation = ?,"
    f" row_count = ?, updated = {NOW} WHERE job = ? AND step = ? AND revision = ?"
)
INSERT_CURSOR: Final = (
    f"INSERT INTO {CURSORS} (target, digest, revision, cursor, mark, relation, row_count, updated, job, step)"
    f" SELECT ?, ?, 1, ?, ?, ?, ?, {NOW}, ?, ?"
    f" WHERE NOT EXISTS (SELECT 1 FROM {CURSORS} WHERE job = ?7 AND step = ?8)"
)
MOVE_CURSOR: Final = (
    f"UPDATE {CURSORS} SET cursor = ?, mark = ?, revision = revision + 1, updated = {NOW}"
    " WHERE job = ? AND step = ? AND revision = ?"
)
DROP_CURSOR: Final = f"DELETE FROM {CURSORS} WHERE job = ? AND step = ? AND revision = ?"
FORGET_OTHERS: Final = f"DELETE FROM {CURSORS} WHERE relation = ? AND NOT (job = ? AND step = ?)"
"""Whoever replaces all rows of a table makes the cursors of others who filled it worthless."""
FOLLOW_TABLE: Final = f"UPDATE {CURSORS} SET relation = ? WHERE relation = ?"

SET_ASIDE: Final = (
    f"INSERT INTO {REJECTS} (job, step, target, key, names, row, reason, at, attempts)"
    f" VALUES (?, ?, ?, ?, ?, ?, ?, coalesce(nullif(?, ''), {NOW}), ?)"
    " ON CONFLICT (job, step, key) DO UPDATE SET target = excluded.target, names = excluded.names, row = excluded.row,"
    " reason = excluded.reason, attempts = attempts + excluded.attempts"
)
LET_GO: Final = f"DELETE FROM {REJECTS} WHERE job = ? AND step = ? AND key = ?"
LIST_REJECTS: Final = (
    f"SELECT key, names, row, reason, at, attempts FROM {REJECTS} WHERE job = ? AND step = ? ORDER BY at, key"
)


def relation_of(session: Session, name: str) -> str:
    """What tells this table from another one that was created under its name later."""
    row = session.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return f"{row[0]}" if row else ""


def has_table(session: Session, name: str) -> bool:
    """Is there such a table of ours?"""
    return find_table(session, TableName(name)) is not None


def store_cursor(session: Session, target: Target, cursor: str, mark: str | None, rows: int) -> None:
    """Write a step's cursor within its window's transaction.

    Raises:
        BusyError: somebody else moved it since the run looked.
    """
    relation = relation_of(session, target.table.name.name)
    key = target.key
    values: tuple[Any, ...] = (
        str(key.target), target.digest, cursor, mark, relation, rows, key.job, key.step,
    )  # fmt: skip
    if target.revision:
        changed = session.execute(UPDATE_CURSOR, (*values, target.revision)).rowcount
    else:
        changed = session.execute(INSERT_CURSOR, values).rowcount
    if changed != 1:
        raise cursor_moved(key.step, key.job)


def list_cursors(session: Session, job: str) -> list[StoredCursor]:
    """The cursors of a job, by step."""
    return [
        StoredCursor(StepKey(job, step, TableName(target)), revision, cursor, mark, digest, rows, updated)
        for step, target, revision, cursor, mark, digest, rows, updated in session.execute(
            LIST_CURSORS, (job,)
        ).fetchall()
    ]


def move_cursor(session: Session, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
    """Give a cursor another value, or forget it with None; needs a transaction.

    Raises:
        BusyError: it was moved since `stored` was read.
    """
    key = (stored.key.job, stored.key.step, stored.revision)
    if cursor is None:
        changed = session.execute(DROP_CURSOR, key).rowcount
    else:
        changed = session.execute(MOVE_CURSOR, (cursor, mark, *key)).rowcount
    if changed != 1:
        raise cursor_moved(stored.key.step, stored.key.job)


def set_aside(session: Session, key: StepKey, rejects: Sequence[Reject]) -> None:
    """Keep refused rows; the table for them is made by the first."""
    if not rejects:
        return
    session.execute(CREATE_REJECTS)
    session.insert(
        SET_ASIDE,
        [
            (
                key.job, key.step, str(key.target), each.key, json.dumps(each.names), each.values, each.reason,
                each.at, each.attempts,
            )
            for each in rejects
        ],
    )  # fmt: skip


def let_go(session: Session, key: StepKey, keys: Sequence[str]) -> None:
    """Forget refused rows."""
    if has_table(session, REJECTS):
        session.insert(LET_GO, [(key.job, key.step, each) for each in keys])


def list_rejects(session: Session, key: StepKey) -> list[Reject]:
    """The refused rows of a step, oldest first."""
    if not has_table(session, REJECTS):
        return []
    return [
        Reject(found, tuple(json.loads(names)), row, reason, at, attempts)
        for found, names, row, reason, at, attempts in session.execute(
            LIST_REJECTS, (key.job, key.step)
        ).fetchall()
    ]
