"""What a MariaDB or MySQL database keeps so that both sides' additions to a column count: its values before edits."""

from typing import Final

from syncd.connectors.mysql.keeping import ORDER, kept
from syncd.connectors.mysql.session import Session, quote
from syncd.model.exchange import Tracked
from syncd.ports import Check
from syncd.repository.addition import mark_of
from syncd.repository.naming import Names
from syncd.repository.store import BEFORE

TOLD_OF: Final = f"GROUP_CONCAT(CONCAT(b.gen, ':', COALESCE(b.{BEFORE}, '?')) SEPARATOR ';')"


def before(table: Tracked, row: str) -> str:
    """What summed columns of a row (OLD, or the name of a table) held, as `addition` reads it; without a row nothing."""
    mark = mark_of(table.sums)
    if not row:
        return f"'{mark}{',' * len(table.sums)}'"
    # Zeros that only fill up go, and a FLOAT has more digits than its own text.
    values = [f"IFNULL(CAST({row}.{quote(name)} + 0 AS CHAR), '')" for name in table.sums]
    return f"CONCAT_WS(',', '{mark}', {', '.join(values)})"


def seal(session: Session, names: Names, table: Tracked, gen: int, taken: str, check: Check) -> None:
    """Keep what each row's first edit found, of those that were taken from the log."""
    if not table.sums:
        return
    key = ", ".join(quote(name) for name in table.key)
    session.execute(
        f"INSERT INTO {kept(session, names.begun(table.number))} ({key}, gen, {BEFORE})"
        f" SELECT {key}, {gen}, {BEFORE} FROM (SELECT {key}, {BEFORE},"
        f" ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {ORDER}) AS syncd_place FROM {taken}) f WHERE syncd_place = 1",
        check=check,
    )
