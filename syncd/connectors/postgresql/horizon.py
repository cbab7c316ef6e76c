"""Up to where a check column can be trusted: nothing at or below the mark may appear later.

Two things can put a row below a mark that was taken from the rows one sees: a transaction that began earlier and
commits later, and a row dated in the future that lifts the mark away from the present. So the candidate is taken
before the snapshot, stays below the server's clock and below the start of every transaction whose start we may see,
and becomes the mark only when all transactions that were open without showing their start have ended. Their virtual
numbers stand in pg_locks, which every role may read. At a standby the mark also stays behind the last commit followed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from syncd.connectors.postgresql.session import Session
from syncd.model.table import Kind

LAG: Final = timedelta(seconds=5)
"""How far behind the present the mark stays, for writers that take the time from their own clock."""

OPEN: Final = """
SELECT l.virtualtransaction, a.xact_start
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid()
   AND (a.pid IS NULL OR a.datname = current_database() AND a.usesysid IS NOT NULL)
 UNION ALL
SELECT 'prepared/' || transaction, NULL FROM pg_prepared_xacts WHERE database = current_database()
 UNION ALL
SELECT 'followed/' || txid_snapshot_xmax(shot), NULL FROM txid_current_snapshot() AS shot
 WHERE pg_is_in_recovery() AND txid_snapshot_xmin(shot) < txid_snapshot_xmax(shot)"""
"""Transactions of this database; autovacuum has no user and is left out.

A prepared transaction goes by its own number: the virtual one changes when the server is started anew. A standby does not
know the primary's virtual numbers, but below which number some of its writing transactions have not ended yet.
"""

FOLLOWED: Final = "followed/"
OLDEST: Final = "SELECT txid_snapshot_xmin(txid_current_snapshot())"
NOW: Final = "SELECT now(), CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END"
"""The present; and of a standby, the last commit that it has followed: what was stamped later may still arrive."""

TIMES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


@dataclass(frozen=True, slots=True)
class Horizon:
    """The present as a source sees it.

    `upper` is the bound below which a time may become the mark, as text for the column's type; None for columns that
    are no times. `present` is the same without lag, to tell rows dated in the future. `open` are transactions that
    bound the mark by their end, because their start is hidden or means nothing to the column.
    """

    upper: str | None
    present: str | None
    open: tuple[str, ...]
    standby: bool = False


def look(session: Session, kind: Kind) -> Horizon:
    """Take the horizon; call it before the snapshot."""
    now, followed = session.execute(NOW).fetchall()[0]
    starts: list[datetime] = [] if followed is None else [followed - LAG]
    hidden: list[str] = []
    for number, start in session.execute(OPEN, ()):
        if start is not None and kind in TIMES:
            # Whoever stamps rows by a clock of its own may have done so a moment before it began.
            starts.append(start - LAG)
        else:
            hidden.append(number)
    standby = followed is not None
    if kind not in TIMES:
        return Horizon(None, None, tuple(sorted(hidden)), standby)
    upper = min([now - LAG, *starts])
    zone = session.server_zone
    return Horizon(_text(upper, kind, zone), _text(now, kind, zone), tuple(sorted(hidden)), standby)


def ended(session: Session, numbers: tuple[str, ...]) -> bool:
    """Have all these transactions ended?"""
    if not numbers:
        return True
    followed = [int(number.removeprefix(FOLLOWED)) for number in numbers if number.startswith(FOLLOWED)]
    if followed and int(session.value(OLDEST)) < max(followed):
        return False
    running = {row[0] for row in session.execute(OPEN, ())}
    return running.isdisjoint(number for number in numbers if not number.startswith(FOLLOWED))


def _text(moment: datetime, kind: Kind, zone: str) -> str:
    if kind is Kind.TIMESTAMPTZ:
        return moment.isoformat()
    # A value without zone was written by a clock that we do not know: UTC, or the server's in its slowest season.
    naive = moment.astimezone(UTC).replace(tzinfo=None) + min(timedelta(0), _least_offset(zone, moment))
    return f"{naive:%Y-%m-%d}" if kind is Kind.DATE else naive.isoformat(sep=" ")


def _least_offset(zone: str, moment: datetime) -> timedelta:
    try:
        info = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return timedelta(hours=-12)
    offsets = [
        datetime(moment.year, month, 1, tzinfo=UTC).astimezone(info).utcoffset() or timedelta(0)
        for month in (1, 7)
    ]
    return min(offsets)
