"""Rows of a tracked table as they are now, found by their keys."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.errors import SyncdError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.exchange import Tracked
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.node import Node
from syncd.repository.placing import is_of_a_row
from syncd.repository.store import NUMBER, WHOLE, Stage, stage_columns

STAGE: Final = "syncd_stage_present"
Row = tuple[Any, ...]


def present_row(node: Node, table: Tracked, key: Sequence[Any], check: Check) -> Row | None:
    """The row as it is now, as images have it; None when it is gone. `key` is a row with the key's values."""
    return _found(node, table, [key], check)[0]


def present_rows(node: Node, table: Tracked, keys: Sequence[Sequence[Any]], check: Check) -> list[Row | None]:
    """The same for several rows, in their order; None also for a key that has no form here."""
    try:
        return _found(node, table, keys, check)
    except SyncdError as error:
        if not is_of_a_row(error):
            raise
        if len(keys) == 1:
            return [None]
        middle = len(keys) // 2
        return [
            row for half in (keys[:middle], keys[middle:]) for row in present_rows(node, table, half, check)
        ]


def _found(node: Node, table: Tracked, keys: Sequence[Sequence[Any]], check: Check) -> list[Row | None]:
    store = node.store
    stage = Stage(STAGE, table, table, edits=False)
    store.make_stage(stage)
    # Other values are not looked for, and may have no form here.
    wanted = [
        (1, *(value if name in table.key else None for name, value in zip(table.names, key, strict=True)))
        for key in keys
    ]
    store.fill(stage, Batch(Format.ROWS, wanted, len(wanted)), check)
    store.filled(stage)
    place = dict(zip(table.names, stage_columns(table), strict=True))
    meeting = " AND ".join(f"t.{store.quote(name)} = s.{place[name]}" for name in table.key)
    columns = ", ".join(f"t.{store.quote(name)}" for name in table.names)
    there = store.whole(f"CASE WHEN t.{store.quote(table.key[0])} IS NULL THEN 0 ELSE 1 END")
    select = (
        f"SELECT {there}, {columns} FROM {STAGE} s LEFT JOIN {store.text_of(table.name)} t ON {meeting}"
        f" ORDER BY s.{NUMBER}"
    )
    given = [Column("there", WHOLE), *table.columns]
    found = [row for batch in store.extract(select, given, Format.ROWS, check) for row in tuples_of(batch)]
    store.empty(stage)
    return [tuple(row[1:]) if int(str(row[0])) else None for row in found]
