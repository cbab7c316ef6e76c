"""Up to where a check column can be trusted: nothing at or below the mark may appear later.

Two things can put a row below a mark that was taken from the rows one sees: a transaction that began earlier and
commits later, and a row dated in the future that lifts the mark away from the present. So the candidate stays below the
server's clock and below the start of every open transaction. Numbers have no clock: the highest is read first, then the
open transactions are listed, and the candidate becomes the mark when all of them have ended. Listing them needs the right
PROCESS; without it only the lag is left, and the reading says so.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from syncd.connectors.mysql.session import Session
from syncd.errors import FatalError
from syncd.model.table import Kind

LAG: Final = timedelta(seconds=5)
"""How far behind the present the mark stays, for writers that take the time from their own clock."""
FRESH_SECONDS: Final = 0.12
"""The server makes its list of transactions anew when it was not read for a tenth of a second."""

OPEN: Final = """
SELECT IF(trx_mysql_thread_id = 0, CONCAT('prepared/', trx_id), CONCAT(trx_mysql_thread_id, '/', trx_started)),
       CONVERT_TZ(trx_started, 'SYSTEM', '+00:00')
  FROM information_schema.INNODB_TRX
 WHERE trx_mysql_thread_id <> CONNECTION_ID() AND trx_is_read_only = 0"""
"""Transactions go by connection and start: their own number changes with the first write."""

NOW: Final = """
SELECT UTC_TIMESTAMP(6),
       TIMESTAMPDIFF(SECOND, '2026-01-01', CONVERT_TZ('2026-01-01', '+00:00', @@global.time_zone)),
       TIMESTAMPDIFF(SECOND, '2026-07-01', CONVERT_TZ('2026-07-01', '+00:00', @@global.time_zone))"""
SLOWEST_SECONDS: Final = -12 * 3600

TIMES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


@dataclass(frozen=True, slots=True)
class Horizon:
    """The present as a source sees it.

    `upper` is the bound below which a time may become the mark, as text for the column's type; None for columns that
    are no times. `present` is the same without lag, to tell rows dated in the future. `open` are transactions that
    bound the mark by their end, because their start means nothing to the column. `blind`: they may not be seen.
    """

    upper: str | None
    present: str | None
    open: tuple[str, ...]
    blind: bool = False


def look(session: Session, kind: Kind) -> Horizon:
    """Take the horizon; call it before the snapshot, and for numbers after the highest was read."""
    if kind not in TIMES:
        time.sleep(FRESH_SECONDS)
    transactions = _transactions(session)
    blind = transactions is None
    text, *offsets = session.execute(NOW).rows[0]
    if kind not in TIMES:
        return Horizon(None, None, tuple(sorted(number for number, _ in transactions or ())), blind)
    now = datetime.fromisoformat(text)
    # Whoever stamps rows by a clock of its own may have done so a moment before it began.
    upper = min(now, *(start for _, start in transactions)) if transactions else now
    # A value without zone was written by a clock that we do not know: UTC, or the server's in its slowest season.
    behind = 0 if kind is Kind.TIMESTAMPTZ else min(0, *(_seconds(offset) for offset in offsets))
    shift = timedelta(seconds=behind)
    return Horizon(_text(upper - LAG + shift, kind), _text(now + shift, kind), (), blind)


def ended(session: Session, numbers: tuple[str, ...]) -> bool:
    """Have all these transactions ended?"""
    if not numbers:
        return True
    time.sleep(FRESH_SECONDS)
    running = {number for number, _ in _transactions(session) or ()}
    return running.isdisjoint(numbers)


def _transactions(session: Session) -> list[tuple[str, datetime]] | None:
    """Number and start of the open transactions, in UTC; None when they may not be seen."""
    try:
        rows = session.execute(OPEN).rows
    except FatalError as error:
        if error.code != "forbidden":
            raise
        return None
    return [(number, datetime.fromisoformat(start)) for number, start in rows]


def _seconds(text: Any) -> int:
    return SLOWEST_SECONDS if text is None else int(text)


def _text(moment: datetime, kind: Kind) -> str:
    return f"{moment:%Y-%m-%d}" if kind is Kind.DATE else moment.isoformat(sep=" ", timespec="microseconds")
