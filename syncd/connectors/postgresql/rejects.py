"""The table of rows that their tables refused, `syncd_rejects`."""

import json
from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.session import Session
from syncd.model.writing import Reject, StepKey

EXISTS: Final = "SELECT to_regclass('syncd_rejects') IS NOT NULL"

LOCK: Final = 7_960_318_452
"""Advisory lock under which the table is created, since IF NOT EXISTS alone can fail in a race."""

CREATE: Final = """
CREATE TABLE IF NOT EXISTS syncd_rejects (
  job text NOT NULL, step text NOT NULL, target text NOT NULL, key text NOT NULL, names text NOT NULL,
  "row" text NOT NULL, reason text NOT NULL, at timestamptz NOT NULL, attempts bigint NOT NULL,
  PRIMARY KEY (job, step, key))"""

SET_ASIDE: Final = """
INSERT INTO syncd_rejects AS r (job, step, target, key, names, "row", reason, at, attempts)
SELECT %s, %s, %s, n.key, n.names, n."row", n.reason, coalesce(nullif(n.at, '')::timestamptz, now()), n.attempts
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
       AS n (key, names, "row", reason, at, attempts)
    ON CONFLICT (job, step, key) DO UPDATE SET target = excluded.target, names = excluded.names,
       "row" = excluded."row", reason = excluded.reason, attempts = r.attempts + excluded.attempts"""

LET_GO: Final = "DELETE FROM syncd_rejects WHERE job = %s AND step = %s AND key = ANY (%s)"

LIST: Final = """
SELECT key, names, "row", reason, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), attempts
  FROM syncd_rejects WHERE job = %s AND step = %s ORDER BY at, key"""


def set_aside(session: Session, step: StepKey, rejects: Sequence[Reject]) -> None:
    """Keep these rows in place of older ones with their keys; tries add up, and the first time stays."""
    if not rejects:
        return
    if not session.value(EXISTS):
        session.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        session.execute(CREATE)
    kept = list({reject.key: reject for reject in rejects}.values())
    session.execute(
        SET_ASIDE,
        (
            step.job,
            step.step,
            str(step.target),
            [reject.key for reject in kept],
            [json.dumps(reject.names, ensure_ascii=False) for reject in kept],
            [reject.values for reject in kept],
            [reject.reason for reject in kept],
            [reject.at for reject in kept],
            [reject.attempts for reject in kept],
        ),
    )


def let_go(session: Session, step: StepKey, keys: Sequence[str]) -> None:
    """Forget the rows with these keys."""
    if keys and session.value(EXISTS):
        session.execute(LET_GO, (step.job, step.step, list(keys)))


def list_rejects(session: Session, step: StepKey) -> list[Reject]:
    """The rows of this step, oldest first; none when there is no such table."""
    if not session.value(EXISTS):
        return []
    return [
        Reject(row[0], tuple(json.loads(row[1])), row[2], row[3], row[4], int(row[5]))
        for row in session.execute(LIST, (step.job, step.step))
    ]
