"""Every version of a row, with the time from which and until which it was the present one."""

from typing import Final

from syncd.connectors.postgresql.quoting import plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.staging import STAGED, Place, refuse_repeated, refuse_without_key
from syncd.errors import FatalError
from syncd.model.following import unbalanced
from syncd.model.run import Counters
from syncd.model.table import Table
from syncd.model.writing import ACTIVE, SINCE, UNTIL

_SINCE: Final = quote(SINCE)
_UNTIL: Final = quote(UNTIL)
_ACTIVE: Final = quote(ACTIVE)


def refuse_without_versions(table: Table) -> None:
    """Refuse a table that cannot hold versions.

    Raises:
        FatalError: a column of history mode is missing.
    """
    missing = [name for name in (SINCE, UNTIL, ACTIVE) if table.column(name) is None]
    if missing:
        raise FatalError(
            f"table {table.name} keeps no history: it has no column {', '.join(missing)}",
            hint="name another destination, or let syncd create the table",
            code="column_missing",
        )


def add_versions(session: Session, place: Place, arrived: int) -> Counters:
    """Give each staged row that is new or differs an active version; the one before ends at the same moment.

    Raises:
        FatalError: two of the rows have the same key (code ``duplicate_key``).
        TransientError: the table did not keep every row (code ``counters_do_not_balance``).
    """
    refuse_without_key(session, place)
    # Two writers could both find no active version.
    session.execute(f"LOCK TABLE {place.text} IN SHARE ROW EXCLUSIVE MODE")
    refuse_repeated(session, place)
    first = place.match[0]
    counted = session.execute(
        f"SELECT count(*) FILTER (WHERE t.{first} IS NULL),"
        f" count(*) FILTER (WHERE t.{first} IS NOT NULL AND {place.differs})"
        f" FROM {STAGED} s LEFT JOIN {place.text} t ON {place.meeting} AND t.{_ACTIVE}"
    ).fetchone()
    inserted, updated = (int(counted[0]), int(counted[1])) if counted else (0, 0)
    moment = _moment(session, place, STAGED)
    ended = session.execute(_end(place, STAGED, moment) + f" AND {place.differs}").rowcount
    added = session.execute(
        f"INSERT INTO {place.text} ({place.names}, {_SINCE}, {_UNTIL}, {_ACTIVE}) OVERRIDING SYSTEM VALUE"
        f" SELECT {place.names}, {moment}, NULL, true FROM {STAGED} s"
        f" WHERE NOT EXISTS (SELECT 1 FROM {place.text} t WHERE {place.meeting} AND t.{_ACTIVE})"
    ).rowcount
    if (ended, added) != (updated, inserted + updated):
        raise unbalanced(str(place.table.name), inserted + 2 * updated, ended + added)
    return Counters(arrived, inserted, updated, arrived - inserted - updated)


def end_versions(session: Session, place: Place, gone: str) -> int:
    """End the active versions of the keys in the table `gone`; how many there were."""
    return session.execute(_end(place, gone, _moment(session, place, gone))).rowcount


def _end(place: Place, keys: str, moment: str) -> str:
    return (
        f"UPDATE {place.text} AS t SET {_UNTIL} = {moment}, {_ACTIVE} = false FROM {keys} s"
        f" WHERE {place.meeting} AND t.{_ACTIVE}"
    )


def _moment(session: Session, place: Place, keys: str) -> str:
    """The present as SQL, and later than everything that the versions of these keys say."""
    last = f"max(greatest(t.{_SINCE}, t.{_UNTIL}))"
    text = session.value(
        f"SELECT greatest(clock_timestamp(), {last} + interval '1 microsecond')::text"
        f" FROM {keys} s JOIN {place.text} t ON {place.meeting}"
    )
    return f"{plain_literal(str(text))}::timestamptz"
