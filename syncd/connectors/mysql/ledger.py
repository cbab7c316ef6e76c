"""The tables in which a destination keeps its cursors and the rows that were refused."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final

from syncd.connectors.mysql.session import Session, literal
from syncd.errors import FatalError, NotFoundError
from syncd.model.following import cursor_moved
from syncd.model.table import TableName
from syncd.model.writing import Reject, StepKey, StoredCursor, Target

CURSORS: Final = "syncd_cursors"
REJECTS: Final = "syncd_rejects"

CREATE_CURSORS: Final = """
CREATE TABLE IF NOT EXISTS syncd_cursors (
  job varchar(255) NOT NULL, step varchar(255) NOT NULL, target varchar(255) NOT NULL, digest varchar(255) NOT NULL,
  revision bigint NOT NULL, cursor_text longtext NOT NULL, mark longtext NULL, relation varchar(64) NOT NULL,
  row_count bigint NOT NULL, updated datetime(6) NOT NULL, PRIMARY KEY (job, step)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"""

CREATE_REJECTS: Final = """
CREATE TABLE IF NOT EXISTS syncd_rejects (
  job varchar(255) NOT NULL, step varchar(255) NOT NULL, target varchar(255) NOT NULL, `key` longtext NOT NULL,
  names longtext NOT NULL, `row` longtext NOT NULL, reason longtext NOT NULL, at datetime(6) NOT NULL,
  attempts bigint NOT NULL, key_digest char(64) NOT NULL, PRIMARY KEY (job, step, key_digest)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"""
"""A key may be longer than an index takes: its digest stands for it there."""

UPDATE_CURSOR: Final = """
UPDATE syncd_cursors SET target = %s, digest = %s, revision = revision + 1, cursor_text = %s, mark = %s, relation = %s,
       row_count = %s, updated = UTC_TIMESTAMP(6)
 WHERE job = %s AND step = %s AND revision = %s"""

INSERT_CURSOR: Final = """
INSERT INTO syncd_cursors (target, digest, revision, cursor_text, mark, relation, row_count, job, step, updated)
VALUES (%s, %s, 1, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))"""

FORGET_OTHERS: Final = "DELETE FROM syncd_cursors WHERE relation = %s AND NOT (job = %s AND step = %s)"
"""Whoever replaces all rows of a table makes the cursors of others who filled it worthless."""

SET_ASIDE: Final = """
INSERT INTO syncd_rejects (job, step, target, `key`, names, `row`, reason, at, attempts, key_digest)
VALUES (%s, %s, %s, %s, %s, %s, %s, IFNULL(%s, UTC_TIMESTAMP(6)), %s, %s)
    ON DUPLICATE KEY UPDATE target = VALUES(target), names = VALUES(names), `row` = VALUES(`row`),
       reason = VALUES(reason), attempts = attempts + VALUES(attempts)"""


def store_cursor(
    session: Session, target: Target, relation: str, cursor: str, mark: str | None, rows: int
) -> int:
    """Write the cursor in the open transaction; its new revision.

    Raises:
        BusyError: somebody else moved it since the run looked.
    """
    key = target.key
    values = (str(key.target), target.digest, cursor, mark, relation, rows, key.job, key.step)
    if target.revision:
        if session.execute(UPDATE_CURSOR, (*values, target.revision)).changed != 1:
            raise cursor_moved(key.step, key.job)
        return target.revision + 1
    try:
        session.execute(INSERT_CURSOR, values)
    except FatalError as error:
        if error.code != "key_exists":
            raise
        raise cursor_moved(key.step, key.job) from error
    return 1


def read_cursors(session: Session, keys: Sequence[StepKey]) -> dict[tuple[str, str], tuple[str, ...]]:
    """For each job and step that has one: revision, cursor, mark, digest, rows and relation."""
    if not keys:
        return {}
    pairs = ", ".join(f"({literal(key.job)}, {literal(key.step)})" for key in keys)
    try:
        rows = session.execute(
            "SELECT job, step, revision, cursor_text, mark, digest, row_count, relation FROM syncd_cursors"
            f" WHERE (job, step) IN ({pairs})"
        ).rows
    except NotFoundError:
        return {}
    return {(row[0], row[1]): row[2:] for row in rows}


def cursors_of(session: Session, job: str) -> list[StoredCursor]:
    """The cursors of a job, by step."""
    try:
        rows = session.execute(
            "SELECT step, target, revision, cursor_text, mark, digest, row_count, updated FROM syncd_cursors"
            " WHERE job = %s ORDER BY step",
            (job,),
        ).rows
    except NotFoundError:
        return []
    return [
        StoredCursor(
            StepKey(job, step, _name(target)),
            int(revision),
            cursor,
            mark,
            digest,
            int(count),
            f"{updated.replace(' ', 'T')}Z",
        )
        for step, target, revision, cursor, mark, digest, count, updated in rows
    ]


def put_cursor(session: Session, stored: StoredCursor, cursor: str | None, mark: str | None) -> None:
    """Give a stored cursor another value, or forget it with None.

    Raises:
        BusyError: it was moved since `stored` was read.
    """
    place = (stored.key.job, stored.key.step, stored.revision)
    if cursor is None:
        sql, values = "DELETE FROM syncd_cursors WHERE job = %s AND step = %s AND revision = %s", place
    else:
        sql = (
            "UPDATE syncd_cursors SET cursor_text = %s, mark = %s, revision = revision + 1, updated = UTC_TIMESTAMP(6)"
            " WHERE job = %s AND step = %s AND revision = %s"
        )
        values = (cursor, mark, *place)  # type: ignore[assignment] # a longer row of values
    if session.execute(sql, values).changed != 1:
        raise cursor_moved(stored.key.step, stored.key.job)


def set_aside(session: Session, key: StepKey, rejects: Sequence[Reject]) -> None:
    """Keep refused rows in the open transaction, in place of older ones with their keys."""
    for reject in rejects:
        session.execute(
            SET_ASIDE,
            (
                key.job,
                key.step,
                str(key.target),
                reject.key,
                json.dumps(reject.names, ensure_ascii=False),
                reject.values,
                reject.reason,
                reject.at.rstrip("Z").replace("T", " ") or None,
                reject.attempts,
                _digest(reject.key),
            ),
        )


def let_go(session: Session, key: StepKey, keys: Sequence[str]) -> None:
    """Forget the refused rows with these keys."""
    for start in range(0, len(keys), 1000):
        digests = ", ".join(literal(_digest(each)) for each in keys[start : start + 1000])
        try:
            session.execute(
                f"DELETE FROM syncd_rejects WHERE job = %s AND step = %s AND key_digest IN ({digests})",
                (key.job, key.step),
            )
        except NotFoundError:
            return


def rejects_of(session: Session, key: StepKey) -> list[Reject]:
    """The rows of a step that were set aside, oldest first."""
    try:
        rows = session.execute(
            "SELECT `key`, names, `row`, reason, at, attempts FROM syncd_rejects WHERE job = %s AND step = %s ORDER BY at, `key`",
            (key.job, key.step),
        ).rows
    except NotFoundError:
        return []
    return [
        Reject(each, tuple(json.loads(names)), row, reason, f"{at.replace(' ', 'T')}Z", int(attempts))
        for each, names, row, reason, at, attempts in rows
    ]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _name(text: str) -> TableName:
    schema, _, name = text.rpartition(".")
    return TableName(name, schema)
