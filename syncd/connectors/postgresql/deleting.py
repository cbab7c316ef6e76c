"""Rows that are gone at the source, taken away many at once."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.postgresql.copyin import CopyIn
from syncd.connectors.postgresql.history import end_versions
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.staging import Place
from syncd.connectors.postgresql.types import is_limited_text
from syncd.model.writing import Mode
from syncd.ports import Check

GONE: Final = "syncd_gone"
LISTED: Final = f"pg_temp.{GONE}"


def delete_keys(
    session: Session,
    place: Place,
    keys: Sequence[tuple[object, ...]],
    *,
    mode: Mode,
    mark: str,
    check: Check,
) -> int:
    """Delete the rows with these keys, mark them, or end their active versions; how many there were.

    Cost: the keys are copied into a temporary table, which is joined once.
    """
    if not keys:
        return 0
    limited = {quote(column.name) for column in place.table.columns if is_limited_text(column.type)}
    # As text: a column with a limit would cut blanks off, and another key would be met.
    columns = ", ".join(f"{name}::text AS {name}" if name in limited else name for name in place.match)
    session.execute(
        f"CREATE TEMP TABLE {GONE} ON COMMIT DROP AS SELECT {columns} FROM {place.text} WITH NO DATA"
    )
    copy = CopyIn(session, f"COPY {LISTED} ({', '.join(place.match)}) FROM STDIN", check)
    copy.write_rows(keys)
    copy.end()
    session.execute(f"ANALYZE {LISTED}")
    check()
    if mode is Mode.HISTORY:
        count = end_versions(session, place, LISTED)
    elif mark:
        count = session.execute(
            f"UPDATE {place.text} AS t SET {quote(mark)} = statement_timestamp() FROM {LISTED} s"
            f" WHERE {place.meeting} AND t.{quote(mark)} IS NULL"
        ).rowcount
    else:
        count = session.execute(
            f"DELETE FROM {place.text} AS t USING {LISTED} s WHERE {place.meeting}"
        ).rowcount
    session.execute(f"DROP TABLE {LISTED}")
    return count
