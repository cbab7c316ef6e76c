"""Rows of a table as they are now, by their keys."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.exchange import Tracked
from syncd.ports import Check
from syncd.repository.node import Node
from syncd.repository.refused import key_text
from syncd.repository.store import Stage, stage_columns

STAGE: Final = "syncd_stage_present"


def present_rows(
    node: Node, table: Tracked, keys: Sequence[Sequence[Any]], check: Check
) -> dict[str, tuple[Any, ...]]:
    """The rows that are there, as images have them, by `key_text`. `keys` are rows with the keys' values.

    Raises:
        RowRejectedError: a value of a key has no form here.

    Cost: one stage and one join.
    """
    store = node.store
    stage = Stage(STAGE, table, table, edits=False)
    only = [
        [value if name in table.key else None for name, value in zip(table.names, key, strict=True)]
        for key in keys
    ]
    store.make_stage(stage)
    store.fill(stage, Batch(Format.ROWS, [(1, *row) for row in only], len(only)), check)
    store.filled(stage)
    place = dict(zip(table.names, stage_columns(table), strict=True))
    meeting = " AND ".join(f"t.{store.quote(name)} = s.{place[name]}" for name in table.key)
    columns = ", ".join(f"t.{store.quote(name)}" for name in table.names)
    select = f"SELECT {columns} FROM {store.text_of(table.name)} t JOIN {STAGE} s ON {meeting}"
    found = [
        row for batch in store.extract(select, table.columns, Format.ROWS, check) for row in tuples_of(batch)
    ]
    store.empty(stage)
    return {key_text(table, row): row for row in found}


def present_row(node: Node, table: Tracked, key: Sequence[Any], check: Check) -> tuple[Any, ...] | None:
    """One row as `present_rows` gives it; None when it is gone."""
    return next(iter(present_rows(node, table, [key], check).values()), None)
