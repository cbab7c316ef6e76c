"""Which edits of a child meet a version that they were not made on."""

from typing import Any, Final

from syncd.model.batch import Format, tuples_of
from syncd.model.exchange import Rules
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.node import Node
from syncd.repository.store import (
    BORN,
    FACTS_OF_EDITS,
    NUMBER,
    STATE,
    TEXT,
    TOLD,
    WHOLE,
    Stage,
    stage_columns,
)

AT_ONCE: Final = 2_000
"""How many conflicts are in memory."""


def disputed(
    node: Node, stage: Stage, rules: Rules, peer: int, oldest: int, check: Check
) -> list[tuple[Any, ...]]:
    """The next staged edits that were not made on the parent's present version; at most AT_ONCE.

    Each: number, facts, then generation, author, author's generation and moment of our version (0 without one), is our
    row there, then the child's columns, then ours, then TOLD (None where no columns are summed). `peer` is the child's number; versions before `oldest` are forgotten.
    """
    table = stage.table
    quote = node.store.quote
    first = quote(table.key[0])
    place = dict(zip(table.names, stage_columns(table), strict=True))
    row = quote(node.names.row(table.number))
    on = [" AND ".join(f"{side}.{quote(key)} = s.{place[key]}" for key in table.key) for side in ("v", "t")]
    own = f"(v.nid = {peer} AND v.ngen <= s.s_gen)"
    inserted = f"(s.s_op >= {BORN} OR (s.s_op % 2 = 1 AND s.s_op < 4))"
    there = f"t.{first} IS NOT NULL"
    blind = "1 = 1" if table.number in rules.blind else "1 = 0"
    behind = f"(({there} OR v.{first} IS NOT NULL) AND (coalesce(v.gen, 0) > s.s_base OR {blind}))"
    surprise = f"({there} AND {inserted} AND {_unseen(node, stage, rules)})"
    forgotten = (
        f"(s.s_base >= 0 AND s.s_base < {oldest} AND v.{first} IS NULL AND ({there} OR NOT {inserted}))"
    )
    whole = node.store.whole
    facts = ", ".join(f"s.{fact}" for fact in FACTS_OF_EDITS)
    versions = ", ".join(whole(f"coalesce(v.{name}, 0)") for name in ("gen", "nid", "ngen", "at"))
    both = [f"s.{name}" for name in stage_columns(table)] + [f"t.{quote(name)}" for name in table.names]
    both.append(f"s.{TOLD}" if stage.told else "NULL")
    select = (
        f"SELECT {whole(f's.{NUMBER}')}, {facts}, {versions},"
        f" {whole(f'CASE WHEN {there} THEN 1 ELSE 0 END')}, {', '.join(both)}"
        f" FROM {stage.name} s LEFT JOIN {row} v ON {on[0]}"
        f" LEFT JOIN {node.store.text_of(table.name)} t ON {on[1]}"
        f" WHERE s.{STATE} = 0 AND ({behind} OR {surprise} OR {forgotten})"
        f" AND (v.{first} IS NULL OR NOT {own}) ORDER BY s.{NUMBER} LIMIT {AT_ONCE}"
    )
    numbers = [Column(f"n{at}", WHOLE) for at in range(1 + len(FACTS_OF_EDITS) + 5)]
    columns = [*numbers, *table.columns, *table.columns, Column(TOLD, TEXT)]
    found: list[tuple[Any, ...]] = []
    for batch in node.store.extract(select, columns, Format.ROWS, check):
        found += tuples_of(batch)
    return found


def _unseen(node: Node, stage: Stage, rules: Rules) -> str:
    """The condition that our row was never sent to the child, so that it cannot know what it inserts there."""
    table = stage.table
    where = rules.wheres.get(table.number, "")
    if not where:
        # What it has of this table it has wholly: what says insert there has replaced our row.
        return "1 = 0"
    quote = node.store.quote
    place = dict(zip(table.names, stage_columns(table), strict=True))
    keys = ", ".join(quote(key) for key in table.key)
    meeting = " AND ".join(f"w.{quote(key)} = s.{place[key]}" for key in table.key)
    sent = f"SELECT {keys} FROM {node.store.text_of(table.name)} WHERE ({where})"
    return f"NOT EXISTS (SELECT 1 FROM ({sent}) w WHERE {meeting})"
