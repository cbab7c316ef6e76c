"""The table in which a destination keeps the cursors of what it holds, `syncd_cursors`."""

from typing import Final

from syncd.connectors.postgresql.session import Session
from syncd.model.following import cursor_moved
from syncd.model.table import TableName
from syncd.model.writing import Mode, StepKey, StoredCursor, Target

EXISTS: Final = "SELECT to_regclass('syncd_cursors') IS NOT NULL"

CREATE_CURSORS: Final = """
CREATE TABLE IF NOT EXISTS syncd_cursors (
  job text NOT NULL, step text NOT NULL, target text NOT NULL, digest text NOT NULL, revision bigint NOT NULL,
  cursor text NOT NULL, mark text, relation text NOT NULL, row_count bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, step))"""

LOCK: Final = 7_960_318_451
"""Advisory lock under which `syncd_cursors` is created, since IF NOT EXISTS alone can fail in a race."""

SURVEY: Final = """
SELECT k.place, c.revision, c.cursor, c.mark, c.digest, c.row_count, c.relation
  FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS k (job, step, place)
  LEFT JOIN syncd_cursors c ON c.job = k.job AND c.step = k.step
 ORDER BY k.place"""

UPDATE_CURSOR: Final = """
UPDATE syncd_cursors SET target = %s, digest = %s, revision = revision + 1, cursor = %s, mark = %s,
       relation = to_regclass(%s)::oid::text, row_count = %s, updated = now()
 WHERE job = %s AND step = %s AND revision = %s"""

INSERT_CURSOR: Final = """
INSERT INTO syncd_cursors (target, digest, revision, cursor, mark, relation, row_count, job, step)
VALUES (%s, %s, 1, %s, %s, to_regclass(%s)::oid::text, %s, %s, %s) ON CONFLICT DO NOTHING"""

FORGET_OTHERS: Final = """
DELETE FROM syncd_cursors WHERE relation = to_regclass(%s)::oid::text AND NOT (job = %s AND step = %s)"""
"""Whoever replaces all rows of a table makes the cursors of others who filled it worthless."""

LIST: Final = """
SELECT step, target, revision, cursor, mark, digest, row_count,
       to_char(updated AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
  FROM syncd_cursors WHERE job = %s ORDER BY step"""

MOVE: Final = """
UPDATE syncd_cursors SET cursor = %s, mark = %s, revision = revision + 1, updated = now()
 WHERE job = %s AND step = %s AND revision = %s"""

FORGET: Final = "DELETE FROM syncd_cursors WHERE job = %s AND step = %s AND revision = %s"


def store_cursor(
    session: Session, target: Target, table: str, cursor: str, mark: str | None, rows: int
) -> int:
    """Write a step's cursor inside the open transaction; the new revision. `table` is the quoted name.

    Raises:
        BusyError: somebody else moved it since the run looked.
    """
    key = target.key
    values = (str(key.target), target.digest, cursor, mark, table, rows, key.job, key.step)
    if target.revision:
        changed = session.execute(UPDATE_CURSOR, (*values, target.revision)).rowcount
    else:
        changed = session.execute(INSERT_CURSOR, values).rowcount
    if changed != 1:
        raise cursor_moved(key.step, key.job)
    if target.mode in {Mode.REPLACE, Mode.RECREATE}:
        session.execute(FORGET_OTHERS, (table, key.job, key.step))
    return target.revision + 1


def list_cursors(session: Session, job: str) -> list[StoredCursor]:
    """A job's cursors by step; the table must be there."""
    found = []
    for step, target, revision, cursor, mark, digest, rows, updated in session.execute(LIST, (job,)):
        schema, _, name = str(target).rpartition(".")
        key = StepKey(job, step, TableName(name, schema))
        found.append(StoredCursor(key, int(revision), cursor, mark, digest, int(rows), updated))
    return found


def move_cursor(session: Session, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
    """Give a cursor another value, or forget it.

    Raises:
        BusyError: it was moved since it was read.
    """
    at = (stored.key.job, stored.key.step, stored.revision)
    done = session.execute(FORGET, at) if cursor is None else session.execute(MOVE, (cursor, mark, *at))
    if done.rowcount != 1:
        raise cursor_moved(stored.key.step, stored.key.job)
