"""Columns that a child has for the first time: what it lacks there is no edit, and takes nothing from the parent."""

from collections.abc import Sequence

from syncd.model.exchange import UNKNOWN_BASE
from syncd.repository.node import Node
from syncd.repository.placing import SAME
from syncd.repository.store import STATE, Stage, stage_columns


def fill_gained(node: Node, stage: Stage, gained: Sequence[str]) -> None:
    """Give staged rows the parent's values in these columns where the child has none.

    Where both have a value and they differ, nobody knows which came first: that is judged as a conflict.
    """
    if not gained:
        return
    store, table = node.store, stage.table
    place = dict(zip(table.names, stage_columns(table), strict=True))
    text = store.text_of(table.name)
    ours = {name: f"t.{store.quote(name)}" for name in table.names}
    meeting = " AND ".join(f"{ours[key]} = s.{place[key]}" for key in table.key)
    there = f"EXISTS (SELECT 1 FROM {text} t WHERE {meeting}"
    for name in gained:
        theirs = f"s.{place[name]}"
        store.run(
            f"UPDATE {stage.name} AS s SET {place[name]} = (SELECT {ours[name]} FROM {text} t WHERE {meeting})"
            f" WHERE s_gone = 0 AND s.{place[name]} IS NULL AND {there})"
        )
        unlike = store.differs(table, [name], "t", "s")
        store.run(
            f"UPDATE {stage.name} AS s SET s_base = {UNKNOWN_BASE} WHERE s_gone = 0 AND {theirs} IS NOT NULL"
            f" AND {there} AND {ours[name]} IS NOT NULL AND {unlike})"
        )
    unlike = store.differs(table, table.names, "t", "s")
    store.run(
        f"UPDATE {stage.name} AS s SET {STATE} = {SAME} WHERE s_gone = 0 AND {there} AND NOT ({unlike}))"
    )
