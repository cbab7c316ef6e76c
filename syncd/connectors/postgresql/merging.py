"""Staged rows into a table: as they are, or matched by key."""

from typing import Final

from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.staging import (
    STAGED,
    Place,
    refuse_repeated,
    refuse_without_key,
    repeated,
)
from syncd.errors import FatalError
from syncd.model.following import unbalanced
from syncd.model.run import Counters

UNIQUE: Final = """
SELECT EXISTS (
  SELECT 1 FROM pg_index i
   WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indimmediate AND i.indisvalid
     AND i.indpred IS NULL AND i.indexprs IS NULL
     AND (SELECT array_agg(quoted ORDER BY quoted COLLATE "C")
            FROM (SELECT '"' || replace(a.attname, '"', '""') || '"' AS quoted FROM pg_attribute a
                   WHERE a.attrelid = i.indrelid
                     AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) n) = %s::text[])"""
"""Is there a unique index on exactly these columns, by which the server can match rows itself?"""


def insert_staged(session: Session, place: Place, arrived: int) -> Counters:
    """Add the staged rows to the table."""
    kept = session.execute(
        f"INSERT INTO {place.text} ({place.names}) OVERRIDING SYSTEM VALUE SELECT {place.names} FROM {STAGED}"
    ).rowcount
    if kept != arrived:
        raise unbalanced(str(place.table.name), arrived, kept)
    return Counters(read=arrived, inserted=arrived)


def merge_staged(session: Session, place: Place, arrived: int, revive: str) -> Counters:
    """Insert the staged rows that are new and update those that differ; the others are left alone.

    `revive` names a column that becomes NULL when its row arrives, or is empty.

    Raises:
        FatalError: two of the rows have the same key (code ``duplicate_key``).
        TransientError: the table did not keep every row (code ``counters_do_not_balance``).
    """
    refuse_without_key(session, place)
    first = place.match[0]
    differs = f"({place.differs} OR t.{quote(revive)} IS NOT NULL)" if revive else place.differs
    counted = session.execute(
        f"SELECT count(*) FILTER (WHERE t.{first} IS NULL),"
        f" count(*) FILTER (WHERE t.{first} IS NOT NULL AND {differs})"
        f" FROM {STAGED} s LEFT JOIN {place.text} t ON {place.meeting}"
    ).fetchone()
    inserted, updated = (int(counted[0]), int(counted[1])) if counted else (0, 0)
    if session.value(UNIQUE, (place.text, sorted(place.match))):
        changed = _upsert(session, place, revive)
    else:
        changed = _update_and_insert(session, place, differs, revive)
    if changed != inserted + updated:
        raise unbalanced(str(place.table.name), inserted + updated, changed)
    return Counters(arrived, inserted, updated, arrived - inserted - updated)


def _upsert(session: Session, place: Place, revive: str) -> int:
    sets = [f"{name} = excluded.{name}" for name in place.others]
    tests = []
    if sets:
        tests.append(f"{place.image('t')} *<> {place.image('excluded')}")
    if revive:
        sets.append(f"{quote(revive)} = NULL")
        tests.append(f"t.{quote(revive)} IS NOT NULL")
    action = f"UPDATE SET {', '.join(sets)} WHERE {' OR '.join(tests)}" if sets else "NOTHING"
    try:
        return session.execute(
            f"INSERT INTO {place.text} AS t ({place.names}) OVERRIDING SYSTEM VALUE SELECT {place.names} FROM {STAGED}"
            f" ON CONFLICT ({', '.join(place.match)}) DO {action}"
        ).rowcount
    except FatalError as error:
        raise repeated(place.table, error.where) if error.code == "duplicate_key" else error from error


def _update_and_insert(session: Session, place: Place, differs: str, revive: str) -> int:
    """The same where no unique index guards the columns: nobody else may write meanwhile."""
    session.execute(f"LOCK TABLE {place.text} IN SHARE ROW EXCLUSIVE MODE")
    refuse_repeated(session, place)
    sets = [f"{name} = s.{name}" for name in place.others]
    if revive:
        sets.append(f"{quote(revive)} = NULL")
    changed = 0
    if sets:
        changed = session.execute(
            f"UPDATE {place.text} AS t SET {', '.join(sets)} FROM {STAGED} s WHERE {place.meeting} AND {differs}"
        ).rowcount
    added = session.execute(
        f"INSERT INTO {place.text} ({place.names}) OVERRIDING SYSTEM VALUE SELECT {place.names} FROM {STAGED} s"
        f" WHERE NOT EXISTS (SELECT 1 FROM {place.text} t WHERE {place.meeting})"
    ).rowcount
    return changed + added
