"""Rules that a database looks at only when the transaction ends: which of the rows that were written would break them."""

from collections.abc import Iterable, Sequence
from typing import Any

from syncd.errors import RowRejectedError
from syncd.repository.store import NUMBER, STATE, ForeignKey, Stage, Store, stage_columns


def is_late(stage: Stage, rule: ForeignKey) -> bool:
    """Is it a rule about rows of that table which is kept only at the end?"""
    return rule.deferred and rule.table.folded == stage.table.name.folded


def dangling(
    store: Store, stage: Stage, rules: Iterable[ForeignKey], states: Sequence[int]
) -> dict[int, RowRejectedError]:
    """Staged rows in one of these states whose row in the table points at nothing now, by their numbers."""
    found: dict[int, RowRejectedError] = {}
    for rule in rules:
        if not is_late(stage, rule):
            continue
        rows: Sequence[Any] = store.run(_question(store, stage, rule, states)).rows
        for row in rows:
            found[int(row[0])] = RowRejectedError(
                f"a row of {stage.table.name} points at a row of {rule.parent} that is not there",
                hint="add the row pointed at again, or change or delete the one that points; it is tried again",
                where=str(stage.table.name),
            )
    return found


def _question(store: Store, stage: Stage, rule: ForeignKey, states: Sequence[int]) -> str:
    table, quote = stage.table, store.quote
    place = dict(zip(table.names, stage_columns(table), strict=True))
    meeting = " AND ".join(f"t.{quote(key)} = s.{place[key]}" for key in table.key)
    points = " AND ".join(
        f"p.{quote(theirs)} = t.{quote(mine)}"
        for mine, theirs in zip(rule.columns, rule.parent_columns, strict=True)
    )
    given = " AND ".join(f"t.{quote(mine)} IS NOT NULL" for mine in rule.columns)
    listed = ", ".join(map(str, states))
    return (
        f"SELECT s.{NUMBER} FROM {stage.name} s JOIN {store.text_of(table.name)} t ON {meeting}"
        f" WHERE s.s_gone = 0 AND s.{STATE} IN ({listed}) AND {given}"
        f" AND NOT EXISTS (SELECT 1 FROM {store.text_of(rule.parent)} p WHERE {points})"
    )
